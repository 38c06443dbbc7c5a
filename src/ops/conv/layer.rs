//! A layer's convolution, whatever its weight: the three passes by any candidate.

use std::ops::Range;

use super::{Conv, ForwardKernel, Scope, SparseWeight, WeightGradKernel};
use crate::gpu::{ALIGNMENT, Command, Kernel, Kind, Label, Slice};
use crate::ops::{Layout, Tuning};

/// A convolution of a plan.
#[derive(Clone, Copy, Debug)]
pub struct ConvLayer<'a> {
    /// The node's name.
    pub node: &'a str,
    pub conv: &'a Conv,
    pub tuning: &'a Tuning,
    /// Where the active weights lie; `None`: the weight is dense.
    pub sparse: Option<SparseWeight>,
    /// Workspace for what a pass leaves to its next dispatch ([`super::Choice::workspace_bytes`]): the sums of a split weight gradient's
    /// parts, a weight as matrices.
    pub workspace: Slice,
}

impl ConvLayer<'_> {
    /// What one of its commands is called.
    pub(super) fn label(&self, kind: Kind, part: &'static str) -> Label {
        Label::new(kind, self.node, part)
    }

    /// y = conv(x) (+ bias).
    pub fn forward(&self, how: ForwardKernel, [x, weight, y]: [Slice; 3], bias: Option<Slice>) -> Vec<Command> {
        match (how, self.sparse) {
            (ForwardKernel::Naive, Some(sparse)) => self.naive_forward(&sparse, [x, weight, y], bias),
            (ForwardKernel::Sparse(strip), Some(sparse)) => self.sparse_forward(&sparse, strip, [x, weight, y], bias),
            (_, Some(sparse)) => {
                let all = self.forward_of_all(how, [x, sparse.dense(), y], bias);
                [vec![self.scatter(Kind::Forward, &sparse, weight)], all].concat()
            }
            (_, None) => self.forward_of_all(how, [x, weight, y], bias),
        }
    }

    fn scatter(&self, kind: Kind, sparse: &SparseWeight, weight: Slice) -> Command {
        sparse.tensor.scatter(self.label(kind, "scatter"), weight, sparse.dense())
    }

    fn forward_of_all(&self, how: ForwardKernel, slices: [Slice; 3], bias: Option<Slice>) -> Vec<Command> {
        match how {
            ForwardKernel::Matrices { channels, row } => self.matrix_forward([channels, row], slices, bias),
            _ => self.dense_forward(how, slices, bias),
        }
    }

    /// dx (+)= conv'(dy).
    pub fn grad_input(&self, how: ForwardKernel, [dy, weight, dx]: [Slice; 3], accumulate: bool) -> Vec<Command> {
        match (how, self.sparse) {
            (ForwardKernel::Naive, Some(sparse)) => self.naive_grad_input(&sparse, [dy, weight, dx], accumulate),
            (ForwardKernel::Sparse(strip), Some(sparse)) => {
                self.sparse_grad_input(&sparse, strip, [dy, weight, dx], accumulate)
            }
            (_, Some(sparse)) => {
                let all = self.grad_input_of_all(how, [dy, sparse.dense(), dx], accumulate);
                [vec![self.scatter(Kind::GradInput, &sparse, weight)], all].concat()
            }
            (_, None) => self.grad_input_of_all(how, [dy, weight, dx], accumulate),
        }
    }

    fn grad_input_of_all(&self, how: ForwardKernel, slices: [Slice; 3], accumulate: bool) -> Vec<Command> {
        match how {
            ForwardKernel::Matrices { channels, row } => self.matrix_grad_input([channels, row], slices, accumulate),
            _ => self.dense_grad_input(how, slices, accumulate),
        }
    }

    /// Gradient of the weight: of a sparse one's active values, in their order.
    pub fn grad_weight(&self, how: WeightGradKernel, [x, dy, weight_grad]: [Slice; 3]) -> Vec<Command> {
        match (how.tile, self.sparse) {
            (None, Some(sparse)) => {
                let weights = (sparse.tensor.most_weights(), Some(sparse.tensor.rows.start));
                self.split(how, weights, weight_grad, |to| self.sparse_grad_weight(&sparse, how, [x, dy, to]))
            }
            (_, Some(sparse)) => {
                let mut commands = self.all_weights(how, [x, dy, sparse.dense()]);
                let label = self.label(Kind::GradWeight, "gather");
                commands.push(sparse.tensor.gather(label, sparse.dense(), weight_grad));
                commands
            }
            (_, None) => self.all_weights(how, [x, dy, weight_grad]),
        }
    }

    fn all_weights(&self, how: WeightGradKernel, [x, dy, weight_grad]: [Slice; 3]) -> Vec<Command> {
        self.split(how, (self.conv.numel(), None), weight_grad, |to| match how.scope {
            Scope::Matrices => self.matrix_grad_weight(how, [x, dy, to]),
            _ => self.dense_grad_weight(how, [x, dy, to]),
        })
    }

    /// `sums` to `weight_grad`; where they are split, to the workspace and from there. Of at most so many weights, and how
    /// many is the last word of the slice, if there is one.
    fn split(
        &self,
        how: WeightGradKernel,
        (weights, row_start): (usize, Option<Slice>),
        weight_grad: Slice,
        sums: impl FnOnce(Slice) -> Vec<Command>,
    ) -> Vec<Command> {
        if how.split == 1 {
            return sums(weight_grad);
        }
        let parts = self.workspace.part(0, how.workspace_bytes(self.conv, weights));
        let kernel = Kernel::new("conv_grad_weight_finish").set("SPLIT", how.split as usize).set("WEIGHTS", weights);
        let kernel = match row_start {
            Some(_) => kernel.define("ACTIVE", self.conv.block as u32).set("ROWS", self.conv.rows()),
            None => kernel,
        };
        let label = self.label(Kind::GradWeight, "grad_weight");
        let bindings: Vec<Slice> = [parts, weight_grad].into_iter().chain(row_start).collect();
        let grid = kernel.cover(weights, 1);
        let finish = Command::dispatch(label, kernel, &bindings, grid);
        [sums(parts), vec![finish]].concat()
    }

    /// `0..count` in equal parts, multiples of `unit`, such that a part of a pass that multiplies by `weights` weights
    /// stays below `DeviceProfile::dispatch_flops`.
    pub(super) fn parts(&self, weights: usize, count: usize, unit: usize) -> impl Iterator<Item = Range<usize>> {
        let flops = 2 * weights as u64 * (self.conv.output.pixels() * self.conv.output.images) as u64;
        let parts = flops.div_ceil(self.tuning.device.dispatch_flops).max(1) as usize;
        let part = count.div_ceil(parts).next_multiple_of(unit);
        (0..count).step_by(part).map(move |begin| begin..count.min(begin + part))
    }

    /// A gather that multiplies by `weights` weights, in dispatches over blocks of images or over groups of them: it reads its
    /// first binding and writes number `written`. Its work is as of [`Conv::gather_kernel`].
    pub(super) fn gather_blocks(
        &self,
        label: Label,
        (kernel, weights): (Kernel, usize),
        (bindings, written): (&[Slice], usize),
        [read, write]: [&Layout; 2],
        [rows, invocations, blocks]: [usize; 3],
    ) -> Vec<Command> {
        let together = (read.blocks() / blocks) as u64;
        let groups = kernel.groups(invocations, 1);
        let unit = aligned(together * read.block_bytes()).max(aligned(together * write.block_bytes()));
        let part = |range: Range<usize>| {
            let of = |slice: Slice, layout: &Layout| {
                let bytes = together * layout.block_bytes();
                slice.part(range.start as u64 * bytes, range.len() as u64 * bytes)
            };
            let mut bindings = bindings.to_vec();
            bindings[0] = of(bindings[0], read);
            bindings[written] = of(bindings[written], write);
            let grid = [rows as u32, groups, range.len() as u32];
            Command::dispatch(label.clone(), kernel.clone(), &bindings, grid)
        };
        self.parts(weights, blocks, unit).map(part).collect()
    }
}

