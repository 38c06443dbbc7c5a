//! Colours: one for each setting of a page, and scales for what has an order.

use plotters::style::RGBColor;

use crate::train::Method;

/// Black, which a page draws in its ink: readable on light and on dark.
pub const INK: RGBColor = RGBColor(0, 0, 0);

/// Colours that stay apart for the colour-blind (Okabe and Ito).
const PALETTE: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
const GREY: RGBColor = RGBColor(128, 128, 128);

/// Towards white (above 0) or black, in the order in which variants take them.
const SHADES: [f64; 8] = [0.0, 0.42, -0.22, 0.62, 0.22, -0.36, 0.75, -0.48];

/// The colour number `number` of things that are all of one kind.
pub fn colour(number: usize) -> RGBColor {
    variant(PALETTE[number % PALETTE.len()], number / PALETTE.len())
}

/// The colour of a method, the same on every page.
pub fn of_method(method: Method, number: usize) -> RGBColor {
    let base = match method {
        Method::Dense => GREY,
        Method::Static => PALETTE[0],
        Method::Set => PALETTE[1],
        Method::Rigl => PALETTE[2],
    };
    variant(base, number)
}

/// The shade number `number` of a colour, 0 being the colour itself. Beyond the shades the hue turns as well.
fn variant(base: RGBColor, number: usize) -> RGBColor {
    let turn = number / SHADES.len();
    let RGBColor(r, g, b) = base;
    let turned = [[r, g, b], [g, b, r], [b, r, g]][turn % 3];
    let share = SHADES[number % SHADES.len()] * 0.9f64.powi((turn / 3) as i32);
    let mix = |part: u8| {
        let to = if share > 0.0 { 255.0 } else { 0.0 };
        (f64::from(part) + (to - f64::from(part)) * share.abs()) as u8
    };
    let [r, g, b] = turned.map(mix);
    RGBColor(r, g, b)
}

/// From light blue to dark, for bins in order.
pub fn ramp(number: usize, of: usize) -> RGBColor {
    between(&[[198.0, 219.0, 239.0], [8.0, 48.0, 107.0]], number, of)
}

/// From violet over teal to yellow, for layers by their depth.
pub fn depth(number: usize, of: usize) -> RGBColor {
    // Of Matplotlib's viridis, but for the ends that fade on black and on white.
    let stops =
        [[84.0, 50.0, 140.0], [49.0, 104.0, 142.0], [33.0, 145.0, 140.0], [94.0, 201.0, 98.0], [210.0, 200.0, 30.0]];
    between(&stops, number, of)
}

fn between(stops: &[[f64; 3]], number: usize, of: usize) -> RGBColor {
    let place = number as f64 / (of.max(2) - 1) as f64 * (stops.len() - 1) as f64;
    let from = (place as usize).min(stops.len() - 2);
    let [r, g, b] =
        [0, 1, 2].map(|i| (stops[from][i] + (stops[from + 1][i] - stops[from][i]) * (place - from as f64)) as u8);
    RGBColor(r, g, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_colours_are_alike() {
        let distinct = |all: Vec<RGBColor>| {
            let different: std::collections::HashSet<_> = all.iter().map(|&RGBColor(r, g, b)| (r, g, b)).collect();
            assert_eq!(different.len(), all.len(), "{all:?}");
        };
        distinct((0..48).map(colour).collect());
        let methods = [Method::Dense, Method::Static, Method::Set, Method::Rigl];
        distinct(methods.iter().flat_map(|&method| (0..8).map(move |number| of_method(method, number))).collect());
        distinct((0..12).map(|number| depth(number, 12)).collect());
        distinct((0..8).map(|number| ramp(number, 8)).collect());
        assert!(depth(0, 1) != depth(1, 2));
    }
}
