//! Charts outside of a page: pictures with a title, and figures for papers without a title (their caption has it).

use plotters::coord::Shift;
use plotters::prelude::*;

use super::chart::{Chart, Key, Look};
use super::colours::INK;
use super::draw::{Drawn, FINE, LETTERS, WIDTH};
use super::font;
use super::pdf::PdfPage;

/// Pixels of a picture for a unit.
const PICTURE: u32 = 3;
/// Heights in units: of the title, and of a line of the legend.
const TITLE: u32 = 26;
const LINE: u32 = 20;
/// What a key has before its text, and after it.
const SIGN: i32 = 30;
const GAP: i32 = 14;

impl Chart {
    /// A picture with title and legend, on white.
    pub fn png(&self) -> Option<Vec<u8>> {
        let (width, height) = self.figure_size(true, PICTURE);
        let mut pixels = vec![255; 3 * (width * height) as usize];
        let root = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        self.figure(&root, true, PICTURE).ok()?;
        drop(root);
        super::maps::png_rgb(width, height, pixels)
    }

    /// A figure with its legend and without a title, as an SVG file on white.
    pub fn file(&self) -> String {
        let size = self.figure_size(false, FINE);
        let mut svg = String::new();
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let drawn = root.fill(&WHITE).map_err(Into::into).and_then(|()| self.figure(&root, false, FINE));
        drop(root);
        if drawn.is_err() {
            return String::new();
        }
        // Drawn finely, shown in units.
        let ((wide, high), (width, height)) = (size, self.figure_size(false, 1));
        svg.replacen(
            &format!("width=\"{wide}\" height=\"{high}\""),
            &format!("width=\"{width}\" height=\"{height}\""),
            1,
        )
    }

    /// The same as a PDF file of one page, for LaTeX; empty if it cannot be drawn.
    pub fn pdf(&self) -> Vec<u8> {
        let mut page = PdfPage::new(self.figure_size(false, FINE), FINE);
        let root = (&mut page).into_drawing_area();
        let drawn = self.figure(&root, false, FINE);
        drop(root);
        drawn.map_or_else(|_| Vec::new(), |()| page.finish())
    }

    /// Width and height in pixels, at `scale` pixels a unit.
    pub(super) fn figure_size(&self, titled: bool, scale: u32) -> (u32, u32) {
        let lines = self.places().last().map_or(0, |&(_, line)| line + 1);
        (WIDTH * scale, (self.head(titled) + self.height + LINE * lines + 4) * scale)
    }

    fn head(&self, titled: bool) -> u32 {
        if titled { TITLE } else { 0 }
    }

    /// Where each key stands: units from the left, and its line. From left to right, in as many lines as they need.
    fn places(&self) -> Vec<(i32, u32)> {
        let left = 10;
        let (mut x, mut line) = (left, 0);
        let place = |key: &Key| {
            let wide = SIGN + font::width(&key.label, LETTERS) + GAP;
            if x + wide > WIDTH as i32 && x > left {
                (x, line) = (left, line + 1);
            }
            let place = (x, line);
            x += wide;
            place
        };
        self.keys.iter().map(place).collect()
    }

    /// Title, chart and legend.
    pub(super) fn figure<DB>(&self, root: &DrawingArea<DB, Shift>, titled: bool, scale: u32) -> Drawn
    where
        DB: DrawingBackend,
        DB::ErrorType: 'static,
    {
        font::register();
        let unit = scale as i32;
        let (head, rest) = root.split_vertically(self.head(titled) * scale);
        if titled {
            let room = WIDTH as i32 - 20;
            let size = (11..=18).rev().find(|&size| font::width(&self.title, size) <= room).unwrap_or(11);
            let style = TextStyle::from((font::FAMILY, size * scale).into_font());
            head.draw_text(&self.title, &style, (10 * unit, 8 * unit))?;
        }
        let (plot, legend) = rest.split_vertically(self.height * scale);
        self.draw(&plot, scale, !titled)?;
        let style = TextStyle::from((font::FAMILY, LETTERS * scale).into_font());
        for (key, (x, line)) in self.keys.iter().zip(self.places()) {
            let (x, y) = (x * unit, (line * LINE) as i32 * unit);
            // As high as the middle of small letters.
            let middle = y + 8 * unit;
            let wide = 22 * unit;
            let piece = |from: i32, to: i32, half: i32| {
                Rectangle::new([(x + from, middle - half), (x + to, middle + half)], key.colour.filled())
            };
            match key.look {
                Look::Line | Look::Joined => legend.draw(&piece(0, wide, unit))?,
                Look::Block => legend.draw(&piece(0, wide, 5 * unit))?,
                Look::Dashed => {
                    legend.draw(&piece(0, wide / 3, unit))?;
                    legend.draw(&piece(2 * wide / 3, wide, unit))?;
                }
                Look::Dots | Look::Rings => {}
            }
            let at = (x + wide / 2, middle);
            match key.look {
                Look::Dots | Look::Joined => legend.draw(&Circle::new(at, 4 * scale, key.colour.filled()))?,
                Look::Rings => legend.draw(&Circle::new(at, 4 * scale, key.colour.stroke_width(2 * scale)))?,
                Look::Line | Look::Dashed | Look::Block => {}
            }
            legend.draw_text(&key.label, &style.color(&INK), (x + SIGN * unit, y + 2 * unit))?;
        }
        root.present()?;
        Ok(())
    }
}
