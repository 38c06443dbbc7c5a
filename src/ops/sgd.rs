//! SGD with momentum and weight decay on active values. Shader: `sgd.wgsl`; reference: [`super::reference::sgd`].

use crate::gpu::{Command, Kernel, Kind, Label, Slice};

/// One step on a range of values; all three slices have the same size, a multiple of 16 bytes.
pub fn step(label: &str, value: Slice, momentum: Slice, gradient: Slice, run: Slice, nesterov: bool) -> Command {
    let count = (value.bytes / 16) as usize;
    let kernel = Kernel::new("sgd").define_if(nesterov, "NESTEROV").set("COUNT", count);
    let grid = kernel.cover(count, 1);
    Command::dispatch(Label::new(Kind::Optimiser, label, "sgd"), kernel, &[value, momentum, gradient, run], grid)
}
