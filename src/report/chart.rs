//! Charts as data: axes, lines, bands, points. [`super::draw`] draws them.

use std::ops::Range;

use plotters::style::RGBColor;

use super::colours::{colour, ramp};
use super::plot::{Marks, Row};
use super::ticks::{Tick, ticks};

/// How high an ordinary chart is, in units ([`super::draw::WIDTH`]).
pub(super) const HEIGHT: u32 = 250;

/// A line of a chart.
pub struct Series {
    pub label: String,
    pub points: Vec<(f64, f64)>,
    pub colour: RGBColor,
    pub look: Look,
    /// Where the deviation of a mean reaches to: x, low, high.
    pub band: Vec<(f64, f64, f64)>,
}

/// How something is drawn, in a chart and in its legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Line,
    /// An expectation, or another kind of the same thing.
    Dashed,
    /// A line with its points.
    Joined,
    Dots,
    /// A few rings along a line, to be seen where the line lies on another.
    Rings,
    Block,
}

/// A line of a legend.
pub struct Key {
    pub label: String,
    pub colour: RGBColor,
    pub look: Look,
}

/// Text as HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// What an axis counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Y {
    /// Percent, from 0 (and of marks around their values).
    Share,
    /// Whole numbers, from 0.
    Count,
    Value,
}

impl Y {
    /// What values are multiplied by.
    pub(super) fn scale(self) -> f64 {
        if self == Self::Share { 100.0 } else { 1.0 }
    }

    pub(super) fn unit(self) -> &'static str {
        if self == Self::Share { " %" } else { "" }
    }
}

pub(super) struct Axis {
    pub range: Range<f64>,
    pub ticks: Vec<Tick>,
    pub label: String,
}

impl Axis {
    pub fn numbers(range: Range<f64>, label: &str, y: Y) -> Self {
        Self { ticks: ticks(&range, 6, y == Y::Count, y.unit()), range, label: label.into() }
    }
}

/// A chart, ready to be drawn on a page or as a picture.
pub struct Chart {
    /// What its picture's file is called.
    pub name: String,
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// In units.
    pub(super) height: u32,
    pub(super) content: Content,
    pub(super) keys: Vec<Key>,
}

pub(super) enum Content {
    Lines(Vec<Series>),
    Bands { at: Vec<f64>, shares: Vec<Vec<f64>> },
    Intervals(Vec<Interval>),
    Marks(Vec<Marks>),
    Rows(Vec<Row>),
}

/// A chart with lines over whole numbers (epochs, steps); none if there is nothing to draw, or only zeros where zero means that
/// nothing happened.
pub fn lines(name: &str, title: &str, x: &str, series: Vec<Series>, y: Y) -> Option<Chart> {
    let scale = y.scale();
    let finite = |mut one: Series| {
        one.points.retain(|(x, y)| x.is_finite() && y.is_finite());
        one.points.iter_mut().for_each(|(_, y)| *y *= scale);
        one.band.retain(|(x, low, high)| x.is_finite() && low.is_finite() && high.is_finite());
        one.band.iter_mut().for_each(|(_, low, high)| (*low, *high) = (*low * scale, *high * scale));
        if y != Y::Value {
            one.band.iter_mut().for_each(|(_, low, high)| *low = low.clamp(0.0, *high));
        }
        // A point alone is no line.
        if one.points.len() == 1 && one.look == Look::Line {
            one.look = Look::Dots;
        }
        (!one.points.is_empty()).then_some(one)
    };
    let series: Vec<Series> = series.into_iter().filter_map(finite).collect();
    if y != Y::Value && series.iter().flat_map(|one| &one.points).all(|&(_, y)| y == 0.0) {
        return None;
    }
    let bands = series.iter().flat_map(|one| &one.band).flat_map(|&(x, low, high)| [(x, low), (x, high)]);
    let ((left, right), (low, high)) = bounds(series.iter().flat_map(|one| one.points.iter().copied()).chain(bands))?;
    let (low, high) = match y {
        Y::Share => (0.0, high),
        Y::Count => (0.0, high.max(1.0)),
        Y::Value => (low, high),
    };
    let key = |one: &Series| Key { label: one.label.clone(), colour: one.colour, look: one.look };
    Some(Chart {
        name: name.into(),
        title: title.into(),
        x: Axis::numbers(left..right, x, Y::Count),
        y: Axis::numbers(low..high, "", y),
        height: HEIGHT,
        keys: series.iter().map(key).collect(),
        content: Content::Lines(series),
    })
}

/// A chart with bands on top of each other: `shares[band][point]`, each point's shares adding up to at most 1.
pub fn bands(name: &str, title: &str, x: &str, labels: &[&str], at: Vec<f64>, shares: Vec<Vec<f64>>) -> Option<Chart> {
    let (left, right) = (*at.first()?, *at.last()?);
    // At one moment there is nothing to fill.
    if left >= right || shares.iter().flatten().all(|&share| share == 0.0) {
        return None;
    }
    let key = |(number, label): (usize, &&str)| Key {
        label: label.to_string(),
        colour: ramp(number, labels.len()),
        look: Look::Block,
    };
    Some(Chart {
        name: name.into(),
        title: title.into(),
        x: Axis::numbers(left..right, x, Y::Count),
        y: Axis::numbers(0.0..100.0, "", Y::Share),
        height: HEIGHT,
        keys: labels.iter().enumerate().map(key).collect(),
        content: Content::Bands { at, shares },
    })
}

