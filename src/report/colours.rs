//! Colours: one for each setting of a page, and colour scales for ordered values.

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
/// Families of colours, one per method, for its settings and curves; all are readable on light and on dark backgrounds.
const DENSE: [RGBColor; 6] = [
    RGBColor(128, 128, 128),
    RGBColor(98, 110, 134),
    RGBColor(168, 168, 168),
    RGBColor(120, 102, 86),
    RGBColor(140, 155, 165),
    RGBColor(96, 96, 96),
];
const STATIC: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(112, 96, 210),
    RGBColor(0, 150, 170),
    RGBColor(50, 90, 235),
    RGBColor(160, 140, 230),
];
const SET: [RGBColor; 6] = [
    RGBColor(213, 94, 0),
    RGBColor(230, 159, 0),
    RGBColor(204, 55, 85),
    RGBColor(160, 105, 60),
    RGBColor(240, 128, 115),
    RGBColor(204, 121, 167),
];
const RIGL: [RGBColor; 6] = [
    RGBColor(0, 158, 115),
    RGBColor(125, 190, 60),
    RGBColor(95, 125, 45),
    RGBColor(70, 200, 180),
    RGBColor(30, 115, 85),
    RGBColor(175, 175, 45),
];
/// Of every other method.
const OTHER: [RGBColor; 6] = [
    RGBColor(150, 45, 120),
    RGBColor(215, 170, 50),
    RGBColor(190, 90, 215),
    RGBColor(100, 20, 85),
    RGBColor(225, 150, 225),
    RGBColor(140, 110, 10),
];

/// The colour number `number` of things that are all of one kind.
pub fn colour(number: usize) -> RGBColor {
    shaded(&PALETTE, number)
}

/// A colour of a method's family.
pub fn of_method(method: Method, number: usize) -> RGBColor {
    const FAMILIES: [(Method, &[RGBColor; 6]); 4] =
        [(Method::DENSE, &DENSE), (Method::STATIC, &STATIC), (Method::SET, &SET), (Method::RIGL, &RIGL)];
    let family = FAMILIES.iter().find(|(known, _)| *known == method);
    shaded(family.map_or(&OTHER, |(_, family)| family), number)
}

/// The colour number `number` of a family; beyond its colours lighter and darker ones.
fn shaded(family: &[RGBColor; 6], number: usize) -> RGBColor {
    /// Towards white (above 0) or black.
    const SHADES: [f64; 7] = [0.0, 0.4, -0.3, 0.6, -0.45, 0.2, -0.15];
    let RGBColor(r, g, b) = family[number % family.len()];
    let share = SHADES[number / family.len() % SHADES.len()];
    let to = if share > 0.0 { 255.0 } else { 0.0 };
    let [r, g, b] = [r, g, b].map(|part| (f64::from(part) + (to - f64::from(part)) * share.abs()) as u8);
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
        distinct((0..42).map(colour).collect());
        let methods = [Method::DENSE, Method::STATIC, Method::SET, Method::RIGL, Method::MOMENTUM];
        distinct(methods.iter().flat_map(|&method| (0..6).map(move |number| of_method(method, number))).collect());
        for method in methods {
            distinct((0..30).map(|number| of_method(method, number)).collect());
        }
        distinct((0..12).map(|number| depth(number, 12)).collect());
        distinct((0..8).map(|number| ramp(number, 8)).collect());
        assert!(depth(0, 1) != depth(1, 2));
    }
}
