//! Formats numbers and tables for people.

pub use crate::report::flops;
pub use crate::words::{count, number_are, number_of};

/// Bytes with a binary unit.
pub fn bytes(number: u64) -> String {
    match number {
        0..1024 => format!("{number} B"),
        1024..1_048_576 => format!("{:.1} KiB", number as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", number as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", number as f64 / 1_073_741_824.0),
    }
}

/// A rate, in as many digits as are read.
pub fn short(number: f64) -> String {
    match number.abs() {
        0.0 | 1e-3..1e4 => format!("{}", (1e6 * number).round() / 1e6),
        _ => format!("{number:.2e}"),
    }
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// Columns of a terminal that are used, where it is not a table that needs more.
const WIDTH: usize = 100;

/// The words of `line` on lines that fit, the second and on indented by two; the first keeps its indent.
pub fn fold(line: &str) -> String {
    let words = line.trim_start();
    let mut columns = line.len() - words.len();
    let mut text = " ".repeat(columns);
    for (number, word) in words.split(' ').enumerate() {
        let width = word.chars().count();
        if number > 0 && columns + 1 + width > WIDTH {
            text += "\n  ";
            columns = 2;
        } else if number > 0 {
            text.push(' ');
            columns += 1;
        }
        text += word;
        columns += width;
    }
    text + "\n"
}

/// Columns under their heads: the first to the left, the others to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..head.len())
        .map(|c| rows.iter().map(|row| row[c].chars().count()).chain([head[c].len()]).max().unwrap_or(0))
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (c, (cell, &width)) in cells.zip(&widths).enumerate() {
            if c == 0 {
                text += &format!("{cell:<width$}");
            } else {
                text += &format!("  {cell:>width$}");
            }
        }
        text.trim_end().to_string() + "\n"
    };
    let mut text = line(&mut head.iter().copied());
    for row in rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(
            [3e6, 3.28e10, 2.5e13, 4e18].map(flops),
            ["3.00 MFLOP", "32.80 GFLOP", "25.00 TFLOP", "4000.00 PFLOP"]
        );
        assert_eq!([0.1, 0.001, 1e-5, 0.0, 12.0].map(short), ["0.1", "0.001", "1.00e-5", "0", "12"]);
        assert_eq!([12, 2048, 3 << 20, 5 << 30].map(bytes), ["12 B", "2.0 KiB", "3.0 MiB", "5.00 GiB"]);
    }

    #[test]
    fn lines_fold_between_words() {
        assert_eq!((fold("a b").as_str(), fold("  a b").as_str()), ("a b\n", "  a b\n"));
        let text = fold(&["word"; 60].join(" "));
        assert!(text.lines().all(|line| line.len() <= 100) && text.lines().count() == 4, "{text}");
        assert_eq!(text.split_whitespace().count(), 60);
    }

    #[test]
    fn tables_line_up() {
        let text = table(&["a", "b"], &[vec!["long".into(), "1".into()], vec!["x".into(), "1000".into()]]);
        assert_eq!(text, "a        b\nlong     1\nx     1000\n");
    }
}
