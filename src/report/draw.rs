//! Draws charts with `plotters`. On a page they are SVG with legends in HTML; black becomes the text colour of the page, so that
//! charts are readable on light and dark backgrounds. [`super::figure`] makes separate pictures and figures of them.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::chart::{Axis, Chart, Content, Key, Look, escape};
use super::colours::{INK, colour, ramp};
use super::font;
use super::plot::Marks;

/// How wide a chart is, in units that a page shows as about a pixel each: letters keep their size on a phone.
pub(super) const WIDTH: u32 = 380;
/// Size of letters; `plotters` makes 13 units of it.
pub(super) const LETTERS: u32 = 16;
/// Room around axes, for numbers on the horizontal one and its name.
const MARGIN: u32 = 8;
const BELOW: u32 = 46;
/// `plotters` counts in whole numbers: a vector chart is drawn this much larger, so that curves are smooth.
pub(super) const FINE: u32 = 4;
/// How much of the paper shines through a band.
const BAND: f64 = 0.18;

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

    pub(super) fn svg(&self) -> Option<String> {
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
