//! A sparse weight on the GPU: which positions are active, what is stored of them, and where each of them is found.

use super::{Choice, Conv, Tuning};
use crate::gpu::{ALIGNMENT, BufferPlan, Command, Kernel, Label, Slice};

/// A weight `[out, in, kernel, kernel]` of which only the active positions have a value.
///
/// How many are active is data: the shaders read it off `rows.start`, whose last word is that number. The plan knows the most
/// there can be, the capacity. Lists begin with the active weights in flat order `(out, in, tap)`; what follows them up to the
/// capacity is zero in `value`, `momentum`, `grad` and `ages`, and anything in the index.
///
/// Where weights are active in blocks ([`Conv::block`]), an entry is a block: the index, the bitsets, the ages, and all counts
/// are of blocks, and the lists of values, momentum and gradient have the weights of a block side by side.
///
/// `active` is the one source of truth: [`SparseTensor::index`] makes both orders of the index from it.
#[derive(Clone, Copy, Debug)]
pub struct SparseTensor {
    /// The weight's shape, and the layouts that the shifts of the index are made for.
    pub conv: Conv,
    /// Number of the layer among the prunable ones: its place in what all layers share.
    pub layer: usize,
    /// Whether each row has as many entries as every other, and is pruned and grown on its own.
    pub fan_in: bool,
    /// The most entries (active weights, or blocks of them) that there is memory for.
    pub capacity: usize,
    pub rows: Csr,
    pub columns: Csc,
    /// Bitsets of [`bitset_bytes`] over the [`Conv::positions`]: active now, at any time, reliably (through a whole interval and
    /// the prune that ended it), and at the start.
    pub active: Slice,
    pub explored: Slice,
    pub reliable: Slice,
    pub initial: Slice,
    /// A float for each active weight.
    pub value: Slice,
    pub momentum: Slice,
    pub grad: Slice,
    /// Updates survived by each entry: [`age_bytes`].
    pub ages: Slice,
}

/// The active weights by output channel (compressed sparse rows), for the forward pass and the weight gradient.
#[derive(Clone, Copy, Debug)]
pub struct Csr {
    /// `rows + 1` first entries; the last one is the number of entries.
    pub start: Slice,
    /// Per entry: offset of its input element from the pixel's base.
    pub shift: Slice,
    /// `(row, first entry)` of each group of the weight gradient.
    pub groups: Slice,
}

/// The active weights by input channel and parity class of its pixels (compressed sparse columns), for the input gradient.
#[derive(Clone, Copy, Debug)]
pub struct Csc {
    /// `in × classes + 1` first entries.
    pub start: Slice,
    /// Per entry: its place in the forward order, where its value is.
    pub entry: Slice,
    /// Per entry: offset of its dy element.
    pub shift: Slice,
}

/// Bytes of a bitset over `numel` positions.
pub fn bitset_bytes(numel: usize) -> u64 {
    4 * numel.div_ceil(32) as u64
}

/// Bytes of the ages of `capacity` weights: one each, whole words.
pub fn age_bytes(capacity: usize) -> u64 {
    (capacity as u64).next_multiple_of(4)
}

/// Most groups there can be: every row may end with a short one.
pub(super) fn groups_most(conv: &Conv, capacity: usize, tuning: &Tuning) -> usize {
    (capacity / conv.weight_group(tuning) as usize + conv.rows()).min(capacity)
}

