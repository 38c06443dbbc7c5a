//! A PDF page that `plotters` draws on, because LaTeX does not read SVG. Text is drawn as outlines, so no font is embedded.

use std::convert::Infallible;

use ab_glyph::{Font, FontRef, OutlineCurve, Point};
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontTransform,
};

use super::font;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// How far the control points of a quarter of a circle lie from its ends, in radii.
const KAPPA: f32 = 0.5523;

pub struct PdfPage {
    content: Content,
    /// In the units that are drawn in.
    size: (u32, u32),
    /// Of them for a point.
    scale: f32,
    /// Opacities in use, in hundredths; each has a graphics state of its number.
    opacities: Vec<u8>,
}

impl PdfPage {
    /// An empty page of `size` units, `scale` of which make a point.
    pub fn new(size: (u32, u32), scale: u32) -> Self {
        let mut content = Content::new();
        // The origin at the top, as on a screen.
        let unit = 1.0 / scale as f32;
        content.transform([unit, 0.0, 0.0, -unit, 0.0, size.1 as f32 * unit]);
        Self { content, size, scale: scale as f32, opacities: Vec::new() }
    }

    /// The whole file.
    pub fn finish(self) -> Vec<u8> {
        let [catalog, pages, page, content] = [1, 2, 3, 4].map(Ref::new);
        let mut pdf = Pdf::new();
        // What LaTeX takes without a warning; transparency is from here on.
        pdf.set_version(1, 4);
        pdf.catalog(catalog).pages(pages);
        pdf.pages(pages).kids([page]).count(1);
        let mut leaf = pdf.page(page);
        let (width, height) = (self.size.0 as f32 / self.scale, self.size.1 as f32 / self.scale);
        leaf.media_box(Rect::new(0.0, 0.0, width, height)).parent(pages).contents(content);
        let mut resources = leaf.resources();
        let mut states = resources.ext_g_states();
        for (number, &opacity) in self.opacities.iter().enumerate() {
            let share = f32::from(opacity) / 100.0;
            states
                .insert(Name(&name(number)))
                .start::<pdf_writer::writers::ExtGraphicsState>()
                .non_stroking_alpha(share)
                .stroking_alpha(share);
        }
        states.finish();
        resources.finish();
        leaf.finish();
        pdf.stream(content, &self.content.finish());
        pdf.finish()
    }

    /// Sets the colour of what follows.
    fn ink(&mut self, color: BackendColor) {
        let opacity = (100.0 * color.alpha).round() as u8;
        let number = self.opacities.iter().position(|&known| known == opacity).unwrap_or_else(|| {
            self.opacities.push(opacity);
            self.opacities.len() - 1
        });
        let (r, g, b) = color.rgb;
        let [r, g, b] = [r, g, b].map(|part| f32::from(part) / 255.0);
        self.content.set_parameters(Name(&name(number)));
        self.content.set_fill_rgb(r, g, b).set_stroke_rgb(r, g, b);
    }

    fn path(&mut self, points: impl IntoIterator<Item = BackendCoord>) {
        for (i, (x, y)) in points.into_iter().enumerate() {
            let (x, y) = (x as f32, y as f32);
            if i == 0 {
                self.content.move_to(x, y)
            } else {
                self.content.line_to(x, y)
            };
        }
    }

    /// Fills the path, or draws along it.
    fn paint(&mut self, style: &impl BackendStyle, fill: bool) {
        match fill {
            true => self.content.fill_nonzero(),
            false => self.content.set_line_width(style.stroke_width() as f32).stroke(),
        };
    }

    /// A glyph with its origin at `at`, in `size` units an em.
    fn glyph(&mut self, face: &FontRef<'static>, id: ab_glyph::GlyphId, at: (f32, f32), size: f32) {
        let Some(outline) = face.outline(id) else { return };
        let unit = size / face.units_per_em().unwrap_or(1000.0);
        let place = |point: Point| (at.0 + point.x * unit, at.1 - point.y * unit);
        let mut end = None;
        for curve in outline.curves {
            let start = match curve {
                OutlineCurve::Line(start, _) | OutlineCurve::Quad(start, ..) | OutlineCurve::Cubic(start, ..) => start,
            };
            if end != Some(start) {
                let (x, y) = place(start);
                self.content.move_to(x, y);
            }
            let (first, second, last) = match curve {
                OutlineCurve::Line(a, b) => (a, b, b),
                // As a cubic one.
                OutlineCurve::Quad(a, control, b) => {
                    let towards = |from: Point| {
                        ab_glyph::point(
                            from.x + (control.x - from.x) * 2.0 / 3.0,
                            from.y + (control.y - from.y) * 2.0 / 3.0,
                        )
                    };
                    (towards(a), towards(b), b)
                }
                OutlineCurve::Cubic(_, b, c, d) => (b, c, d),
            };
            let ((x1, y1), (x2, y2), (x3, y3)) = (place(first), place(second), place(last));
            self.content.cubic_to(x1, y1, x2, y2, x3, y3);
            end = Some(last);
        }
        self.content.fill_nonzero();
    }
}

