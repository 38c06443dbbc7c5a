//! Where in a layer its active weights lie, and lay: of each cell of a grid of kernels, out channels down and in channels
//! across, how many positions are active and how many ever were. From the bitsets alone, for pictures.
//!
//! Shader: `topology_map`; reference: [`crate::ops::reference::topology_map`].

use crate::gpu::{Command, Kernel, Kind, Label, Slice};
use crate::ops::Conv;

/// Most cells down and across; larger layers are pooled.
pub const SIDE: usize = 64;

/// A layer's weight `[outputs, inputs, taps]` as a grid of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub outputs: usize,
    pub inputs: usize,
    /// Positions of a kernel.
    pub taps: usize,
}

impl Grid {
    /// The grid of a convolution's weight; none where a cell would have more positions than 16 bits count
    /// (weights of 2²⁸ positions and more).
    pub fn new(conv: &Conv) -> Option<Self> {
        let (outputs, inputs) = (conv.rows(), conv.input.channels);
        let grid = Self { outputs, inputs, taps: conv.kernel * conv.kernel };
        grid.is_countable().then_some(grid)
    }

    /// Whether 16 bits count the positions of every cell, and there is one.
    pub fn is_countable(&self) -> bool {
        let cell = self.down().checked_mul(self.across()).and_then(|kernels| kernels.checked_mul(self.taps));
        self.cells() > 0 && cell.is_some_and(|positions| (1..=usize::from(u16::MAX)).contains(&positions))
    }

    /// Out channels that a cell spans; those of the last row may be fewer.
    pub fn down(&self) -> usize {
        self.outputs.div_ceil(SIDE)
    }

    /// In channels that a cell spans; those of the last column may be fewer.
    pub fn across(&self) -> usize {
        self.inputs.div_ceil(SIDE)
    }

    pub fn rows(&self) -> usize {
        self.outputs.div_ceil(self.down().max(1))
    }

    pub fn columns(&self) -> usize {
        self.inputs.div_ceil(self.across().max(1))
    }

    pub fn cells(&self) -> usize {
        self.rows() * self.columns()
    }

    /// Positions of a cell.
    pub fn positions(&self, cell: usize) -> usize {
        let (row, column) = (cell / self.columns(), cell % self.columns());
        let down = self.down().min(self.outputs - row * self.down());
        let across = self.across().min(self.inputs - column * self.across());
        down * across * self.taps
    }

    /// Bytes of a map: a word a cell.
    pub fn bytes(&self) -> u64 {
        4 * self.cells() as u64
    }

    /// Counts the bits of `active` and `explored` into `map`, a word a cell: [`Cell`].
    pub fn pass(&self, label: &str, active: Slice, explored: Slice, map: Slice) -> Command {
        let kernel = Kernel::new("topology_map")
            .set("OUTPUTS", self.outputs)
            .set("INPUTS", self.inputs)
            .set("TAPS", self.taps)
            .set("DOWN", self.down())
            .set("ACROSS", self.across())
            .set("COLUMNS", self.columns())
            .set("CELLS", self.cells());
        let groups = kernel.groups(self.cells(), 1);
        Command::dispatch(Label::new(Kind::Topology, label, "map"), kernel, &[active, explored, map], [groups, 1, 1])
    }
}

/// What is counted in a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Positions active now.
    pub active: u16,
    /// Positions active at any time so far.
    pub explored: u16,
}

impl From<u32> for Cell {
    /// From the word that the kernel writes.
    fn from(word: u32) -> Self {
        Self { active: word as u16, explored: (word >> 16) as u16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cover_a_layer_once() {
        for (outputs, inputs, taps) in [(1, 1, 1), (64, 3, 9), (65, 64, 9), (512, 512, 9), (130, 1000, 1), (10, 64, 1)]
        {
            let grid = Grid { outputs, inputs, taps };
            assert!(grid.is_countable() && grid.rows() <= SIDE && grid.columns() <= SIDE, "{grid:?}");
            let positions: usize = (0..grid.cells()).map(|cell| grid.positions(cell)).sum();
            assert_eq!(positions, outputs * inputs * taps, "{grid:?}");
        }
        let grid = Grid { outputs: 64, inputs: 64, taps: 9 };
        assert_eq!((grid.cells(), grid.positions(0)), (4096, 9), "one cell a kernel");
    }

    #[test]
    fn layers_that_cannot_be_counted() {
        for (outputs, inputs, taps) in
            [(0, 4, 1), (4, 0, 1), (4, 4, 0), (1 << 14, 1 << 14, 1), (usize::MAX, usize::MAX, 9)]
        {
            assert!(!Grid { outputs, inputs, taps }.is_countable(), "{outputs} {inputs} {taps}");
        }
        assert!(Grid { outputs: 16_320, inputs: 16_384, taps: 1 }.is_countable());
    }
}
