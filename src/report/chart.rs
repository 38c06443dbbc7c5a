//! Charts: axes and lines by `plotters`. On a page as SVG with legends in HTML, where black is the page's ink, so that a chart
//! is readable on light and on dark; or as pictures.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::font;
use super::plot::{Line, Mark, Marks};

/// Colours that stay apart for the colour-blind (Okabe and Ito).
const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(128, 128, 128),
];

pub(super) const SIZE: (u32, u32) = (620, 300);

/// The colour of the run, layer or bin `number`.
pub fn colour(number: usize) -> RGBColor {
    PALETTE[number % PALETTE.len()]
}

/// A line of a chart.
pub struct Series {
    pub label: String,
    pub points: Vec<(f64, f64)>,
    pub colour: RGBColor,
    /// An expectation, or another kind of the same thing.
    pub dashed: bool,
}

/// Text as HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// What the vertical axis counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Y {
    /// Percent, from 0.
    Share,
    /// Whole numbers, from 0.
    Count,
    Value,
    /// Nothing: rows.
    Rows,
}

/// A chart, ready to be drawn on a page or as a picture.
pub struct Chart {
    /// What its picture's file is called.
    pub name: &'static str,
    pub(super) title: String,
    pub(super) x_label: String,
    /// Names of the horizontal axis's whole numbers; none: they are numbers.
    pub(super) ticks: Vec<String>,
    pub(super) y: Y,
    pub(super) ranges: (Range<f64>, Range<f64>),
    pub(super) content: Content,
    /// Label, colour, dashed.
    pub(super) keys: Vec<(String, RGBColor, bool)>,
}

pub(super) enum Content {
    Lines(Vec<Series>),
    Bands { at: Vec<f64>, shares: Vec<Vec<f64>> },
    Intervals(Vec<Interval>),
    Marks(Vec<Marks>),
}

/// A chart with lines over `x`; none if there is nothing to draw.
pub fn lines(name: &'static str, title: &str, x: &str, series: Vec<Series>, y: Y) -> Option<Chart> {
    let scale = if y == Y::Share { 100.0 } else { 1.0 };
    let finite = |mut one: Series| {
        one.points.retain(|(x, y)| x.is_finite() && y.is_finite());
        one.points.iter_mut().for_each(|(_, y)| *y *= scale);
        (!one.points.is_empty()).then_some(one)
    };
    let series: Vec<Series> = series.into_iter().filter_map(finite).collect();
    let ((left, right), (low, high)) = bounds(series.iter().flat_map(|one| &one.points))?;
    let (low, high) = match y {
        Y::Share => (0.0, high),
        Y::Count => (0.0, high.max(1.0)),
        Y::Value | Y::Rows => (low, high),
    };
    Some(Chart {
        name,
        title: title.into(),
        x_label: x.into(),
        ticks: Vec::new(),
        y,
        ranges: (left..right, low..high),
        keys: series.iter().map(|one| (one.label.clone(), one.colour, one.dashed)).collect(),
        content: Content::Lines(series),
    })
}

