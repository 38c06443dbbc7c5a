//! Topology updates on the GPU equal the plain ones bit for bit: sets, values, momentum, counters, both index orders.

mod common;

use common::{agree, device, on_gpu};
use itop::ops::topology::map::Grid;
use itop::sparsity::{Structure, growth, prune};
use itop::verify::{BeforeUpdate, ListCase, MapCase, SharesCase, TopologyCase, noise};
use proptest::prelude::*;

#[track_caller]
fn check(before: &BeforeUpdate) {
    let (mut device, reference) = (on_gpu(before), before.reference());
    // The one number that is not an integer: a sum in another order.
    let [sum, wanted] =
        [device.update_stats, reference.update_stats].map(|counters| f32::from_bits(counters.young_magnitude));
    assert!((sum - wanted).abs() <= 1e-5 * wanted.abs(), "{sum} for {wanted}");
    device.update_stats.young_magnitude = reference.update_stats.young_magnitude;
    assert_eq!(device.update_stats, reference.update_stats);
    assert!(device == reference, "the update differs from its reference");
}

/// By scores, with a third of the active weights pruned.
fn case(shape: [usize; 3], stride: usize, density: f32) -> TopologyCase {
    TopologyCase {
        shape,
        stride,
        density,
        rate: 0.3,
        regrow: 1.0,
        coarse: false,
        rule: &prune::MAGNITUDE,
        growth: &growth::GRADIENT,
        structure: Structure::Unstructured,
        seed: 1,
    }
}

proptest! {
    #![proptest_config(common::cases())]

    #[test]
    fn updates(
        (k, c) in (1usize..40, 1usize..40),
        kernel in prop_oneof![Just(1usize), Just(3)],
        stride in 1usize..3,
        density in prop_oneof![Just(0.0f32), Just(1.0), 0.01f32..0.9],
        rate in prop_oneof![Just(0.0), Just(1.0), 0.005f64..0.6],
        // Sets that stay as large as they are, shrink, and grow.
        regrow in prop_oneof![3 => Just(1.0), 1 => Just(0.0), 1 => 0.1f64..0.9, 1 => 1.1f64..3.0],
        coarse: bool,
        (rule, grown, structure) in (0..prune::ALL.len(), 0..growth::ALL.len(), 0..Structure::ALL.len()),
        seed in 0u64..1000,
    ) {
        let (rule, growth, structure) = (prune::ALL[rule], growth::ALL[grown], Structure::ALL[structure]);
        // Blocks of half of all weights that could have some, and of as many rows.
        let block = structure.block();
        let shape = [if block > 1 { block * k.div_ceil(4) } else { k }, c, kernel];
        let case = TopologyCase { shape, stride, density, rate, regrow, coarse, rule, growth, structure, seed };
        check(&BeforeUpdate::random(&case));
    }

    #[test]
    fn layers_share_out_what_grows(
        layers in 1usize..70,
        limit in 1.0f32..3.0,
        coarse: bool,
        adaptive: bool,
        stream in 0u32..1000,
    ) {
        agree(SharesCase { layers, limit, coarse, adaptive, stream }.compare(&device()));
    }

    #[test]
    fn lists(active in 1usize..3000, stream in 0u32..1000) {
        agree(ListCase { active, stream }.compare(&device()));
    }

    #[test]
    fn maps((k, c) in (1usize..140, 1usize..140), kernel in 1usize..4, density in 0.0f32..1.0, stream in 0u32..1000) {
        let grid = Grid { outputs: k, inputs: c, taps: kernel * kernel };
        agree(MapCase { grid, density, stream }.compare(&device()));
    }
}

#[test]
fn maps_of_large_layers() {
    // Pooled 8 × 8, full to the last bit; a classifier; one cell of nearly all that 16 bits count.
    agree(MapCase { grid: Grid { outputs: 512, inputs: 512, taps: 9 }, density: 3.0, stream: 1 }.compare(&device()));
    agree(MapCase { grid: Grid { outputs: 100, inputs: 4096, taps: 1 }, density: 0.5, stream: 2 }.compare(&device()));
    agree(
        MapCase { grid: Grid { outputs: 1, inputs: 64 * 7281, taps: 9 }, density: 1.0, stream: 3 }.compare(&device()),
    );
}

#[test]
fn many_blocks_of_ties() {
    // 147,456 positions: several workgroups of words, one value everywhere, so that only the index decides.
    let mut case = BeforeUpdate::random(&TopologyCase { rate: 0.5, ..case([128, 128, 3], 1, 0.3) });
    case.weight.iter_mut().for_each(|w| *w = w.signum() * 0.25);
    case.gradient = vec![-1.5; case.active.len()];
    check(&case);
}

#[test]
fn one_position() {
    for growth in growth::ALL {
        check(&BeforeUpdate::random(&TopologyCase { rate: 0.5, growth, seed: 3, ..case([1, 1, 1], 1, 1.0) }));
    }
}

#[test]
fn large_layer_at_extreme_sparsity() {
    check(&BeforeUpdate::random(&TopologyCase { growth: &growth::RANDOM, seed: 9, ..case([256, 512, 3], 2, 0.001) }));
}

/// Realised exploration of random growth lies within 3 σ of the closed form, layer by layer.
#[test]
fn random_growth_explores_as_the_closed_form_says() {
    let mut case =
        BeforeUpdate::random(&TopologyCase { growth: &growth::RANDOM, seed: 4, ..case([40, 40, 3], 1, 0.05) });
    case.explored = case.active.clone();
    case.reliable = vec![false; case.active.len()];
    case.ages = vec![0; case.active.len()];
    let numel = case.active.len() as f64;
    let entries = case.active.iter().filter(|&&a| a).count() as f64;
    let mut unexplored = 1.0 - entries / numel;
    for update in 0..12 {
        case.update = update;
        let after = on_gpu(&case);
        let pruned = case.prune as f64;
        unexplored *= 1.0 - pruned / (numel - entries + pruned);
        // Weights of the next round: fresh noise, so that other ones go.
        let fresh = noise(100 + update, case.active.len());
        case.weight = fresh.iter().zip(&after.active).map(|(&w, &a)| if a { w } else { 0.0 }).collect();
        (case.active, case.explored, case.reliable, case.ages) =
            (after.active, after.explored, after.reliable, after.ages);
    }
    let realised = case.explored.iter().filter(|&&e| e).count() as f64 / numel;
    let sigma = (unexplored * (1.0 - unexplored) / numel).sqrt();
    assert!((realised - (1.0 - unexplored)).abs() < 3.0 * sigma, "{realised} for {} ± {sigma}", 1.0 - unexplored);
}
