//! The first active sets and the first weights.

use serde::{Deserialize, Serialize};

use crate::model::{Param, ParamKind};
use crate::ops::Conv;
use crate::ops::philox::{Purpose, unit, word};

/// How the active set of a prunable weight starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// All positions.
    Dense,
    /// As many as the layer's density says, at random.
    Random,
    /// The weights of largest |w·g| in the whole network, before training (SNIP: Lee et al. 2019).
    Snip,
    /// The weights of largest synaptic flow in the whole network, in rounds, without data (SynFlow: Tanaka et al. 2020).
    Synflow,
    /// The weights of largest magnitude in the whole network after dense training, put back to where they were (Frankle and
    /// Carbin 2019).
    Lottery,
    /// What a file says.
    Mask,
}

impl Init {
    /// Whether the first set is found by running the network, which takes a device: the layers' densities come from it.
    pub fn is_found(self) -> bool {
        matches!(self, Self::Snip | Self::Synflow | Self::Lottery)
    }

    /// As in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Random => "random",
            Self::Snip => "snip",
            Self::Synflow => "synflow",
            Self::Lottery => "lottery",
            Self::Mask => "mask",
        }
    }
}

/// The setting `init`: the method's own first set, or another one under the same updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitChoice {
    #[default]
    Method,
    Random,
    Snip,
    Synflow,
    Lottery,
}

impl InitChoice {
    /// Their names.
    pub const NAMES: [&'static str; 5] = ["method", "random", "snip", "synflow", "lottery"];

    /// How the set starts under a method that starts by `own`.
    pub fn of(self, own: Init) -> Init {
        match self {
            _ if own == Init::Dense => Init::Dense,
            Self::Method => own,
            Self::Random => Init::Random,
            Self::Snip => Init::Snip,
            Self::Synflow => Init::Synflow,
            Self::Lottery => Init::Lottery,
        }
    }
}

/// The settings of a lottery ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lottery {
    /// How often it is trained and pruned before the run.
    pub rounds: usize,
    /// The epoch of the dense training that its weights go back to; 0: to the first ones.
    pub rewind: usize,
}

impl Default for Lottery {
    fn default() -> Self {
        Self { rounds: 1, rewind: 0 }
    }
}

/// A bitset over `positions`: of each of `rows` equal rows of them those with the largest random keys (of equals the lower first),
/// `active` in all, exactly as many. `layer` is the number of the layer among the prunable ones. Reference:
/// `ops::reference::topology::init_mask` of one row, `init_fan_in_mask` of several.
pub fn random_set(seed: u64, layer: usize, (positions, rows): (usize, usize), active: usize) -> Vec<u32> {
    let key = |i: &usize| word(seed, Purpose::InitMask, layer as u32, 0, *i) >> 1;
    let mut keys: Vec<(u32, usize)> = (0..positions).map(|i| (u32::MAX - key(&i), i)).collect();
    let mut bits = vec![0u32; positions.div_ceil(32)];
    let (length, of_row) = (positions / rows, active / rows);
    for row in keys.chunks_mut(length) {
        if of_row < length {
            row.select_nth_unstable(of_row);
        }
        for &(_, i) in &row[..of_row] {
            bits[i / 32] |= 1 << (i % 32);
        }
    }
    bits
}

/// A bitset over the positions of a weight, of which the weights in `active` are active: those of a block together.
pub fn bits_of(active: &[bool], conv: &Conv) -> Vec<u32> {
    let mut bits = vec![0u32; conv.positions().div_ceil(32)];
    let is_active = |position: &usize| conv.weights_at(*position).any(|at| active[at]);
    (0..conv.positions()).filter(is_active).for_each(|i| bits[i / 32] |= 1 << (i % 32));
    bits
}

/// Where in the dense weight the active ones lie, in the order of the lists; `bits`: a bitset over its positions.
pub fn places(conv: &Conv, bits: &[u32]) -> impl Iterator<Item = usize> {
    let is_active = |i: &usize| bits[i / 32] >> (i % 32) & 1 == 1;
    (0..conv.positions()).filter(is_active).flat_map(|position| conv.weights_at(position))
}

/// The first values of parameter number `id` (PyTorch's defaults), of its active weights in the order of the lists; `active`: its
/// geometry and its bitset, none of a parameter that is not sparse. Reference: `ops::reference::topology::init_weight`.
pub fn values(seed: u64, id: usize, param: &Param, active: Option<(&Conv, &[u32])>) -> Vec<f32> {
    let numel = param.numel();
    let uniform = |fan_in: usize| {
        let bound = 1.0 / (fan_in as f32).sqrt();
        let draw = |i| (2.0 * unit(word(seed, Purpose::InitWeight, id as u32, 0, i)) - 1.0) * bound;
        let Some((conv, bits)) = active else { return (0..numel).map(draw).collect() };
        places(conv, bits).map(draw).collect()
    };
    match param.kind {
        ParamKind::NormWeight => vec![1.0; numel],
        ParamKind::NormBias => vec![0.0; numel],
        ParamKind::Bias { fan_in } => uniform(fan_in),
        ParamKind::ConvWeight | ParamKind::LinearWeight => uniform(param.shape[1..].iter().product()),
    }
}
