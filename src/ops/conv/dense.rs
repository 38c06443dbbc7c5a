//! Dense convolution: for `--method dense`, for layers that have no zeros, and for the scores of gradient growth.
//! The weight is `[out, in, kernel, kernel]`. Shaders: `conv_dense_*.wgsl`; reference: [`crate::ops::reference::conv`].

use std::ops::Range;

use super::launch::GatherShape;
use super::layer::aligned;
use super::{ConvLayer, ForwardKernel, Scope, WeightGradKernel};
use crate::gpu::{Command, Kernel, Kind, Slice};

impl ConvLayer<'_> {
    pub(super) fn dense_forward(
        &self,
        how: ForwardKernel,
        [x, weight, y]: [Slice; 3],
        bias: Option<Slice>,
    ) -> Vec<Command> {
        let conv = self.conv;
        let channels = conv.output.channels;
        let (kernel, work) = self.tiled(how, channels, false);
        let kernel = kernel
            .define_if(bias.is_some(), "BIAS")
            .set("TERMS", conv.input.channels)
            .set("CHANNEL_STEP", conv.row_length())
            .set("TERM_STEP", conv.kernel * conv.kernel);
        let mut bindings = vec![x, weight, y];
        bindings.extend(bias);
        let kernel = conv.forward_constants(kernel, how.tile().load64);
        self.gather_blocks(
            self.label(Kind::Forward, "forward"),
            (kernel, conv.numel()),
            (&bindings, 2),
            [&conv.input, &conv.output],
            work,
        )
    }

    pub(super) fn dense_grad_input(
        &self,
        how: ForwardKernel,
        [dy, weight, dx]: [Slice; 3],
        accumulate: bool,
    ) -> Vec<Command> {
        let conv = self.conv;
        let channels = conv.input.channels;
        let (kernel, work) = self.tiled(how, channels, true);
        let kernel = kernel
            .define("TRANSPOSED", 1)
            .define_if(accumulate, "ACCUMULATE")
            .set("TERMS", conv.output.channels)
            .set("CHANNEL_STEP", conv.kernel * conv.kernel)
            .set("TERM_STEP", conv.row_length());
        let kernel = conv.backward_constants(kernel, how.tile().load64);
        let bindings = [dy, weight, dx];
        self.gather_blocks(
            self.label(Kind::GradInput, "grad_input"),
            (kernel, conv.numel()),
            (&bindings, 2),
            [&conv.output, &conv.input],
            work,
        )
    }

    /// Gradient of every position of the weight.
    pub(super) fn dense_grad_weight(&self, how: WeightGradKernel, [x, dy, weight_grad]: [Slice; 3]) -> Vec<Command> {
        let conv = self.conv;
        let tile = how.tile.unwrap_or(1);
        let taps = (conv.kernel * conv.kernel) as u32;
        let [across, down] = conv.teams(tile, how.group);
        // Of each output channel: its plane in the first block, its row of the weight.
        let (plane, row) = (conv.output.plane_bytes(), 4 * conv.row_length() as u64);
        let part = |channels: Range<usize>| {
            let lanes = if how.scope == Scope::Shuffle { self.tuning.device.subgroup_size as usize } else { 1 };
            let tiles = conv.input.channels.div_ceil(lanes) * channels.len().div_ceil(tile as usize);
            let tiles = tiles / how.group as usize;
            let strips = conv.output.blocks() * conv.output.height * conv.output.vectors(how.load64).lanes();
            let sums = (taps, strips.div_ceil(how.split as usize));
            let kernel = conv.weight_kernel(self.tuning, how, sums);
            let kernel = kernel
                .define("ACROSS", across)
                .define("DOWN", down)
                .define_if(how.group > 1, "CHAIN")
                .define("TILE", tile)
                .define("TAPS", taps)
                .define("KERNEL", conv.kernel as u32)
                .define("STEP", conv.stride as u32)
                .define("KEPT", conv.kernel.saturating_sub(conv.stride) as u32)
                .set("TILES", tiles)
                .set("IN_CHANNELS", conv.input.channels)
                .set("OUT_CHANNELS", channels.len())
                .set("WEIGHTS", conv.numel());
            let before = plane * channels.start as u64;
            let dy = dy.part(before, dy.bytes - before);
            // To the same channels of the last part of a split sum.
            let others = u64::from(how.split - 1) * 4 * conv.numel() as u64;
            let weight_grad = weight_grad.part(row * channels.start as u64, row * channels.len() as u64 + others);
            let grid = how.grid(&kernel, tiles);
            Command::dispatch(self.label(Kind::GradWeight, "grad_weight"), kernel, &[x, dy, weight_grad], grid)
        };
        let unit = aligned(plane).max(aligned(row)).next_multiple_of((down * tile) as usize);
        self.parts(conv.numel(), conv.output.channels, unit).map(part).collect()
    }

    /// Gradient of a bias: the sum of dy. For sparse and dense layers alike.
    pub fn grad_bias(&self, dy: Slice, bias_grad: Slice) -> Command {
        let y = &self.conv.output;
        let kernel = Kernel::new("conv_bias_grad").define("WG", self.conv.reduce_size(self.tuning));
        let vectors = y.vectors(false);
        let kernel = vectors
            .outputs(vectors.declare(kernel))
            .set("BLOCKS", y.blocks())
            .set("PIXELS", y.pixels())
            .set("OUT_W", y.width);
        Command::dispatch(
            self.label(Kind::GradWeight, "grad_bias"),
            kernel,
            &[dy, bias_grad],
            [y.channels as u32, 1, 1],
        )
    }

    /// A gather's kernel without what depends on its direction, and its work.
    fn tiled(&self, how: ForwardKernel, channels: usize, backward: bool) -> (Kernel, [usize; 3]) {
        let (conv, tuning, tile) = (self.conv, self.tuning, how.tile());
        let classes = if backward { conv.stride * conv.stride } else { 1 };
        let lanes = if tile.shuffle { tuning.device.subgroup_size } else { 1 };
        let rows = channels.div_ceil(tile.channels as usize) * classes;
        let shape = GatherShape { row: tile.row, load64: tile.load64, lanes, group: 1 };
        let naive = how == ForwardKernel::Naive;
        let shader = if naive { "conv_dense_naive" } else { "conv_dense_gather" };
        let (mut kernel, work) = conv.gather_kernel(tuning, shader, (rows, backward), shape);
        if !naive {
            let step = if backward { 1 } else { conv.stride as u32 };
            kernel = kernel.define("TILE", tile.channels).define_if(tile.shuffle, "SHUFFLE");
            if classes == 1 {
                kernel = kernel
                    .define("SHARED", 1)
                    .define("KERNEL", conv.kernel as u32)
                    .define("STEP", step)
                    .define("LOADS", (tile.row - 1) * step + conv.kernel as u32);
            }
            kernel = kernel.set("CHANNELS", channels);
        }
        let kernel = kernel.set("KERNEL", conv.kernel).set("PADDING", conv.padding);
        (kernel.set("STRIDE", conv.stride).set("LEAD", conv.lead()), work)
    }
}
