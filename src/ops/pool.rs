//! Square pooling. Shaders: `pool_*.wgsl`; reference: [`super::reference::pool`].

use super::Layout;
use crate::gpu::{Command, Kernel, Kind, Label, Slice};

/// What a window gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// The largest of its pixels; padding does not count.
    Max,
    /// Their sum by all pixels of a window; padding counts as 0, as in PyTorch.
    Average,
}

/// Square windows, and what each gives. Partial windows are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    pub kind: PoolKind,
    /// Side of a window, in pixels.
    pub size: usize,
    /// From a window to the next, in pixels: at least 1.
    pub stride: usize,
    /// Pixels around the map, at most half a window: each window has a pixel of the map.
    pub padding: usize,
}

impl Pool {
    /// Windows side by side.
    pub const fn tiles(kind: PoolKind, size: usize) -> Self {
        Self { kind, size, stride: size, padding: 0 }
    }

    /// Windows along a side of `size` pixels.
    pub fn outputs(&self, size: usize) -> usize {
        (size + 2 * self.padding).checked_sub(self.size).map_or(0, |rest| rest / self.stride + 1)
    }
}

/// y = pool(x).
pub fn forward(label: &str, pool: &Pool, from: &Layout, to: &Layout, x: Slice, y: Slice) -> Command {
    let kernel = shape(Kernel::new("pool_forward"), pool, from, to).set("OUT_PIXELS", to.pixels());
    let grid = grid(&kernel, to);
    Command::dispatch(Label::new(Kind::Other, label, "pooling"), kernel, &[x, y], grid)
}

/// dx (+)= pool'(dy); the maximum needs x to find where it was.
pub fn backward(
    label: &str,
    pool: &Pool,
    from: &Layout,
    to: &Layout,
    [x, dy, dx]: [Slice; 3],
    accumulate: bool,
) -> Command {
    let kernel = shape(Kernel::new("pool_backward").define_if(accumulate, "ACCUMULATE"), pool, from, to)
        .set("IN_PIXELS", from.pixels())
        .set("OUT_H", to.height);
    let bindings = [dy, dx, x];
    let used = if pool.kind == PoolKind::Max { &bindings[..] } else { &bindings[..2] };
    let grid = grid(&kernel, from);
    Command::dispatch(Label::new(Kind::Other, label, "pooling backward"), kernel, used, grid)
}

fn shape(kernel: Kernel, pool: &Pool, from: &Layout, to: &Layout) -> Kernel {
    let (x, y) = (from.vectors(false), to.vectors(false));
    y.outputs(x.inputs(x.declare(kernel), 0))
        .define_if(pool.kind == PoolKind::Max, "MAX")
        .set("SIZE", pool.size)
        .set("STRIDE", pool.stride)
        .set("PADDING", pool.padding)
        .set("IN_H", from.height)
        .set("IN_W", from.width)
        .set("OUT_W", to.width)
}

fn grid(kernel: &Kernel, layout: &Layout) -> [u32; 3] {
    let groups = kernel.groups(layout.vectors(false).plane_lanes(), 1);
    [layout.channels as u32, groups, layout.blocks() as u32]
}
