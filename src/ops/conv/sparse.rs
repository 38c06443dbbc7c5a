//! Sparse convolution: only active weights exist.
//!
//! A weight's active values lie sorted by (out channel, in channel, tap); the index of a [`SparseTensor`] says where they
//! point, in that order and transposed. Shaders: `conv_sparse_*.wgsl`; reference: [`crate::ops::reference::conv`] with a
//! masked weight.

use std::ops::Range;

use super::launch::GatherShape;
use super::layer::aligned;
use super::{ConvLayer, Scope, Strip, WeightGradKernel};
use crate::gpu::{Command, Kernel, Kind, Slice, fold};
use crate::ops::SparseTensor;
use crate::ops::conv::Conv;
use crate::ops::sparse_tensor::groups_most;
use crate::ops::topology::Scratch;
use crate::ops::tuning::GROUP_CELLS;

/// Of the table of groups: `(row, first entry)`.
const GROUP_BYTES: u64 = 8;

/// A sparse weight with the workspace that its convolutions need.
#[derive(Clone, Copy, Debug)]
pub struct SparseWeight {
    pub tensor: SparseTensor,
    /// A word a position: the weight or its gradient in dense form, for kernels that work on all positions.
    pub dense: Slice,
    /// The active weights with their shifts: [`packed_bytes`].
    pub packed: Slice,
}

/// The most weights that a gather has under way, and that rows of packed ones are padded to.
pub(in crate::ops) const UNROLL_MOST: u32 = 8;

/// Bytes of `capacity` active weights with their shifts (a word each) in `rows` rows that are padded to whole rounds of
/// `unroll`, see `packed_rows.wgsl`.
pub(in crate::ops) fn packed_bytes(rows: usize, capacity: usize, unroll: u32) -> u64 {
    8 * (capacity + rows * (unroll as usize - 1)).next_multiple_of(unroll as usize) as u64
}

/// Pixels of a tile of [`Scope::Pixels`]: more of them would not stay in a GPU's first cache, fewer load each weight's place more
/// often.
fn pixels_at_once(conv: &Conv) -> u32 {
    if conv.output.width.is_multiple_of(2) { 2 } else { 1 }
}

impl SparseWeight {
    /// `tensor` with the workspace that all layers share.
    pub fn new(tensor: SparseTensor, scratch: &Scratch) -> Self {
        Self { tensor, dense: scratch.dense, packed: scratch.moved }
    }

    /// This layer's part of the dense workspace.
    pub(super) fn dense(&self) -> Slice {
        self.dense.part(0, 4 * self.tensor.conv.numel() as u64)
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
        let (conv, SparseTensor { rows, .. }) = (self.conv, sparse.tensor);
        let (kernel, work) =
            conv.gather_kernel(self.tuning, "conv_sparse_naive", (conv.output.channels, false), GatherShape::NAIVE);
        let kernel = kernel.define("BLOCK", conv.block as u32).define_if(bias.is_some(), "BIAS");
        let (kernel, weights) = (conv.forward_constants(kernel, false), sparse.tensor.most_weights());
        let mut bindings = vec![x, rows.start, rows.shift, weight, y];
        bindings.extend(bias);
        let label = self.label(Kind::Forward, "forward");
        self.gather_blocks(label, (kernel, weights), (&bindings, 4), [&conv.input, &conv.output], work)
    }

    /// dx (+)= conv'(dy), by the simplest kernel.
    pub(super) fn naive_grad_input(
        &self,
        sparse: &SparseWeight,
        [dy, weight, dx]: [Slice; 3],
        accumulate: bool,
    ) -> Vec<Command> {
        let (conv, SparseTensor { columns, .. }) = (self.conv, sparse.tensor);
        let (kernel, work) =
            conv.gather_kernel(self.tuning, "conv_sparse_naive", (conv.columns(), true), GatherShape::NAIVE);
        let kernel = kernel.define("BLOCK", conv.block as u32).define("TRANSPOSED", 1);
        let kernel = kernel.define_if(accumulate, "ACCUMULATE");
        let (kernel, weights) = (conv.backward_constants(kernel, false), sparse.tensor.most_weights());
        let bindings = [dy, columns.start, columns.shift, weight, dx, columns.entry];
        let label = self.label(Kind::GradInput, "grad_input");
        self.gather_blocks(label, (kernel, weights), (&bindings, 4), [&conv.output, &conv.input], work)
    }

