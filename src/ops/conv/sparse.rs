//! Sparse convolution: only active weights exist.
//!
//! A weight's active values lie sorted by (out channel, in channel, tap); [`SparseIndex`] says where they point, in that
//! order and transposed. Shaders: `conv_sparse_*.wgsl`; reference: [`crate::ops::reference::conv`] with a masked weight.

use std::ops::Range;

use super::layer::aligned;
use super::{Conv, ConvLayer, Scope, Strip, WeightGradKernel};
use crate::gpu::{Command, Kernel, Kind, Label, Slice};
use crate::ops::Tuning;

/// The index of one layer's active weights, rebuilt on the GPU at every topology update.
#[derive(Clone, Copy, Debug)]
pub struct SparseIndex {
    /// Number of active weights.
    pub entries: usize,
    /// `out + 1` first entries.
    pub row_start: Slice,
    /// Per entry: offset of its input element from the pixel's base.
    pub shift: Slice,
    /// `in × classes + 1` first entries of the transposed order.
    pub column_start: Slice,
    /// Per transposed entry: its place in the forward order, where its value is.
    pub column_entry: Slice,
    /// Per transposed entry: offset of its dy element.
    pub column_shift: Slice,
    /// `(row, first entry)` of each group of the weight gradient.
    pub groups: Slice,
}

impl SparseIndex {
    /// Bytes of each part for `entries` active weights, in the order of the fields.
    pub fn bytes(conv: &Conv, entries: usize, tuning: &Tuning) -> [u64; 6] {
        [
            conv.output.channels + 1,
            entries,
            conv.columns() + 1,
            entries,
            entries,
            2 * groups_most(conv, entries, tuning),
        ]
        .map(|words| 4 * words as u64)
    }
}

/// Of the table of groups: `(row, first entry)`.
const GROUP_BYTES: u64 = 8;

/// Most groups there can be: every row may end with a short one.
pub(in crate::ops) fn groups_most(conv: &Conv, entries: usize, tuning: &Tuning) -> usize {
    (entries / tuning.launch.weight_group as usize + conv.output.channels).min(entries)
}

/// Where a sparse weight lies.
#[derive(Clone, Copy, Debug)]
pub struct SparseWeight {
    pub index: SparseIndex,
    /// Bitset of the active positions.
    pub active: Slice,
    /// Workspace for the dense weight or its gradient, for candidates that spread it out.
    pub scratch: Slice,
    /// Workspace for the active weights with their shifts, [`PACKED_BYTES`] each.
    pub packed: Slice,
}

/// Of an active weight with its shift.
const PACKED_BYTES: u64 = 8;

impl SparseWeight {
    /// This layer's part of the scratch.
    pub(super) fn dense(&self, conv: &Conv) -> Slice {
        self.scratch.part(0, 4 * conv.numel() as u64)
    }
}

