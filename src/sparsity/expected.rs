//! The ITOP rate that random growth (SET) can be expected to reach, in closed form.

use serde::{Deserialize, Serialize};

use super::PruneRate;
use crate::model::Graph;

/// Expected ITOP rate at the end of training.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedItopRate {
    /// Of each prunable parameter, in parameter order.
    pub layers: Vec<f64>,
    /// Of all, weighted by size.
    pub total: f64,
}

/// The expected ITOP rate of `graph` at `densities` (one a prunable parameter, in parameter order) after `total_steps`
/// steps with an update every `delta_t`.
pub fn itop_rate(
    graph: &Graph,
    densities: &[f64],
    prune_rate: &PruneRate,
    delta_t: usize,
    total_steps: usize,
) -> ExpectedItopRate {
    let from = Explored { step: 0, layers: densities.to_vec() };
    itop_rate_until(graph, densities, (prune_rate, delta_t, total_steps), &from, total_steps)
}

/// What is explored after some steps, which an expectation counts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explored {
    /// Steps done.
    pub step: usize,
    /// Share of each prunable parameter, in parameter order.
    pub layers: Vec<f64>,
}

/// The same once `step` steps are done, if `from` is explored and all updates since then are those of a schedule: a prune rate,
/// ΔT and the steps of the whole run.
pub fn itop_rate_until(
    graph: &Graph,
    densities: &[f64],
    (prune_rate, delta_t, total_steps): (&PruneRate, usize, usize),
    from: &Explored,
    step: usize,
) -> ExpectedItopRate {
    let updates = prune_rate.updates(delta_t, total_steps).skip_while(|&at| at <= from.step);
    let rates: Vec<f64> = updates.take_while(|&at| at <= step).map(|at| prune_rate.at(at, total_steps)).collect();
    let layer = |(&density, &explored): (&f64, &f64)| layer_rate(density, explored, &rates);
    let layers: Vec<f64> = densities.iter().zip(&from.layers).map(layer).collect();
    let numels: Vec<f64> = graph.prunable().map(|(_, param)| param.numel() as f64).collect();
    let explored: f64 = layers.iter().zip(&numels).map(|(rate, numel)| rate * numel).sum();
    ExpectedItopRate { total: explored / numels.iter().sum::<f64>(), layers }
}

/// The same of sets whose sizes change: from the densities at the start, by updates of a prune rate and the densities after it.
pub fn itop_rate_of(graph: &Graph, start: &[f64], updates: &[(f64, Vec<f64>)]) -> f64 {
    let explored = |(layer, &start): (usize, &f64)| {
        updates.iter().fold(start, |explored, (rate, densities)| layer_rate(densities[layer], explored, &[*rate]))
    };
    let numels: Vec<f64> = graph.prunable().map(|(_, param)| param.numel() as f64).collect();
    let layers = start.iter().enumerate().map(explored).zip(&numels);
    layers.map(|(explored, numel)| explored * numel).sum::<f64>() / numels.iter().sum::<f64>()
}

