//! Charts: axes and lines by `plotters`. On a page as SVG with legends in HTML, where black is the page's ink, so that a chart
//! is readable on light and on dark; or as pictures and figures of their own ([`super::figure`]).

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::colours::{INK, colour, ramp};
use super::font;
use super::plot::{Marks, Row};
use super::ticks::{Tick, ticks};

/// A chart's size, in units that a page shows as about a pixel each: letters keep their size on a phone.
pub(super) const WIDTH: u32 = 380;
const HEIGHT: u32 = 250;
/// Size of letters; `plotters` makes 13 units of it.
pub(super) const LETTERS: u32 = 16;
/// Room around axes, for numbers on the horizontal one and its name.
const MARGIN: u32 = 8;
const BELOW: u32 = 46;
/// `plotters` counts in whole numbers: a vector chart is drawn this much larger, so that curves are smooth.
pub(super) const FINE: u32 = 4;
/// How much of the paper shines through a band.
const BAND: f64 = 0.18;

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

/// Marks of an axis stand where its ticks are, and nowhere else.
impl Ranged for &Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range.clone()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.iter().map(|tick| tick.0).collect() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
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

pub type Drawn = Result<(), Box<dyn std::error::Error>>;

impl Chart {
    /// A figure of a page: the legend is text beside it.
    pub fn html(&self) -> String {
        let Some(svg) = self.svg() else { return String::new() };
        let key = |Key { label, colour, look }: &Key| {
            let look = match look {
                Look::Line => "line",
                Look::Dashed => "dashed",
                Look::Joined => "line dot",
                Look::Dots => "dot",
                Look::Rings => "ring",
                Look::Block => "block",
            };
            format!("<li><i class=\"{look}\" style=\"color:{}\"></i>{}</li>", css(*colour), escape(label))
        };
        let keys: String = self.keys.iter().map(key).collect();
        let keys = if keys.is_empty() { keys } else { format!("<ul class=\"legend\">{keys}</ul>") };
        format!("<figure><figcaption>{}</figcaption>{svg}{keys}</figure>\n", escape(&self.title))
    }

