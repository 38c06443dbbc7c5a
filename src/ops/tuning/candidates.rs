//! Which kernels a layer may run.

use super::{GROUP_CELLS, ROW_SLOTS, Tuning};
use crate::gpu::prev_power_of_two;
use crate::ops::conv::{Strip, TEAM, Tile};
use crate::ops::sparse_tensor::groups_most;
use crate::ops::{Conv, ForwardKernel, Scope, WeightGradKernel};

/// The most numbers of sums that an invocation keeps where matrices are multiplied.
const SUMS_MOST: u32 = 128;

/// The most sums of four images that an invocation of a gather of blocks keeps, where it has several blocks under way.
const BLOCK_SUMS_MOST: u32 = 16;

/// The most parts of a weight gradient: their sums take that many times the weights' memory.
const SPLIT_MOST: usize = 16;

/// The most pixels that an invocation adds up in one chain, four images or eight of each.
const CHAIN_MOST: usize = 1024;

impl Tuning {
    /// Every candidate for a gather, the simplest first.
    pub fn forward_kernels(&self, conv: &Conv, sparse: bool, backward: bool) -> Vec<ForwardKernel> {
        let mut all = vec![ForwardKernel::Naive];
        if sparse {
            all.extend(self.strips(conv, backward).into_iter().map(ForwardKernel::Sparse));
        }
        let channels = if backward { conv.input.channels } else { conv.output.channels } as u32;
        let tiles = [(8, 1, false), (4, 4, false), (8, 2, false), (8, 4, false), (8, 1, true), (8, 2, true)];
        for (tile, row, load64) in tiles {
            for shuffle in [false, true] {
                let fits = row == row_that_fits(conv, backward, row) && (!load64 || self.device.load64_fits(conv));
                let channels = tile.min(channels);
                if fits && (!shuffle || self.device.subgroup_size >= channels) {
                    let tile = Tile { channels, row, shuffle, load64 };
                    all.push(ForwardKernel::Dense(self.device.registers.gather(conv, backward, tile)));
                }
            }
        }
        all.extend(self.matrix_kernels(conv, backward));
        all.sort();
        all.dedup();
        all
    }

    /// Every sparse gather: the default in every grouping of rows, the others, which need more registers, in one that leaves them
    /// these. Lanes hand weights round, and 64-bit words are loaded, only where one weight is under way.
    pub(super) fn strips(&self, conv: &Conv, backward: bool) -> Vec<Strip> {
        if conv.block > 1 {
            return self.block_strips(conv, backward);
        }
        let (groups, mut all) = (self.row_groups(conv, backward), Vec::new());
        let usual = [groups[0].min(self.launch.row_group / ROW_SLOTS)];
        for load64 in [false, true].into_iter().filter(|load64| !load64 || self.device.load64_fits(conv)) {
            let most = row_that_fits(conv, backward, 8 / conv.input.quads(load64) as u32).min(4);
            let fits = |row: u32, unroll: u32| row <= most && (!load64 || unroll == 1);
            for (number, &[row, unroll]) in self.launch.strips.iter().enumerate() {
                let groups = if number == 0 { &groups[..] } else { &usual[..] };
                let chunks = if unroll == 1 { [0, self.device.subgroup_size] } else { [0, 0] };
                for (&group, chunk) in groups.iter().flat_map(|group| chunks.map(|chunk| (group, chunk))) {
                    all.extend(fits(row, unroll).then_some(Strip { row, unroll, group, chunk, load64 }));
                }
            }
        }
        all
    }

    /// The same for blocks.
    pub(super) fn block_strips(&self, conv: &Conv, backward: bool) -> Vec<Strip> {
        let loads = [false, true].into_iter().filter(|load64| !load64 || self.device.load64_fits(conv));
        let sums = if backward { 1 } else { conv.block as u32 };
        let strips = loads.flat_map(|load64| {
            self.launch.block_strips[usize::from(backward)].iter().filter_map(move |&[row, unroll]| {
                let quads = conv.input.quads(load64) as u32;
                let row = row_that_fits(conv, backward, (row / quads).max(1));
                // What is under way needs registers too.
                let fits = unroll == 1 || sums * row * quads <= BLOCK_SUMS_MOST;
                fits.then_some(Strip { row, unroll, group: 1, chunk: 0, load64 })
            })
        });
        let groups = self.row_groups(conv, backward);
        let grouped = |(number, strip): (usize, Strip)| {
            let groups = if number == 0 { &groups[..] } else { &groups[..1] };
            groups.iter().map(move |&group| Strip { group, ..strip }).collect::<Vec<_>>()
        };
        strips.enumerate().flat_map(grouped).collect()
    }

