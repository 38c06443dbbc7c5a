//! What changes from step to step, in one uniform buffer. Mirrors `shaders/shared/step.wgsl`.

use bytemuck::{Pod, Zeroable};

/// See the shader for the meaning of each field.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct StepParams {
    /// Images of this batch that count; the rest are padding.
    pub valid: u32,
    /// Position of the batch's first image in the epoch's order.
    pub cursor: u32,
    pub epoch: u32,
    /// Which slot of the metrics gets the batch's loss.
    pub slot: u32,
    pub seed: [u32; 2],
    /// Topology updates so far.
    pub update: u32,
    /// What the loss's gradient is multiplied with, and the optimiser divides by: a power of two.
    pub loss_scale: f32,
    pub lr: f32,
    pub momentum: f32,
    pub weight_decay: f32,
    /// Label smoothing, 0 to 1.
    pub smoothing: f32,
    /// What pulls weights to 0, and the deviation of what is added to them, in a step that keeps their signs.
    pub l1: f32,
    pub noise: f32,
    pub pad: [u32; 2],
}

impl Default for StepParams {
    fn default() -> Self {
        Self { loss_scale: 1.0, ..Self::zeroed() }
    }
}
