//! The font of charts and films, embedded in the binary: pictures look the same everywhere, even if no font is installed. It is
//! a part of DejaVu Sans (Latin, some signs). On a page, charts use the reader's font.

/// What the font is asked for by.
pub const FAMILY: &str = "sans-serif";

/// The font as TrueType.
#[cfg(not(target_arch = "wasm32"))]
pub const BYTES: &[u8] = include_bytes!("../../assets/report/DejaVuSans.ttf");

/// Makes the font known. (A browser brings its own.)
#[cfg(not(target_arch = "wasm32"))]
pub fn register() {
    use plotters::style::{FontStyle, register_font};
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        register_font(FAMILY, FontStyle::Normal, BYTES).ok();
    });
}

#[cfg(target_arch = "wasm32")]
pub fn register() {}

/// How wide a text of this size is, in pixels; a guess where the font is the browser's.
#[cfg(target_arch = "wasm32")]
pub fn width(text: &str, size: u32) -> i32 {
    (text.chars().count() as u32 * size * 11 / 20) as i32
}

/// How wide a text of this size is, in pixels.
#[cfg(not(target_arch = "wasm32"))]
pub fn width(text: &str, size: u32) -> i32 {
    use plotters::style::IntoFont;
    register();
    (FAMILY, size).into_font().box_size(text).map_or(0, |(width, _)| width as i32)
}
