//! Gradient growth (RigL, Evci et al. 2020).

use super::{DenseGradient, Growth, Observed, Site, nothing};
use crate::gpu::Command;

/// The magnitude of this step's gradient: the weight gradient has left it in the scratch.
pub const GRADIENT: Growth = Growth {
    name: "gradient",
    shader: None,
    dense_gradient: DenseGradient::AtUpdates,
    state: false,
    of_weights: true,
    observe: nothing,
    score,
    reference,
};

fn score(_: &Site) -> Vec<Command> {
    Vec::new()
}

fn reference(seen: &Observed) -> Vec<u32> {
    seen.by_position(seen.gradient)
}
