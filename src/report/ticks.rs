//! The numbers on an axis: few, round, and no two alike.

use std::ops::Range;

/// A mark of an axis: where it is, and its text.
pub type Tick = (f64, String);

/// Numbers from 1,000,000,000 on and below 0.001 are written as powers of ten.
const LARGEST: f64 = 1e9;
const LEAST: f64 = 1e-3;

/// At most `most` (two or more) marks in `range`, at multiples of 1, 2 or 5 times a power of ten, each with `unit` behind it.
/// `whole`: at whole numbers only.
pub fn ticks(range: &Range<f64>, most: usize, whole: bool, unit: &str) -> Vec<Tick> {
    let most = most.max(2) as f64;
    let span = range.end - range.start;
    if !(span.is_finite() && span > 0.0) {
        return Vec::new();
    }
    // The first step that leaves few enough, from one that leaves ten times too many.
    let least = (span / most).log10().floor() as i32 - 1;
    let steps = (least..).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| Step { digit, power }));
    let fits = |step: &Step| {
        let (first, last) = step.within(range);
        last - first < most && (!whole || step.power >= 0)
    };
    let Some(step) = steps.take(400).find(fits) else { return Vec::new() };
    let (first, last) = step.within(range);
    let largest = range.start.abs().max(range.end.abs());
    let values = (0..=(last - first) as usize).map(|i| step.value(first + i as f64));
    let mut ticks: Vec<Tick> = values.map(|value| (value, step.text(value, largest) + unit)).collect();
    // Steps that are lost in the numbers' own precision.
    ticks.dedup_by(|a, b| a.0 == b.0 || a.1 == b.1);
    ticks
}

/// `digit` · 10^`power`
struct Step {
    digit: f64,
    power: i32,
}

impl Step {
    /// The multiples within a range, the ends as well if they are met up to rounding.
    fn within(&self, range: &Range<f64>) -> (f64, f64) {
        let size = self.digit * 10f64.powi(self.power);
        ((range.start / size - 1e-9).ceil(), (range.end / size + 1e-9).floor())
    }

    /// The multiple `number`, as near to the decimal number as can be: never 6e-17 for 0.
    fn value(&self, number: f64) -> f64 {
        // Adding 0 turns −0 to 0.
        let digits = number * self.digit + 0.0;
        if self.power < 0 { digits / 10f64.powi(-self.power) } else { digits * 10f64.powi(self.power) }
    }

    /// With as many decimals as the step has, so that neighbours differ.
    fn text(&self, value: f64, largest: f64) -> String {
        let decimals = |unit: i32| (unit - self.power).max(0) as usize;
        if value == 0.0 {
            return "0".into();
        }
        if !(LEAST..LARGEST).contains(&largest) {
            let power = largest.log10().floor() as i32;
            return format!("{:.*}e{power}", decimals(power), value / 10f64.powi(power));
        }
        for (unit, name) in [(6, "M"), (3, "k")] {
            if largest >= 10f64.powi(unit.max(4)) && decimals(unit) <= 1 {
                return format!("{:.*}{name}", decimals(unit), value / 10f64.powi(unit));
            }
        }
        format!("{value:.*}", decimals(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(low: f64, high: f64, most: usize, whole: bool) -> Vec<String> {
        ticks(&(low..high), most, whole, "").into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn numbers_are_round_and_as_exact_as_their_step() {
        assert_eq!(texts(-0.03, 0.12, 6, false), ["0", "0.05", "0.10"]);
        assert_eq!(texts(0.048, 0.072, 6, false), ["0.050", "0.055", "0.060", "0.065", "0.070"]);
        assert_eq!(texts(0.0, 100.0, 6, false), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(texts(1.0, 2.0, 6, true), ["1", "2"]);
        assert_eq!(texts(0.0, 25_000.0, 6, true), ["0", "5k", "10k", "15k", "20k", "25k"]);
        assert_eq!(texts(0.0, 2.5e6, 6, true), ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"]);
        assert_eq!(texts(0.0, 1.2e-5, 4, false), ["0", "0.5e-5", "1.0e-5"]);
        assert_eq!(texts(1e12, 1.2e12, 3, false), ["1.0e12", "1.1e12", "1.2e12"]);
        assert_eq!(ticks(&(0.0..1.0), 3, false, " %")[1], (0.5, "0.5 %".to_string()));
    }

    #[test]
    fn no_range_has_two_alike_or_too_many() {
        let ends = [
            -1e300,
            -1e9,
            -123.4,
            -1.0,
            -1e-7,
            0.0,
            1e-300,
            1e-9,
            0.07,
            0.3,
            1.0,
            1.0 + 1e-15,
            99.99,
            12_345.6,
            1e15,
            1e300,
        ];
        for (low, high) in ends.iter().flat_map(|&low| ends.iter().map(move |&high| (low, high))) {
            for most in 2..9 {
                for whole in [false, true] {
                    let found = ticks(&(low..high), most, whole, "");
                    let mut texts: Vec<&String> = found.iter().map(|(_, text)| text).collect();
                    assert!(found.len() <= most, "{low}..{high}: {texts:?}");
                    assert!(found.iter().all(|&(at, _)| !whole || at.fract() == 0.0), "{low}..{high}: {texts:?}");
                    assert!(found.iter().all(|(_, text)| text != "-0" && text.len() < 320), "{texts:?}");
                    texts.sort();
                    texts.dedup();
                    assert_eq!(texts.len(), found.len(), "{low}..{high} in {most}");
                }
            }
        }
        // A range of everyday size always has some.
        for high in [0.001, 0.02, 0.5, 1.0, 3.0, 7.7, 1e4, 1e8] {
            assert!(ticks(&(0.0..high), 6, false, "").len() >= 3, "{high}");
        }
    }

    /// What once stood on an axis as −6e-17.
    #[test]
    fn zero_is_zero() {
        for (low, high) in [(-0.3, 0.3), (-1e-16, 1e-16), (-0.6, 0.1), (-7.0, 7.0)] {
            for (at, text) in ticks(&(low..high), 7, false, "") {
                assert!(at == 0.0 || at.abs() > 1e-3 * (high - low), "{at}");
                assert_eq!(at == 0.0, text == "0", "{at}: {text}");
            }
        }
    }
}
