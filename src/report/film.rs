//! The maps of a run as an animated GIF, for READMEs and talks.

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbaImage};
use plotters::prelude::*;

use super::draw::Drawn;
use super::font;
use super::maps::{Film, LayerFilm, palette};

/// Most layers shown; of more, those spread evenly over the depth.
const LAYERS: usize = 8;
const COLUMNS: usize = 4;
/// Pixels of a map's longer side, at most, and around it.
const TILE: usize = 192;
const GAP: usize = 20;
const CAPTION: usize = 22;
const HEAD: usize = 58;

/// Shades of grey that text is drawn in: with the maps' colours no more than the 256 of a GIF.
const GREYS: u16 = 16;

/// The film of `film` with the run's name over it; none without frames.
pub fn gif(name: &str, film: &Film) -> Option<Vec<u8>> {
    let layers: Vec<&LayerFilm> = match film.layers.len() {
        0 => return None,
        few @ 1..=LAYERS => film.layers[..few].iter().collect(),
        many => (0..LAYERS).map(|i| &film.layers[i * (many - 1) / (LAYERS - 1)]).collect(),
    };
    let (columns, rows) = (layers.len().clamp(3, COLUMNS), layers.len().div_ceil(COLUMNS));
    let size = [GAP + columns * (TILE + GAP), HEAD + rows * (TILE + CAPTION + GAP)];
    let palette = palette();
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 10);
    encoder.set_repeat(Repeat::Infinite).ok()?;
    let last = film.moments.len().checked_sub(1)?;
    for (number, moment) in film.moments.iter().enumerate() {
        let head = format!(
            "step {}, update {}: {:.1} % of what is shown active, {:.1} % ever",
            moment.step,
            moment.update,
            100.0 * moment.active,
            100.0 * moment.explored
        );
        let mut pixels = vec![255; 3 * size[0] * size[1]];
        text(&mut pixels, size, name, &head, &layers).ok()?;
        let step = 255 / (GREYS - 1);
        pixels.iter_mut().for_each(|value| *value = ((u16::from(*value) + step / 2) / step * step) as u8);
        for (place, layer) in layers.iter().enumerate() {
            let cells: Vec<u8> = layer.colours(number).collect();
            let (left, top) = corner(place);
            let (across, scale) = (layer.grid.columns(), scale(layer));
            for (i, &cell) in cells.iter().enumerate() {
                for y in 0..scale {
                    let at = (top + i / across * scale + y) * size[0] + left + i % across * scale;
                    pixels[3 * at..][..3 * scale]
                        .chunks_exact_mut(3)
                        .for_each(|p| p.copy_from_slice(&palette[cell as usize]));
                }
            }
        }
        let rgba = pixels.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
        let picture = RgbaImage::from_raw(size[0] as u32, size[1] as u32, rgba)?;
        // The end stands still for a while.
        let delay = Delay::from_numer_denom_ms(if number == last { 2500 } else { 120 }, 1);
        encoder.encode_frame(Frame::from_parts(picture, 0, 0, delay)).ok()?;
    }
    drop(encoder);
    Some(bytes)
}

fn scale(layer: &LayerFilm) -> usize {
    (TILE / layer.grid.rows().max(layer.grid.columns())).max(1)
}

/// The upper left corner of the map in place number `place`.
fn corner(place: usize) -> (usize, usize) {
    (GAP + place % COLUMNS * (TILE + GAP), HEAD + place / COLUMNS * (TILE + CAPTION + GAP))
}

fn text(pixels: &mut [u8], [width, height]: [usize; 2], name: &str, head: &str, layers: &[&LayerFilm]) -> Drawn {
    font::register();
    let root = BitMapBackend::with_buffer(pixels, (width as u32, height as u32)).into_drawing_area();
    let style = |size: u32| TextStyle::from((font::FAMILY, size).into_font());
    // The largest size at which a text fits.
    let fitting = |text: &str, most: usize, sizes: std::ops::RangeInclusive<u32>| {
        let (least, largest) = (*sizes.start(), *sizes.end());
        (least..=largest).rev().find(|&size| font::width(text, size) <= most as i32).unwrap_or(least)
    };
    let room = width - 2 * GAP;
    root.draw_text(name, &style(fitting(name, room, 10..=17)), (GAP as i32, 8))?;
    root.draw_text(head, &style(fitting(head, room, 10..=15)), (GAP as i32, 32))?;
    for (place, layer) in layers.iter().enumerate() {
        let (left, top) = corner(place);
        let label =
            format!("{} ({}×{})", layer.name.trim_end_matches(".weight"), layer.grid.outputs, layer.grid.inputs);
        let size = fitting(&label, TILE + GAP / 2, 9..=14);
        root.draw_text(&label, &style(size), (left as i32, (top + layer.grid.rows() * scale(layer) + 4) as i32))?;
    }
    root.present()?;
    Ok(())
}
