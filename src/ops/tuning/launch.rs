//! Sizes of workgroups and of what an invocation does, on one adapter.

use crate::gpu::Family;

/// How large launches are.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchSizes {
    /// Invocations of a gather (a power of two, at most 256).
    pub gather: u32,
    /// Invocations of a channel's statistics in a block of images (likewise).
    pub reduce: u32,
    /// Invocations of a workgroup that shares a sum of a weight gradient (likewise).
    pub weight_workgroup: u32,
    /// Vectors of four images that an invocation of a pointwise pass handles.
    pub pointwise: u32,
    /// Active weights of one output channel that the sparse weight gradient computes at once.
    pub weight_group: u32,
}

impl LaunchSizes {
    /// On a processor one vector is the widest thing there is, and barriers are dear.
    pub(super) fn of(family: Family) -> Self {
        let software = family == Family::Software;
        Self {
            gather: 64,
            reduce: if software { 8 } else { 256 },
            weight_workgroup: if software { 8 } else { 64 },
            pointwise: if software { 8 } else { 1 },
            weight_group: 8,
        }
    }
}
