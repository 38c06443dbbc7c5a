//! Dense convolution by cooperative matrices, which multiply several times as fast as the rest of a GPU does. Of 16-bit floats,
//! or on Apple's GPUs of `f32`; sums are `f32`. The weight is rounded as activations are stored, and sums are taken in another
//! order than by all other candidates. Shaders: `conv_matrix_*.wgsl`; reference: [`crate::ops::reference::conv`].

use std::ops::Range;

use super::layer::aligned;
use super::{Conv, ConvLayer, WeightGradKernel};
use crate::gpu::{Command, Kernel, Kind, Slice, fold};
use crate::ops::{Layout, Tuning};

impl Conv {
    /// Bytes of the weight as matrices.
    pub(super) fn matrices_bytes(&self) -> u64 {
        (self.input.storage.bytes() * self.numel()) as u64
    }

    /// A kernel with what all that multiply matrices are told.
    fn matrix_kernel(&self, tuning: &Tuning, shader: &'static str, channels: u32) -> Kernel {
        let (size, matrices) = (tuning.device.matrix(self), tuning.device.matrices);
        Kernel::new(shader)
            .define("MATRIX", size)
            .define("TILE", channels / size)
            .define("COLUMNS", self.input.block_images() as u32 / size)
            .define("WG", matrices.most_lanes)
            .define("SUBGROUPS", matrices.subgroups())
    }
}

impl ConvLayer<'_> {
    /// y = conv(x) (+ bias), `channels` channels of `row` pixels at a time.
    pub(super) fn matrix_forward(
        &self,
        [channels, row]: [u32; 2],
        [x, weight, y]: [Slice; 3],
        bias: Option<Slice>,
    ) -> Vec<Command> {
        let conv = self.conv;
        let kernel = self.matrix_gather(channels, row, conv.input.channels, false);
        let kernel = conv.forward_constants(kernel.define_if(bias.is_some(), "BIAS").set("FIRST", 0), false);
        let (pack, matrices) = self.matrix_pack(Kind::Forward, weight);
        let mut bindings = vec![x, matrices, y];
        bindings.extend(bias);
        let work = self.matrix_work(&conv.output, channels, row);
        let layouts = [&conv.input, &conv.output];
        let commands = self.gather_blocks(
            self.label(Kind::Forward, "forward"),
            (kernel, conv.numel()),
            (&bindings, 2),
            layouts,
            work,
        );
        [vec![pack], commands].concat()
    }

    /// dx (+)= conv'(dy) of a convolution without a stride.
    pub(super) fn matrix_grad_input(
        &self,
        [channels, row]: [u32; 2],
        [dy, weight, dx]: [Slice; 3],
        accumulate: bool,
    ) -> Vec<Command> {
        let conv = self.conv;
        // Tap (0, 0) reads what lies `padding` behind the pixel, and the gather begins `lead` before it.
        let (y, first) = (conv.output.vectors(false), conv.padding + conv.lead());
        let kernel = self
            .matrix_gather(channels, row, conv.output.channels, true)
            .define("TRANSPOSED", 1)
            .define_if(accumulate, "ACCUMULATE")
            .set("FIRST", first * (y.row() + y.lanes()));
        let kernel = conv.backward_constants(kernel, false);
        let (pack, matrices) = self.matrix_pack(Kind::GradInput, weight);
        let work = self.matrix_work(&conv.input, channels, row);
        let (bindings, layouts) = ([dy, matrices, dx], [&conv.output, &conv.input]);
        let commands = self.gather_blocks(
            self.label(Kind::GradInput, "grad_input"),
            (kernel, conv.numel()),
            (&bindings, 2),
            layouts,
            work,
        );
        [vec![pack], commands].concat()
    }

    /// Gradient of every position of the weight.
    pub(super) fn matrix_grad_weight(&self, how: WeightGradKernel, [x, dy, weight_grad]: [Slice; 3]) -> Vec<Command> {
        let conv = self.conv;
        let (size, tile) = (self.tuning.device.matrix(conv) as usize, how.tile.unwrap_or(0) as usize);
        // Of each output channel: its plane in the first block, its row of the weight.
        let (plane, row) = (conv.output.plane_bytes(), 4 * conv.row_length() as u64);
        let part = |channels: Range<usize>| {
            let tiles = channels.len() / tile * (conv.input.channels / size) * conv.kernel;
            let kernel = conv.matrix_kernel(self.tuning, "conv_matrix_grad_weight", tile as u32);
            let kernel = conv
                .weight_constants(kernel, false)
                .define("KERNEL", conv.kernel as u32)
                .set("TILES", tiles)
                .set("IN_CHANNELS", conv.input.channels)
                .set("SPLIT", how.split as usize)
                .set("WEIGHTS", conv.numel());
            let before = plane * channels.start as u64;
            let dy = dy.part(before, dy.bytes - before);
            // To the same channels of the last part of a split sum.
            let others = u64::from(how.split - 1) * 4 * conv.numel() as u64;
            let weight_grad = weight_grad.part(row * channels.start as u64, row * channels.len() as u64 + others);
            let [across, down, _] = fold(tiles);
            let grid = [across, down, how.split];
            Command::dispatch(self.label(Kind::GradWeight, "grad_weight"), kernel, &[x, dy, weight_grad], grid)
        };
        let unit = aligned(plane).max(aligned(row)).max(tile).next_multiple_of(tile);
        self.parts(conv.numel(), conv.output.channels, unit).map(part).collect()
    }

    /// A gather's kernel without what depends on its direction, for sums over `terms` channels.
    fn matrix_gather(&self, channels: u32, row: u32, terms: usize, backward: bool) -> Kernel {
        let (conv, size) = (self.conv, self.tuning.device.matrix(self.conv) as usize);
        let taps = conv.kernel * conv.kernel;
        let (rows, columns) = (taps * conv.input.channels / size, taps);
        conv.matrix_kernel(self.tuning, "conv_matrix_gather", channels)
            .define("ROW", row)
            .set("KERNEL", conv.kernel)
            .set("TERMS", terms / size)
            .set("CHANNEL_STEP", if backward { columns } else { rows })
            .set("TERM_STEP", if backward { rows } else { columns })
    }

    /// The work of a gather to `result`, a workgroup for each `channels` channels of `row` pixels: as of [`Conv::gather_kernel`].
    fn matrix_work(&self, result: &Layout, channels: u32, row: u32) -> [usize; 3] {
        let lanes = self.tuning.device.matrices.most_lanes as usize;
        [result.channels / channels as usize, result.pixels() / row as usize * lanes, result.blocks()]
    }

    /// The weight as matrices for a pass of `kind`, and where they will lie.
    fn matrix_pack(&self, kind: Kind, weight: Slice) -> (Command, Slice) {
        let conv = self.conv;
        let matrices = self.workspace.part(0, conv.matrices_bytes());
        let vectors = conv.numel() / (4 * conv.input.quads(false));
        let kernel = conv.input.vectors(false).declare(Kernel::new("conv_matrix_pack"));
        let kernel = kernel
            .set("COUNT", vectors)
            .set("SIZE", self.tuning.device.matrix(conv) as usize)
            .set("IN_CHANNELS", conv.input.channels)
            .set("TAPS", conv.kernel * conv.kernel);
        let grid = kernel.cover(vectors, 1);
        (Command::dispatch(self.label(kind, "pack"), kernel, &[weight, matrices], grid), matrices)
    }
}

