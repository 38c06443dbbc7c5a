//! Means with error bars: over a number, against another mean, or a row for each.

use plotters::prelude::*;

use super::chart::{Axis, Chart, Content, HEIGHT, Key, Look, Y};

/// A mean, and how far the values lie from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    pub x: f64,
    pub y: f64,
    /// Sample standard deviations, where there are any.
    pub error: Option<f64>,
    pub x_error: Option<f64>,
}

/// Marks of one kind.
pub struct Marks {
    pub label: String,
    pub colour: RGBColor,
    pub marks: Vec<Mark>,
    /// [`Look::Joined`], [`Look::Dots`]; or [`Look::Dashed`], a level to compare with: its first mark with a band from side to side.
    pub look: Look,
}

/// A chart of `series`; none if there is nothing to draw. `y` in shares is drawn in percent. With `names`, `x` counts them.
/// `axes`: what stands at the horizontal and at the vertical one.
pub fn marks(name: &str, axes: [&str; 2], names: &[String], mut series: Vec<Marks>, y: Y) -> Option<Chart> {
    for mark in series.iter_mut().flat_map(|kind| &mut kind.marks) {
        mark.y *= y.scale();
        mark.error = mark.error.map(|error| y.scale() * error);
    }
    series.retain(|kind| kind.marks.iter().any(|mark| mark.x.is_finite() && mark.y.is_finite()));
    if names.len() > 1 {
        beside(&mut series);
    }
    let ends = |mark: &Mark| {
        let (error, aside) = (mark.error.unwrap_or(0.0), mark.x_error.unwrap_or(0.0));
        [(mark.x - aside, mark.y - error), (mark.x + aside, mark.y + error)]
    };
    let (left, right, low, high) = extent(series.iter().flat_map(|kind| &kind.marks).flat_map(ends))?;
    let key = |kind: &Marks| Key { label: kind.label.clone(), colour: kind.colour, look: kind.look };
    let mut across = Axis::numbers(wider(left, right, 0.05), axes[0], Y::Value);
    if !names.is_empty() {
        across.range = -0.5..names.len() as f64 - 0.5;
        across.ticks = names.iter().enumerate().map(|(i, name)| (i as f64, name.clone())).collect();
    }
    Some(Chart {
        name: name.into(),
        title: format!("{} against {}", axes[1], axes[0]),
        x: across,
        y: Axis::numbers(wider(low, high, 0.08), axes[1], y),
        height: HEIGHT,
        keys: series.iter().map(key).collect(),
        content: Content::Marks(series),
    })
}

/// Moves the marks of each kind a little aside, so that equal ones do not hide each other. Levels stay.
fn beside(series: &mut [Marks]) {
    let mut kinds: Vec<&mut Marks> = series.iter_mut().filter(|kind| kind.look != Look::Dashed).collect();
    let step = (0.5 / kinds.len().max(1) as f64).min(0.08);
    let middle = (kinds.len() as f64 - 1.0) / 2.0;
    for (i, kind) in kinds.iter_mut().enumerate() {
        kind.marks.iter_mut().for_each(|mark| mark.x += step * (i as f64 - middle));
    }
}

/// A mean with its name.
pub struct Row {
    pub label: String,
    pub colour: RGBColor,
    pub value: f64,
    /// Sample standard deviation, where there is one.
    pub error: Option<f64>,
}

/// Letters up to which rows' names stand at the left; longer ones stand over their rows.
const NAME: usize = 18;

/// A chart with a row for each mean and its name; none of fewer than two.
pub fn rows(name: &str, title: &str, x: &str, mut rows: Vec<Row>, y: Y) -> Option<Chart> {
    rows.retain(|row| row.value.is_finite());
    if rows.len() < 2 {
        return None;
    }
    for row in &mut rows {
        row.value *= y.scale();
        row.error = row.error.map(|error| y.scale() * error);
    }
    let ends = |row: &Row| [row.value - row.error.unwrap_or(0.0), row.value + row.error.unwrap_or(0.0)];
    let (low, high, ..) = extent(rows.iter().flat_map(ends).map(|value| (value, 0.0)))?;
    let count = rows.len();
    let over = rows.iter().any(|row| row.label.chars().count() > NAME);
    let tick = |(i, row): (usize, &Row)| ((count - i) as f64 - 0.5, row.label.clone());
    let ticks = if over { Vec::new() } else { rows.iter().enumerate().map(tick).collect() };
    let mut across = Axis::numbers(wider(low, high, 0.08), x, y);
    if !over {
        // Names leave room for few numbers.
        across.ticks = super::ticks::ticks(&across.range, 4, false, y.unit());
    }
    Some(Chart {
        name: name.into(),
        title: title.into(),
        x: across,
        y: Axis { range: 0.0..count as f64, ticks, label: String::new() },
        height: 70 + if over { 44 } else { 26 } * count as u32,
        keys: Vec::new(),
        content: Content::Rows(rows),
    })
}