/// A chart with bands on top of each other: `shares[band][point]`, each point's shares adding up to at most 1.
pub fn bands(
    name: &'static str,
    title: &str,
    x: &str,
    labels: &[&str],
    at: Vec<f64>,
    shares: Vec<Vec<f64>>,
) -> Option<Chart> {
    let (left, right) = (*at.first()?, *at.last()?);
    let right = if right > left { right } else { left + 1.0 };
    let key = |(number, label): (usize, &&str)| (label.to_string(), ramp(number, labels.len()), false);
    Some(Chart {
        name,
        title: title.into(),
        x_label: x.into(),
        ticks: Vec::new(),
        y: Y::Share,
        ranges: (left..right, 0.0..100.0),
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

/// A chart with a row for each of `all`, from 0; none if there is nothing to draw.
pub fn intervals(name: &'static str, title: &str, x: &str, all: Vec<Interval>) -> Option<Chart> {
    let most = all.iter().map(|one| one.high).filter(|v| v.is_finite()).fold(0.0, f64::max);
    (most > 0.0).then(|| Chart {
        name,
        title: title.into(),
        x_label: x.into(),
        ticks: Vec::new(),
        y: Y::Rows,
        ranges: (0.0..1.05 * most, 0.0..all.len() as f64),
        keys: all.iter().enumerate().map(|(i, one)| (one.label.clone(), colour(i), false)).collect(),
        content: Content::Intervals(all),
    })
}

/// From light blue to dark, for bins in order.
fn ramp(number: usize, of: usize) -> RGBColor {
    let share = number as f64 / (of.max(2) - 1) as f64;
    let mix = |from: f64, to: f64| (from + (to - from) * share) as u8;
    RGBColor(mix(198.0, 8.0), mix(219.0, 48.0), mix(239.0, 107.0))
}

pub type Drawn = Result<(), Box<dyn std::error::Error>>;

impl Chart {
    /// A figure of a page: the legend is text beside it.
    pub fn html(&self) -> String {
        let Some(svg) = self.svg() else { return String::new() };
        let key = |(label, RGBColor(r, g, b), dashed): &(String, RGBColor, bool)| {
            let line = if *dashed { "dashed" } else { "solid" };
            format!("<li><i style=\"border-top:3px {line} rgb({r},{g},{b})\"></i>{}</li>", escape(label))
        };
        let keys: String = self.keys.iter().map(key).collect();
        let title = escape(&self.title);
        format!("<figure><figcaption>{title}</figcaption>{svg}<ul class=\"legend\">{keys}</ul></figure>\n")
    }

    pub(super) fn svg(&self) -> Option<String> {
        let mut svg = String::new();
        self.draw(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area(), 1).ok()?;
        // The page sets the size and the ink.
        let start = svg.find('>')?;
        let body = svg[start + 1..].replace("\"#000000\"", "\"currentColor\"");
        let (width, height) = SIZE;
        let head = format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">");
        Some(head + &body)
    }

    /// Axes and lines, everything `scale` times as large.
    pub fn draw<DB>(&self, root: &DrawingArea<DB, Shift>, scale: u32) -> Drawn
    where
        DB: DrawingBackend,
        DB::ErrorType: 'static,
    {
        font::register();
        let (x, y) = self.ranges.clone();
        let mut chart = ChartBuilder::on(root)
            .margin(10 * scale)
            .margin_right(18 * scale)
            .x_label_area_size(38 * scale)
            .y_label_area_size(52 * scale)
            .build_cartesian_2d(x, y)?;
        let decimals = usize::from(self.ranges.1.end - self.ranges.1.start < 6.0);
        let number = |value: &f64| match self.y {
            Y::Share => format!("{value:.decimals$} %"),
            Y::Rows => String::new(),
            Y::Count if value.fract() != 0.0 => String::new(),
            _ => short(*value),
        };
        let tick = |value: &f64| match &self.ticks[..] {
            [] => short(*value),
            _ if value.fract() != 0.0 || *value < 0.0 => String::new(),
            ticks => ticks.get(*value as usize).cloned().unwrap_or_default(),
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.15))
            .axis_style(BLACK.mix(0.5))
            .label_style((font::FAMILY, 13 * scale))
            .x_desc(&self.x_label)
            .x_labels(8)
            .y_labels(6)
            .x_label_formatter(&tick)
            .y_label_formatter(&number)
            .draw()?;
        match &self.content {
            Content::Lines(series) => {
                for one in series {
                    let (style, points) = (one.colour.stroke_width(2 * scale), one.points.iter().copied());
                    if one.dashed {
                        chart.draw_series(DashedLineSeries::new(points, 5 * scale, 4 * scale, style))?;
                    } else {
                        chart.draw_series(LineSeries::new(points, style))?;
                    }
                    if let [point] = one.points[..] {
                        chart.draw_series([Circle::new(point, 3 * scale, one.colour.filled())])?;
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
                    chart.draw_series(LineSeries::new(line, BLACK.stroke_width(3 * scale)))?;
                }
            }
            Content::Marks(kinds) => {
                for (number, kind) in kinds.iter().enumerate() {
                    let (style, filled) = (colour(number).stroke_width(2 * scale), colour(number).filled());
                    let points = || kind.marks.iter().map(|mark| (mark.x, mark.y));
                    match kind.line {
                        Line::None => {}
                        Line::Solid => drop(chart.draw_series(LineSeries::new(points(), style))?),
                        Line::Dashed => {
                            chart.draw_series(DashedLineSeries::new(points(), 5 * scale, 4 * scale, style))?;
                            continue;
                        }
                    }
                    let bar = |mark: &Mark| {
                        let error = mark.error?;
                        Some(PathElement::new(vec![(mark.x, mark.y - error), (mark.x, mark.y + error)], style))
                    };
                    chart.draw_series(kind.marks.iter().filter_map(bar))?;
                    chart.draw_series(points().map(|point| Circle::new(point, 4 * scale, filled)))?;
                }
            }
        }
        root.present()?;
        Ok(())
    }

    /// A picture with title and legend, on white, twice as large as on a page.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn png(&self) -> Option<Vec<u8>> {
        const SCALE: u32 = 2;
        let (width, head, line) = (SIZE.0 * SCALE, 30 * SCALE, 20 * SCALE as i32);
        font::register();
        // Keys from left to right, in as many lines as they need.
        let style = |size: u32| TextStyle::from((font::FAMILY, size * SCALE).into_font());
        let mark = 30 * SCALE as i32;
        let (mut x, mut row, mut places) = (10 * SCALE as i32, 0, Vec::new());
        for (label, ..) in &self.keys {
            let wide = mark + font::width(label, 13 * SCALE) + 16 * SCALE as i32;
            if x + wide > width as i32 && x > 10 * SCALE as i32 {
                (x, row) = (10 * SCALE as i32, row + 1);
            }
            places.push((x, row * line));
            x += wide;
        }
        let legend = (row + 1) * line + 10 * SCALE as i32;
        let size = (width, head + SIZE.1 * SCALE + legend as u32);
        let mut pixels = vec![255; 3 * (size.0 * size.1) as usize];
        let draw = |pixels: &mut [u8]| -> Drawn {
            let root = BitMapBackend::with_buffer(pixels, size).into_drawing_area();
            root.draw_text(&self.title, &style(15), (10 * SCALE as i32, 8 * SCALE as i32))?;
            let (_, rest) = root.split_vertically(head);
            let (plot, keys) = rest.split_vertically(SIZE.1 * SCALE);
            self.draw(&plot, SCALE)?;
            for ((label, colour, dashed), (x, y)) in self.keys.iter().zip(places) {
                // As high as the middle of small letters.
                let middle = y + line / 2 - 3 * SCALE as i32;
                let dash = |from: i32, to: i32| {
                    Rectangle::new(
                        [(x + from, middle - SCALE as i32), (x + to, middle + SCALE as i32)],
                        colour.filled(),
                    )
                };
                let third = 22 * SCALE as i32 / 3;
                let parts = if *dashed { vec![(0, third), (2 * third, 3 * third)] } else { vec![(0, 3 * third)] };
                for (from, to) in parts {
                    keys.draw(&dash(from, to))?;
                }
                keys.draw_text(label, &style(13), (x + mark, y + 3 * SCALE as i32))?;
            }
            root.present()?;
            Ok(())
        };
        draw(&mut pixels).ok()?;
        super::maps::png_rgb(size.0, size.1, pixels)
    }
}

/// The smallest box around the points, never flat.
fn bounds<'a>(points: impl Iterator<Item = &'a (f64, f64)>) -> Option<((f64, f64), (f64, f64))> {
    let mut found: Option<((f64, f64), (f64, f64))> = None;
    for &(x, y) in points {
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

/// A number on an axis.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        least if least < 0.01 => format!("{value:.0e}"),
        small if small < 10.0 && value.fract() != 0.0 => {
            format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').into()
        }
        large if large >= 1e6 => format!("{:.1}M", value / 1e6),
        large if large >= 1e4 => format!("{:.0}k", value / 1e3),
        _ => format!("{value:.0}"),
    }
}
