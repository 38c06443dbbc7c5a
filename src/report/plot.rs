//! Means with error bars: figures of a page, and files of their own.

use plotters::prelude::*;

use super::chart::{Chart, Content, SIZE, Y, colour, escape};

/// A mean, and how far the values lie from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    pub x: f64,
    pub y: f64,
    /// Sample standard deviation, where there is one.
    pub error: Option<f64>,
}

/// Marks of one kind.
pub struct Marks {
    pub label: String,
    pub marks: Vec<Mark>,
    pub line: Line,
}

/// How the marks of a kind are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    None,
    Solid,
    /// Without the marks: a level to compare with.
    Dashed,
}

/// A chart of `series`; none if there is nothing to draw. `y` in shares is drawn in percent. With `ticks`, `x` counts them.
pub fn marks(title: &str, x: &str, ticks: Vec<String>, mut series: Vec<Marks>, y: Y) -> Option<Chart> {
    let scale = if y == Y::Share { 100.0 } else { 1.0 };
    for mark in series.iter_mut().flat_map(|kind| &mut kind.marks) {
        mark.y *= scale;
        mark.error = mark.error.map(|error| scale * error);
    }
    let ends = |mark: &Mark| {
        let error = mark.error.unwrap_or(0.0);
        [(mark.x, mark.y - error), (mark.x, mark.y + error)]
    };
    let (left, right, low, high) = extent(series.iter().flat_map(|kind| &kind.marks).flat_map(ends))?;
    let margin = |low: f64, high: f64, share: f64| if high > low { share * (high - low) } else { 0.5 };
    let (aside, above) = (margin(left, right, 0.05), margin(low, high, 0.08));
    let key = |(number, kind): (usize, &Marks)| (kind.label.clone(), colour(number), kind.line == Line::Dashed);
    Some(Chart {
        name: "marks",
        title: title.into(),
        x_label: x.into(),
        ticks,
        y,
        ranges: (left - aside..right + aside, low - above..high + above),
        keys: series.iter().enumerate().map(key).collect(),
        content: Content::Marks(series),
    })
}

/// The smallest box around finite points: left, right, low, high.
fn extent(points: impl Iterator<Item = (f64, f64)>) -> Option<(f64, f64, f64, f64)> {
    let finite = points.filter(|(x, y)| x.is_finite() && y.is_finite());
    finite.fold(None, |found, (x, y)| {
        let (left, right, low, high) = found.unwrap_or((x, x, y, y));
        Some((left.min(x), right.max(x), low.min(y), high.max(y)))
    })
}

impl Chart {
    /// An SVG file, on white, with title and legend in it.
    pub fn file(&self) -> String {
        let svg = self.svg().unwrap_or_default();
        const TITLE: u32 = 30;
        const KEY: u32 = 20;
        let inner = svg.split_once('>').and_then(|(_, rest)| rest.rsplit_once("</svg>")).map_or("", |(body, _)| body);
        let (width, height) = (SIZE.0, TITLE + SIZE.1 + KEY * (self.keys.len() as u32).div_ceil(2) + 12);
        let key = |(number, (label, RGBColor(r, g, b), dashed)): (usize, &(String, RGBColor, bool))| {
            let (column, row) = (number as u32 % 2, number as u32 / 2);
            let (x, y) = (56 + column * (width - 56) / 2, TITLE + SIZE.1 + 10 + KEY * row);
            let dashes = if *dashed { " stroke-dasharray=\"5 4\"" } else { "" };
            format!(
                "<line x1=\"{x}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"rgb({r},{g},{b})\" stroke-width=\"3\"{dashes}/>\
                 <text x=\"{}\" y=\"{}\" font-size=\"13\" fill=\"currentColor\">{}</text>\n",
                x + 22,
                x + 30,
                y + 4,
                escape(label)
            )
        };
        let keys: String = self.keys.iter().enumerate().map(key).collect();
        format!(
            "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" color=\"#1c1e26\" \
             font-family=\"sans-serif\" xmlns=\"http://www.w3.org/2000/svg\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"56\" y=\"22\" font-size=\"15\" font-weight=\"600\" fill=\"currentColor\">{}</text>\n\
             <g transform=\"translate(0,{TITLE})\">{inner}</g>\n{keys}</svg>\n",
            escape(&self.title)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_reach_as_far_as_the_deviation() {
        let mark = |x, y, error| Mark { x, y, error };
        let kind = |label: &str, marks, line| Marks { label: label.into(), marks, line };
        let series = [
            kind("a<b", vec![mark(0.0, 0.5, Some(0.1)), mark(1.0, 0.7, None)], Line::Solid),
            kind("dense", vec![mark(0.0, 0.9, None), mark(1.0, 0.9, None)], Line::Dashed),
        ];
        let ticks = ["25".to_string(), "100".into()];
        let figure = marks("Accuracy", "ΔT", ticks.into(), series.into(), Y::Share).unwrap();
        let file = figure.file();
        // Two means; a line, a bar; dashes; the names of the ticks.
        assert_eq!(file.matches("<circle").count(), 2, "{file}");
        assert!(file.contains("a&lt;b") && !file.contains("a<b") && file.contains("stroke-dasharray"));
        assert!(file.contains("\n25\n") && file.contains("\n100\n") && !file.contains("#000000"), "{file}");
        assert!(figure.html().contains("<figcaption>Accuracy"));
        assert!(marks("none", "x", Vec::new(), vec![kind("a", Vec::new(), Line::None)], Y::Value).is_none());
    }
}
