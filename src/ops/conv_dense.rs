//! Dense convolution: for `--method dense`, for layers that have no zeros, and for the scores of gradient growth.
//! The weight is `[out, in, kernel, kernel]`. Shaders: `conv_dense_*.wgsl`; twin: [`super::reference::conv`].

use super::{Conv, Tuning};
use crate::gpu::{Kernel, Pass, Slice};

/// y = conv(x) (+ bias).
pub fn forward(label: &str, conv: &Conv, tuning: &Tuning, [x, weight, y]: [Slice; 3], bias: Option<Slice>) -> Pass {
    let channels = conv.output.channels;
    let (size, grid) = conv.gather_grid(tuning, tiles(channels, tuning), false);
    let taps = conv.kernel * conv.kernel;
    let kernel = Kernel::new("conv_dense_gather").define("WG", size).define("TILE", tile(channels, tuning));
    let kernel = shape(conv, kernel.define_if(bias.is_some(), "BIAS"))
        .set("CHANNELS", channels)
        .set("TERMS", conv.input.channels)
        .set("CHANNEL_STEP", conv.row_length())
        .set("TERM_STEP", taps)
        .set("IN_PLANE", conv.input.plane())
        .set("IN_ROW", conv.input.row());
    let mut bindings = vec![x, weight, y];
    bindings.extend(bias);
    Pass::dispatch(format!("{label}: forward"), conv.forward_constants(kernel), &bindings, grid)
}

/// dx (+)= conv'(dy).
pub fn grad_input(label: &str, conv: &Conv, tuning: &Tuning, [dy, weight, dx]: [Slice; 3], accumulate: bool) -> Pass {
    let channels = conv.input.channels;
    let rows = tiles(channels, tuning) * conv.stride * conv.stride;
    let (size, grid) = conv.gather_grid(tuning, rows, true);
    let kernel = Kernel::new("conv_dense_gather").define("WG", size).define("TILE", tile(channels, tuning));
    let kernel = shape(conv, kernel.define("TRANSPOSED", 1).define_if(accumulate, "ACCUMULATE"))
        .set("CHANNELS", channels)
        .set("TERMS", conv.output.channels)
        .set("CHANNEL_STEP", conv.kernel * conv.kernel)
        .set("TERM_STEP", conv.row_length())
        .set("IN_PLANE", conv.output.plane())
        .set("IN_ROW", conv.output.row());
    Pass::dispatch(format!("{label}: grad_input"), conv.backward_constants(kernel), &[dy, weight, dx], grid)
}

/// Gradient of every position of the weight.
pub fn grad_weight(label: &str, conv: &Conv, tuning: &Tuning, x: Slice, dy: Slice, weight_grad: Slice) -> Pass {
    let taps = (conv.kernel * conv.kernel) as u32;
    let pairs = conv.input.channels * conv.output.channels;
    let (kernel, grid) = conv.weight_kernel(tuning, "conv_dense_grad_weight", pairs, taps);
    let kernel = kernel
        .define("TAPS", taps)
        .define("KERNEL", conv.kernel as u32)
        .set("PAIRS", pairs)
        .set("IN_CHANNELS", conv.input.channels)
        .set("IN_PLANE", conv.input.plane())
        .set("IN_ROW", conv.input.row());
    let kernel = conv.weight_constants(kernel);
    Pass::dispatch(format!("{label}: grad_weight"), kernel, &[x, dy, weight_grad], grid)
}

/// Gradient of a bias: the sum of dy. For sparse and dense layers alike.
pub fn grad_bias(label: &str, conv: &Conv, tuning: &Tuning, dy: Slice, bias_grad: Slice) -> Pass {
    let y = &conv.output;
    let kernel = Kernel::new("conv_bias_grad")
        .define("WG", conv.reduce_size(tuning))
        .set("LANES", y.lanes())
        .set("BLOCKS", y.blocks())
        .set("PIXELS", y.pixels())
        .set("OUT_W", y.width)
        .set("OUT_ORIGIN", y.origin(0))
        .set("OUT_BLOCK", y.block())
        .set("OUT_PLANE", y.plane())
        .set("OUT_ROW", y.row());
    Pass::dispatch(format!("{label}: grad_bias"), kernel, &[dy, bias_grad], [y.channels as u32, 1, 1])
}

fn shape(conv: &Conv, kernel: Kernel) -> Kernel {
    kernel.set("KERNEL", conv.kernel).set("PADDING", conv.padding).set("STRIDE", conv.stride).set("LEAD", conv.lead())
}

fn tile(channels: usize, tuning: &Tuning) -> u32 {
    tuning.dense_tile.min(channels as u32)
}

fn tiles(channels: usize, tuning: &Tuning) -> usize {
    channels.div_ceil(tile(channels, tuning) as usize)
}
