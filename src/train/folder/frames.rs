//! The frames of a run: where the active weights of each layer are and were, at some of the updates.

use std::io::{Read, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};

use crate::ops::topology::map::{Cell, Grid};
use crate::train::run_plan::RunPlan;

/// Most frames of a run, the first state's and the last update's included.
pub const FRAMES: usize = 60;

/// Whether the state after update `update` (0: the first state) of a run of `updates` is a frame: all of a short run, else
/// [`FRAMES`] at even distances. Nothing else decides, so that a resumed run has the same frames.
pub fn is_frame(update: usize, updates: usize) -> bool {
    let intervals = FRAMES - 1;
    let passed = |update: usize| update * intervals / updates.max(1);
    update == 0 || updates <= intervals || passed(update) > passed(update - 1)
}

/// A line of `maps.jsonl`: a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameLine {
    pub step: usize,
    pub epoch: usize,
    /// Topology updates done.
    pub update: usize,
    pub layers: Vec<LayerCells>,
}

/// A sparse layer in a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerCells {
    pub name: String,
    /// The weight's shape: out channels, in channels, positions of a kernel.
    pub shape: [usize; 3],
    /// Rows and columns of the grid.
    pub grid: [usize; 2],
    /// Base64 of zlib of two arrays of little-endian 16-bit numbers, each row by row: how many positions of each cell were
    /// ever active, and how many are now.
    pub cells: String,
}

impl LayerCells {
    /// Packs the cells of a layer.
    pub fn new(name: &str, grid: &Grid, cells: &[Cell]) -> Self {
        let explored = cells.iter().flat_map(|cell| cell.explored.to_le_bytes());
        let bytes: Vec<u8> = explored.chain(cells.iter().flat_map(|cell| cell.active.to_le_bytes())).collect();
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
        let packed = packer.write_all(&bytes).and_then(|()| packer.finish());
        let packed = packed.unwrap_or_else(|error| unreachable!("a vector takes every byte: {error}"));
        Self {
            name: name.into(),
            shape: [grid.outputs, grid.inputs, grid.taps],
            grid: [grid.rows(), grid.columns()],
            cells: STANDARD.encode(packed),
        }
    }

    /// The grid and its cells; none if they do not fit together. Takes no more memory than the grid may have.
    pub fn unpack(&self) -> Option<(Grid, Vec<Cell>)> {
        let [outputs, inputs, taps] = self.shape;
        let grid = Grid { outputs, inputs, taps };
        if !grid.is_countable() || [grid.rows(), grid.columns()] != self.grid {
            return None;
        }
        let packed = STANDARD.decode(&self.cells).ok()?;
        let (plane, mut bytes) = (2 * grid.cells(), Vec::new());
        ZlibDecoder::new(packed.as_slice()).take(2 * plane as u64 + 1).read_to_end(&mut bytes).ok()?;
        if bytes.len() != 2 * plane {
            return None;
        }
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let cell = |at: usize| Cell { explored: number(at), active: number(plane + at) };
        let cells: Vec<Cell> = (0..plane).step_by(2).map(cell).collect();
        let fits =
            |(i, cell): (usize, &Cell)| cell.active <= cell.explored && usize::from(cell.explored) <= grid.positions(i);
        cells.iter().enumerate().all(fits).then_some((grid, cells))
    }
}

/// The line of a frame, from the words that the GPU counted, of all layers of the plan's maps one after the other.
pub(in crate::train) fn line(
    run_plan: &RunPlan,
    (update, step, epoch): (usize, usize, usize),
    words: &[u32],
) -> FrameLine {
    let plan = &run_plan.plan;
    let mut rest = words;
    let layers = plan.maps.iter().map(|map| {
        let (own, tail) = rest.split_at(map.grid.cells());
        rest = tail;
        let cells: Vec<Cell> = own.iter().map(|&word| word.into()).collect();
        LayerCells::new(&plan.layers[map.layer].name, &map.grid, &cells)
    });
    FrameLine { step, epoch, update, layers: layers.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_few_and_even() {
        for updates in [0, 1, 7, 58, 59, 60, 61, 100, 1000, 93_750] {
            let frames: Vec<usize> = (0..=updates).filter(|&update| is_frame(update, updates)).collect();
            assert_eq!(frames.len(), (updates + 1).min(FRAMES), "{updates} updates");
            assert_eq!((frames[0], frames[frames.len() - 1]), (0, updates));
            let gaps = || frames.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(gaps().max().unwrap_or(1) <= gaps().min().unwrap_or(1) + 1, "{updates} updates: {frames:?}");
        }
    }

    #[test]
    fn cells_come_back() {
        let grid = Grid { outputs: 65, inputs: 3, taps: 9 };
        let cell = |i: usize| Cell { explored: (i % 19) as u16 % 10, active: (i % 19) as u16 % 10 / 2 };
        let cells: Vec<Cell> = (0..grid.cells()).map(cell).collect();
        let packed = LayerCells::new("conv1.weight", &grid, &cells);
        assert_eq!(packed.unpack(), Some((grid, cells.clone())));
        let with = |change: &dyn Fn(&mut LayerCells)| {
            let mut other = packed.clone();
            change(&mut other);
            other.unpack()
        };
        // Another shape, no base64, a bomb, more than there are positions.
        assert_eq!(with(&|layer| layer.shape[1] = 4), None);
        assert_eq!(with(&|layer| layer.shape = [usize::MAX, usize::MAX, 9]), None);
        assert_eq!(with(&|layer| layer.cells.insert(0, '!')), None);
        let bomb = Grid { outputs: 64, inputs: 64, taps: 9 };
        let zeros = LayerCells::new("", &bomb, &vec![Cell::default(); 4096]).cells;
        assert_eq!(with(&|layer| layer.cells = zeros.clone()), None);
        assert_eq!(LayerCells::new("", &grid, &vec![Cell { active: 0, explored: 19 }; grid.cells()]).unpack(), None);
        assert_eq!(LayerCells::new("", &grid, &vec![Cell { active: 2, explored: 1 }; grid.cells()]).unpack(), None);
    }
}
