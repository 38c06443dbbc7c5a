//! `[C, H, W]` to `[C·H·W, 1, 1]`. Shader: `flatten.wgsl`.

use super::Layout;
use crate::gpu::{Command, Kernel, Kind, Label, Slice};

/// Copies `from` of layout `map` to `to` of layout `flat`.
pub fn forward(label: &str, map: &Layout, flat: &Layout, from: Slice, to: Slice) -> Command {
    pass(Label::new(Kind::Other, label, "flattening"), Kernel::new("flatten"), map, flat, [from, to])
}

/// Copies (adds) the gradient `from` of layout `flat` to `to` of layout `map`.
pub fn backward(label: &str, map: &Layout, flat: &Layout, from: Slice, to: Slice, accumulate: bool) -> Command {
    let kernel = Kernel::new("flatten").define("BACKWARD", 1).define_if(accumulate, "ACCUMULATE");
    pass(Label::new(Kind::Other, label, "flattening backward"), kernel, map, flat, [from, to])
}

fn pass(label: Label, kernel: Kernel, map: &Layout, flat: &Layout, bindings: [Slice; 2]) -> Command {
    let (from, to) = (map.vectors(false), flat.vectors(false));
    let kernel = to
        .outputs(from.inputs(from.declare(kernel), 0))
        .set("COUNT", flat.channels)
        .set("HEIGHT", map.height)
        .set("WIDTH", map.width);
    let groups = kernel.groups(flat.channels * from.lanes(), 1);
    Command::dispatch(label, kernel, &bindings, [groups, 1, map.blocks() as u32])
}
