//! Charts as SVG inside a page: axes and lines by `plotters`, legends in HTML. Black is the page's ink, so that a chart is
//! readable on light and on dark.

use plotters::prelude::*;

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
}

/// A figure with lines over `x`; nothing if there is nothing to draw.
pub fn lines(title: &str, x: &str, series: &[Series], y: Y) -> String {
    let scale = if y == Y::Share { 100.0 } else { 1.0 };
    let drawn: Vec<(usize, Vec<(f64, f64)>)> = series
        .iter()
        .enumerate()
        .map(|(i, one)| {
            let finite = one.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
            (i, finite.map(|&(x, y)| (x, y * scale)).collect())
        })
        .filter(|(_, points): &(usize, Vec<(f64, f64)>)| !points.is_empty())
        .collect();
    let all = || drawn.iter().flat_map(|(_, points)| points);
    let Some(((left, right), (low, high))) = bounds(all()) else { return String::new() };
    let (low, high) = match y {
        Y::Share => (0.0, high),
        Y::Count => (0.0, high.max(1.0)),
        Y::Value => (low, high),
    };
    let svg = draw((left..right, low..high), x, &[], y, |chart| {
        for (i, points) in &drawn {
            let one = &series[*i];
            let style = one.colour.stroke_width(2);
            if one.dashed {
                chart.draw_series(DashedLineSeries::new(points.iter().copied(), 5, 4, style))?;
            } else {
                chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
            }
            if points.len() == 1 {
                chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, one.colour.filled())))?;
            }
        }
        Ok(())
    });
    let keys = drawn.iter().map(|(i, _)| (series[*i].label.as_str(), series[*i].colour, series[*i].dashed));
    figure(title, svg, keys)
}

/// A figure with bands on top of each other: `shares[band][point]`, each point's shares adding up to at most 1.
pub fn bands(title: &str, x: &str, labels: &[&str], at: &[f64], shares: &[Vec<f64>]) -> String {
    let (Some(&left), Some(&right)) = (at.first(), at.last()) else { return String::new() };
    let right = if right > left { right } else { left + 1.0 };
    let svg = draw((left..right, 0.0..100.0), x, &[], Y::Share, |chart| {
        let mut top: Vec<f64> = (0..at.len()).map(|i| shares.iter().map(|band| band[i]).sum()).collect();
        // From the whole stack down: each band covers the lower part of the one before.
        for (number, band) in shares.iter().enumerate().rev() {
            let points: Vec<(f64, f64)> = at.iter().zip(&top).map(|(&x, &y)| (x, 100.0 * y)).collect();
            chart.draw_series(AreaSeries::new(points, 0.0, ramp(number, shares.len()).filled()))?;
            top.iter_mut().zip(band).for_each(|(top, part)| *top -= part);
        }
        Ok(())
    });
    let keys = labels.iter().enumerate().map(|(number, label)| (*label, ramp(number, labels.len()), false));
    figure(title, svg, keys)
}

/// From light blue to dark, for bins in order.
fn ramp(number: usize, of: usize) -> RGBColor {
    let share = number as f64 / (of.max(2) - 1) as f64;
    let mix = |from: f64, to: f64| (from + (to - from) * share) as u8;
    RGBColor(mix(198.0, 8.0), mix(219.0, 48.0), mix(239.0, 107.0))
}

pub(super) type Plot<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;
pub(super) type Drawn = Result<(), Box<dyn std::error::Error>>;

/// The chart as SVG. With `ticks`, the whole numbers of the horizontal axis have these names.
pub(super) fn draw(
    (x, y): (std::ops::Range<f64>, std::ops::Range<f64>),
    x_label: &str,
    ticks: &[String],
    what: Y,
    content: impl for<'a, 'b> Fn(&mut Plot<'a, 'b>) -> Drawn,
) -> Option<String> {
    let mut svg = String::new();
    let mut result = || -> Drawn {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(10)
            .margin_right(18)
            .x_label_area_size(38)
            .y_label_area_size(52)
            .build_cartesian_2d(x.clone(), y.clone())?;
        let decimals = usize::from(y.end - y.start < 6.0);
        let number = |value: &f64| match what {
            Y::Share => format!("{value:.decimals$} %"),
            Y::Count if value.fract() != 0.0 => String::new(),
            _ => short(*value),
        };
        let tick = |value: &f64| match ticks {
            [] => short(*value),
            _ if value.fract() != 0.0 || *value < 0.0 => String::new(),
            _ => ticks.get(*value as usize).cloned().unwrap_or_default(),
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.15))
            .axis_style(BLACK.mix(0.5))
            .label_style(("sans-serif", 13))
            .x_desc(x_label)
            .x_labels(8)
            .y_labels(6)
            .x_label_formatter(&tick)
            .y_label_formatter(&number)
            .draw()?;
        content(&mut chart)?;
        root.present()?;
        Ok(())
    };
    result().ok()?;
    // The page sets the size and the ink.
    let start = svg.find('>')?;
    let body = svg[start + 1..].replace("\"#000000\"", "\"currentColor\"");
    Some(format!("<svg viewBox=\"0 0 {} {}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">{body}", SIZE.0, SIZE.1))
}

pub(super) fn figure<'a>(
    title: &str,
    svg: Option<String>,
    keys: impl Iterator<Item = (&'a str, RGBColor, bool)>,
) -> String {
    let Some(svg) = svg else { return String::new() };
    let key = |(label, RGBColor(r, g, b), dashed): (&str, RGBColor, bool)| {
        let line = if dashed { "dashed" } else { "solid" };
        format!("<li><i style=\"border-top:3px {line} rgb({r},{g},{b})\"></i>{}</li>", escape(label))
    };
    let keys: String = keys.map(key).collect();
    format!("<figure><figcaption>{}</figcaption>{svg}<ul class=\"legend\">{keys}</ul></figure>\n", escape(title))
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
