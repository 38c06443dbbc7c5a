//! The geometry of a convolution, common to its sparse and dense kernels.

use super::tuning::GROUP_CELLS;
use super::{Layout, Scope, Tuning, WeightGradKernel};
use crate::gpu::{Kernel, fold};

/// A square convolution between two activations, zero-padded by their borders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv {
    pub input: Layout,
    pub output: Layout,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Conv {
    /// Height or width of the result for `size` of the input; `None` if the kernel does not fit.
    pub fn output_size(size: usize, kernel: usize, stride: usize, padding: usize) -> Option<usize> {
        (size + 2 * padding).checked_sub(kernel).map(|room| room / stride + 1)
    }

    /// Border that the input needs.
    pub fn input_halo(padding: usize) -> usize {
        padding
    }

    /// Border that the output (its gradient, to be exact) needs, for `size` and `out_size` rows or columns.
    pub fn output_halo(size: usize, out_size: usize, kernel: usize, stride: usize, padding: usize) -> usize {
        let behind = ((size - 1 + padding) / stride + 1).saturating_sub(out_size);
        lead(kernel, stride, padding).max(behind)
    }

    /// Input elements an output sums over, `in × kernel × kernel`.
    pub fn row_length(&self) -> usize {
        self.input.channels * self.kernel * self.kernel
    }

    /// Elements of the dense weight `[out, in, kernel, kernel]`.
    pub fn numel(&self) -> usize {
        self.output.channels * self.row_length()
    }

    /// Rows of the transposed order: input channels × parity classes.
    pub fn columns(&self) -> usize {
        self.input.channels * self.stride * self.stride
    }

    /// How many output pixels before its own the input gradient's gather begins.
    pub fn lead(&self) -> usize {
        lead(self.kernel, self.stride, self.padding)
    }

    /// Constants of a gather from x to y.
    pub(super) fn forward_constants(&self, kernel: Kernel, wide: bool) -> Kernel {
        let (x, y) = (self.input.vectors(wide), self.output.vectors(wide));
        y.outputs(x.inputs(x.declare(kernel), self.padding))
            .set("GRID_W", self.output.width)
            .set("IN_STEP_Y", self.stride * x.row())
            .set("IN_STEP_X", self.stride * x.lanes())
            .set("OUT_STEP", 1)
            .set("OUT_H", self.output.height)
            .set("OUT_W", self.output.width)
    }

    /// Constants of a gather from dy to dx.
    pub(super) fn backward_constants(&self, kernel: Kernel, wide: bool) -> Kernel {
        let (x, y) = (self.input.vectors(wide), self.output.vectors(wide));
        x.outputs(y.inputs(x.declare(kernel), self.lead()))
            .set("GRID_W", self.input.width.div_ceil(self.stride))
            .set("IN_STEP_Y", y.row())
            .set("IN_STEP_X", y.lanes())
            .set("OUT_STEP", self.stride)
            .set("OUT_H", self.input.height)
            .set("OUT_W", self.input.width)
    }

    /// Constants of a sum over all pixels of x and dy.
    pub(super) fn weight_constants(&self, kernel: Kernel, wide: bool) -> Kernel {
        let (x, y) = (self.input.vectors(wide), self.output.vectors(wide));
        y.outputs(x.inputs(x.declare(kernel), self.padding))
            .set("BLOCKS", self.input.blocks())
            .set("IN_STEP_Y", self.stride * x.row())
            .set("IN_STEP_X", self.stride * x.lanes())
            .set("OUT_H", self.output.height)
            .set("OUT_W", self.output.width)
    }

    /// A gather's kernel with its defines, and the grid for `rows` result rows, to y or (backward) to one parity class of x:
    /// an invocation computes `row` pixels, and `lanes` neighbours must be there to hand weights round.
    pub(super) fn gather_kernel(
        &self,
        tuning: &Tuning,
        shader: &'static str,
        (rows, backward): (usize, bool),
        (row, wide, lanes): (u32, bool, u32),
    ) -> (Kernel, [u32; 3]) {
        let pixels = if backward {
            self.input.height.div_ceil(self.stride) * self.input.width.div_ceil(self.stride)
        } else {
            self.output.pixels()
        };
        let strips = pixels.div_ceil(row as usize);
        let (block, blocks) = (strips * self.input.vectors(wide).lanes(), self.input.blocks());
        // Blocks of images that share a workgroup, where one does not fill it and a dispatch may do as much.
        let flops = 2 * self.numel() as u64 * (self.output.pixels() * self.input.block_images()) as u64;
        let most = (tuning.gather as u64 / block as u64).min(tuning.dispatch_flops / flops);
        let together = 1 << most.max(1).ilog2().min(blocks.trailing_zeros());
        let size = tuning.gather.min((block * together).next_power_of_two() as u32).max(lanes).max(tuning.least_group);
        let mut kernel = Kernel::new(shader).define("WG", size).define("ROW", row);
        if together > 1 {
            kernel = kernel.define("TOGETHER", together as u32).define("STRIPS", strips as u32);
        }
        (kernel, [rows, (block * together).div_ceil(size as usize), blocks / together].map(|count| count as u32))
    }

    /// Workgroup size of a sum over all pixels.
    pub(super) fn reduce_size(&self, tuning: &Tuning) -> u32 {
        let size = tuning.reduce.min(self.output.vectors(false).plane_lanes().next_power_of_two() as u32);
        size.max(tuning.least_group)
    }

    /// Vectors of a row of y that each lane of a subgroup takes at once in a sparse weight gradient: two, unless that would
    /// leave more lanes idle than one at a time.
    pub(super) fn weight_row(&self, tuning: &Tuning, wide: bool) -> u32 {
        let rounds = self.row_vectors(wide).div_ceil(tuning.lanes.max(1) as usize);
        if rounds.is_multiple_of(2) { 2 } else { 1 }
    }

    /// Rows of y that a team takes at once in a sparse weight gradient: as many as fill its lanes.
    pub(super) fn weight_rows(&self, tuning: &Tuning, how: WeightGradKernel) -> u32 {
        let lanes = team_lanes(tuning, how.team, tuning.weight_group);
        let (vectors, rows) = (self.row_vectors(how.wide), self.output.blocks() * self.output.height);
        (lanes / vectors as u32).clamp(1, rows.div_ceil(how.split as usize) as u32)
    }

    /// Vectors in a row of y.
    pub(super) fn row_vectors(&self, wide: bool) -> usize {
        self.output.width * self.output.vectors(wide).lanes()
    }

    /// A weight gradient's kernel with its defines, and the grid for `count` sums of `cells` numbers each, each of which at
    /// most `most` invocations share.
    pub(super) fn weight_kernel(
        &self,
        tuning: &Tuning,
        how: WeightGradKernel,
        shader: &'static str,
        (count, cells, most): (usize, u32, usize),
    ) -> (Kernel, [u32; 3]) {
        let WeightGradKernel { team, wide, split, .. } = how;
        let kernel = self.weight_constants(Kernel::new(shader), wide).set("SPLIT", split as usize);
        let (kernel, [x, y, _]) = match team {
            Scope::Invocation => {
                let size = tuning.least_group.max(8);
                (kernel.define("SERIAL", 1).define("WG", size), fold(count.div_ceil(size as usize)))
            }
            Scope::Shuffle => (kernel.define("SERIAL", 1).define("SHUFFLE", 1).define("WG", tuning.lanes), fold(count)),
            // A workgroup as large as the smallest subgroup lies in one.
            Scope::Subgroup | Scope::Matrices => (kernel.define("SUBGROUP", 1).define("WG", tuning.lanes), fold(count)),
            Scope::Workgroup => {
                let size = team_lanes(tuning, team, cells).min(most.next_power_of_two() as u32).max(tuning.least_group);
                (kernel.define("WG", size).define("CELLS", size * cells), fold(count))
            }
        };
        (kernel, [x, y, split])
    }
}

/// The most invocations that share `cells` sums of a weight gradient.
fn team_lanes(tuning: &Tuning, team: Scope, cells: u32) -> u32 {
    match team {
        Scope::Invocation | Scope::Shuffle => 1,
        Scope::Subgroup | Scope::Matrices => tuning.lanes,
        Scope::Workgroup => tuning.weight_team.min(1 << (GROUP_CELLS / cells).max(1).ilog2()),
    }
}

fn lead(kernel: usize, stride: usize, padding: usize) -> usize {
    (kernel - 1).saturating_sub(padding).div_ceil(stride)
}
