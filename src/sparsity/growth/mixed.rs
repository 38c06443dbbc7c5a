//! Growth by the gradient and at random (`mix_growth` of the GraNet code, Liu et al. 2021, with exact counts).

use super::{DenseGradient, Growth, Observed, Site, nothing, random};
use crate::gpu::{Command, Kernel, Kind, Label};
use crate::ops::reference::topology::grow;
use crate::ops::topology::Chosen;

/// A share of what grows has the largest gradients (rounded down), the rest is random.
pub const MIXED: Growth = Growth {
    name: "mixed",
    shader: Some("grow_mixed"),
    dense_gradient: DenseGradient::AtUpdates,
    state: false,
    of_weights: false,
    observe: nothing,
    score,
    reference,
};

fn score(site: &Site) -> Vec<Command> {
    let (tensor, scratch) = (site.tensor, site.scratch);
    let label = || Label::new(Kind::Topology, site.label, "mixed scores");
    let counts = tensor.own(scratch.update_counts);
    let first = Kernel::new("grow_mixed").define("FIRST", 1).set("UNITS", tensor.parts());
    let mut commands = vec![Command::dispatch(label(), first, &[counts], [1, 1, 1])];
    commands.extend(tensor.grow(site.label, scratch, Chosen::First, true));
    let positions = tensor.conv.positions();
    let kernel = Kernel::new("grow_mixed").set("COUNT", positions);
    // An invocation draws a block of four.
    let grid = kernel.cover(positions, 4);
    let bindings = [scratch.dense, site.run, counts, scratch.kept, scratch.after];
    commands.push(Command::dispatch(label(), kernel, &bindings, grid));
    commands
}

fn reference(seen: &Observed) -> Vec<u32> {
    let of_row = seen.grow / seen.rows;
    let first = ((of_row as f32 * seen.mix) as usize).min(of_row);
    let (gradient, row) = (seen.by_position(seen.gradient), seen.positions / seen.rows);
    let rows = gradient.chunks(row).zip(seen.kept.chunks(row));
    let after: Vec<bool> = rows.flat_map(|(gradient, kept)| grow(gradient, kept, first)).collect();
    let score = |i: usize| if after[i] && !seen.kept[i] { 1 << 30 } else { random::bits(seen, i) >> 2 };
    (0..seen.positions).map(score).collect()
}
