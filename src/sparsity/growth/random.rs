//! Random growth (SET, Mocanu et al. 2018).

use super::{DenseGradient, Growth, Observed, Site, nothing};
use crate::gpu::{Command, Kernel, Kind, Label};
use crate::ops::philox::{Purpose, word};

/// 31 random bits a position, of the stream of this layer and update.
pub const RANDOM: Growth = Growth {
    name: "random",
    shader: Some("grow_random"),
    dense_gradient: DenseGradient::Never,
    state: false,
    of_weights: false,
    observe: nothing,
    score,
    reference,
};

fn score(site: &Site) -> Vec<Command> {
    draw(site, false)
}

/// Random scores; `unfired`: positions that were never active come first.
pub(super) fn draw(site: &Site, unfired: bool) -> Vec<Command> {
    let positions = site.tensor.conv.positions();
    let kernel = Kernel::new("grow_random").define_if(unfired, "UNFIRED").set("COUNT", positions);
    let mut bindings = vec![site.scratch.dense, site.run, site.tensor.own(site.scratch.update_counts)];
    bindings.extend(unfired.then_some(site.tensor.explored));
    let label = Label::new(Kind::Topology, site.label, "random scores");
    // An invocation draws a block of four.
    let grid = kernel.cover(positions, 4);
    vec![Command::dispatch(label, kernel, &bindings, grid)]
}

fn reference(seen: &Observed) -> Vec<u32> {
    (0..seen.positions).map(|i| bits(seen, i) >> 1).collect()
}

/// The random bits of position `i`.
pub(super) fn bits(seen: &Observed, i: usize) -> u32 {
    word(seen.seed, Purpose::Grow, seen.layer, seen.update, i)
}
