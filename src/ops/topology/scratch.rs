//! What the topology updates of all layers share.

use crate::gpu::{ALIGNMENT, BufferPlan, Slice};
use crate::ops::Conv;
use crate::ops::conv::{UNROLL_MOST, packed_bytes};
use crate::ops::sparse_tensor::{age_bytes, bitset_bytes};

/// Rows of a column of the transposed order that one invocation looks through.
pub(super) const COLUMN_PIECE: usize = 64;

/// In how many pieces the columns are looked through: one invocation each would keep few of a GPU's busy.
pub(super) fn column_pieces(conv: &Conv) -> usize {
    conv.rows().div_ceil(COLUMN_PIECE)
}

/// Bytes of a list of a word for each of `entries` weights, after which another may begin.
pub(super) fn list_bytes(entries: usize) -> u64 {
    (4 * entries as u64).next_multiple_of(ALIGNMENT)
}

/// Buffers that all layers' updates share, sized for the largest.
#[derive(Clone, Copy, Debug)]
pub struct Scratch {
    /// One word a position: a weight or a gradient in dense form, or the scores of a growth.
    pub dense: Slice,
    /// Bitsets: what a prune left, and what a growth made of it.
    pub kept: Slice,
    pub after: Slice,
    pub(super) before_rank: Slice,
    pub(super) after_rank: Slice,
    pub(super) sums: Slice,
    pub(super) histogram: Slice,
    pub(super) selection: Slice,
    /// The magnitudes of blocks, a float each: what a prune or a growth chooses them by.
    pub(super) block_scores: Slice,
    /// Two words an active weight: values and momentum on their way, or weights with their shifts.
    pub moved: Slice,
    pub(super) moved_ages: Slice,
    /// Below which magnitude weights go, where updates move that: a float.
    pub threshold: Slice,
    /// [`super::UpdateCounts`] per layer.
    pub update_counts: Slice,
    /// [`super::UpdateStats`] per layer.
    pub update_stats: Slice,
}

impl Scratch {
    /// A float for each of `weights` active weights, until values and momentum move.
    pub fn keys(&self, weights: usize) -> Slice {
        self.moved.part(0, list_bytes(weights))
    }

    /// For layers of `convs` with at most `weights` active weights; `scores` if any update may happen.
    pub fn new(buffers: &mut BufferPlan, convs: &[Conv], weights: usize, layers: usize, scores: bool) -> Self {
        let numel = convs.iter().map(Conv::numel).max().unwrap_or(0);
        let pieces = convs.iter().map(|conv| conv.columns() * column_pieces(conv)).max().unwrap_or(0);
        let sums = numel.div_ceil(32 * 256).max(pieces) + 1;
        let bits = bitset_bytes(numel);
        let rows = convs.iter().map(|conv| conv.columns().max(conv.output.channels)).max().unwrap_or(0);
        let packed = packed_bytes(rows, weights, UNROLL_MOST);
        let blocks = convs.iter().filter(|conv| conv.block > 1).map(Conv::positions).max().unwrap_or(0);
        let mut scratch = |name: &str, bytes| buffers.storage("topology scratch", name, bytes);
        Self {
            dense: scratch("scores", if scores { 4 * numel as u64 } else { 4 }),
            kept: scratch("kept", bits),
            after: scratch("after", bits),
            before_rank: scratch("rank before", bits),
            after_rank: scratch("rank after", bits),
            sums: scratch("sums", 4 * sums as u64),
            histogram: scratch("histogram", 1024),
            selection: scratch("selection", 16),
            block_scores: scratch(
                "block scores",
                if scores { (4 * blocks as u64).next_multiple_of(16).max(16) } else { 16 },
            ),
            moved: scratch("moved", packed.max(2 * list_bytes(weights))),
            moved_ages: scratch("ages", age_bytes(weights)),
            threshold: scratch("threshold", 16),
            update_counts: scratch("wanted", ALIGNMENT * layers as u64),
            update_stats: scratch("counters", ALIGNMENT * layers as u64),
        }
    }
}