/// How many pieces of `bytes` make a whole number of binding offsets.
pub(super) fn aligned(bytes: u64) -> usize {
    (ALIGNMENT >> bytes.trailing_zeros().min(ALIGNMENT.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::conv::Tile;
    use crate::ops::tuning::tests::tuning;

    /// The dispatches of each pass of a dense layer, as the bytes that their outputs span.
    #[test]
    fn long_passes_are_several_dispatches() {
        let side = |channels| Layout::new(channels, 8, 8, 1, 65);
        let conv = Conv { input: side(16), output: side(32), kernel: 3, stride: 1, padding: 1, block: 1 };
        let slice = |buffer, bytes| Slice { buffer, offset: 0, bytes };
        let (x, y) = (slice(0, conv.input.bytes()), slice(1, conv.output.bytes()));
        let weight = slice(2, 4 * conv.numel() as u64);
        let spans = |dispatch_flops: u64| {
            let mut tuning = tuning();
            tuning.device.dispatch_flops = dispatch_flops;
            let layer = ConvLayer { node: "conv", conv: &conv, tuning: &tuning, sparse: None, workspace: weight };
            let how = ForwardKernel::Dense(Tile { channels: 1, row: 1, shuffle: false, load64: false });
            let forward = layer.forward(how, [x, weight, y], None);
            let grad_input = layer.grad_input(how, [y, weight, x], false);
            let how = WeightGradKernel { tile: Some(2), scope: Scope::Invocation, group: 1, load64: false, split: 1 };
            let grad_weight = layer.grad_weight(how, [x, y, weight]);
            [forward, grad_input, grad_weight].map(|commands| {
                let written = |pass: &Command| match pass {
                    Command::Dispatch { bindings, .. } => bindings[2].bytes,
                    _ => 0,
                };
                commands.iter().map(written).collect::<Vec<_>>()
            })
        };
        let [y, x, weight] = [conv.output.bytes(), conv.input.bytes(), 4 * conv.numel() as u64];
        assert_eq!(spans(u64::MAX), [vec![y], vec![x], vec![weight]]);
        // 65 images are three blocks; rows of 576 bytes can be bound from every fourth on.
        assert_eq!(spans(1), [vec![y / 3; 3], vec![x / 3; 3], vec![weight / 8; 8]]);
        let flops = 2 * (conv.numel() * 64 * 65) as u64;
        assert_eq!(spans(flops.div_ceil(2)), [vec![y / 3 * 2, y / 3], vec![x / 3 * 2, x / 3], vec![weight / 2; 2]]);
    }
}
