//! Sparse convolution: only active weights exist.
//!
//! A weight's active values lie sorted by (out channel, in channel, tap); [`SparseIndex`] says where they point, in that
//! order and transposed. Shaders: `conv_sparse_*.wgsl`; twin: [`super::reference::conv`] with a masked weight.

use super::conv_dense::Tile;
use super::{Conv, Gather, Tuning, WeightSum, conv_dense};
use crate::gpu::{Kernel, Pass, Slice, fold};

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

/// Most groups there can be: every row may end with a short one.
pub(super) fn groups_most(conv: &Conv, entries: usize, tuning: &Tuning) -> usize {
    (entries / tuning.weight_group as usize + conv.output.channels).min(entries)
}

/// A sparse layer's convolution.
#[derive(Clone, Copy, Debug)]
pub struct SparseConv<'a> {
    pub label: &'a str,
    pub conv: &'a Conv,
    pub tuning: &'a Tuning,
    pub index: &'a SparseIndex,
    /// Bitset of the active positions.
    pub active: Slice,
    /// Room for the dense weight or its gradient, for candidates that spread it out.
    pub scratch: Slice,
}

impl SparseConv<'_> {
    /// y = conv(x) (+ bias).
    pub fn forward(&self, how: Gather, [x, weight, y]: [Slice; 3], bias: Option<Slice>) -> Vec<Pass> {
        let Self { label, conv, tuning, index, .. } = *self;
        let (chunk, wide) = match how {
            Gather::Sparse { chunk, wide } => (chunk, wide),
            Gather::Dense { .. } => {
                let io = [x, self.dense(), y];
                return vec![self.spread(weight), conv_dense::forward(label, conv, tuning, Tile::of(how), io, bias)];
            }
        };
        let kernel = Kernel::new("conv_sparse_gather").define_if(bias.is_some(), "BIAS");
        let (kernel, grid) = self.gather(kernel, conv.output.channels, (chunk, wide), false);
        let mut bindings = vec![x, index.row_start, index.shift, weight, y];
        bindings.extend(bias);
        vec![Pass::dispatch(format!("{label}: forward"), conv.forward_constants(kernel, wide), &bindings, grid)]
    }

    /// dx (+)= conv'(dy).
    pub fn grad_input(&self, how: Gather, [dy, weight, dx]: [Slice; 3], accumulate: bool) -> Vec<Pass> {
        let Self { label, conv, tuning, index, .. } = *self;
        let (chunk, wide) = match how {
            Gather::Sparse { chunk, wide } => (chunk, wide),
            Gather::Dense { .. } => {
                let io = [dy, self.dense(), dx];
                let dense = conv_dense::grad_input(label, conv, tuning, Tile::of(how), io, accumulate);
                return vec![self.spread(weight), dense];
            }
        };
        let kernel = Kernel::new("conv_sparse_gather").define("TRANSPOSED", 1).define_if(accumulate, "ACCUMULATE");
        let (kernel, grid) = self.gather(kernel, conv.columns(), (chunk, wide), true);
        let kernel = conv.backward_constants(kernel, wide);
        let bindings = [dy, index.column_start, index.column_shift, weight, dx, index.column_entry];
        vec![Pass::dispatch(format!("{label}: grad_input"), kernel, &bindings, grid)]
    }

    /// Gradient of the active weights, in their order.
    pub fn grad_weight(&self, how: WeightSum, [x, dy, weight_grad]: [Slice; 3]) -> Vec<Pass> {
        let Self { label, conv, tuning, index, .. } = *self;
        let (team, wide) = match how {
            WeightSum::Sparse { team, wide } => (team, wide),
            WeightSum::Dense { .. } => {
                let sum = conv_dense::grad_weight(label, conv, tuning, how, [x, dy, self.dense()]);
                return vec![sum, self.transfer("collect", weight_grad, true)];
            }
        };
        let groups = groups_most(conv, index.entries, tuning);
        let sums = (groups, tuning.weight_group);
        let (kernel, grid) = conv.weight_kernel(tuning, (team, wide), "conv_sparse_grad_weight", sums);
        let kernel = kernel.define("GROUP", tuning.weight_group).set("GROUP_MOST", groups);
        let bindings = [x, dy, index.row_start, index.shift, index.groups, weight_grad];
        vec![Pass::dispatch(format!("{label}: grad_weight"), kernel, &bindings, grid)]
    }

    fn gather(&self, kernel: Kernel, rows: usize, (chunk, wide): (u32, bool), backward: bool) -> (Kernel, [u32; 3]) {
        let (size, grid) = self.conv.gather_grid(self.tuning, rows, backward, (1 + u32::from(wide), chunk.max(1)));
        let mut kernel = kernel.define("WG", size);
        if chunk > 0 {
            kernel = kernel.define("SHUFFLE", 1).define("CHUNK", chunk).define("UNROLL", self.tuning.unroll);
        }
        (kernel, grid)
    }

    /// This layer's part of the scratch.
    fn dense(&self) -> Slice {
        self.scratch.part(0, (4 * self.conv.numel() as u64).min(self.scratch.bytes))
    }

    /// The active values at their places in the scratch, zeros elsewhere.
    fn spread(&self, weight: Slice) -> Pass {
        self.transfer("spread", weight, false)
    }

    /// Between a list of the active positions and the scratch.
    fn transfer(&self, name: &str, list: Slice, collect: bool) -> Pass {
        let words = self.conv.numel().div_ceil(32);
        let kernel = Kernel::new("conv_sparse_spread")
            .define_if(collect, "COLLECT")
            .set("COUNT", self.conv.numel())
            .set("LENGTH", self.conv.row_length());
        let bindings = [self.active, self.index.row_start, list, self.dense()];
        Pass::dispatch(format!("{}: {name}", self.label), kernel, &bindings, fold(words.div_ceil(64)))
    }
}
