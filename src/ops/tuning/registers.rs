//! Which dense tiles fit the registers of a GPU: what does not is kept in memory, and loses.
//!
//! The limits are what the makers' compilers in Mesa 26 keep without spilling, of all permutations of the kernels
//! (`cargo xtask isa`, docs/backends.md).

use crate::gpu::Family;
use crate::ops::Conv;
use crate::ops::conv::Tile;

/// The most that an invocation of a dense kernel may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// A dense gather: sums of four images.
    sums: u32,
    /// The same with the vectors of four images that it loads; if lanes hand weights round.
    gather: u32,
    shuffled: u32,
    /// A dense weight gradient: for each tap the sum and the total of every channel of the tile, and three words a vector of four
    /// images of the input.
    weight: u32,
    /// The same of one that sums in one chain, without totals.
    chained: u32,
}

impl Registers {
    /// Those of `family`'s GPUs; of one that no compiler was tried for, those that suit all.
    pub const fn of(family: Family) -> Self {
        const ANY: u32 = u32::MAX;
        match family {
            Family::Software => Self { sums: 32, gather: ANY, shuffled: ANY, weight: ANY, chained: ANY },
            Family::Nvidia => Self { sums: 32, gather: ANY, shuffled: ANY, weight: 180, chained: 120 },
            Family::Amd => Self { sums: 32, gather: ANY, shuffled: ANY, weight: 180, chained: 180 },
            Family::Adreno => Self { sums: 32, gather: 46, shuffled: 20, weight: 144, chained: 120 },
            Family::Apple => Self { sums: 16, gather: 25, shuffled: ANY, weight: 90, chained: 80 },
            Family::Unknown => Self { sums: 16, gather: 25, shuffled: 20, weight: 90, chained: 80 },
        }
    }

    /// Whether an invocation of a dense gather keeps `tile`.
    fn gather_fits(&self, conv: &Conv, backward: bool, tile: Tile) -> bool {
        let step = if backward { 1 } else { conv.stride as u32 };
        // Taps of a kernel row share what they load, but not those of a strided input gradient.
        let loads = if backward && conv.stride > 1 { tile.row } else { (tile.row - 1) * step + conv.kernel as u32 };
        let quads = conv.input.quads(tile.load64) as u32;
        let sums = tile.channels * tile.row * quads;
        let most = if tile.shuffle { self.shuffled } else { self.gather };
        sums <= self.sums && sums + loads * quads <= most
    }

    /// The part of a dense gather's tile that fits: shorter rows first, for more channels use a loaded input more often.
    pub fn gather(&self, conv: &Conv, backward: bool, tile: Tile) -> Tile {
        let mut tile = tile;
        while !self.gather_fits(conv, backward, tile) && tile.row * tile.channels > 1 {
            if tile.row > 1 {
                tile.row /= 2;
            } else {
                tile.channels /= 2;
            }
        }
        tile
    }

    /// The most output channels of a dense weight gradient, which sums in one chain or not: a power of two up to 8, or all channels
    /// if they are fewer. None: not even one fits.
    pub fn weight_tile(&self, conv: &Conv, load64: bool, chain: bool) -> Option<u32> {
        let (taps, quads) = ((conv.kernel * conv.kernel) as u32, conv.input.quads(load64) as u32);
        let (sums, most) = if chain { (1, self.chained) } else { (2, self.weight) };
        let fits = |tile: &u32| taps * (sums * tile + 3 * quads + u32::from(load64)) <= most;
        let tile = [8, 4, 2, 1].into_iter().find(fits)?;
        Some(tile.min(conv.output.channels as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Layout, Storage};

    fn conv(storage: Storage, stride: usize) -> Conv {
        let side = |size| Layout::new(64, size, size, 1, 128).stored(storage);
        Conv { input: side(32), output: side(32 / stride), kernel: 3, stride, padding: 1, block: 1 }
    }

    #[test]
    fn tiles_shrink_until_they_fit() {
        let tile = |channels, row, shuffle| Tile { channels, row, shuffle, load64: false };
        let gather = |family, conv: &Conv, whole| {
            let tile = Registers::of(family).gather(conv, false, whole);
            [tile.channels, tile.row]
        };
        let (single, half) = (conv(Storage::F32, 1), conv(Storage::Bf16, 1));
        assert_eq!(gather(Family::Software, &single, tile(8, 4, false)), [8, 4]);
        assert_eq!(gather(Family::Nvidia, &single, tile(8, 4, true)), [8, 4]);
        assert_eq!(gather(Family::Apple, &single, tile(8, 4, false)), [8, 2]);
        assert_eq!(gather(Family::Apple, &half, tile(8, 4, false)), [8, 1]);
        assert_eq!(gather(Family::Adreno, &single, tile(8, 2, true)), [8, 2]);
        assert_eq!(gather(Family::Adreno, &half, tile(8, 1, true)), [4, 1]);
        let weight = |family, conv: &Conv, load64| Registers::of(family).weight_tile(conv, load64, false);
        assert_eq!(weight(Family::Software, &half, true), Some(8));
        assert_eq!([false, true].map(|load64| weight(Family::Nvidia, &half, load64)), [Some(4), Some(2)]);
        assert_eq!([false, true].map(|load64| weight(Family::Apple, &single, load64)), [Some(2), Some(1)]);
        assert_eq!([false, true].map(|load64| weight(Family::Apple, &half, load64)), [Some(2), None]);
        let chain = |family, conv: &Conv| Registers::of(family).weight_tile(conv, false, true);
        assert_eq!(
            [Family::Nvidia, Family::Adreno, Family::Apple].map(|family| chain(family, &single)),
            [Some(8), Some(8), Some(4)]
        );
        let families = [Family::Nvidia, Family::Amd, Family::Adreno, Family::Apple];
        assert_eq!(families.map(|family| chain(family, &half)), [Some(4), Some(8), Some(4), Some(2)]);
    }

    /// A GPU that nobody tried is given what fits everywhere.
    #[test]
    fn what_fits_an_unknown_gpu_fits_all() {
        for (storage, stride, backward, shuffle) in [Storage::F32, Storage::Bf16]
            .into_iter()
            .flat_map(|storage| (0..8).map(move |bits| (storage, 1 + bits % 2, bits / 2 % 2 == 1, bits / 4 == 1)))
        {
            let conv = conv(storage, stride);
            for (channels, row, load64) in [(8, 4, false), (8, 2, true), (4, 4, false), (8, 1, true)] {
                let fit =
                    Registers::of(Family::Unknown).gather(&conv, backward, Tile { channels, row, shuffle, load64 });
                let tile = |family| Registers::of(family).weight_tile(&conv, load64, shuffle);
                for family in Family::ALL {
                    assert_eq!(Registers::of(family).gather(&conv, backward, fit), fit, "{family:?}");
                    assert!(tile(Family::Unknown) <= tile(family), "{family:?}");
                }
            }
        }
    }
}