impl ConvLayer<'_> {
    /// y = conv(x) (+ bias), by the simplest kernel.
    pub(super) fn naive_forward(
        &self,
        sparse: &SparseWeight,
        [x, weight, y]: [Slice; 3],
        bias: Option<Slice>,
    ) -> Vec<Command> {
        let (conv, index) = (self.conv, &sparse.index);
        let (kernel, work) =
            conv.gather_kernel(self.tuning, "conv_sparse_naive", (conv.output.channels, false), (1, false, 1));
        let kernel = conv.forward_constants(kernel.define_if(bias.is_some(), "BIAS"), false);
        let mut bindings = vec![x, index.row_start, index.shift, weight, y];
        bindings.extend(bias);
        let label = self.label(Kind::Forward, "forward");
        self.gather_blocks(label, (kernel, index.entries), (&bindings, 4), [&conv.input, &conv.output], work)
    }

    /// dx (+)= conv'(dy), by the simplest kernel.
    pub(super) fn naive_grad_input(
        &self,
        sparse: &SparseWeight,
        [dy, weight, dx]: [Slice; 3],
        accumulate: bool,
    ) -> Vec<Command> {
        let (conv, index) = (self.conv, &sparse.index);
        let (kernel, work) =
            conv.gather_kernel(self.tuning, "conv_sparse_naive", (conv.columns(), true), (1, false, 1));
        let kernel = kernel.define("TRANSPOSED", 1).define_if(accumulate, "ACCUMULATE");
        let kernel = conv.backward_constants(kernel, false);
        let bindings = [dy, index.column_start, index.column_shift, weight, dx, index.column_entry];
        let label = self.label(Kind::GradInput, "grad_input");
        self.gather_blocks(label, (kernel, index.entries), (&bindings, 4), [&conv.output, &conv.input], work)
    }

    pub(super) fn sparse_forward(
        &self,
        sparse: &SparseWeight,
        strip: Strip,
        [x, weight, y]: [Slice; 3],
        bias: Option<Slice>,
    ) -> Vec<Command> {
        let (kernel, work) = self.gather(self.conv.output.channels, strip, false);
        let kernel = kernel.define_if(bias.is_some(), "BIAS");
        let (pack, packed) = self.pack(Kind::Forward, sparse, weight, strip);
        let mut bindings = vec![x, sparse.index.row_start, packed, y];
        bindings.extend(bias);
        let kernel = (self.conv.forward_constants(kernel, strip.load64), sparse.index.entries);
        let layouts = [&self.conv.input, &self.conv.output];
        [vec![pack], self.gather_blocks(self.label(Kind::Forward, "forward"), kernel, (&bindings, 3), layouts, work)]
            .concat()
    }

    pub(super) fn sparse_grad_input(
        &self,
        sparse: &SparseWeight,
        strip: Strip,
        [dy, weight, dx]: [Slice; 3],
        accumulate: bool,
    ) -> Vec<Command> {
        let (kernel, work) = self.gather(self.conv.columns(), strip, true);
        let kernel = kernel.define_if(accumulate, "ACCUMULATE");
        let (pack, packed) = self.pack(Kind::GradInput, sparse, weight, strip);
        let bindings = [dy, sparse.index.column_start, packed, dx];
        let kernel = (self.conv.backward_constants(kernel, strip.load64), sparse.index.entries);
        let layouts = [&self.conv.output, &self.conv.input];
        [
            vec![pack],
            self.gather_blocks(self.label(Kind::GradInput, "grad_input"), kernel, (&bindings, 3), layouts, work),
        ]
        .concat()
    }

    /// The active weights with their shifts for a pass of `kind` (of the input gradient in the transposed order), and where
    /// they will lie.
    fn pack(&self, kind: Kind, sparse: &SparseWeight, weight: Slice, strip: Strip) -> (Command, Slice) {
        let backward = kind == Kind::GradInput;
        let index = &sparse.index;
        let packed = sparse.packed.part(0, PACKED_BYTES * index.entries as u64);
        let kernel = Kernel::new("conv_sparse_pack")
            .define_if(backward, "TRANSPOSED")
            .set("COUNT", index.entries)
            .set("QUADS", self.conv.input.quads(strip.load64));
        let mut bindings = vec![if backward { index.column_shift } else { index.shift }, weight, packed];
        bindings.extend(backward.then_some(index.column_entry));
        let grid = kernel.cover(index.entries, 1);
        (Command::dispatch(self.label(kind, "pack"), kernel, &bindings, grid), packed)
    }

    pub(super) fn sparse_grad_weight(
        &self,
        sparse: &SparseWeight,
        how: WeightGradKernel,
        [x, dy, weight_grad]: [Slice; 3],
    ) -> Vec<Command> {
        let (index, tuning) = (&sparse.index, self.tuning);
        let part = |groups: Range<usize>| {
            let together = self.conv.weight_rows(tuning, how);
            let sums = (tuning.launch.weight_group, together as usize * self.conv.row_vectors(how.load64));
            let mut kernel = self.conv.weight_kernel(tuning, how, sums);
            kernel = kernel.define("GROUP", tuning.launch.weight_group);
            if how.scope == Scope::Subgroup {
                kernel = kernel.define("ROW", self.conv.weight_row(tuning, how.load64));
            }
            if how.scope != Scope::Invocation {
                kernel = kernel.define("TOGETHER", together);
            }
            let kernel = kernel.set("GROUP_MOST", groups.len()).set("WEIGHTS", index.entries);
            let table = index.groups.part(GROUP_BYTES * groups.start as u64, GROUP_BYTES * groups.len() as u64);
            let bindings = [x, dy, index.row_start, index.shift, table, weight_grad];
            let grid = how.grid(&kernel, groups.len());
            Command::dispatch(self.label(Kind::GradWeight, "grad_weight"), kernel, &bindings, grid)
        };
        let groups = groups_most(self.conv, index.entries, tuning);
        self.parts(index.entries, groups, aligned(GROUP_BYTES)).map(part).collect()
    }

    fn gather(&self, rows: usize, Strip { row, chunk, load64 }: Strip, backward: bool) -> (Kernel, [usize; 3]) {
        let share = (row, load64, chunk.max(1));
        let (kernel, work) = self.conv.gather_kernel(self.tuning, "conv_sparse_gather", (rows, backward), share);
        let kernel = if chunk > 0 { kernel.define("SHUFFLE", 1).define("CHUNK", chunk) } else { kernel };
        (kernel, work)
    }

    /// The active values at their places in the scratch, zeros elsewhere, for a pass of `kind`.
    pub(super) fn scatter(&self, kind: Kind, sparse: &SparseWeight, weight: Slice) -> Command {
        self.transfer(self.label(kind, "scatter"), sparse, weight, false)
    }

    /// The active positions' values out of the scratch.
    pub(super) fn collect(&self, sparse: &SparseWeight, list: Slice) -> Command {
        self.transfer(self.label(Kind::GradWeight, "collect"), sparse, list, true)
    }

    fn transfer(&self, label: Label, sparse: &SparseWeight, list: Slice, collect: bool) -> Command {
        let words = self.conv.numel().div_ceil(32);
        let kernel = Kernel::new("conv_sparse_scatter")
            .define_if(collect, "COLLECT")
            .set("COUNT", self.conv.numel())
            .set("LENGTH", self.conv.row_length());
        let bindings = [sparse.active, sparse.index.row_start, list, sparse.dense(self.conv)];
        let grid = kernel.cover(words, 1);
        Command::dispatch(label, kernel, &bindings, grid)
    }
}
