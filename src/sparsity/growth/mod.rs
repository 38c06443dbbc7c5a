//! How an update chooses what to activate: each rule scores the inactive positions, and those of highest score grow.
//!
//! A rule is a file here and a line in [`ALL`]; its shader, if it has one, is `shaders/grow_NAME.wgsl`.

mod gradient;
mod mixed;
mod momentum;
mod random;
mod unfired;

pub use gradient::GRADIENT;
pub use mixed::MIXED;
pub use momentum::MOMENTUM;
pub use random::RANDOM;
pub use unfired::UNFIRED_FIRST;

use super::overrides::{METHOD, Rule};
use crate::gpu::{Command, Slice};
use crate::ops::SparseTensor;
use crate::ops::reference::topology::{block_magnitudes, in_blocks};
use crate::ops::topology::Scratch;

/// Every rule, in the order of this table's first appearance in the literature.
pub const ALL: [&Growth; 5] = [&RANDOM, &MOMENTUM, &GRADIENT, &UNFIRED_FIRST, &MIXED];

/// Their names, and that which leaves the choice to the method.
pub const NAMES: [&str; 6] = [METHOD, "random", "momentum", "gradient", "unfired-first", "mixed"];

/// When a rule needs the gradient of all weights of a layer, active or not. The plan then computes it (the active weights'
/// gradient is a part of it), and cost and memory count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenseGradient {
    Never,
    AtUpdates,
    EveryStep,
}

/// A growth rule.
#[derive(Clone, Copy)]
pub struct Growth {
    pub name: &'static str,
    /// Its own shader, if it has one.
    pub shader: Option<&'static str>,
    pub dense_gradient: DenseGradient,
    /// Whether the rule keeps a float for each position of a weight from step to step.
    pub state: bool,
    /// Whether its scores are of weights; else they are of positions ([`crate::ops::Conv::positions`]).
    pub of_weights: bool,
    /// What it does in each step that has the dense gradient, which lies in `scratch.dense`.
    pub observe: fn(&Site) -> Vec<Command>,
    /// Leaves the scores in `scratch.dense`: the bits of floats, of which the sign does not count. The dense gradient of this step
    /// lies there before, if the rule needs it, and what the prune left in the scratch.
    pub score: fn(&Site) -> Vec<Command>,
    /// The scores as the CPU reference computes them, one a position.
    pub reference: fn(&Observed) -> Vec<u32>,
}

/// A layer as a rule finds it on the GPU.
pub struct Site<'a> {
    /// The layer's name.
    pub label: &'a str,
    pub tensor: &'a SparseTensor,
    pub scratch: &'a Scratch,
    /// A float a position, where the rule has state.
    pub state: Option<Slice>,
    /// The step's numbers ([`crate::ops::StepParams`]).
    pub run: Slice,
}

/// What the CPU reference of a rule may look at.
pub struct Observed<'a> {
    pub seed: u64,
    /// Number of the layer among the prunable ones.
    pub layer: u32,
    /// Number of the update.
    pub update: u32,
    /// Dense gradient of this step, and the rule's state before it; a float a position, or empty where the rule needs none.
    pub gradient: &'a [f32],
    pub state: &'a [f32],
    /// What was active at any time so far, and what the prune left.
    pub explored: &'a [bool],
    pub kept: &'a [bool],
    /// How many grow, of each of `rows` equal parts of the positions as many; and the share of them that the gradient chooses.
    pub grow: usize,
    pub rows: usize,
    pub mix: f32,
    /// SGD's momentum.
    pub momentum: f32,
    /// Positions of the weight: as many as weights, unless these are active in blocks.
    pub positions: usize,
    /// Weights of a position, and positions from an output channel or block of them to the next.
    pub block: usize,
    pub length: usize,
}

impl Observed<'_> {
    /// Scores of positions by numbers of weights in dense order: their magnitudes, of blocks the sums of these.
    pub fn by_position(&self, weights: &[f32]) -> Vec<u32> {
        magnitudes(&block_magnitudes(&in_blocks(weights, self.length, self.block), self.block))
    }
}

impl PartialEq for Growth {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Growth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Rule for Growth {
    const ALL: &'static [&'static Self] = &ALL;

    fn name(&self) -> &'static str {
        self.name
    }
}

impl Growth {
    /// Whether a step needs the dense gradient; `update`: it ends with a topology update.
    pub fn needs_dense_gradient(&self, update: bool) -> bool {
        match self.dense_gradient {
            DenseGradient::Never => false,
            DenseGradient::AtUpdates => update,
            DenseGradient::EveryStep => true,
        }
    }

    /// Bytes of the state for a weight of `numel` positions.
    pub fn state_bytes(&self, numel: usize) -> u64 {
        if self.state { 4 * numel as u64 } else { 0 }
    }
}

/// For rules that only look when they score.
fn nothing(_: &Site) -> Vec<Command> {
    Vec::new()
}

/// Bits by which magnitudes compare as integers: −0 equals 0, and subnormal numbers count.
fn magnitudes(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits() & 0x7fff_ffff).collect()
}
