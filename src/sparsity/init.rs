//! The first active sets and the first weights.

use crate::model::{Param, ParamKind};
use crate::ops::philox::{Purpose, unit, word};

/// How the active set of a prunable weight starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// All positions.
    Dense,
    /// As many as the layer's density says, at random.
    Random,
}

/// A bitset over `numel` positions: the `active` with the largest random keys (of equals the lower first), exactly as many.
/// `layer` is the number of the layer among the prunable ones. Reference: `ops::reference::topology::init_mask`.
pub fn random_set(seed: u64, layer: usize, numel: usize, active: usize) -> Vec<u32> {
    let key = |i: &usize| word(seed, Purpose::InitMask, layer as u32, 0, *i) >> 1;
    let mut positions: Vec<(u32, usize)> = (0..numel).map(|i| (u32::MAX - key(&i), i)).collect();
    if active < numel {
        positions.select_nth_unstable(active);
    }
    let mut bits = vec![0u32; numel.div_ceil(32)];
    for &(_, i) in &positions[..active] {
        bits[i / 32] |= 1 << (i % 32);
    }
    bits
}

/// The first values of parameter number `id` (PyTorch's defaults), of its active positions in flat order; `active`: its bitset,
/// none of a parameter that is not sparse. Reference: `ops::reference::topology::init_weight`.
pub fn values(seed: u64, id: usize, param: &Param, active: Option<&[u32]>) -> Vec<f32> {
    let numel = param.numel();
    let uniform = |fan_in: usize| {
        let bound = 1.0 / (fan_in as f32).sqrt();
        let draw = |i| unit(word(seed, Purpose::InitWeight, id as u32, 0, i));
        let is_active = |i: &usize| active.is_none_or(|bits| bits[i / 32] >> (i % 32) & 1 == 1);
        (0..numel).filter(is_active).map(|i| (2.0 * draw(i) - 1.0) * bound).collect()
    };
    match param.kind {
        ParamKind::NormWeight => vec![1.0; numel],
        ParamKind::NormBias => vec![0.0; numel],
        ParamKind::Bias { fan_in } => uniform(fan_in),
        ParamKind::ConvWeight | ParamKind::LinearWeight => uniform(param.shape[1..].iter().product()),
    }
}
