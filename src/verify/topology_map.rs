//! The maps of a layer's active weights.

use super::comparison::Comparison;
use super::harness::{Device, Harness};
use super::{bits, noise};
use crate::gpu::GpuError;
use crate::ops::reference;
use crate::ops::topology::map::{Cell, Grid};

/// A layer of which about a share of `density` was ever active, and a third of that is.
#[derive(Clone, Copy, Debug)]
pub struct MapCase {
    pub grid: Grid,
    pub density: f32,
    /// Which random numbers.
    pub stream: u32,
}

impl MapCase {
    pub async fn compare(&self, device: &Device) -> Result<Vec<Comparison>, GpuError> {
        let &Self { grid, density, stream } = self;
        let numel = grid.outputs * grid.inputs * grid.taps;
        let draws: Vec<f32> = noise(stream, numel).iter().map(|v| (v + 1.0) / 2.0).collect();
        let explored: Vec<bool> = draws.iter().map(|&v| v < density).collect();
        let active: Vec<bool> = draws.iter().map(|&v| v < density / 3.0).collect();
        let mut harness = Harness::default();
        let now = harness.upload("active", &bits(&active));
        let ever = harness.upload("explored", &bits(&explored));
        let map = harness.upload("map", &vec![u32::MAX; grid.cells() + 3]);
        let words: Vec<u32> = harness.run(&device.gpu, &[grid.pass("layer", now, ever, map)]).await?.read(map).await?;
        let (words, behind) = words.split_at(grid.cells());
        let cells: Vec<Cell> = words.iter().map(|&word| word.into()).collect();
        let wanted = reference::topology_map::cells(&grid, &active, &explored);
        let (kernel, what) = (["topology_map"], format!("{} cells", grid.cells()));
        Ok(vec![
            Comparison::exact(&kernel, &what, &cells, &wanted),
            Comparison::exact(&kernel, "behind the last cell", &behind[..3], &[u32::MAX; 3]),
        ])
    }
}
