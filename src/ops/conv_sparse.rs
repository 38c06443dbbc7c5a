//! Sparse convolution: only active weights exist.
//!
//! A weight's active values lie sorted by (out channel, in channel, tap); [`SparseIndex`] says where they point, in that
//! order and transposed. Shaders: `conv_sparse_*.wgsl`; twin: [`super::reference::conv`] with a masked weight.

use super::{Conv, Tuning};
use crate::gpu::{Kernel, Pass, Slice};

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

/// y = conv(x) (+ bias).
pub fn forward(
    label: &str,
    conv: &Conv,
    tuning: &Tuning,
    index: &SparseIndex,
    [x, weight, y]: [Slice; 3],
    bias: Option<Slice>,
) -> Pass {
    let (size, grid) = conv.gather_grid(tuning, conv.output.channels, false);
    let kernel = Kernel::new("conv_sparse_gather").define("WG", size).define_if(bias.is_some(), "BIAS");
    let mut bindings = vec![x, index.row_start, index.shift, weight, y];
    bindings.extend(bias);
    Pass::dispatch(format!("{label}: forward"), conv.forward_constants(kernel), &bindings, grid)
}

/// dx (+)= conv'(dy).
pub fn grad_input(
    label: &str,
    conv: &Conv,
    tuning: &Tuning,
    index: &SparseIndex,
    [dy, weight, dx]: [Slice; 3],
    accumulate: bool,
) -> Pass {
    let (size, grid) = conv.gather_grid(tuning, conv.columns(), true);
    let kernel = Kernel::new("conv_sparse_gather").define("WG", size).define("TRANSPOSED", 1);
    let kernel = conv.backward_constants(kernel.define_if(accumulate, "ACCUMULATE"));
    let bindings = [dy, index.column_start, index.column_shift, weight, dx, index.column_entry];
    Pass::dispatch(format!("{label}: grad_input"), kernel, &bindings, grid)
}

/// Gradient of the active weights, in their order.
pub fn grad_weight(
    label: &str,
    conv: &Conv,
    tuning: &Tuning,
    index: &SparseIndex,
    x: Slice,
    dy: Slice,
    weight_grad: Slice,
) -> Pass {
    let groups = groups_most(conv, index.entries, tuning);
    let (kernel, grid) = conv.weight_kernel(tuning, "conv_sparse_grad_weight", groups, tuning.weight_group);
    let kernel = kernel.define("GROUP", tuning.weight_group).set("GROUP_MOST", groups);
    let bindings = [x, dy, index.row_start, index.shift, index.groups, weight_grad];
    Pass::dispatch(format!("{label}: grad_weight"), conv.weight_constants(kernel), &bindings, grid)
}
