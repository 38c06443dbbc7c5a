//! SGD with momentum and weight decay on active values. Shader: `sgd.wgsl`; twin: [`super::reference::sgd`].

use crate::gpu::{Kernel, Kind, Label, Pass, Slice, fold};

/// One step on a range of values; all three slices have the same size, a multiple of 16 bytes.
pub fn step(label: &str, value: Slice, momentum: Slice, gradient: Slice, run: Slice, nesterov: bool) -> Pass {
    let count = (value.bytes / 16) as usize;
    let kernel = Kernel::new("sgd").define_if(nesterov, "NESTEROV").set("COUNT", count);
    Pass::dispatch(
        Label::new(Kind::Optimiser, label, "sgd"),
        kernel,
        &[value, momentum, gradient, run],
        fold(count.div_ceil(64)),
    )
}