#[cfg(test)]
mod tests {
    use crate::gpu::{Gpu, GpuOptions, Matrices, broken, emulated};
    use crate::ops::trial::{Candidate, Trial};
    use crate::ops::{Conv, Layout, Tuning};
    use crate::verify::{ConvCase, Device, Pick};

    fn gpu() -> Gpu {
        let adapter = std::env::var("ITOP_TEST_ADAPTER").unwrap_or("auto".into());
        pollster::block_on(Gpu::open(&GpuOptions { adapter, checked_shaders: true, ..Default::default() })).unwrap()
    }

    fn matrices(size: u32) -> Matrices {
        Matrices { f16: 0, f32: size, most_lanes: 8, least_lanes: 8 }
    }

    /// The autotuner's check lets right candidates pass, and no wrong one.
    #[test]
    fn a_wrong_product_is_refused() {
        emulated::set(true);
        let [input, output] = [8, 16].map(|channels| Layout::new(channels, 4, 4, 1, 8));
        let conv = Conv { input, output, kernel: 3, stride: 1, padding: 1, block: 1 };
        let check = |direction: usize| {
            let gpu = gpu();
            let mut tuning = Tuning::for_gpu(&gpu);
            tuning.device.matrices = matrices(8);
            let all = &Candidate::all(&conv, &tuning, None)[direction];
            let by_matrices = *all.iter().find(|candidate| candidate.by_matrices()).unwrap();
            let mut trial = pollster::block_on(Trial::new(&gpu, &tuning, conv, 1.0)).unwrap();
            let wanted = pollster::block_on(trial.result(all[0])).unwrap();
            pollster::block_on(trial.check(by_matrices, (all[0], &wanted), 1))
        };
        (0..3).for_each(|direction| check(direction).unwrap());
        for (direction, shader, from, to) in [
            (0, "conv_matrix_gather", "r * IN_ROW", "s * IN_ROW"),
            (1, "conv_matrix_gather", "coopLoad<Left>", "coopLoadT<Left>"),
            (2, "conv_matrix_grad_weight", "coopLoad<Right>", "coopLoadT<Right>"),
        ] {
            broken::set(Some((shader, from, to)));
            let error = check(direction).expect_err(shader).to_string();
            assert!(error.contains("is off by"), "{error}");
        }
        broken::set(None);
        emulated::set(false);
    }

    /// Every candidate, with matrices of both sizes, beside its reference: padded or not, strided or not, in parts or not.
    #[test]
    fn emulated_matrices_agree_with_their_reference() {
        let mut place = Device::new(gpu());
        emulated::set(true);
        for (size, images, [c, k, h, w], [kernel, stride, padding], accumulate, dispatch_flops) in [
            (8, 16, [16, 32, 3, 4], [3, 1, 1], true, 1 << 40),
            (8, 48, [8, 16, 5, 6], [3, 2, 1], false, 1),
            (16, 64, [16, 32, 3, 4], [3, 1, 0], false, 1),
            (16, 32, [16, 32, 3, 4], [1, 1, 0], true, 1 << 40),
        ] {
            place.tuning.device.matrices = matrices(size);
            place.tuning.device.dispatch_flops = dispatch_flops;
            let pick = Pick::Matrices;
            let case = ConvCase { images, c, k, h, w, kernel, stride, padding, accumulate, pick, ..ConvCase::SMALL };
            let compared = pollster::block_on(case.compare(&place)).unwrap();
            for kernel in ["conv_matrix_gather", "conv_matrix_grad_weight", "conv_grad_weight_finish"] {
                assert!(compared.iter().any(|one| one.kernels.contains(&kernel)), "{case:?}: no {kernel}");
            }
            if let Some(wrong) = compared.iter().find(|one| !one.agrees()) {
                panic!("{case:?}: {wrong}");
            }
        }
        emulated::set(false);
    }
}
