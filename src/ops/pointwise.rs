//! `relu(norm(x) + residual)`, each part optional: batch normalisation, residual addition and ReLU in one read and one
//! write. Shaders: `pointwise_*.wgsl`; reference: [`super::reference::pointwise`].

use super::{Layout, Tuning};
use crate::gpu::{Command, Kernel, Kind, Label, Slice};

/// The buffers of one batch normalisation.
#[derive(Clone, Copy, Debug)]
pub struct NormSlices {
    /// γ and β, and their gradients: one `f32` a channel.
    pub weight: Slice,
    pub bias: Slice,
    pub weight_grad: Slice,
    pub bias_grad: Slice,
    /// Running means, then running variances.
    pub running: Slice,
    /// `(mean, 1/std, scale, shift)` a channel, from the last forward pass.
    pub factors: Slice,
    /// Scratch, free between commands: [`partial_bytes`] and one `vec4` a channel.
    pub partials: Slice,
    pub grad_factors: Slice,
}

/// A pointwise node with its tensors: x to y.
#[derive(Clone, Copy, Debug)]
pub struct Pointwise {
    pub input: Layout,
    pub output: Layout,
    /// Layout of the residual, if there is one.
    pub residual: Option<Layout>,
    pub norm: Option<NormSlices>,
    pub relu: bool,
}

/// Scratch bytes for the statistics of `layout`.
pub fn partial_bytes(layout: &Layout) -> u64 {
    8 * (layout.channels * layout.blocks()) as u64
}

/// Training: batch statistics, running statistics, result.
pub fn forward_train(
    label: &str,
    node: &Pointwise,
    tuning: &Tuning,
    x: Slice,
    residual: Option<Slice>,
    y: Slice,
    run: Slice,
) -> Vec<Command> {
    let mut commands = Vec::new();
    if let Some(norm) = &node.norm {
        let layout = &node.input;
        let stats = Kernel::new("pointwise_stats")
            .define("WG", reduce_size(layout, tuning))
            .set("BLOCKS", layout.blocks())
            .set("PIXELS", layout.pixels())
            .set("WIDTH", layout.width);
        let vectors = layout.vectors(load64(layout, tuning));
        let stats = vectors.inputs(vectors.declare(stats), 0);
        let grid = [layout.channels as u32, 1, layout.blocks() as u32];
        commands.push(Command::dispatch(
            Label::new(Kind::Pointwise, label, "statistics"),
            stats,
            &[x, norm.partials, run],
            grid,
        ));
        let finish = Kernel::new("pointwise_stats_finish")
            .set("CHANNELS", layout.channels)
            .set("BLOCKS", layout.blocks())
            .set("BATCH", layout.block_images())
            .set("PIXELS", layout.pixels());
        let bindings = [norm.partials, norm.weight, norm.bias, norm.running, norm.factors, run];
        let label = Label::new(Kind::Pointwise, label, "statistics of the batch");
        let grid = per_channel(&finish, layout);
        commands.push(Command::dispatch(label, finish, &bindings, grid));
    }
    commands.push(apply(label, node, tuning, x, residual, y));
    commands
}

/// Evaluation: running statistics, result.
pub fn forward_eval(
    label: &str,
    node: &Pointwise,
    tuning: &Tuning,
    x: Slice,
    residual: Option<Slice>,
    y: Slice,
) -> Vec<Command> {
    let mut commands = Vec::new();
    if let Some(norm) = &node.norm {
        let kernel = Kernel::new("pointwise_stats_eval").set("CHANNELS", node.input.channels);
        let bindings = [norm.weight, norm.bias, norm.running, norm.factors];
        let label = Label::new(Kind::Pointwise, label, "running statistics");
        let grid = per_channel(&kernel, &node.input);
        commands.push(Command::dispatch(label, kernel, &bindings, grid));
    }
    commands.push(apply(label, node, tuning, x, residual, y));
    commands
}

fn apply(label: &str, node: &Pointwise, tuning: &Tuning, x: Slice, residual: Option<Slice>, y: Slice) -> Command {
    let mut kernel = Kernel::new("pointwise_forward").define_if(node.relu, "RELU");
    let mut bindings = vec![x, y];
    if let Some(norm) = &node.norm {
        kernel = kernel.define("NORM", 1);
        bindings.push(norm.factors);
    }
    if let Some(residual) = residual {
        kernel = kernel.define("RESIDUAL", bindings.len() as u32);
        bindings.push(residual);
    }
    let (kernel, grid) = shape(kernel, node, tuning);
    Command::dispatch(Label::new(Kind::Pointwise, label, "forward"), kernel, &bindings, grid)
}

/// The tensors of a backward pass.
#[derive(Clone, Copy, Debug)]
pub struct BackwardSlices {
    pub x: Slice,
    pub y: Slice,
    pub dy: Slice,
    pub dx: Slice,
    pub accumulate: bool,
    /// Gradient of the residual and whether to add to it.
    pub residual: Option<(Slice, bool)>,
}

