//! What a layer runs where nothing was measured: a model of what kernels cost.

use super::Tuning;
use super::candidates::row_that_fits;
use crate::gpu::Family;
use crate::ops::conv::{Strip, Tile};
use crate::ops::{Choice, Conv, ForwardKernel, Scope, Storage, WeightGradKernel};

/// Subgroups of fewer invocations hand too little round to pay.
pub const SHUFFLE_LEAST: u32 = 8;

/// What decides between kernels on a class of devices.
#[derive(Clone, Debug, PartialEq)]
pub struct CostModel {
    /// Who sums the weight gradient of the active weights, and of all weights.
    pub scope: Scope,
    pub dense_scope: Scope,
    /// Whether 64-bit loads are the default where they fit.
    pub prefer_load64: bool,
    /// When all weights cost less than the active ones: of `f32` activations, of 16-bit ones.
    pub dense_above: [DenseAbove; 2],
}

/// Densities above which all weights cost less than the active ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DenseAbove {
    /// Forward and input gradient.
    pub gather: f64,
    /// Weight gradient.
    pub sums: f64,
}

impl CostModel {
    /// For an adapter of `family` with subgroups of `subgroup_size` (0: none).
    pub(super) fn of(family: Family, subgroup_size: u32) -> Self {
        let (software, shuffle) = (family == Family::Software, subgroup_size >= SHUFFLE_LEAST);
        // On a GPU a subgroup would spend as long on handing sums round as on loading; a processor's loads are slow.
        let scope = match (software, shuffle) {
            (true, true) => Scope::Subgroup,
            (true, false) => Scope::Invocation,
            // Its first cache holds a tile of all channels; others' are too small.
            (false, true) if family == Family::Nvidia => Scope::Pixels,
            (false, _) => Scope::Workgroup,
        };
        let dense_scope = match (software, shuffle) {
            (true, true) => Scope::Shuffle,
            (false, true) => Scope::Subgroup,
            _ => scope,
        };
        Self { scope, dense_scope, prefer_load64: software, dense_above: dense_above(software, shuffle) }
    }

    /// Where a workgroup has at least `least` invocations: a subgroup of fewer is no workgroup.
    pub(super) fn in_groups_of(self, least: u32, subgroup_size: u32) -> Self {
        let shared = |scope| if subgroup_size < least && scope != Scope::Invocation { Scope::Workgroup } else { scope };
        Self { scope: shared(self.scope), dense_scope: shared(self.dense_scope), ..self }
    }
}

/// Software was measured (`docs/speed.md`): a load costs as much as twenty multiplications there, and a tile of eight channels
/// needs an eighth of the loads; with shuffles a sparse load brings twice the images in 16 bits, and a dense tile has no
/// registers for them. GPUs were predicted (`itop bench model`): a sparse kernel takes four times as long for a weight in `f32`,
/// twice in 16 bits, if its loads hit the first cache; dense ones are taken to reach two thirds of the peak.
fn dense_above(software: bool, shuffle: bool) -> [DenseAbove; 2] {
    match (software, shuffle) {
        (true, true) => [DenseAbove { gather: 0.19, sums: 0.2 }, DenseAbove { gather: 0.29, sums: 0.34 }],
        (true, false) => [DenseAbove { gather: 0.46, sums: 0.24 }; 2],
        (false, _) => [DenseAbove { gather: 0.35, sums: 0.4 }, DenseAbove { gather: 0.6, sums: 0.5 }],
    }
}

impl Tuning {
    /// What runs where nothing was measured.
    pub(super) fn default_choice(&self, conv: &Conv, density: f64) -> Choice {
        let costs = &self.costs;
        let load64 = costs.prefer_load64 && self.device.load64_fits(conv);
        let above = costs.dense_above[usize::from(conv.input.storage != Storage::F32)];
        // A load serves a whole block, but for the input gradient (measured in 16 bits, predicted on GPUs).
        let gain = if conv.block > 1 { 2.0 } else { 1.0 };
        let gather = |backward: bool| match density > above.gather * if backward { 1.0 } else { gain } {
            true => self.default_dense(conv, backward),
            false if conv.block > 1 => {
                let usual = self.block_strips(conv, backward).into_iter().find(|strip| strip.load64 == load64);
                usual.map_or(ForwardKernel::Naive, ForwardKernel::Sparse)
            }
            false => {
                let [most, unroll] = self.launch.strips[0];
                let row = row_that_fits(conv, backward, (most / conv.input.quads(load64) as u32).max(1));
                let group = self.row_groups(conv, backward)[0];
                let chunk = if unroll == 1 { self.device.subgroup_size } else { 0 };
                ForwardKernel::Sparse(Strip { row, unroll, group, chunk, load64 })
            }
        };
        let scope = match (conv.block, costs.scope) {
            (1, scope) => scope,
            (_, Scope::Subgroup) => Scope::Invocation,
            (_, scope) => scope,
        };
        let sparse = WeightGradKernel { tile: None, scope, group: 1, load64, split: 1 };
        let grad_weight = if density > above.sums * gain {
            self.dense(conv, sparse)
        } else {
            let active = (density * conv.numel() as f64) as usize;
            WeightGradKernel { split: self.split(conv, active, &sparse), ..sparse }
        };
        Choice { forward: gather(false), grad_input: gather(true), grad_weight }
    }

    /// The default for a gather of every weight.
    fn default_dense(&self, conv: &Conv, backward: bool) -> ForwardKernel {
        let shuffle = self.device.subgroup_size >= SHUFFLE_LEAST;
        let channels = if backward { conv.input.channels } else { conv.output.channels } as u32;
        // A longer row saves loads only where the taps of a kernel row reach overlapping pixels, and pays where weights are
        // loaded by every invocation.
        let overlap = conv.kernel > 1 && !(backward && conv.stride > 1);
        let most = if overlap && !shuffle { 4 } else { 2 };
        let row = row_that_fits(conv, backward, most / conv.input.quads(false) as u32);
        let tile = Tile { channels: channels.min(8), row, shuffle, load64: false };
        ForwardKernel::Dense(self.device.registers.gather(conv, backward, tile))
    }

    /// `sum` if it sums for every weight, else the default that does.
    pub fn dense(&self, conv: &Conv, sum: WeightGradKernel) -> WeightGradKernel {
        if sum.tile.is_some() {
            return sum;
        }
        let scope = self.costs.dense_scope;
        // Twice the numbers do not fit beside all those sums.
        let load64 = sum.load64 && scope != Scope::Shuffle && self.device.weight_tile(conv, true, false).is_some();
        if let Some(&grouped) = self.grouped_sums(conv, scope).first().filter(|_| !load64) {
            return grouped;
        }
        let whole =
            WeightGradKernel { tile: self.device.weight_tile(conv, load64, false), scope, group: 1, load64, split: 1 };
        WeightGradKernel { split: self.split(conv, 0, &whole), ..whole }
    }
}
