//! Square pooling with stride = size. Shaders: `pool_*.wgsl`; reference: [`super::reference::pool`].

use super::Layout;
use crate::gpu::{Command, Kernel, Kind, Label, Slice};

/// What a window gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    Max,
    Average,
}

/// y = pool(x).
pub fn forward(label: &str, kind: PoolKind, size: usize, from: &Layout, to: &Layout, x: Slice, y: Slice) -> Command {
    let kernel =
        shape(Kernel::new("pool_forward"), kind, size, from, to).set("OUT_PIXELS", to.pixels()).set("OUT_W", to.width);
    let grid = grid(&kernel, to);
    Command::dispatch(Label::new(Kind::Other, label, "pooling"), kernel, &[x, y], grid)
}

/// dx (+)= pool'(dy); the maximum needs x to find where it was.
pub fn backward(
    label: &str,
    kind: PoolKind,
    size: usize,
    from: &Layout,
    to: &Layout,
    [x, dy, dx]: [Slice; 3],
    accumulate: bool,
) -> Command {
    let kernel = shape(Kernel::new("pool_backward").define_if(accumulate, "ACCUMULATE"), kind, size, from, to)
        .set("IN_PIXELS", from.pixels())
        .set("IN_W", from.width)
        .set("OUT_H", to.height)
        .set("OUT_W", to.width);
    let bindings = [dy, dx, x];
    let used = if kind == PoolKind::Max { &bindings[..] } else { &bindings[..2] };
    let grid = grid(&kernel, from);
    Command::dispatch(Label::new(Kind::Other, label, "pooling backward"), kernel, used, grid)
}

fn shape(kernel: Kernel, kind: PoolKind, size: usize, from: &Layout, to: &Layout) -> Kernel {
    let (x, y) = (from.vectors(false), to.vectors(false));
    y.outputs(x.inputs(x.declare(kernel), 0)).define_if(kind == PoolKind::Max, "MAX").set("SIZE", size)
}

fn grid(kernel: &Kernel, layout: &Layout) -> [u32; 3] {
    let groups = kernel.groups(layout.vectors(false).plane_lanes(), 1);
    [layout.channels as u32, groups, layout.blocks() as u32]
}
