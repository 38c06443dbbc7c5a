//! Random growth that tries everything once: `random_unfired` of the ITOP code (Liu et al. 2021), with exact counts.

use super::{Growth, Observed, RANDOM, Site, random};
use crate::gpu::Command;

/// Positions that were never active come first, at random; then the others, at random.
pub const UNFIRED_FIRST: Growth = Growth { name: "unfired-first", score, reference, ..RANDOM };

fn score(site: &Site) -> Vec<Command> {
    random::draw(site, true)
}

fn reference(seen: &Observed) -> Vec<u32> {
    let score = |i| random::bits(seen, i) >> 2 | u32::from(!seen.explored[i]) << 30;
    (0..seen.positions).map(score).collect()
}
