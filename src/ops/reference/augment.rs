//! Random crop, flip and normalisation of a training image. (Kernel: `augment`.)

use crate::ops::augment::{PAD, Padding};
use crate::ops::philox::{Purpose, key, philox4x32};

/// What happens to one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// How far the crop is moved, from 0 to 2 · [`PAD`]; [`PAD`] leaves the image where it is.
    pub x: usize,
    pub y: usize,
    pub flip: bool,
}

/// The draw for the image at `position` of epoch `epoch`'s order.
pub fn draw(seed: u64, epoch: u32, position: u32) -> Draw {
    let [x, y, flip, _] = philox4x32(key(seed), [position, epoch, 0, Purpose::Augment as u32]);
    let shift = |word: u32| word as usize % (2 * PAD + 1);
    Draw { x: shift(x), y: shift(y), flip: flip & 1 == 1 }
}

/// Normalised `[c, h, w]` from planar bytes; without a draw the image stays as it is.
pub fn image(pixels: &[u8], (h, w): (usize, usize), normal: &[(f64, f64)], how: Option<(Draw, Padding)>) -> Vec<f64> {
    let source = |at: usize, shift: usize, size: usize, padding: Padding| -> Option<usize> {
        let (at, size) = ((at + shift) as isize - PAD as isize, size as isize);
        match padding {
            Padding::Zero => (0..size).contains(&at).then_some(at as usize),
            // The edge itself is not repeated.
            Padding::Reflect => Some(if at < 0 {
                -at
            } else if at >= size {
                2 * (size - 1) - at
            } else {
                at
            } as usize),
        }
    };
    let mut result = Vec::with_capacity(pixels.len());
    for (plane, &(mean, std)) in pixels.chunks(h * w).zip(normal) {
        for (y, x) in (0..h * w).map(|i| (i / w, i % w)) {
            let raw = match how {
                None => plane[y * w + x],
                Some((draw, padding)) => {
                    let x = if draw.flip { w - 1 - x } else { x };
                    match (source(y, draw.y, h, padding), source(x, draw.x, w, padding)) {
                        (Some(y), Some(x)) => plane[y * w + x],
                        _ => 0,
                    }
                }
            };
            result.push((f64::from(raw) / 255.0 - mean) / std);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_and_flips() {
        let pixels: Vec<u8> = (0..64).collect();
        let plain = |how| {
            image(&pixels, (8, 8), &[(0.0, 1.0 / 255.0)], how).iter().map(|v| v.round() as u8).collect::<Vec<_>>()
        };
        let still = Draw { x: PAD, y: PAD, flip: false };
        assert_eq!(plain(None), pixels);
        assert_eq!(plain(Some((still, Padding::Zero))), pixels);
        assert_eq!(plain(Some((Draw { flip: true, ..still }, Padding::Zero)))[..8], [7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(plain(Some((Draw { x: PAD + 1, ..still }, Padding::Zero)))[..8], [1, 2, 3, 4, 5, 6, 7, 0]);
        assert_eq!(plain(Some((Draw { x: PAD - 2, ..still }, Padding::Reflect)))[..8], [2, 1, 0, 1, 2, 3, 4, 5]);
        assert_eq!(plain(Some((Draw { y: 0, ..still }, Padding::Reflect)))[0], 32);
    }

    #[test]
    fn draws_cover_their_range_and_differ() {
        let draws: Vec<Draw> = (0..2000).map(|position| draw(7, 3, position)).collect();
        for shift in 0..=2 * PAD {
            assert!(draws.iter().any(|d| d.x == shift) && draws.iter().any(|d| d.y == shift), "{shift}");
        }
        assert!(draws.iter().all(|d| d.x <= 2 * PAD && d.y <= 2 * PAD));
        let flips = draws.iter().filter(|d| d.flip).count();
        // Mean 1000, σ 22.
        assert!((900..1100).contains(&flips), "{flips}");
        assert!((0..2000).any(|position| draw(7, 4, position) != draws[position as usize]));
    }

    #[test]
    fn outside_is_black_before_normalisation() {
        let corner = Draw { x: 0, y: 0, flip: false };
        let y = image(&[255; 64], (8, 8), &[(0.5, 0.25)], Some((corner, Padding::Zero)));
        assert_eq!((y[0], y[63]), (-2.0, 2.0));
    }
}