    pub(super) fn sparse_forward(
        &self,
        sparse: &SparseWeight,
        strip: Strip,
        [x, weight, y]: [Slice; 3],
        bias: Option<Slice>,
    ) -> Vec<Command> {
        if self.conv.block > 1 {
            return self.block_forward(sparse, strip, [x, weight, y], bias);
        }
        let (kernel, work) = self.gather(self.conv.output.channels, strip, false);
        let kernel = kernel.define_if(bias.is_some(), "BIAS");
        let (pack, packed) = self.pack(Kind::Forward, sparse, weight, strip);
        let mut bindings = vec![x, sparse.tensor.rows.start, packed, y];
        bindings.extend(bias);
        let kernel = (self.conv.forward_constants(kernel, strip.load64), sparse.tensor.capacity);
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
        if self.conv.block > 1 {
            return self.block_grad_input(sparse, strip, [dy, weight, dx], accumulate);
        }
        let (kernel, work) = self.gather(self.conv.columns(), strip, true);
        let kernel = kernel.define_if(accumulate, "ACCUMULATE");
        let (pack, packed) = self.pack(Kind::GradInput, sparse, weight, strip);
        let bindings = [dy, sparse.tensor.columns.start, packed, dx];
        let kernel = (self.conv.backward_constants(kernel, strip.load64), sparse.tensor.capacity);
        let layouts = [&self.conv.output, &self.conv.input];
        [
            vec![pack],
            self.gather_blocks(self.label(Kind::GradInput, "grad_input"), kernel, (&bindings, 3), layouts, work),
        ]
        .concat()
    }

    fn block_forward(
        &self,
        sparse: &SparseWeight,
        strip: Strip,
        [x, weight, y]: [Slice; 3],
        bias: Option<Slice>,
    ) -> Vec<Command> {
        let rows = sparse.tensor.rows;
        let (kernel, work) = self.block_gather(self.conv.rows(), strip, false);
        let kernel = self.conv.forward_constants(kernel.define_if(bias.is_some(), "BIAS"), strip.load64);
        let mut bindings = vec![x, rows.start, rows.shift, weight, y];
        bindings.extend(bias);
        let (layouts, label) = ([&self.conv.input, &self.conv.output], self.label(Kind::Forward, "forward"));
        self.gather_blocks(label, (kernel, sparse.tensor.most_weights()), (&bindings, 4), layouts, work)
    }

    fn block_grad_input(
        &self,
        sparse: &SparseWeight,
        strip: Strip,
        [dy, weight, dx]: [Slice; 3],
        accumulate: bool,
    ) -> Vec<Command> {
        let columns = sparse.tensor.columns;
        let (kernel, work) = self.block_gather(self.conv.columns(), strip, true);
        let kernel = kernel.define("TRANSPOSED", 1).define_if(accumulate, "ACCUMULATE");
        let kernel = self.conv.backward_constants(kernel, strip.load64);
        let bindings = [dy, columns.start, columns.shift, weight, dx, columns.entry];
        let (layouts, label) = ([&self.conv.output, &self.conv.input], self.label(Kind::GradInput, "grad_input"));
        self.gather_blocks(label, (kernel, sparse.tensor.most_weights()), (&bindings, 4), layouts, work)
    }

    /// The kernel of a gather of blocks.
    fn block_gather(&self, rows: usize, strip: Strip, backward: bool) -> (Kernel, [usize; 3]) {
        let Strip { row, unroll, group, load64, .. } = strip;
        let shape = GatherShape { row, load64, lanes: 1, group };
        let (kernel, work) = self.conv.gather_kernel(self.tuning, "conv_block_gather", (rows, backward), shape);
        let block = self.conv.block as u32;
        let kernel = kernel.define("BLOCK", block).define("QUARTERS", block / 4);
        let kernel = kernel.define("GROUP", group);
        // A block of an input gradient loads as many vectors as it has channels.
        let blocks = if backward { (unroll / block).max(1) } else { unroll };
        (if unroll > 1 { kernel.define("UNROLL", blocks) } else { kernel }, work)
    }

    /// The active weights with their shifts for a pass of `kind` (of the input gradient in the transposed order), and where
    /// they will lie.
    fn pack(&self, kind: Kind, sparse: &SparseWeight, weight: Slice, strip: Strip) -> (Command, Slice) {
        assert!(strip.unroll <= UNROLL_MOST, "the workspace has no room for rows padded to {}", strip.unroll);
        let backward = kind == Kind::GradInput;
        let SparseTensor { capacity, rows, columns, .. } = sparse.tensor;
        let (count, start, shift) = match backward {
            true => (self.conv.columns(), columns.start, columns.shift),
            false => (self.conv.output.channels, rows.start, rows.shift),
        };
        let packed = sparse.packed.part(0, packed_bytes(count, capacity, strip.unroll));
        let kernel = Kernel::new("conv_sparse_pack")
            .define("UNROLL", strip.unroll)
            .define_if(backward, "TRANSPOSED")
            .set("ROWS", count)
            .set("QUADS", self.conv.input.quads(strip.load64));
        let mut bindings = vec![start, shift, weight, packed];
        bindings.extend(backward.then_some(columns.entry));
        (Command::dispatch(self.label(kind, "pack"), kernel, &bindings, fold(count)), packed)
    }

