use std::fmt::Write;

use super::{Dataset, Images};

/// Characters a line.
const WIDTH: usize = 100;
/// Classes above this number are set in columns.
const ONE_COLUMN: usize = 20;
/// Classes above this number are counted only.
const LISTED: usize = 200;
/// Characters of a class name.
const NAME: usize = 32;

/// A text table for people: images, size, normalisation, and the images of each class.
pub fn describe(data: &Dataset) -> String {
    let (train, test) = (&data.train, &data.test);
    let classes = data.classes.len();
    let (in_train, in_test) = (counts(train, classes), counts(test, classes));
    let triple = |values: [f32; 3]| values.map(|value| format!("{value:.4}")).join("  ");
    let mut text = format!("{}\n", printable(&data.name));
    for (key, value) in [
        ("images", format!("{} train, {} test", train.len(), test.len())),
        ("size", format!("{} x {} x {} (channels, height, width)", train.channels, train.height, train.width)),
        ("mean", triple(data.mean)),
        ("std", triple(data.std)),
        ("classes", format!("{classes}, each of {} train and {} test images", range(&in_train), range(&in_test))),
    ] {
        let _ = writeln!(text, "  {key:<8} {value}");
    }

    let names: Vec<String> =
        data.classes.iter().take(LISTED).map(|name| printable(name).chars().take(NAME).collect()).collect();
    let name_width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let digits = |counts: &[usize]| counts.iter().max().map_or(1, |most| most.to_string().len());
    let (train_width, test_width) = (digits(&in_train), digits(&in_test));
    let cells: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(class, name)| {
            let (train, test) = (in_train[class], in_test[class]);
            format!("  {class:>3} {name:<name_width$} {train:>train_width$} / {test:>test_width$}")
        })
        .collect();
    let cell_width = cells.first().map_or(1, |cell| cell.chars().count());
    let columns = if classes > ONE_COLUMN { (WIDTH / cell_width).max(1) } else { 1 };
    let rows = cells.len().div_ceil(columns);
    for row in 0..rows {
        // Down the columns, as `ls` has it.
        let line: String = cells.iter().skip(row).step_by(rows).map(String::as_str).collect();
        let _ = writeln!(text, "{line}");
    }
    if classes > LISTED {
        let _ = writeln!(text, "  and {} more", classes - LISTED);
    }
    text
}

/// Images of each class.
fn counts(images: &Images, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for &label in &images.labels {
        if let Some(count) = counts.get_mut(label as usize) {
            *count += 1;
        }
    }
    counts
}

/// `5`, or `3 to 8`.
fn range(counts: &[usize]) -> String {
    match (counts.iter().min(), counts.iter().max()) {
        (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
        (_, most) => most.unwrap_or(&0).to_string(),
    }
}

/// A name from a file, without what would move a terminal's cursor.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(classes: usize) -> Dataset {
        let mut train = Images::new(1, 1);
        train.labels = (0..classes as u32).chain([0]).collect();
        train.pixels = vec![0; 3 * train.len()];
        let names = (0..classes).map(|class| format!("class-{class}\x1b")).collect();
        Dataset::new("tiny".to_owned(), names, train.clone(), train)
    }

    #[test]
    fn few_classes_have_a_line_each() {
        let expected = "tiny\n  images   3 train, 3 test\n  size     3 x 1 x 1 (channels, height, width)\n  \
                        mean     0.0000  0.0000  0.0000\n  std      1.0000  1.0000  1.0000\n  \
                        classes  2, each of 1 to 2 train and 1 to 2 test images\n    \
                        0 class-0? 2 / 2\n    1 class-1? 1 / 1\n";
        assert_eq!(describe(&dataset(2)), expected);
    }

    #[test]
    fn many_classes_fit() {
        for (classes, lines) in [(21, 12), (100, 31), (1000, 60)] {
            let text = describe(&dataset(classes));
            assert!(text.lines().count() <= lines, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
            assert!(text.contains(&format!("class-{}?", classes.min(LISTED) - 1)), "{text}");
        }
    }
}
