//! Numbers and lists as people read them, in messages and on pages alike.

use std::fmt::Display;

/// A whole number in groups of three digits: `1234567` as `1,234,567`.
pub fn count(number: impl Display) -> String {
    let digits = number.to_string();
    let comma = |i: usize| if i > 0 && (digits.len() - i).is_multiple_of(3) { "," } else { "" };
    digits.chars().enumerate().map(|(i, digit)| format!("{}{digit}", comma(i))).collect()
}

/// `1 epoch`, `12 epochs`, `3 classes`
pub fn number_of(number: usize, what: &str) -> String {
    let ending = match number {
        1 => "",
        _ if what.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {what}{ending}", count(number))
}

/// `1 epoch is`, `12 epochs are`
pub fn number_are(number: usize, what: &str) -> String {
    format!("{} {}", number_of(number, what), if number == 1 { "is" } else { "are" })
}

/// A rate, in as many digits as are read.
pub fn short(number: f64) -> String {
    match number.abs() {
        0.0 | 1e-3..1e4 => format!("{}", (1e6 * number).round() / 1e6),
        _ => format!("{number:.2e}"),
    }
}

/// What would fill a screen is cut: the first dozen of `items`, and how many more there are.
pub fn listed(separator: &str, items: &[String]) -> String {
    const MOST: usize = 12;
    let more = (items.len() > MOST).then(|| format!("and {} more", count(items.len() - MOST)));
    items.iter().take(MOST).cloned().chain(more).collect::<Vec<_>>().join(separator)
}

/// The program's version as results record it, with the commit where the build was told one by `ITOP_COMMIT`. (A build that
/// looked for the commit itself would be made anew after every one.)
pub fn version() -> String {
    let commit = option_env!("ITOP_COMMIT").filter(|commit| !commit.is_empty());
    let number = env!("CARGO_PKG_VERSION");
    commit.map_or_else(|| number.into(), |commit| format!("{number} ({commit})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_have_their_plurals() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 0, 1200].map(|n| number_of(n, "step")), ["1 step", "0 steps", "1,200 steps"]);
        assert_eq!(
            [number_of(3, "class"), number_are(1, "row"), number_are(2, "row")],
            ["3 classes", "1 row is", "2 rows are"]
        );
    }

    #[test]
    fn rates_are_short() {
        assert_eq!([0.1, 0.001, 1e-5, 0.0, 12.0].map(short), ["0.1", "0.001", "1.00e-5", "0", "12"]);
    }

    #[test]
    fn long_lists_are_cut() {
        let items = |number: usize| (0..number).map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(listed("; ", &items(2)), "0; 1");
        assert!(listed(", ", &items(12)).ends_with(", 10, 11"));
        assert!(listed(", ", &items(14)).ends_with(", 11, and 2 more"));
    }
}
