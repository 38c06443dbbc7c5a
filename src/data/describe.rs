use std::fmt::Write;

use super::{Dataset, Images};
use crate::words::number_of;

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
    let classes = data.classes.len();
    let named =
        [Some(("train", &data.train)), data.val.as_ref().map(|val| ("validation", val)), Some(("test", &data.test))];
    let parts: Vec<(&str, &Images)> = named.into_iter().flatten().collect();
    let of_class: Vec<Vec<usize>> = parts.iter().map(|(_, images)| images.counts(classes)).collect();
    let each = |of: &dyn Fn(usize) -> String| -> Vec<String> {
        (0..parts.len()).map(|part| format!("{} {}", of(part), parts[part].0)).collect()
    };
    let images = if of_class.iter().flatten().all(|&count| count == 1) { " image" } else { " images" };
    let each_channel = |values: &[f32]| values.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join("  ");
    let train = &data.train;
    let mut text = format!("{}\n", printable(&data.name));
    for (key, value) in [
        ("images", each(&|part| parts[part].1.len().to_string()).join(", ")),
        ("size", format!("{} x {} x {} (channels, height, width)", train.channels, train.height, train.width)),
        ("mean", each_channel(&data.mean)),
        ("std", each_channel(&data.std)),
        ("classes", format!("{classes}, each of {}", and(&each(&|part| range(&of_class[part]))) + images)),
    ] {
        let _ = writeln!(text, "  {key:<8} {value}");
    }
    if data.val.is_some() {
        text += "  the validation set chooses the best epoch: no train image is held out for that\n";
    }

    let names: Vec<String> =
        data.classes.iter().take(LISTED).map(|name| printable(name).chars().take(NAME).collect()).collect();
    let name_width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let digits = |counts: &Vec<usize>| counts.iter().max().map_or(1, |most| most.to_string().len());
    let widths: Vec<usize> = of_class.iter().map(digits).collect();
    let cells: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(class, name)| {
            let counts = of_class.iter().zip(&widths).map(|(counts, &width)| format!("{:>width$}", counts[class]));
            format!("  {class:>3} {name:<name_width$} {}", counts.collect::<Vec<_>>().join(" / "))
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

/// What to know of `data` before a result of it is believed: classes that are missing somewhere or have one name, images that are
/// in two parts.
pub fn warnings(data: &Dataset) -> Vec<String> {
    let classes = data.classes.len();
    let counts = |images: &Images| images.counts(classes);
    let train = counts(&data.train);
    let lacking = |counts: &[usize]| -> Vec<usize> {
        (0..classes).filter(|&class| counts[class] == 0 && train[class] > 0).collect()
    };
    let mut warnings = Vec::new();
    if classes == 1 {
        warnings.push(format!(
            "there is one class only ({}): every answer is right, and nothing can be learnt",
            printable(&data.classes[0])
        ));
    }
    let mut warn = |missing: Vec<usize>, part: &str, effect: &str| {
        if !missing.is_empty() {
            let names: Vec<String> = missing.iter().map(|&class| printable(&data.classes[class])).collect();
            let (have, effect) = match missing.len() {
                1 => ("has", effect.replace("they", "it").replace("them", "it")),
                _ => ("have", effect.to_string()),
            };
            warnings.push(format!(
                "{} of {} {have} no {part} images ({}): {effect}",
                missing.len(),
                number_of(classes, "class"),
                shortened(&names)
            ));
        }
    };
    warn((0..classes).filter(|&class| train[class] == 0).collect(), "train", "they cannot be learnt");
    if let Some(val) = &data.val {
        warn(lacking(&counts(val)), "validation", "the choice of the best epoch does not look at them");
    }
    warn(lacking(&counts(&data.test)), "test", "the test accuracy says nothing about them");
    warnings.extend(one_name(&data.classes));
    warnings.extend(data.shared.iter().cloned());
    warnings
}

/// The first classes whose names a reader of a table cannot tell apart: nobody meant that.
fn one_name(classes: &[String]) -> Option<String> {
    let mut known = std::collections::HashMap::new();
    classes.iter().enumerate().find_map(|(label, name)| {
        let first = known.insert(name.trim().to_lowercase(), label)?;
        let [one, other] = [first, label].map(|label| format!("{label} ({})", printable(&classes[label])));
        Some(format!(
            "the classes {one} and {other} have one name: if they are one class, put their images together, else name them apart"
        ))
    })
}

/// Names that a line lists.
const FEW: usize = 5;

/// `a, b, c and 7 more`
pub(super) fn shortened(names: &[String]) -> String {
    let more = names.len().saturating_sub(FEW);
    let list = names[..names.len() - more].join(", ");
    if more > 0 { format!("{list} and {more} more") } else { list }
}

/// `a and b`, `a, b and c`
fn and(names: &[String]) -> String {
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// `5`, or `3 to 8`.
fn range(counts: &[usize]) -> String {
    match (counts.iter().min(), counts.iter().max()) {
        (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
        (_, most) => most.unwrap_or(&0).to_string(),
    }
}

/// A name from a file, without what would move a terminal's cursor.
pub(super) fn printable(name: &str) -> String {
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
        Dataset::new("tiny".to_owned(), names, train.clone(), None, train)
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
