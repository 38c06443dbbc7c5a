//! How many weights of each layer are active over the course of a run. That is known before it begins: it follows from the
//! method and its schedule.

use crate::model::Graph;
use crate::sparsity::{DistributionError, Init, PruneRate, Structure, Update, dense_ends};
use crate::train::Config;

/// A set that has shrunk to this share of what its plan has memory for gets a plan of its own: kernels for its density, and less
/// memory. A new plan costs the time that its kernels take to compile.
const SHRUNK: f64 = 0.7;

/// The sizes of a run's sets.
pub struct SetSizes {
    structure: Structure,
    update: Option<Update>,
    prune_rate: PruneRate,
    delta_t: usize,
    total_steps: usize,
    /// Between which updates the set shrinks ([`crate::sparsity::Shrink::updates`]), if it does.
    shrinks: Option<(usize, usize)>,
    /// Of each layer its output channels.
    outputs: Vec<usize>,
    /// Active weights of each layer from so many ΔT on; the first at 0.
    changes: Vec<(usize, Vec<usize>)>,
    /// The changes with which another plan comes into force; the first is 0.
    plans: Vec<usize>,
    /// The fewest and the most that each layer has at any time, where layers share out what grows.
    room: Option<(Vec<usize>, Vec<usize>)>,
}

impl SetSizes {
    /// Of the run of `config` with `graph`, of so many steps. `first`: the active weights of each layer, where the first set is
    /// given.
    ///
    /// # Errors
    /// When a density makes no sense.
    pub fn new(
        config: &Config,
        graph: &Graph,
        first: Option<Vec<usize>>,
        total_steps: usize,
    ) -> Result<Self, DistributionError> {
        let (structure, delta_t) = (config.structure, config.delta_t);
        let shapes: Vec<&[usize]> = graph.prunable().map(|(_, param)| param.shape.as_slice()).collect();
        let active = |density: f64| {
            let densities = match config.init() {
                Init::Dense => vec![1.0; shapes.len()],
                _ => {
                    let densities = config.distribution.densities(graph, density)?;
                    if config.method.keeps_ends_dense() { dense_ends(graph, densities)? } else { densities }
                }
            };
            let of = |(&density, shape): (&f64, &&[usize])| structure.active(density, shape);
            Ok::<_, DistributionError>(densities.iter().zip(&shapes).map(of).collect::<Vec<_>>())
        };
        let shrinks = config.method.shrinks.then(|| config.shrink.updates(delta_t, total_steps)).flatten();
        let mut changes = Vec::new();
        match (first, shrinks) {
            (Some(first), _) => changes.push((0, first)),
            (None, None) => changes.push((0, active(config.density())?)),
            (None, Some((_, last))) => {
                for update in 0..=last {
                    let sizes = active(config.shrink.density(config.density(), update, delta_t, total_steps))?;
                    if changes.last().is_none_or(|(_, before)| *before != sizes) {
                        changes.push((update, sizes));
                    }
                }
            }
        }
        let total = |change: usize| changes[change].1.iter().sum::<usize>() as f64;
        let mut plans = vec![0];
        for change in 1..changes.len() {
            if total(change) <= SHRUNK * total(plans[plans.len() - 1]) {
                plans.push(change);
            }
        }
        let (update, prune_rate) = (config.update(), config.prune_rate);
        let numels = graph.prunable().map(|(_, param)| param.numel());
        // What layers share out may make one of them larger than it was; a layer without zeros has none to give.
        let room = update.filter(|update| update.redistribution.is_some()).map(|_| {
            let bounds = |(&active, numel): (&usize, usize)| {
                let most = ((config.growth_limit * active as f64) as usize).clamp(active, numel);
                if active < numel { (1, most) } else { (active, active) }
            };
            changes[0].1.iter().zip(numels).map(bounds).unzip()
        });
        let outputs = shapes.iter().map(|shape| shape[0]).collect();
        Ok(Self { structure, update, prune_rate, delta_t, total_steps, shrinks, outputs, changes, plans, room })
    }

    /// Active weights of each layer at the start.
    pub fn first(&self) -> &[usize] {
        &self.changes[0].1
    }

    /// The same from the last change on.
    pub fn last(&self) -> &[usize] {
        &self.changes[self.changes.len() - 1].1
    }

    /// The same once `step` steps are done.
    pub fn after(&self, step: usize) -> &[usize] {
        &self.changes[self.change(step)].1
    }

    /// The first step after which the sets have their last sizes.
    pub fn settled(&self) -> usize {
        self.changes[self.changes.len() - 1].0 * self.delta_t
    }

    /// For each size that the sets have: how many steps have it, and the active weights of each layer.
    pub fn durations(&self) -> impl Iterator<Item = (usize, &[usize])> {
        let ends = self.changes.iter().skip(1).map(|(update, _)| update * self.delta_t).chain([self.total_steps]);
        self.changes.iter().zip(ends).map(|((update, sizes), end)| (end - update * self.delta_t, sizes.as_slice()))
    }

    /// The fewest that each layer has at any time: where layers share out what grows, one; of a layer without zeros all.
    pub fn least(&self) -> &[usize] {
        self.room.as_ref().map_or(self.last(), |(least, _)| least)
    }

    /// The most that each layer has in the plan that is in force once `step` steps are done.
    pub fn capacity(&self, step: usize) -> &[usize] {
        if let Some((_, most)) = &self.room {
            return most;
        }
        let at = self.update_at(step);
        let plan = self.plans.partition_point(|&change| self.changes[change].0 <= at).saturating_sub(1);
        &self.changes[self.plans[plan]].1
    }

    /// The steps after which another plan is in force, and 0.
    pub fn plans(&self) -> impl Iterator<Item = usize> {
        self.plans.iter().map(|&change| self.changes[change].0 * self.delta_t)
    }

    /// Whether step `step` (from 1) ends with an update.
    pub fn updates_after(&self, step: usize) -> bool {
        let Some(update) = self.update else { return false };
        let moves = self.prune_rate.updates_after(step, self.delta_t, self.total_steps);
        match self.shrinks {
            None => moves,
            Some((first, last)) => {
                let at = self.update_at(step);
                at >= first.max(1)
                    && (at <= last || update.growth.is_some() && moves)
                    && step.is_multiple_of(self.delta_t)
            }
        }
    }

    /// How many updates there are.
    pub fn updates(&self) -> usize {
        (1..=self.update_at(self.total_steps)).filter(|at| self.updates_after(at * self.delta_t)).count()
    }

    /// How many weights of each layer the update that ends `step` keeps, and how many it then grows.
    pub fn update_counts(&self, step: usize) -> Vec<(usize, usize)> {
        let grows = self.update.is_some_and(|update| update.growth.is_some());
        let rate = if grows { self.prune_rate.at(step, self.total_steps) } else { 0.0 };
        let of = |(&active, &outputs): (&usize, &usize)| {
            let grown = self.structure.prune_count(rate, active, outputs);
            (active - grown, grown)
        };
        self.after(step).iter().zip(&self.outputs).map(of).collect()
    }

    /// Steps of `delta_t` that are over after `step`.
    fn update_at(&self, step: usize) -> usize {
        step.checked_div(self.delta_t).unwrap_or(0)
    }

    /// The change of size in force after `step`.
    fn change(&self, step: usize) -> usize {
        let at = self.update_at(step);
        self.changes.partition_point(|(update, _)| *update <= at).saturating_sub(1)
    }
}