    fn svg(&self) -> Option<String> {
        let (width, height) = (WIDTH * FINE, self.height * FINE);
        let mut svg = String::new();
        let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        self.draw(&root, FINE, false).and_then(|()| Ok(root.present()?)).ok()?;
        drop(root);
        // The page sets the size and the ink.
        let start = svg.find('>')?;
        let body = svg[start + 1..].replace("\"#000000\"", "\"currentColor\"");
        let title = escape(&self.title);
        let head = format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\" xmlns=\"http://www.w3.org/2000/svg\">"
        );
        Some(head + &body)
    }

    /// Whether two points are drawn on each other.
    fn coincide(&self, a: (f64, f64), b: (f64, f64)) -> bool {
        let near = |a: f64, b: f64, axis: &Axis| (a - b).abs() < 0.01 * (axis.range.end - axis.range.start);
        near(a.0, b.0, &self.x) && near(a.1, b.1, &self.y)
    }

    /// Axes and content, `scale` times as large. What is drawn is presented by the caller: an SVG ends there.
    /// `named`: with the name of the vertical axis, which on a page and over a picture the title says.
    pub fn draw<DB>(&self, root: &DrawingArea<DB, Shift>, scale: u32, named: bool) -> Drawn
    where
        DB: DrawingBackend,
        DB::ErrorType: 'static,
    {
        font::register();
        let widest = self.y.ticks.iter().map(|tick| font::width(&tick.1, LETTERS)).max().unwrap_or(0);
        let name = if named { self.y.label.as_str() } else { "" };
        let aside = widest as u32 + if name.is_empty() { 12 } else { 36 };
        let mut chart = ChartBuilder::on(root)
            .margin(MARGIN * scale)
            .margin_right(2 * MARGIN * scale)
            .x_label_area_size(BELOW * scale)
            .y_label_area_size(aside * scale)
            .build_cartesian_2d(&self.x, &self.y)?;
        let text = |axis: &Axis, value: &f64| {
            axis.ticks.iter().find(|tick| tick.0 == *value).map_or_else(String::new, |tick| tick.1.clone())
        };
        let mut mesh = chart.configure_mesh();
        if !name.is_empty() {
            mesh.y_desc(name);
        }
        mesh.disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.15).stroke_width(scale))
            .axis_style(BLACK.mix(0.5).stroke_width(scale))
            .set_all_tick_mark_size(4 * scale)
            .label_style((font::FAMILY, LETTERS * scale))
            .x_desc(&self.x.label)
            .x_label_formatter(&|value| text(&self.x, value))
            .y_label_formatter(&|value| text(&self.y, value))
            .draw()?;
        let stroke = |colour: RGBColor| colour.stroke_width(2 * scale);
        match &self.content {
            Content::Lines(series) => {
                for one in series {
                    let edge = |end: fn(&(f64, f64, f64)) -> f64| one.band.iter().map(move |at| (at.0, end(at)));
                    let around: Vec<(f64, f64)> = edge(|at| at.1).chain(edge(|at| at.2).rev()).collect();
                    chart.draw_series((around.len() > 2).then(|| Polygon::new(around, one.colour.mix(BAND))))?;
                }
                for one in series {
                    let (style, points) = (stroke(one.colour), one.points.iter().copied());
                    match one.look {
                        Look::Dashed => {
                            chart.draw_series(DashedLineSeries::new(points, 5 * scale, 4 * scale, style))?;
                        }
                        Look::Rings => {
                            let ring = |&at| Circle::new(at, 4 * scale, stroke(one.colour));
                            chart.draw_series(some_of(&one.points, 12).into_iter().map(ring))?;
                        }
                        Look::Dots => {
                            chart.draw_series(points.map(|at| Circle::new(at, 4 * scale, one.colour.filled())))?;
                        }
                        Look::Line | Look::Joined | Look::Block => {
                            chart.draw_series(LineSeries::new(points, style))?;
                        }
                    }
                }
            }
            Content::Bands { at, shares } => {
                let mut top: Vec<f64> = (0..at.len()).map(|i| shares.iter().map(|band| band[i]).sum()).collect();
                // From the whole stack down: each band covers the lower part of the one before.
                for (number, band) in shares.iter().enumerate().rev() {
                    let points: Vec<(f64, f64)> = at.iter().zip(&top).map(|(&x, &y)| (x, 100.0 * y)).collect();
                    chart.draw_series(AreaSeries::new(points, 0.0, ramp(number, shares.len()).filled()))?;
                    top.iter_mut().zip(band).for_each(|(top, part)| *top -= part);
                }
            }
            Content::Intervals(all) => {
                for (i, one) in all.iter().enumerate() {
                    // The first on top.
                    let middle = (all.len() - i) as f64 - 0.5;
                    let bar = [(0.0, middle - 0.3), (one.middle, middle + 0.3)];
                    let line = [(one.low, middle), (one.high, middle)];
                    chart.draw_series([Rectangle::new(bar, colour(i).filled())])?;
                    chart.draw_series(LineSeries::new(line, INK.stroke_width(3 * scale)))?;
                }
            }
            Content::Rows(all) => {
                for (i, one) in all.iter().enumerate() {
                    let drop = if self.y.ticks.is_empty() { 0.7 } else { 0.5 };
                    let (middle, error) = ((all.len() - i) as f64 - drop, one.error.unwrap_or(0.0));
                    let bar = [(one.value - error, middle), (one.value + error, middle)];
                    chart.draw_series(LineSeries::new(bar, stroke(one.colour)))?;
                    chart.draw_series([Circle::new((one.value, middle), 4 * scale, one.colour.filled())])?;
                    if self.y.ticks.is_empty() {
                        // Over the row, as large as there is room for.
                        let room = WIDTH as i32 - 5 * MARGIN as i32;
                        let size = (11..=LETTERS).rev().find(|&size| font::width(&one.label, size) <= room);
                        let style = (font::FAMILY, size.unwrap_or(11) * scale).into_text_style(root);
                        let at = (self.x.range.start, middle + 0.66);
                        let text = EmptyElement::at(at) + Text::new(one.label.clone(), (6 * scale as i32, 0), style);
                        chart.draw_series([text])?;
                    }
                }
            }
            Content::Marks(kinds) => {
                let (left, right) = (self.x.range.start, self.x.range.end);
                for level in kinds.iter().filter(|kind| kind.look == Look::Dashed) {
                    let Some(mark) = level.marks.first() else { continue };
                    let error = mark.error.unwrap_or(0.0);
                    let around = vec![
                        (left, mark.y - error),
                        (right, mark.y - error),
                        (right, mark.y + error),
                        (left, mark.y + error),
                    ];
                    chart.draw_series((error > 0.0).then(|| Polygon::new(around, level.colour.mix(BAND))))?;
                    let across = [(left, mark.y), (right, mark.y)];
                    chart.draw_series(DashedLineSeries::new(across, 5 * scale, 4 * scale, stroke(level.colour)))?;
                }
                let joined = || kinds.iter().filter(|kind| kind.look != Look::Dashed);
                let points = |kind: &Marks| kind.marks.iter().map(|mark| (mark.x, mark.y)).collect::<Vec<_>>();
                for kind in joined() {
                    let style = stroke(kind.colour);
                    if kind.look == Look::Joined {
                        chart.draw_series(LineSeries::new(points(kind), style))?;
                    }
                    let bars = kind.marks.iter().flat_map(|mark| {
                        let up = mark.error.map(|error| vec![(mark.x, mark.y - error), (mark.x, mark.y + error)]);
                        let across = mark.x_error.map(|error| vec![(mark.x - error, mark.y), (mark.x + error, mark.y)]);
                        [up, across].into_iter().flatten().map(|ends| PathElement::new(ends, style))
                    });
                    chart.draw_series(bars)?;
                }
                // On top: no bar hides a mean. And no mean hides another: what lies on one is a ring around it.
                let mut before: Vec<(f64, f64)> = Vec::new();
                for kind in joined() {
                    for at in points(kind) {
                        let around = before.iter().filter(|other| self.coincide(**other, at)).count() as u32;
                        let style = if around == 0 { kind.colour.filled() } else { stroke(kind.colour) };
                        chart.draw_series([Circle::new(at, (4 + 4 * around) * scale, style)])?;
                        before.push(at);
                    }
                }
            }
        }
        Ok(())
    }
}

/// A colour in HTML.
fn css(colour: RGBColor) -> String {
    let RGBColor(r, g, b) = colour;
    if colour == INK { "var(--ink)".into() } else { format!("rgb({r},{g},{b})") }
}

/// At most `most` of `all`, at even distances, the ends among them.
fn some_of<T>(all: &[T], most: usize) -> Vec<&T> {
    match all.len() {
        few if few <= most => all.iter().collect(),
        many => (0..most).map(|i| &all[i * (many - 1) / (most - 1)]).collect(),
    }
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