impl SparseTensor {
    /// Plans the index, the bitsets and the ages of weight `name`, whose `value`, `momentum` and `grad` lie in arenas.
    pub fn plan(
        buffers: &mut BufferPlan,
        name: &str,
        (conv, layer, capacity, fan_in): (Conv, usize, usize, bool),
        [value, momentum, grad]: [Slice; 3],
        tuning: &Tuning,
    ) -> Self {
        let (rows, columns) = (conv.rows() + 1, conv.columns() + 1);
        let groups = 2 * groups_most(&conv, capacity, tuning);
        let sizes = [rows, capacity, groups, columns, capacity, capacity].map(|words| 4 * words as u64);
        let aligned = |bytes: u64| bytes.next_multiple_of(ALIGNMENT);
        let whole = buffers.storage("index", name, sizes.iter().map(|&bytes| aligned(bytes)).sum());
        let mut at = 0;
        let [row_start, row_shift, groups, column_start, entry, column_shift] = sizes.map(|bytes| {
            let slice = whole.part(at, bytes.max(4));
            at += aligned(bytes);
            slice
        });
        let (bits, ages) = (bitset_bytes(conv.positions()), age_bytes(capacity));
        let mut bitset = |set: &str| buffers.storage("bitsets", format!("{set} {name}"), bits).part(0, bits);
        Self {
            conv,
            layer,
            fan_in,
            capacity,
            rows: Csr { start: row_start, shift: row_shift, groups },
            columns: Csc { start: column_start, entry, shift: column_shift },
            active: bitset("active"),
            explored: bitset("explored"),
            reliable: bitset("reliable"),
            initial: bitset("initial"),
            value,
            momentum,
            grad,
            ages: buffers.storage("ages", name, ages).part(0, ages),
        }
    }

    /// The same on its own, with lists for values, momentum and gradient: of its number, its capacity, and whether rows have as many
    /// entries as each other.
    pub fn alone(buffers: &mut BufferPlan, conv: Conv, of: (usize, usize, bool), tuning: &Tuning) -> Self {
        let (layer, capacity, fan_in) = of;
        // As the arenas have them: whole vectors.
        let bytes = (4 * (capacity * conv.block) as u64).next_multiple_of(16);
        let lists = ["weight", "momentum", "weight gradient"].map(|name| buffers.storage("lists", name, bytes));
        Self::plan(buffers, "weight", (conv, layer, capacity, fan_in), lists, tuning)
    }

    /// The kernels that the layer's convolutions run while it is filled to its capacity.
    pub fn choice(&self, tuning: &Tuning) -> Choice {
        tuning.choice(&self.conv, self.capacity as f64 / self.conv.positions() as f64)
    }

    /// The most active weights.
    pub fn most_weights(&self) -> usize {
        self.capacity * self.conv.block
    }

    /// GPU bytes of the index and of the bitsets that training needs (active, and explored and reliable of the ITOP rates).
    pub fn index_bytes(&self) -> u64 {
        let (rows, columns) = (self.rows, self.columns);
        let index = [rows.start, rows.shift, rows.groups, columns.start, columns.entry, columns.shift];
        index.iter().chain(&[self.active, self.explored, self.reliable]).map(|slice| slice.bytes).sum()
    }

    /// GPU bytes that only statistics need.
    pub fn statistics_bytes(&self) -> u64 {
        self.initial.bytes + self.ages.bytes
    }

    /// The bitsets by the names that checkpoints give them.
    pub fn bitsets(&self) -> [(&'static str, Slice); 4] {
        [("active", self.active), ("explored", self.explored), ("reliable", self.reliable), ("initial", self.initial)]
    }

    /// Writes the active values to their places in `dense`, and zeros elsewhere.
    pub fn scatter(&self, label: Label, list: Slice, dense: Slice) -> Command {
        self.between_list_and_dense(label, [list, dense], false)
    }

    /// Reads the active positions' values out of `dense`.
    pub fn gather(&self, label: Label, dense: Slice, list: Slice) -> Command {
        self.between_list_and_dense(label, [list, dense], true)
    }

    fn between_list_and_dense(&self, label: Label, [list, dense]: [Slice; 2], gather: bool) -> Command {
        let kernel = Kernel::new("conv_sparse_scatter")
            .define_if(gather, "GATHER")
            .define("BLOCK", self.conv.block as u32)
            .set("COUNT", self.conv.positions())
            .set("LENGTH", self.conv.row_length());
        let grid = kernel.cover(self.conv.positions().div_ceil(32), 1);
        Command::dispatch(label, kernel, &[self.active, self.rows.start, list, dense], grid)
    }
}