/// One layer at `density`, of which `explored` is, after updates at `rates`: an update grows `rate · density` of the layer at random among the
/// `1 - density + rate · density` positions that are inactive once it has pruned.
fn layer_rate(density: f64, explored: f64, rates: &[f64]) -> f64 {
    let stays_unexplored = |rate: &f64| {
        let inactive = 1.0 - density;
        if inactive > 0.0 { inactive / (inactive + rate * density) } else { 0.0 }
    };
    1.0 - (1.0 - explored) * rates.iter().map(stays_unexplored).product::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{self, Shape};
    use crate::ops::philox::{Purpose, permutation};
    use crate::sparsity::{Distribution, exact_nnz, prune_count};

    /// Rows of a table computed independently for the paper's settings: CIFAR-10 has 352 steps an epoch (45,000 / 128),
    /// CIFAR-100 391; 250 epochs; ERK at densities 0.20, 0.10, 0.05, 0.02.
    #[test]
    fn known_rates() {
        let rows: [(&str, usize, usize, usize, [f64; 4]); 14] = [
            ("mlp_cifar10", 1, 100, 880, [1.000, 1.000, 1.000, 0.976]),
            ("mlp_cifar10", 1, 500, 176, [1.000, 0.985, 0.874, 0.558]),
            ("mlp_cifar10", 1, 4000, 22, [0.744, 0.478, 0.270, 0.113]),
            ("vgg_c", 1, 100, 880, [1.000, 1.000, 0.995, 0.896]),
            ("vgg_c", 1, 1500, 58, [0.840, 0.632, 0.436, 0.232]),
            ("vgg_c", 2, 1500, 117, [0.962, 0.819, 0.616, 0.367]),
            ("mlp_cifar10", 1, 1500, 58, [0.959, 0.784, 0.530, 0.252]),
            ("mlp_cifar10", 5, 1500, 293, [1.000, 0.999, 0.965, 0.733]),
            ("vgg_c", 1, 500, 176, [0.991, 0.909, 0.731, 0.464]),
            ("vgg_c", 1, 4000, 22, [0.591, 0.396, 0.243, 0.111]),
            ("vgg_c", 5, 1500, 293, [0.999, 0.976, 0.864, 0.603]),
            ("resnet34", 1, 1500, 65, [0.939, 0.755, 0.514, 0.262]),
            ("resnet34", 1, 4000, 24, [0.722, 0.466, 0.270, 0.122]),
            ("resnet34", 5, 1500, 325, [1.000, 0.996, 0.944, 0.718]),
        ];
        let prune_rate = PruneRate::default();
        for (name, times, delta_t, updates, expected) in rows {
            let (classes, steps) = if name == "resnet34" { (100, 391) } else { (10, 352) };
            let total_steps = steps * 250 * times;
            let graph = model::build(name, classes, Shape::new(3, 32, 32)).unwrap();
            assert_eq!(prune_rate.updates(delta_t, total_steps).count(), updates);
            for (density, expected) in [0.20, 0.10, 0.05, 0.02].into_iter().zip(expected) {
                let densities = Distribution::Erk.densities(&graph, density).unwrap();
                let rate = itop_rate(&graph, &densities, &prune_rate, delta_t, total_steps);
                assert!((rate.total - expected).abs() < 0.00051, "{name} ×{times} ΔT {delta_t} at {density}: {rate:?}");
            }
        }
    }

    /// A run that continues with the same schedule expects the same; with another schedule, it starts from what it has explored.
    #[test]
    fn an_expectation_continues_from_what_is_explored() {
        let graph = model::build("resnet8", 10, Shape::new(3, 32, 32)).unwrap();
        let densities = Distribution::Erk.densities(&graph, 0.1).unwrap();
        let (prune_rate, start) = (PruneRate::default(), Explored { step: 0, layers: densities.clone() });
        let until =
            |steps, from: &Explored, step| itop_rate_until(&graph, &densities, (&prune_rate, 10, steps), from, step);
        let half = Explored { step: 500, layers: until(1000, &start, 500).layers };
        let [whole, parts] = [&start, &half].map(|from| until(1000, from, 1000).total);
        assert!((whole - parts).abs() < 1e-12, "{whole} {parts}");
        // Lengthened at its end: nothing of the longer plan's first half is added to what was explored.
        let done = Explored { step: 1000, layers: until(1000, &start, 1000).layers };
        assert!((until(2000, &done, 1000).total - whole).abs() < 1e-12);
        let longer = until(2000, &done, 2000).total;
        assert!(longer > whole && longer < itop_rate(&graph, &densities, &prune_rate, 10, 3000).total);
    }

    #[test]
    fn without_updates_the_rate_is_the_density() {
        let graph = model::build("resnet8", 10, Shape::new(3, 32, 32)).unwrap();
        for density in [0.1, 1.0] {
            let densities = Distribution::Uniform.densities(&graph, density).unwrap();
            let rate = itop_rate(&graph, &densities, &PruneRate::RIGL, 0, 1000);
            assert!((rate.total - density).abs() < 1e-12 && rate.layers.iter().all(|r| (r - density).abs() < 1e-12));
        }
    }

    /// Against SET played out on one layer.
    #[test]
    fn a_simulation_agrees() {
        let (numel, density) = (20_000, 0.1);
        let rates = [0.5, 0.4, 0.2, 0.1, 0.05];
        let shuffled = |update: usize, positions: Vec<usize>| -> Vec<usize> {
            let order = permutation(1, Purpose::Grow, update as u32, positions.len() as u32, positions.len());
            order.into_iter().map(|i| positions[i as usize]).collect()
        };
        let mut active: Vec<bool> = (0..numel).map(|i| i < exact_nnz(density, numel)).collect();
        let mut explored = active.clone();
        for (update, &rate) in rates.iter().enumerate() {
            let count = prune_count(rate, exact_nnz(density, numel));
            for alive in [true, false] {
                let positions = (0..numel).filter(|&i| active[i] == alive).collect();
                for i in shuffled(update, positions).into_iter().take(count) {
                    active[i] = !alive;
                }
            }
            explored.iter_mut().zip(&active).for_each(|(explored, active)| *explored |= active);
        }
        let simulated = explored.iter().filter(|&&e| e).count() as f64 / numel as f64;
        assert!((simulated - layer_rate(density, density, &rates)).abs() < 0.005, "{simulated}");
    }
}
