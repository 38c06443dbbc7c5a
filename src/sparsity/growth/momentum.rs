//! Momentum growth (sparse momentum, Dettmers and Zettlemoyer 2019), without their redistribution between layers.

use super::{DenseGradient, Growth, Observed, Site};
use crate::gpu::{Command, Kernel, Kind, Label};

/// The magnitude of a momentum over the gradients of all steps, of inactive weights too: `m = momentum · m + g`.
pub const MOMENTUM: Growth = Growth {
    name: "momentum",
    shader: Some("grow_momentum"),
    dense_gradient: DenseGradient::EveryStep,
    state: true,
    of_weights: true,
    observe,
    score,
    reference,
};

fn observe(site: &Site) -> Vec<Command> {
    let Some(state) = site.state else { return Vec::new() };
    let numel = site.tensor.conv.numel();
    let kernel = Kernel::new("grow_momentum").set("COUNT", numel);
    let label = Label::new(Kind::Topology, site.label, "gradient momentum");
    let grid = kernel.cover(numel, 1);
    vec![Command::dispatch(label, kernel, &[site.scratch.dense, state, site.run], grid)]
}

fn score(site: &Site) -> Vec<Command> {
    let label = || Label::new(Kind::Topology, site.label, "momentum scores");
    let copy = |state: crate::gpu::Slice| Command::copy(label(), state, site.scratch.dense.part(0, state.bytes));
    site.state.map(copy).into_iter().collect()
}

fn reference(seen: &Observed) -> Vec<u32> {
    let next = |(m, g): (&f32, &f32)| seen.momentum * m + g;
    seen.by_position(&seen.state.iter().zip(seen.gradient).map(next).collect::<Vec<_>>())
}
