//! From the statistics of a topology update to its line in `exploration.jsonl`.

use crate::ops::topology::{UpdateStats, age_bin};
use crate::train::RunPlan;
use crate::train::run_folder::{ExplorationLine, LayerExploration};

/// The line of `exploration.jsonl` about update number `update` (from 1), from what the GPU counted in each layer.
pub(super) fn line(
    run_plan: &RunPlan,
    (update, step, epoch): (usize, usize, usize),
    prune_rate: f64,
    counters: &[UpdateStats],
) -> ExplorationLine {
    let layers: Vec<LayerExploration> = run_plan
        .plan
        .layers
        .iter()
        .zip(counters)
        .map(|(layer, c)| {
            // The GPU counts blocks; people count weights.
            let c = &c.times(layer.conv.block as u32);
            // Jaccard distance of the set now to one of `other` positions.
            let distance = |common: u32, other: u32| {
                let (both, common) = (f64::from(c.active) + f64::from(other), f64::from(common));
                1.0 - common / (both - common)
            };
            // At the first update the young are the first set, which nothing had grown.
            let young = if update == 1 { 0.0 } else { f64::from(c.young) };
            let of_young = |value: f64| (young > 0.0).then(|| value / young);
            let mut line = LayerExploration {
                name: layer.name.clone(),
                active: c.active as usize,
                prunable: layer.numel,
                pruned: c.pruned as usize,
                grown: c.grown as usize,
                regrown: c.regrown as usize,
                newly_explored: c.newly_explored as usize,
                explored: c.explored as usize,
                reliably_explored: c.reliable as usize,
                threshold: Some(f32::from_bits(c.threshold)),
                dead_outputs: c.dead_outputs as usize,
                dead_inputs: c.dead_inputs as usize,
                ages: c.ages,
                // Of the set before, what the prune kept and what grew again are common.
                churn: distance(c.active + c.regrown - c.grown, c.active + c.pruned - c.grown),
                drift: distance(c.initial_kept, layer.active as u32),
                growth_kept: of_young(f64::from(c.young_kept)),
                growth_magnitude: of_young(f64::from(f32::from_bits(c.young_magnitude))),
            };
            if layer.sparse.is_none() {
                // Without zeros, what is pruned is all that can grow: the rule regrows it, and nothing moves.
                let pruned = layer.prune_count(prune_rate, layer.active);
                line.active = layer.active;
                (line.pruned, line.grown, line.regrown) = (pruned, pruned, pruned);
                (line.explored, line.reliably_explored, line.threshold) = (layer.numel, layer.numel, None);
                (line.churn, line.drift) = (0.0, 0.0);
                line.ages[age_bin(update)] = layer.active as u32;
            }
            line
        })
        .collect();
    let prunable = run_plan.prunable() as f64;
    let rate = |of: fn(&LayerExploration) -> usize| layers.iter().map(of).sum::<usize>() as f64 / prunable;
    let itop_rate = rate(|layer| layer.explored);
    let reliable_itop_rate = rate(|layer| layer.reliably_explored);
    ExplorationLine { step, epoch, prune_rate, layers, itop_rate, reliable_itop_rate }
}