    pub(super) fn sparse_grad_weight(
        &self,
        sparse: &SparseWeight,
        how: WeightGradKernel,
        [x, dy, weight_grad]: [Slice; 3],
    ) -> Vec<Command> {
        let (SparseTensor { capacity, rows, .. }, tuning) = (sparse.tensor, self.tuning);
        let groups = groups_most(self.conv, capacity, tuning);
        let (group, block) = (self.conv.weight_group(tuning), self.conv.block as u32);
        let weights = sparse.tensor.most_weights();
        let part = |groups: Range<usize>| {
            let table = rows.groups.part(GROUP_BYTES * groups.start as u64, GROUP_BYTES * groups.len() as u64);
            let bindings = [x, dy, rows.start, rows.shift, table, weight_grad];
            let label = self.label(Kind::GradWeight, "grad_weight");
            if how.scope == Scope::Pixels {
                let (kernel, workgroups) = self.pixels_kernel(how, groups.len());
                let [across, down, _] = fold(workgroups);
                let kernel = kernel.set("GROUP_MOST", groups.len()).set("WEIGHTS", weights);
                return Command::dispatch(label, kernel, &bindings, [across, down, how.split]);
            }
            let together = self.conv.weight_rows(tuning, how);
            let sums = (group * block, together as usize * self.conv.row_vectors(how.load64));
            let mut kernel = self.conv.weight_kernel(tuning, how, sums);
            kernel = kernel.define("GROUP", group).define("BLOCK", block);
            if how.scope == Scope::Subgroup {
                kernel = kernel.define("ROW", self.conv.weight_row(tuning, how.load64));
            }
            if how.scope != Scope::Invocation {
                kernel = kernel.define("TOGETHER", together);
            }
            let kernel = kernel.set("GROUP_MOST", groups.len()).set("WEIGHTS", weights);
            let grid = how.grid(&kernel, groups.len());
            Command::dispatch(label, kernel, &bindings, grid)
        };
        self.parts(weights, groups, aligned(GROUP_BYTES)).map(part).collect()
    }

    /// The kernel of [`Scope::Pixels`] for so many groups of weights, and its workgroups for one part of the pixels.
    fn pixels_kernel(&self, how: WeightGradKernel, groups: usize) -> (Kernel, usize) {
        let (group, block) = (self.conv.weight_group(self.tuning), self.conv.block as u32);
        let (sums, lanes) = (group * block, self.conv.input.vectors(how.load64).lanes());
        let team = lanes.next_power_of_two().min(8) as u32;
        let workgroups = self.conv.pixels_workgroups(self.tuning, groups);
        let pixels = pixels_at_once(self.conv);
        let kernel = self.conv.weight_kernel(self.tuning, how, (GROUP_CELLS, 1));
        let kernel =
            kernel.define("GROUP", group).define("BLOCK", block).define("TEAM", team).define("LEFT", sums / team);
        let halves = [("SUMS2", 2), ("SUMS4", 4), ("SUMS8", 8)].into_iter().filter(|&(_, parts)| parts <= team);
        let kernel = halves.fold(kernel, |kernel, (name, parts)| kernel.define(name, sums / parts));
        let kernel = kernel
            .set("GROUPS", groups.div_ceil(workgroups))
            .set("PIXELS", pixels as usize)
            .set("TILES_W", self.conv.output.width / pixels as usize);
        (kernel, workgroups)
    }

    fn gather(&self, rows: usize, strip: Strip, backward: bool) -> (Kernel, [usize; 3]) {
        let Strip { row, unroll, group, chunk, load64 } = strip;
        let shape = GatherShape { row, load64, lanes: chunk.max(1), group };
        let (kernel, work) = self.conv.gather_kernel(self.tuning, "conv_sparse_gather", (rows, backward), shape);
        let kernel = if group > 1 { kernel.define("GROUP", group) } else { kernel }.define("UNROLL", unroll);
        let kernel = if unroll > 1 { kernel.define("PAIRS", unroll / 2) } else { kernel };
        let kernel = if chunk > 0 { kernel.define("SHUFFLE", 1).define("CHUNK", chunk) } else { kernel };
        (kernel, work)
    }
}
