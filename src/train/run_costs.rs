//! What a run costs, and how far it is expected to explore.

use super::RunPlan;
use crate::model::cost::{self, DenseGradient};
use crate::plan::LayerPlan;
use crate::sparsity;
use crate::sparsity::expected::{self, Explored};

impl RunPlan {
    /// Forward FLOPs over dense ones.
    pub fn inference_flops_ratio(&self) -> f64 {
        cost::forward_flops_ratio(&self.graph, &self.densities)
    }

    /// Training FLOPs over dense ones, in RigL's accounting; what the first set takes is counted too.
    pub fn training_flops_ratio(&self) -> f64 {
        let growth = self.config.growth();
        let dense_gradient = match growth.map_or(sparsity::DenseGradient::Never, |growth| growth.dense_gradient) {
            sparsity::DenseGradient::Never => DenseGradient::Never,
            sparsity::DenseGradient::AtUpdates => DenseGradient::Every { delta_t: self.config.delta_t },
            sparsity::DenseGradient::EveryStep => DenseGradient::Always,
        };
        let numels: Vec<usize> = self.plan.layers.iter().map(|layer| layer.numel).collect();
        let of = |(steps, active): (usize, &[usize])| {
            let densities: Vec<f64> = active.iter().zip(&numels).map(|(&a, &n)| a as f64 / n as f64).collect();
            steps as f64 * cost::training_flops_ratio(&self.graph, &densities, dense_gradient)
        };
        self.first_set_flops_ratio() + self.sizes.durations().map(of).sum::<f64>() / self.total_steps() as f64
    }

    /// FLOPs of the whole training, in RigL's accounting: forward, input gradient and weight gradient of every training image
    /// in every epoch, two a multiply-accumulate of an active weight.
    pub fn training_flops(&self) -> f64 {
        let images = self.split.train.len() * self.config.total_epochs();
        6.0 * cost::macs(&self.graph) as f64 * self.training_flops_ratio() * images as f64
    }

    /// The ITOP rate that random growth would reach, from the start or from what is [`Self::explored`].
    pub fn expected_itop_rate(&self) -> f64 {
        self.expected_itop_rate_after(self.total_steps(), self.explored.as_ref())
    }

    /// The ITOP rate that random growth would have reached after `step` steps, from the start or from what was `explored`.
    pub fn expected_itop_rate_after(&self, step: usize, explored: Option<&Explored>) -> f64 {
        let config = &self.config;
        match config.update() {
            None => self.active() as f64 / self.prunable() as f64,
            Some(_) if config.method.shrinks => self.expected_itop_rate_shrinking(step),
            Some(_) => {
                let start = Explored { step: 0, layers: self.densities.clone() };
                let schedule = (&config.prune_rate, config.delta_t, self.total_steps());
                let from = explored.unwrap_or(&start);
                expected::itop_rate_until(&self.graph, &self.densities, schedule, from, step).total
            }
        }
    }

    /// The same of a set that shrinks.
    fn expected_itop_rate_shrinking(&self, step: usize) -> f64 {
        let share = |(&active, layer): (&usize, &LayerPlan)| active as f64 / layer.numel as f64;
        let densities = |active: &[usize]| active.iter().zip(&self.plan.layers).map(share).collect::<Vec<_>>();
        let steps = (1..=step / self.config.delta_t).map(|update| update * self.config.delta_t);
        let updates = steps.filter(|&step| self.updates_after(step));
        let moves = updates.map(|step| (self.prune_rate(step), densities(self.sizes.after(step))));
        expected::itop_rate_of(&self.graph, &densities(self.sizes.first()), &moves.collect::<Vec<_>>())
    }

    /// GPU bytes of what training keeps of the prunable weights: values, momentum, index,
    /// active and explored bits, and what the growth rule keeps.
    pub fn state_bytes(&self) -> u64 {
        let of = |layer: &LayerPlan| {
            let state = layer.growth_state.map_or(0, |state| state.bytes);
            8 * layer.capacity as u64 + layer.sparse.map_or(0, |sparse| sparse.index_bytes()) + state
        };
        self.plan.layers.iter().map(of).sum()
    }

    /// Bytes that the statistics of exploration need beside: the first active sets, the ages and the maps.
    pub fn statistics_bytes(&self) -> u64 {
        let sparse = self.plan.layers.iter().filter_map(|layer| layer.sparse.as_ref());
        let maps = self.plan.maps.iter().map(|map| map.slice.bytes).sum::<u64>();
        maps + sparse.map(|sparse| sparse.statistics_bytes()).sum::<u64>()
    }

    /// Share of reliably explored positions while no prune has happened: what never moves is reliable throughout, and of
    /// what can move nothing has survived a prune yet.
    pub fn reliable_without_updates(&self) -> f64 {
        let still = self.updates() == 0;
        let count = |layer: &LayerPlan| {
            if still || layer.sparse.is_none() { layer.active } else { 0 }
        };
        self.plan.layers.iter().map(count).sum::<usize>() as f64 / self.prunable() as f64
    }
}