/// A range with room at both ends, never empty.
fn wider(low: f64, high: f64, share: f64) -> std::ops::Range<f64> {
    let aside = if high > low { share * (high - low) } else { 0.5 };
    low - aside..high + aside
}

/// The smallest box around finite points: left, right, low, high.
fn extent(points: impl Iterator<Item = (f64, f64)>) -> Option<(f64, f64, f64, f64)> {
    let finite = points.filter(|(x, y)| x.is_finite() && y.is_finite());
    finite.fold(None, |found, (x, y)| {
        let (left, right, low, high) = found.unwrap_or((x, x, y, y));
        Some((left.min(x), right.max(x), low.min(y), high.max(y)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::colours::colour;
    use super::*;

    fn mark(x: f64, y: f64, error: Option<f64>) -> Mark {
        Mark { x, y, error, x_error: None }
    }

    /// Two settings may explore and know equally much.
    #[test]
    fn equal_means_are_both_seen() {
        let circles = |y: f64| {
            let kinds = vec![
                kind("static", 0, vec![mark(0.1, 0.5, None)], Look::Dots),
                kind("SET", 1, vec![mark(0.1, y, None)], Look::Dots),
                kind("RigL", 2, vec![mark(0.3, 0.7, None)], Look::Dots),
            ];
            let html = marks("m", ["Rs", "accuracy"], &[], kinds, Y::Share).unwrap().html();
            let radius =
                |part: &str| part.split_once(" r=\"").map(|(_, rest)| rest.split('"').next().unwrap().to_string());
            html.split("<circle").skip(1).filter_map(radius).collect::<Vec<_>>()
        };
        assert_eq!(circles(0.6).iter().filter(|radius| **radius == circles(0.6)[0]).count(), 3);
        let same = circles(0.5);
        assert!(same.len() == 3 && same[0] != same[1] && same[0] == same[2], "{same:?}");
    }

    fn kind(label: &str, number: usize, marks: Vec<Mark>, look: Look) -> Marks {
        Marks { label: label.into(), colour: colour(number), marks, look }
    }

    #[test]
    fn bars_reach_as_far_as_the_deviation() {
        let series = vec![
            kind("a<b", 0, vec![mark(0.0, 0.5, Some(0.1)), mark(1.0, 0.7, None)], Look::Joined),
            kind("dense", 1, vec![mark(0.0, 0.9, Some(0.02))], Look::Dashed),
        ];
        let names = ["25".to_string(), "100".into()];
        let figure = marks("accuracy", ["ΔT", "Accuracy"], &names, series, Y::Share).unwrap();
        let html = figure.html();
        // Two means, the band of the level, the names of the ticks and no others.
        assert_eq!((html.matches("<circle").count(), html.matches("<polygon").count()), (2, 1), "{html}");
        assert!(html.contains("<figcaption>Accuracy against ΔT<") && html.contains("a&lt;b") && !html.contains("a<b"));
        assert!(html.contains("\n25\n") && html.contains("\n100\n"), "{html}");
        assert_eq!(figure.x.ticks.len(), 2, "nothing between two names");
        assert!(figure.y.range.start < 40.0 && figure.y.range.end > 92.0);
        assert!(html.contains("<i class=\"line dot\"") && html.contains("<i class=\"dashed\""), "{html}");
        // A whole file, without the title.
        let file = figure.file();
        assert!(file.trim_end().ends_with("</svg>") && file.matches("</svg>").count() == 1, "{file}");
        assert!(!file.contains("against") && file.contains("\ndense\n") && file.contains("\nAccuracy\n"), "{file}");
        assert!(!html.contains("\nAccuracy\n"), "the title says it: {html}");
        assert!(marks("none", ["x", "y"], &[], vec![kind("a", 0, Vec::new(), Look::Dots)], Y::Value).is_none());
    }

    #[test]
    fn equal_means_do_not_hide_each_other() {
        let of = |number| kind("a", number, vec![mark(0.0, 0.5, None), mark(1.0, 0.5, None)], Look::Joined);
        let figure = marks("a", ["ΔT", "A"], &["2".into(), "8".into()], vec![of(0), of(1)], Y::Share).unwrap();
        let Content::Marks(kinds) = &figure.content else { panic!("no marks") };
        assert!(kinds[0].marks[0].x < kinds[1].marks[0].x);
        let row = |label: &str| Row { label: label.into(), colour: colour(0), value: 0.5, error: Some(0.1) };
        for other in ["static", "SET ΔT 5, sparsity 95 %, learning rate 0.05"] {
            let figure = rows("a", "A", "test accuracy", vec![row("SET ΔT 5"), row(other)], Y::Share).unwrap();
            let html = figure.html();
            // Names are whole, however long.
            assert!(html.contains("\nSET ΔT 5\n") && html.contains(&format!("\n{other}\n")), "{html}");
            assert_eq!(html.matches("<circle").count(), 2);
        }
        assert!(rows("a", "A", "x", vec![row("alone")], Y::Share).is_none());
    }
}
