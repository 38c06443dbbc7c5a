//! SGD with momentum and weight decay on active values. Shader: `sgd.wgsl`; reference: [`super::reference::sgd`].

use crate::gpu::{Command, Kernel, Kind, Label, Slice};

/// How the optimiser's step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub nesterov: bool,
    /// Weights keep their signs: they are pulled to 0 and get noise, and one that would change its sign becomes 0 and stays there
    /// (DeepR, Bellec et al. 2018).
    pub signed: bool,
}

/// One step on a range of values; all three slices have the same size, a multiple of 16 bytes.
pub fn step(label: &str, [value, momentum, gradient]: [Slice; 3], run: Slice, form: Form) -> Command {
    let count = (value.bytes / 16) as usize;
    let kernel = Kernel::new("sgd").define_if(form.nesterov, "NESTEROV").set("COUNT", count);
    let kernel =
        if form.signed { kernel.define("SIGNED", 1).set("FIRST", (value.offset / 16) as usize) } else { kernel };
    let grid = kernel.cover(count, 1);
    Command::dispatch(Label::new(Kind::Optimiser, label, "sgd"), kernel, &[value, momentum, gradient, run], grid)
}
