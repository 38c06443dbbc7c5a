//! How a run starts: the first weights and the first active sets.

use super::RunPlan;
use super::first_set::{self, LayerSet};
use crate::plan::LayerPlan;
use crate::sparsity::{Init, Structure, init};

/// The network's first state.
pub struct Initial {
    /// Of each parameter: the values of its active weights in flat order.
    pub values: Vec<Vec<f32>>,
    /// Of each prunable parameter: its bitset.
    pub active: Vec<Vec<u32>>,
    /// Of each norm: means, then variances, where the network was trained before; else they are 0 and 1.
    pub running: Option<Vec<Vec<f32>>>,
}

impl RunPlan {
    /// The first active set of each prunable parameter as a bitset over its positions: exact counts, uniform over what the
    /// structure allows.
    pub fn initial_sets(&self) -> Vec<Vec<u32>> {
        if let Some(first) = &self.first {
            let bits = |(layer, set): (&LayerPlan, &LayerSet)| init::bits_of(&set.active, &layer.conv);
            return self.plan.layers.iter().zip(&first.layers).map(bits).collect();
        }
        let seed = self.config.seed;
        let of = |(number, layer): (usize, &LayerPlan)| {
            let rows = if layer.structure == Structure::FanIn { layer.conv.rows() } else { 1 };
            init::random_set(seed, number, (layer.conv.positions(), rows), layer.entries(layer.active))
        };
        self.plan.layers.iter().enumerate().map(of).collect()
    }

    /// Whether the first set is still to be found.
    pub fn lacks_first_set(&self) -> bool {
        self.first.is_none() && self.config.init().is_found()
    }

    /// Training FLOPs that the first set takes before the run, over those of a dense run.
    pub fn first_set_flops_ratio(&self) -> f64 {
        let config = &self.config;
        let images = (self.split.train.len() * config.total_epochs()) as f64;
        match config.init() {
            Init::Dense | Init::Random | Init::Mask => 0.0,
            // Every round trains what the one before it left.
            Init::Lottery => {
                let rounds = config.lottery.rounds;
                (0..rounds).map(|round| config.density().powf(round as f64 / rounds as f64)).sum()
            }
            how => first_set::image_passes(how, config, self.graph.classes, self.split.train.len()) as f64 / images,
        }
    }

    /// The first weights (PyTorch's defaults, or those that a lottery ticket goes back to) and the first active sets.
    pub fn initial(&self) -> Initial {
        let seed = self.config.seed;
        let active = self.initial_sets();
        let state = self.first.as_ref().and_then(|first| first.state.as_deref());
        let values = self.graph.params.iter().enumerate().map(|(id, param)| {
            let layer = self.plan.layers.iter().position(|layer| layer.param == id && layer.sparse.is_some());
            let of = layer.map(|layer| (&self.plan.layers[layer].conv, active[layer].as_slice()));
            match state {
                Some(state) => state.values_of(id, of),
                None => init::values(seed, id, param, of),
            }
        });
        Initial { values: values.collect(), active, running: state.map(|state| state.running.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::reference::topology::{init_mask, init_weight};
    use crate::train::Config;

    #[test]
    fn a_run_starts_as_its_reference_does() {
        let dataset = crate::data::load("sample").unwrap();
        let config = Config { model: "resnet8".into(), data: "sample".into(), ..Config::default() };
        let run_plan = RunPlan::anywhere(config, &dataset).unwrap();
        let (initial, seed) = (run_plan.initial(), run_plan.config.seed);
        assert!(run_plan.plan.layers.iter().any(|layer| layer.sparse.is_some()));
        for (number, layer) in run_plan.plan.layers.iter().enumerate() {
            let mask = init_mask(seed, number as u32, layer.numel, layer.active);
            let set = |i: usize| initial.active[number][i / 32] >> (i % 32) & 1 == 1;
            assert!(mask.iter().enumerate().all(|(i, &wanted)| set(i) == wanted), "{}", layer.name);
            let fan_in = run_plan.graph.params[layer.param].shape[1..].iter().product();
            let dense = init_weight(seed, layer.param as u32, fan_in, layer.numel);
            let kept = dense.iter().zip(&mask).filter(|(_, set)| **set).map(|(weight, _)| *weight);
            assert!(kept.eq(initial.values[layer.param].iter().copied()), "{}", layer.name);
        }
    }
}