    /// How many rows of the weight, by output or (backward) input channels, can share a workgroup, the default first.
    pub(super) fn row_groups(&self, conv: &Conv, backward: bool) -> Vec<u32> {
        let rows = if backward { conv.columns() } else { conv.rows() };
        let most = match (conv.block, backward) {
            // Kernels without subgroups are those of browsers too, whose workgroups are no larger.
            _ if self.device.subgroup_size == 0 => self.launch.row_group,
            (1, _) => u32::MAX,
            // An invocation that keeps the sums of a block has too few registers in a large workgroup.
            (_, false) => self.launch.row_group,
            (_, true) => 2 * self.launch.row_group,
        };
        let invocations = self.device.most_group.min(most);
        let most = (invocations / ROW_SLOTS).clamp(1, 1 << rows.trailing_zeros());
        let mut groups: Vec<u32> = self.launch.groups.iter().map(|&group| group.min(most)).collect();
        groups.dedup();
        groups
    }

    /// Every gather by matrices: that of strided input gradients, few, has none.
    pub(super) fn matrix_kernels(&self, conv: &Conv, backward: bool) -> Vec<ForwardKernel> {
        let size = self.device.matrix(conv);
        if size == 0 || (backward && conv.stride > 1) {
            return Vec::new();
        }
        let channels = if backward { conv.input.channels } else { conv.output.channels } as u32;
        let columns = conv.input.block_images() as u32 / size;
        let tiles = [1, 2, 4].into_iter().flat_map(|tile| [1, 2].map(|row| (tile, row)));
        let fits = |&(tile, row): &(u32, u32)| {
            row == row_that_fits(conv, backward, row)
                && channels.is_multiple_of(tile * size)
                // A lane holds so many sums of each matrix.
                && tile * row * columns * size * size <= SUMS_MOST * self.device.matrices.least_lanes
                // What leaves them goes by way of the workgroup's memory, of 15 KiB.
                && self.device.matrices.subgroups() * 4 * size * row * columns * size <= 15 << 10
        };
        tiles.filter(fits).map(|(tile, row)| ForwardKernel::Matrices { channels: tile * size, row }).collect()
    }

    /// Every candidate for the weight gradient of a layer with `active` weights (`None`: a dense layer), the simplest first.
    pub fn weight_grad_kernels(&self, conv: &Conv, active: Option<usize>) -> Vec<WeightGradKernel> {
        let mut all = Vec::new();
        for load64 in [false, true] {
            for scope in [Scope::Invocation, Scope::Shuffle, Scope::Subgroup, Scope::Workgroup, Scope::Pixels] {
                let by_lanes = matches!(scope, Scope::Shuffle | Scope::Subgroup);
                if (load64 && !self.device.load64_fits(conv)) || (by_lanes && !self.subgroup_fits()) {
                    continue;
                }
                if scope == Scope::Pixels {
                    // Whole, it would be one workgroup or a few.
                    let whole = WeightGradKernel { tile: None, scope, group: 1, load64, split: 1 };
                    let split = self.split(conv, active.unwrap_or(0), &whole);
                    let offered = active.is_some() && !load64 && self.pixels_fit();
                    all.extend(offered.then_some(WeightGradKernel { split, ..whole }));
                    continue;
                }
                // A lane of a subgroup keeps one sum, and a group of blocks has more sums than there are lanes.
                let has_kernel = scope != Scope::Shuffle && (scope != Scope::Subgroup || conv.block == 1);
                if active.is_some() && has_kernel {
                    all.push(WeightGradKernel { tile: None, scope, group: 1, load64, split: 1 });
                }
                if !load64 && matches!(scope, Scope::Subgroup | Scope::Workgroup) {
                    all.extend(self.grouped_sums(conv, scope));
                }
                let Some(most) = self.device.weight_tile(conv, load64, false) else { continue };
                // A smaller tile loads more for each sum: one channel is there to be simple, half a tile for want of registers.
                let mut tiles = match scope {
                    Scope::Invocation => vec![1, most.div_ceil(2), most],
                    Scope::Subgroup | Scope::Workgroup => vec![most.div_ceil(2), most],
                    _ => vec![most],
                };
                tiles.dedup();
                all.extend(tiles.into_iter().map(|tile| WeightGradKernel {
                    tile: Some(tile),
                    scope,
                    group: 1,
                    load64,
                    split: 1,
                }));
            }
        }
        let size = self.device.matrix(conv);
        let fits = |tile: &u32| {
            (conv.output.channels as u32).is_multiple_of(tile * size)
                && tile * conv.kernel as u32 * size * size <= SUMS_MOST * self.device.matrices.least_lanes
        };
        let tiles = [1, 2, 4].into_iter().filter(|tile| size > 0 && fits(tile));
        all.extend(tiles.map(|tile| WeightGradKernel {
            tile: Some(tile * size),
            scope: Scope::Matrices,
            group: 1,
            load64: false,
            split: 1,
        }));
        let split = |whole: &WeightGradKernel| WeightGradKernel {
            split: self.split(conv, active.unwrap_or(0), whole),
            ..*whole
        };
        // (`Scope::Pixels` and groups of tiles are split already.)
        let whole = all.iter().filter(|sum| sum.split == 1 && sum.group == 1);
        all.extend(whole.map(split).filter(|sum| sum.split > 1).collect::<Vec<_>>());
        all
    }

