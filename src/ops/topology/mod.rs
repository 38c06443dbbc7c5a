//! Moving the active set of a layer: prune, grow, statistics, index. Everything runs on the GPU and works on bitsets over
//! the flat indices of the weight and on the active list; only [`UpdateStats`] come back.
//!
//! The rule is the exact one: remove as many active weights as asked, those of least magnitude (of equals the higher index),
//! then activate as many inactive positions as asked, those of highest score (of equals the lower index). Just-removed
//! positions may regrow and then keep value and momentum; others start at 0/0 (the order of the ITOP code). Where all output
//! channels have as many active weights, the rule holds for each of them on its own; blocks are pruned and grown as a whole.
//! Shaders: `rank_*`, `scan`, `select_*`, `topology_*`, `index_*`; reference: [`super::reference::topology`]. The scores come from
//! module `sparsity`.

use bytemuck::{Pod, Zeroable};

use crate::gpu::ALIGNMENT;

mod counts;
mod index;
pub mod map;
mod scratch;
mod select;
mod update;

pub use counts::{Goes, Redistribution, share_bits};
pub use scratch::Scratch;
pub use select::Chosen;

/// Bins of the age histogram.
pub const AGE_BINS: usize = 8;

/// The bin of an age: powers of two, the last one open.
pub fn age_bin(age: usize) -> usize {
    ((usize::BITS - age.leading_zeros()) as usize).min(AGE_BINS - 1)
}

/// What an update did to a layer, counted in entries of its index (active weights, or blocks of them); mirrors the counters in
/// `topology_stats.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct UpdateStats {
    /// Active positions after the update.
    pub active: u32,
    pub pruned: u32,
    pub grown: u32,
    /// Grown positions that the prune of the same update had removed.
    pub regrown: u32,
    /// Positions active for the first time.
    pub newly_explored: u32,
    /// Positions active at any time so far.
    pub explored: u32,
    /// Positions that were active for a whole interval and survived the prune that ended it.
    pub reliable: u32,
    /// Bits of the least magnitude kept, of blocks of the least sum. Where rows are pruned on their own the largest number before.
    pub threshold: u32,
    /// Output channels without an active weight.
    pub dead_outputs: u32,
    /// Active positions that the first set had too.
    pub initial_kept: u32,
    /// Positions that the last growth before this update had activated, and those of them that this prune kept. (At the
    /// first update: the whole first set.)
    pub young: u32,
    pub young_kept: u32,
    /// Bits of Σ|w| over the young before the prune.
    pub young_magnitude: u32,
    /// Input channels without an active weight.
    pub dead_inputs: u32,
    /// Active weights by updates survived: 0, 1, 2–3, 4–7, … , 64 and more.
    pub ages: [u32; AGE_BINS],
    /// A layer's counters are a binding of their own, so that layers of one shape share their kernels.
    pub pad: [u32; 42],
}

// `Default` ends at arrays of 32.
impl Default for UpdateStats {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl UpdateStats {
    /// Weights of which each position has `block`.
    pub fn times(&self, block: u32) -> Self {
        Self {
            active: self.active * block,
            pruned: self.pruned * block,
            grown: self.grown * block,
            regrown: self.regrown * block,
            newly_explored: self.newly_explored * block,
            explored: self.explored * block,
            reliable: self.reliable * block,
            dead_outputs: self.dead_outputs * block,
            initial_kept: self.initial_kept * block,
            young: self.young * block,
            young_kept: self.young_kept * block,
            ages: self.ages.map(|count| count * block),
            ..*self
        }
    }
}

/// What an update is to do to a layer; written before it, and a binding of its own like [`UpdateStats`]. Mirrored by
/// `shared/update_counts.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct UpdateCounts {
    /// How many active weights stay.
    pub keep: u32,
    /// How many positions are then activated.
    pub grow: u32,
    /// The layer's number among the prunable ones: its stream of random numbers.
    pub layer: u32,
    /// Of what is activated: how many a growth rule that chooses twice chooses first. The GPU writes it.
    pub grow_first: u32,
    /// Where each sign is pruned on its own: how many negative weights stay, `keep` being of the others. The GPU writes it.
    pub keep_negative: u32,
    pub rules: RuleParams,
    /// Where layers share out what grows: the most entries that there is room for, and how many there were at the start; 0 of a layer
    /// without zeros. And what the share is measured by, a float that the GPU writes.
    pub capacity: u32,
    pub first: u32,
    pub share: f32,
    pub pad: [u32; 52],
}

/// What rules are told besides counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct RuleParams {
    /// Share of the active weights that goes, where the GPU counts.
    pub rate: f32,
    /// Magnitude below which weights go.
    pub threshold: f32,
    /// What a gradient's magnitude counts beside a weight's.
    pub lambda: f32,
    /// Share of what grows that is chosen by the gradient.
    pub mix: f32,
}

impl UpdateCounts {
    /// For layer `layer`: to keep `keep` active weights, then to grow `grow`. The two together are at most the capacity.
    pub fn new(layer: usize, keep: usize, grow: usize) -> Self {
        Self { keep: keep as u32, grow: grow as u32, layer: layer as u32, ..Self::zeroed() }
    }
}

const _: () = assert!(size_of::<UpdateStats>() as u64 == ALIGNMENT && size_of::<UpdateCounts>() as u64 == ALIGNMENT);
