//! Tile shapes of the kernels. What helps one driver hurts another, so they are data, chosen per adapter.

use crate::gpu::AdapterSummary;

/// Workgroup sizes (powers of two, at most 256) and tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Invocations of a gather (convolution forward and input gradient).
    pub gather: u32,
    /// Invocations of a sum over images and pixels (weight gradients, statistics).
    pub reduce: u32,
    /// Output channels that a dense gather computes at once.
    pub dense_tile: u32,
    /// Active weights of one output channel that the sparse weight gradient computes at once.
    pub weight_group: u32,
    /// Weight gradients by single invocations instead of workgroups.
    pub serial_weight: bool,
}

impl Tuning {
    /// The choice for an adapter: on a processor one vector is the widest thing there is, and barriers are dear.
    pub fn for_adapter(adapter: &AdapterSummary) -> Self {
        if adapter.is_software() {
            Self { gather: 64, reduce: 8, dense_tile: 8, weight_group: 8, serial_weight: true }
        } else {
            Self { gather: 64, reduce: 64, dense_tile: 8, weight_group: 8, serial_weight: false }
        }
    }
}
