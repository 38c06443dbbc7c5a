//! Formats numbers and tables for people.

pub use crate::report::flops;
pub use crate::words::{count, number_are, number_of, short};

/// Bytes with a binary unit.
pub fn bytes(number: u64) -> String {
    match number {
        0..1024 => format!("{number} B"),
        1024..1_048_576 => format!("{:.1} KiB", number as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", number as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", number as f64 / 1_073_741_824.0),
    }
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// Columns that are used at most, where it is not a table that needs more, and at least.
const WIDTH: usize = 100;
const LEAST_WIDTH: usize = 40;

/// Columns for lines on `stream`: those of a terminal, as far as a line is read with ease.
#[cfg(unix)]
pub fn columns(stream: &impl std::os::fd::AsFd) -> usize {
    fitting(terminal_size::terminal_size_of(stream))
}

/// Columns for lines on `stream`: those of a terminal, as far as a line is read with ease.
#[cfg(windows)]
pub fn columns(stream: &impl std::os::windows::io::AsHandle) -> usize {
    fitting(terminal_size::terminal_size_of(stream))
}

fn fitting(size: Option<(terminal_size::Width, terminal_size::Height)>) -> usize {
    size.map_or(WIDTH, |(width, _)| usize::from(width.0).clamp(LEAST_WIDTH, WIDTH))
}

/// The words of `text` on lines that fit the standard output.
pub fn fold(text: &str) -> String {
    fold_to(text, columns(&std::io::stdout()))
}

/// The words of `text` on lines of at most `width` columns, the second and on indented by two; the first keeps its indent. What
/// stands in backticks is for copying, and stays on one line.
pub fn fold_to(text: &str, width: usize) -> String {
    let words = text.trim_start();
    let mut at = text.len() - words.len();
    let mut folded = " ".repeat(at);
    let mut quoted = false;
    let ends_word = |c: char| {
        quoted ^= c == '`';
        c == '\n' || (c == ' ' && !quoted)
    };
    for (number, word) in words.split(ends_word).enumerate() {
        let columns = word.chars().count();
        if number > 0 && at + 1 + columns > width {
            folded += "\n  ";
            at = 2;
        } else if number > 0 {
            folded.push(' ');
            at += 1;
        }
        folded += word;
        at += columns;
    }
    folded + "\n"
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
        assert_eq!([12, 2048, 3 << 20, 5 << 30].map(bytes), ["12 B", "2.0 KiB", "3.0 MiB", "5.00 GiB"]);
    }

    #[test]
    fn lines_fold_between_words() {
        assert_eq!((fold("a b").as_str(), fold("  a b").as_str()), ("a b\n", "  a b\n"));
        let text = fold(&["word"; 60].join(" "));
        assert!(text.lines().all(|line| line.len() <= 100) && text.lines().count() == 4, "{text}");
        assert_eq!(text.split_whitespace().count(), 60);
        // What is to be copied is not broken, and what came in lines has the same width.
        assert_eq!(fold_to("use this: `itop x`, or\nnot", 12), "use this:\n  `itop x`,\n  or not\n");
    }

    #[test]
    fn tables_line_up() {
        let text = table(&["a", "b"], &[vec!["long".into(), "1".into()], vec!["x".into(), "1000".into()]]);
        assert_eq!(text, "a        b\nlong     1\nx     1000\n");
    }
}