/// dx, the residual's gradient, and those of γ and β.
pub fn backward(label: &str, node: &Pointwise, tuning: &Tuning, io: &BackwardSlices, run: Slice) -> Vec<Command> {
    let mut commands = Vec::new();
    let (x, y) = (&node.input, &node.output);
    // Where the ReLU let numbers pass need not be read where the input says it, which is read in any case.
    let of_input = node.relu && node.norm.is_some() && node.residual.is_none();
    let of_output = node.relu && !of_input;
    // The gradient behind the ReLU, if the first of two passes can leave it where the residual's gradient must be.
    let kept = io.residual.filter(|(_, accumulate)| of_output && node.norm.is_some() && !accumulate);
    if let Some(norm) = &node.norm {
        let stats = Kernel::new("pointwise_grad_stats")
            .define("WG", reduce_size(x, tuning))
            .define_if(of_output, "RELU")
            .define_if(of_input, "BY_INPUT")
            .define_if(kept.is_some(), "DZ_KEPT")
            .set("BLOCKS", x.blocks())
            .set("PIXELS", x.pixels())
            .set("WIDTH", x.width);
        let mut stats = planes(stats, x, y, tuning);
        let mut bindings = vec![io.x, io.dy, norm.factors, norm.partials];
        bindings.extend(of_output.then_some(io.y));
        if let (Some((dz, _)), Some(residual)) = (kept, &node.residual) {
            stats = residual.vectors(load64(x, tuning)).residual(stats);
            bindings.push(dz);
        }
        let grid = [x.channels as u32, 1, x.blocks() as u32];
        commands.push(Command::dispatch(Label::new(Kind::Pointwise, label, "grad statistics"), stats, &bindings, grid));
        let finish = Kernel::new("pointwise_grad_finish")
            .set("CHANNELS", x.channels)
            .set("BLOCKS", x.blocks())
            .set("PIXELS", x.pixels());
        let bindings = [norm.partials, norm.factors, norm.weight_grad, norm.bias_grad, norm.grad_factors, run];
        let grid = per_channel(&finish, x);
        commands.push(Command::dispatch(Label::new(Kind::Pointwise, label, "grad_weight"), finish, &bindings, grid));
    }
    let mut kernel =
        Kernel::new("pointwise_backward").define_if(io.accumulate, "ACCUMULATE").define_if(kept.is_some(), "DZ_KEPT");
    let mut bindings = vec![kept.map_or(io.dy, |(dz, _)| dz), io.dx, run];
    if of_output && kept.is_none() {
        kernel = kernel.define("RELU", bindings.len() as u32);
        bindings.push(io.y);
    }
    if let Some(norm) = &node.norm {
        kernel = kernel.define("NORM", bindings.len() as u32).define("FACTORS", bindings.len() as u32 + 1);
        bindings.extend([io.x, norm.grad_factors]);
        if of_input {
            kernel = kernel.define("BY_INPUT", bindings.len() as u32);
            bindings.push(norm.factors);
        }
    }
    if let Some((residual, accumulate)) = io.residual.filter(|_| kept.is_none()) {
        kernel = kernel.define_if(accumulate, "RESIDUAL_ACCUMULATE").define("RESIDUAL", bindings.len() as u32);
        bindings.push(residual);
    }
    let (kernel, grid) = shape(kernel, node, tuning);
    commands.push(Command::dispatch(Label::new(Kind::Pointwise, label, "backward"), kernel, &bindings, grid));
    commands
}

fn reduce_size(layout: &Layout, tuning: &Tuning) -> u32 {
    let vectors = layout.vectors(load64(layout, tuning));
    tuning.launch.reduce.min(vectors.plane_lanes().next_power_of_two() as u32).max(tuning.device.least_group)
}

fn per_channel(kernel: &Kernel, layout: &Layout) -> [u32; 3] {
    [kernel.groups(layout.channels, 1), 1, 1]
}

fn shape(kernel: Kernel, node: &Pointwise, tuning: &Tuning) -> (Kernel, [u32; 3]) {
    let (output, residual) = (&node.output, node.residual.unwrap_or(node.output));
    let load64 = load64(output, tuning);
    let kernel = planes(kernel.define("EACH", tuning.launch.pointwise), &node.input, output, tuning);
    let kernel = residual.vectors(load64).residual(kernel).set("PIXELS", output.pixels()).set("WIDTH", output.width);
    let groups = kernel.groups(output.vectors(load64).plane_lanes(), tuning.launch.pointwise as usize);
    (kernel, [output.channels as u32, groups, output.blocks() as u32])
}

fn planes(kernel: Kernel, input: &Layout, output: &Layout, tuning: &Tuning) -> Kernel {
    let [input, output] = [input, output].map(|layout| layout.vectors(load64(layout, tuning)));
    output.outputs(input.inputs(input.declare(kernel), 0))
}

/// Whether these commands load 64-bit words.
fn load64(layout: &Layout, tuning: &Tuning) -> bool {
    tuning.device.load64 && tuning.costs.prefer_load64 && layout.fits_load64()
}