    /// Bytes that whichever candidate leaves to its next dispatch.
    pub fn workspace_bytes(&self, conv: &Conv, active: Option<usize>) -> u64 {
        let sums = self
            .weight_grad_kernels(conv, active)
            .into_iter()
            .map(|sum| sum.workspace_bytes(conv, active.unwrap_or(0)));
        let gathers = [false, true].map(|backward| self.matrix_kernels(conv, backward));
        sums.chain(gathers.iter().flatten().map(|gather| gather.workspace_bytes(conv))).max().unwrap_or(0)
    }

    /// Parts that make the weight gradient of a layer with `active` weights fill the adapter.
    pub(super) fn split(&self, conv: &Conv, active: usize, sum: &WeightGradKernel) -> u32 {
        let sharing = match sum.scope {
            Scope::Invocation | Scope::Shuffle => return 1,
            Scope::Pixels => {
                // As many as fill the adapter. The more workgroups the weights take, the fewer parts: their sums never take more
                // than a few MiB.
                let workgroups = conv.pixels_workgroups(self, groups_most(conv, active / conv.block, self));
                let most = self.device.occupancy_target / (workgroups * self.device.most_group as usize);
                return most.clamp(1, conv.output.blocks() * conv.output.height) as u32;
            }
            _ if sum.group > 1 => sum.team(self),
            Scope::Subgroup => self.device.subgroup_size,
            Scope::Workgroup => self.launch.weight_workgroup,
            Scope::Matrices => self.device.matrices.most_lanes,
        };
        let sums = match (sum.tile, sum.scope) {
            (None, _) => active.div_ceil(conv.weight_group(self) as usize * conv.block),
            (Some(tile), Scope::Matrices) => {
                conv.kernel * conv.input.channels * conv.output.channels
                    / (tile * self.device.matrix(conv).max(1)) as usize
            }
            (Some(tile), _) => conv.input.channels * conv.output.channels.div_ceil(tile as usize),
        };
        let invocations = sums.max(1) * sharing as usize;
        let rows = conv.output.blocks() * conv.output.height;
        // A chain of additions has an end.
        let pixels = rows * conv.row_vectors(sum.load64) / sharing as usize;
        let least = if sum.group > 1 { pixels.div_ceil(CHAIN_MOST) } else { 1 };
        (self.device.occupancy_target / invocations).clamp(1, SPLIT_MOST).max(least).min(rows) as u32
    }

    /// Dense weight gradients of which several tiles share a workgroup, the default first. Each sums in one chain, and so comes in
    /// parts that are short enough.
    pub(super) fn grouped_sums(&self, conv: &Conv, scope: Scope) -> Vec<WeightGradKernel> {
        let Some(tile) = self.device.weight_tile(conv, false, true) else { return Vec::new() };
        // Invocations: their sums for an output channel meet in the memory of a workgroup.
        let most = (GROUP_CELLS / (conv.kernel * conv.kernel) as u32).min(self.device.most_group);
        let most = if most < self.least_shared() { 1 } else { prev_power_of_two(most) / TEAM };
        let group = |group: &u32| conv.teams(tile, most.min(*group)).iter().product();
        let mut groups: Vec<u32> = self.launch.tiles.iter().map(group).filter(|&group| group > 1).collect();
        groups.dedup();
        let whole = |group| WeightGradKernel { tile: Some(tile), scope, group, load64: false, split: 1 };
        groups.into_iter().map(whole).map(|sum| WeightGradKernel { split: self.split(conv, 0, &sum), ..sum }).collect()
    }

    /// The fewest invocations of a workgroup that several tiles of a dense weight gradient share: a subgroup.
    pub(in crate::ops) fn least_shared(&self) -> u32 {
        let subgroup =
            if self.device.subgroup_size == 0 { self.launch.weight_workgroup } else { self.device.subgroup_size };
        subgroup.max(self.device.least_group)
    }

    /// Teams are parts of a subgroup, a lane for each vector of a pixel.
    fn pixels_fit(&self) -> bool {
        self.launch.pixels && self.device.subgroup_size >= 8
    }

    /// An invocation keeps the sum of one weight of a group, and a workgroup is one subgroup.
    fn subgroup_fits(&self) -> bool {
        let size = self.device.subgroup_size;
        size >= self.launch.weight_group && size >= self.device.least_group
    }
}

/// The largest power of two up to `most` that divides the pixels of a row of the result.
pub(super) fn row_that_fits(conv: &Conv, backward: bool, most: u32) -> u32 {
    let width = if backward { conv.input.width } else { conv.output.width };
    let step = if backward { conv.stride } else { 1 };
    if width % step != 0 {
        return 1;
    }
    let mut row = most;
    while (width / step) % row as usize != 0 {
        row /= 2;
    }
    row
}
