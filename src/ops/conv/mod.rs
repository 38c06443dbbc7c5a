//! Convolutions: their geometry here, the kernels that they can run in `kernels`, and one file for the host side of each
//! family of them (`sparse`, `dense`, `matrix`). Sizes of launches are in `launch`, a layer's three passes in `layer`; [`trial`]
//! runs one convolution on its own.

mod dense;
mod kernels;
mod launch;
mod layer;
mod matrix;
mod sparse;
pub mod trial;

pub use kernels::{Choice, ForwardKernel, Scope, Strip, Tile, WeightGradKernel};
pub(super) use launch::TEAM;
pub use layer::ConvLayer;
pub use sparse::SparseWeight;
pub(super) use sparse::{UNROLL_MOST, packed_bytes};

use super::Layout;
use crate::gpu::Kernel;

/// A square convolution between two activations, zero-padded by their borders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv {
    pub input: Layout,
    pub output: Layout,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    /// Output channels that are active together at one (input channel, tap) of a sparse weight: 1, or the side of its blocks,
    /// which divides the output channels. Its index then has a row for each block of channels, and an entry for each block.
    pub block: usize,
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

    /// Rows of a sparse weight's index: output channels, or blocks of them.
    pub fn rows(&self) -> usize {
        self.output.channels / self.block
    }

    /// Positions of a sparse weight `[rows, in, kernel, kernel]`, each active or not: of weights, or of blocks of them.
    pub fn positions(&self) -> usize {
        self.rows() * self.row_length()
    }

    /// Where in the dense weight the weights of `position` lie, in the order in which the lists have them.
    pub fn weights_at(&self, position: usize) -> impl Iterator<Item = usize> + use<> {
        let (length, block) = (self.row_length(), self.block);
        let (row, at) = (position / length, position % length);
        (0..block).map(move |i| (row * block + i) * length + at)
    }

    /// The position of the weight that lies at `at` in the dense weight.
    pub fn position_of(&self, at: usize) -> usize {
        let length = self.row_length();
        at / length / self.block * length + at % length
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
    fn forward_constants(&self, kernel: Kernel, load64: bool) -> Kernel {
        let (x, y) = (self.input.vectors(load64), self.output.vectors(load64));
        y.outputs(x.inputs(x.declare(kernel), self.padding))
            .set("GRID_W", self.output.width)
            .set("IN_STEP_Y", self.stride * x.row())
            .set("IN_STEP_X", self.stride * x.lanes())
            .set("OUT_STEP", 1)
            .set("OUT_H", self.output.height)
            .set("OUT_W", self.output.width)
    }

    /// Constants of a gather from dy to dx.
    fn backward_constants(&self, kernel: Kernel, load64: bool) -> Kernel {
        let (x, y) = (self.input.vectors(load64), self.output.vectors(load64));
        x.outputs(y.inputs(x.declare(kernel), self.lead()))
            .set("GRID_W", self.input.width.div_ceil(self.stride))
            .set("IN_STEP_Y", y.row())
            .set("IN_STEP_X", y.lanes())
            .set("OUT_STEP", self.stride)
            .set("OUT_H", self.input.height)
            .set("OUT_W", self.input.width)
    }

    /// Constants of a sum over all pixels of x and dy.
    fn weight_constants(&self, kernel: Kernel, load64: bool) -> Kernel {
        let (x, y) = (self.input.vectors(load64), self.output.vectors(load64));
        y.outputs(x.inputs(x.declare(kernel), self.padding))
            .set("BLOCKS", self.input.blocks())
            .set("IN_STEP_Y", self.stride * x.row())
            .set("IN_STEP_X", self.stride * x.lanes())
            .set("OUT_H", self.output.height)
            .set("OUT_W", self.output.width)
    }
}

fn lead(kernel: usize, stride: usize, padding: usize) -> usize {
    (kernel - 1).saturating_sub(padding).div_ceil(stride)
}