/// A bar up to `middle`, and a line from `low` to `high`.
pub struct Interval {
    pub label: String,
    pub low: f64,
    pub middle: f64,
    pub high: f64,
}

/// A chart with a bar for each of `all`, from 0; none if there is nothing to draw.
pub fn intervals(name: &str, title: &str, x: &str, all: Vec<Interval>) -> Option<Chart> {
    let most = all.iter().map(|one| one.high).filter(|v| v.is_finite()).fold(0.0, f64::max);
    let key = |(i, one): (usize, &Interval)| Key { label: one.label.clone(), colour: colour(i), look: Look::Block };
    (most > 0.0).then(|| Chart {
        name: name.into(),
        title: title.into(),
        x: Axis::numbers(0.0..1.05 * most, x, Y::Value),
        y: Axis { range: 0.0..all.len() as f64, ticks: Vec::new(), label: String::new() },
        height: HEIGHT,
        keys: all.iter().enumerate().map(key).collect(),
        content: Content::Intervals(all),
    })
}

/// The smallest box around the points, never flat.
fn bounds(points: impl Iterator<Item = (f64, f64)>) -> Option<((f64, f64), (f64, f64))> {
    let mut found: Option<((f64, f64), (f64, f64))> = None;
    for (x, y) in points {
        let ((left, right), (low, high)) = found.unwrap_or(((x, x), (y, y)));
        found = Some(((left.min(x), right.max(x)), (low.min(y), high.max(y))));
    }
    let wide = |(low, high): (f64, f64)| {
        if high > low { (low, high) } else { (low - 0.5, high + 0.5) }
    };
    found.map(|(x, y)| {
        let (low, high) = wide(y);
        (wide(x), (low, high + 0.05 * (high - low)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::colours::INK;
    use super::super::draw::{FINE, WIDTH};
    use super::*;

    fn series(points: &[(f64, f64)]) -> Series {
        let band = points.iter().map(|&(x, y)| (x, y - 0.1, y + 0.1)).collect();
        Series { label: "a".into(), points: points.to_vec(), colour: colour(0), look: Look::Line, band }
    }

    #[test]
    fn means_have_bands_and_zeros_have_no_chart() {
        let chart = lines("a", "A", "epoch", vec![series(&[(1.0, 0.05), (2.0, 0.5)])], Y::Share).unwrap();
        let svg = chart.svg().unwrap();
        assert!(svg.contains("<polygon") && svg.contains("opacity=\"0.18\""), "{svg}");
        // Two epochs have two names; a share is never below 0.
        let ticks: Vec<&str> = chart.x.ticks.iter().map(|tick| tick.1.as_str()).collect();
        assert_eq!((ticks, chart.y.range.start), (vec!["1", "2"], 0.0));
        assert!(lines("a", "A", "step", vec![series(&[(1.0, 0.0), (2.0, 0.0)])], Y::Share).is_none());
        assert!(lines("a", "A", "step", vec![series(&[(1.0, 0.0), (2.0, 0.0)])], Y::Value).is_some());
        assert!(lines("a", "A", "step", vec![series(&[(1.0, f64::NAN)])], Y::Value).is_none());
        assert!(bands("a", "A", "step", &["0"], vec![1.0, 2.0], vec![vec![0.0; 2]]).is_none());
    }

    #[test]
    fn legends_show_what_the_chart_has() {
        let html = lines("a", "A", "epoch", vec![series(&[(1.0, 0.5)])], Y::Share).unwrap().html();
        assert!(html.contains("<i class=\"dot\"") && html.contains("<circle"), "one epoch is a point: {html}");
        let mut expected = series(&[(1.0, 0.5), (2.0, 0.6)]);
        expected.look = Look::Rings;
        expected.colour = INK;
        let html = lines("a", "A", "epoch", vec![expected], Y::Share).unwrap().html();
        assert!(
            html.contains("<i class=\"ring\" style=\"color:var(--ink)\"") && html.matches("<circle").count() == 2,
            "{html}"
        );
    }

    /// Letters have 13 of 380 units: 11 pixels and more from a width of 330 pixels on.
    #[test]
    fn letters_are_large_enough_on_a_phone() {
        let svg = lines("a", "A", "epoch", vec![series(&[(1.0, 0.5), (9.0, 0.6)])], Y::Share).unwrap().svg().unwrap();
        let sizes = svg.split("font-size=\"").skip(1).filter_map(|rest| rest.split('"').next()?.parse::<f64>().ok());
        let least = sizes.fold(f64::INFINITY, f64::min);
        assert!(least * 330.0 / f64::from(WIDTH * FINE) >= 11.0, "{least}");
    }
}