fn name(number: usize) -> Vec<u8> {
    format!("G{number}").into_bytes()
}

impl DrawingBackend for &mut PdfPage {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        self.ink(color);
        self.content.rect(x as f32, y as f32, 1.0, 1.0).fill_nonzero();
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        if style.color().alpha > 0.0 {
            self.ink(style.color());
            self.path(path);
            self.paint(style, false);
        }
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(&mut self, a: BackendCoord, b: BackendCoord, style: &S, fill: bool) -> Drawn {
        if style.color().alpha > 0.0 {
            self.ink(style.color());
            self.content.rect(a.0 as f32, a.1 as f32, (b.0 - a.0) as f32, (b.1 - a.1) as f32);
            self.paint(style, fill);
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, center: BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        if style.color().alpha > 0.0 {
            self.ink(style.color());
            let (x, y, r) = (center.0 as f32, center.1 as f32, radius as f32);
            let k = KAPPA * r;
            self.content
                .move_to(x + r, y)
                .cubic_to(x + r, y + k, x + k, y + r, x, y + r)
                .cubic_to(x - k, y + r, x - r, y + k, x - r, y)
                .cubic_to(x - r, y - k, x - k, y - r, x, y - r)
                .cubic_to(x + k, y - r, x + r, y - k, x + r, y)
                .close_path();
            self.paint(style, fill);
        }
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, points: I, style: &S) -> Drawn {
        if style.color().alpha > 0.0 {
            self.ink(style.color());
            self.path(points);
            self.content.close_path().fill_nonzero();
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, pos: BackendCoord) -> Drawn {
        let face = FontRef::try_from_slice(font::BYTES).expect("the font is in the program");
        // As the other backends have it.
        let size = (style.size() / 1.24) as f32;
        let unit = size / face.units_per_em().unwrap_or(1000.0);
        let wide: f32 = text.chars().map(|c| face.h_advance_unscaled(face.glyph_id(c)) * unit).sum();
        let left = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -wide / 2.0,
            HPos::Right => -wide,
        };
        let baseline = match style.anchor().v_pos {
            VPos::Top => 0.76 * size,
            VPos::Center => 0.27 * size,
            VPos::Bottom => -0.27 * size,
        };
        let turned = match style.transform() {
            FontTransform::None => [1.0, 0.0, 0.0, 1.0],
            FontTransform::Rotate90 => [0.0, 1.0, -1.0, 0.0],
            FontTransform::Rotate180 => [-1.0, 0.0, 0.0, -1.0],
            FontTransform::Rotate270 => [0.0, -1.0, 1.0, 0.0],
        };
        let [a, b, c, d] = turned;
        self.ink(style.color());
        self.content.save_state().transform([a, b, c, d, pos.0 as f32, pos.1 as f32]);
        let mut x = left;
        for c in text.chars() {
            let id = face.glyph_id(c);
            self.glyph(&face, id, (x, baseline), size);
            x += face.h_advance_unscaled(id) * unit;
        }
        self.content.restore_state();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::chart::{Look, Y};
    use super::super::colours::colour;
    use super::super::plot::{Mark, Marks, marks};

    #[test]
    fn a_figure_is_one_page_of_its_size() {
        let mark = |x, y| Mark { x, y, error: Some(0.1), x_error: None };
        let kinds = vec![
            Marks {
                label: "SET".into(),
                colour: colour(0),
                marks: vec![mark(0.0, 0.5), mark(1.0, 0.6)],
                look: Look::Joined,
            },
            Marks { label: "dense".into(), colour: colour(1), marks: vec![mark(0.0, 0.9)], look: Look::Dashed },
        ];
        let figure = marks("a", ["ΔT", "A"], &["5".into(), "20".into()], kinds, Y::Share).unwrap();
        let pdf = figure.pdf();
        let text = String::from_utf8_lossy(&pdf);
        let (width, height) = figure.figure_size(false, 1);
        assert!(text.starts_with("%PDF-") && text.trim_end().ends_with("%%EOF"));
        assert!(text.contains(&format!("/MediaBox [0 0 {width} {height}]")), "{text}");
        // Bands let what lies under them through; the letters are curves, and there is no font.
        assert!(text.contains("/ca 0.18") && !text.contains("/Font"), "{text}");
        assert!(text.matches(" c\n").count() > 100, "{text}");
    }
}
