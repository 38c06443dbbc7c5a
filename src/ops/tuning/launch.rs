//! Sizes of workgroups and of what an invocation does, on one adapter.

use crate::gpu::Family;

/// The fewest invocations of a row of the weight where several rows share a workgroup: four images each of 32.
pub(in crate::ops) const ROW_SLOTS: u32 = 8;

/// How large launches are.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchSizes {
    /// Invocations of a gather (a power of two, at most 256).
    pub gather: u32,
    /// The same where several rows of the weight share a workgroup, if each has at least [`ROW_SLOTS`] of them.
    pub row_group: u32,
    /// What an invocation of a sparse gather can be given, the default first: neighbouring pixels (as many
    /// vectors of four images by default), weights under way.
    pub strips: &'static [[u32; 2]],
    /// How many rows of the weight can share a workgroup of a sparse gather, the default first (powers of two), where the
    /// adapter's workgroups are large enough.
    pub groups: &'static [u32],
    /// How many tiles of a dense weight gradient can share a workgroup, likewise.
    pub tiles: &'static [u32],
    /// Invocations of a channel's statistics in a block of images (likewise).
    pub reduce: u32,
    /// Invocations of a workgroup that shares a sum of a weight gradient (likewise).
    pub weight_workgroup: u32,
    /// Vectors of four images that an invocation of a pointwise pass handles.
    pub pointwise: u32,
    /// Whether workgroups can take many weights of a sparse weight gradient at a few pixels, which pays where a first cache is
    /// large. (Apple's is small, and an invocation of so large a workgroup has too few registers there; software has none.)
    pub pixels: bool,
    /// Active weights of one output channel that the sparse weight gradient computes at once.
    pub weight_group: u32,
    /// What an invocation of a gather of blocks can be given, forward and for the input gradient, the default first: neighbouring
    /// pixels (as of `strips`); vectors under way of each.
    pub block_strips: [&'static [[u32; 2]]; 2],
    /// Active weights that an invocation of the weight gradient of blocks computes at once (a power of two).
    pub block_sums: u32,
}

impl LaunchSizes {
    /// On a processor one vector is the widest thing there is, loads are long code, and barriers are dear. A GPU waits hundreds
    /// of cycles for a load, whether it loads one vector or many.
    pub(super) fn of(family: Family) -> Self {
        let software = family == Family::Software;
        Self {
            gather: 64,
            row_group: 256,
            strips: if software { &[[4, 1], [2, 1], [1, 1]] } else { &[[2, 4], [1, 4], [4, 4], [1, 8], [2, 8]] },
            groups: match family {
                Family::Software => &[1],
                Family::Nvidia => &[128, 64, 32, 1],
                // A workgroup of 1024 would fill a compute unit alone, for at most a tenth fewer bytes (predicted).
                Family::Amd => &[64, 128, 32, 1],
                _ => &[32, 1],
            },
            tiles: if software { &[1] } else { &[32, 16, 1] },
            reduce: if software { 8 } else { 256 },
            weight_workgroup: if software { 8 } else { 64 },
            pointwise: if software { 8 } else { 1 },
            pixels: matches!(family, Family::Nvidia | Family::Amd | Family::Unknown),
            weight_group: 8,
            block_strips: match software {
                true => [&[[4, 1], [2, 1]], &[[2, 1], [1, 1]]],
                false => [&[[2, 4], [1, 4]], &[[2, 4], [1, 8]]],
            },
            block_sums: if software { 32 } else { 16 },
        }
    }
}
