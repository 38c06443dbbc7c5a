//! Measuring the candidates of a plan's layers: each is checked against the simplest, and the fastest wins.

use std::collections::BTreeMap;

use serde::Serialize;

use super::fastest::Task;
use super::tuning_budget::Budget;
use super::tuning_cache::adapter;
pub use super::tuning_cache::{CacheError, TuningCache};
use super::tuning_journal::Journal;
use crate::gpu::{Gpu, GpuError};
use crate::ops::trial::{Candidate, Trial};
use crate::ops::{Choice, Conv, ForwardKernel, Layout, SHUFFLE_LEAST, Scope, Tuning, WeightGradKernel};
use crate::plan::Plan;

/// How long a driver may take to compile a candidate.
const COMPILE_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// What [`TuningCache::measure`] did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Measured {
    /// Layer shapes that were looked at, and candidates that were tried.
    pub shapes: usize,
    pub candidates: usize,
    /// Candidates that there was no time for: the next start measures them.
    pub left: usize,
    pub seconds: f64,
    /// Candidates that failed, and why: those that this driver refuses or gets wrong are left out from now on.
    pub failed: Vec<String>,
}

impl TuningCache {
    /// Measures what `plan` needs and the cache lacks while `budget` lasts, and notes in `journal` what runs. `progress` hears the
    /// layer, its number and how many there are.
    ///
    /// # Errors
    /// When the device is lost, or nothing can run; what was learnt until then is in the cache.
    pub async fn measure(
        &mut self,
        gpu: &Gpu,
        tuning: &Tuning,
        plan: &Plan,
        (journal, budget): (&mut Journal, &Budget),
        mut progress: impl FnMut(&str, usize, usize),
    ) -> Result<Measured, GpuError> {
        let start = budget.now();
        let here = adapter(gpu);
        let (known, unfinished) = (self.adapters.get(&here), self.unfinished.get(&here));
        let mut missing: Vec<(String, &str, Conv, f64)> = Vec::new();
        for layer in &plan.layers {
            let density = layer.density();
            let key = Tuning::key(&layer.conv, density);
            let usable =
                |choice: &Choice| tuning.offers(&layer.conv, density, choice) && self.refuses(gpu, choice).is_none();
            let usable = known.and_then(|known| known.get(&key)).is_some_and(usable)
                && unfinished.is_none_or(|unfinished| !unfinished.contains_key(&key));
            if !usable && missing.iter().all(|(seen, ..)| *seen != key) {
                missing.push((key, &layer.name, layer.conv, density));
            }
        }
        // The small ones first: what they leave of their share of the time goes to the large ones.
        missing.sort_by_key(|(_, _, conv, _)| conv.input.bytes() + conv.output.bytes());
        let total = missing.len();
        let mut measured = Measured { shapes: total, ..Measured::default() };
        // A candidate may take its time to compile, but not a run's.
        let mut gpu = gpu.clone();
        gpu.compile_limit = COMPILE_LIMIT;
        let gpu = &gpu;
        for (number, (key, name, conv, density)) in missing.into_iter().enumerate() {
            progress(name, number + 1, total);
            if budget.is_used() {
                let active = (density < 1.0).then_some((density * conv.numel() as f64) as usize);
                measured.left += Candidate::all(&conv, tuning, active).iter().map(Vec::len).sum::<usize>();
                continue;
            }
            let known = self.unfinished.get_mut(&here).and_then(|all| all.remove(&key));
            let mut known = known.unwrap_or_default();
            let left = measured.left;
            let of = (gpu, tuning, conv, density);
            let choice = self.best(of, &mut known, (journal, budget, total - number), &mut measured).await;
            let finished = choice.is_ok() && measured.left == left;
            if let Ok(choice) = &choice
                && (finished || !known.is_empty())
            {
                self.adapters.entry(here.clone()).or_default().insert(key.clone(), *choice);
            }
            if !finished && !known.is_empty() {
                self.unfinished.entry(here.clone()).or_default().insert(key, known);
            }
            choice?;
        }
        self.unfinished.retain(|_, shapes| !shapes.is_empty());
        measured.seconds = budget.now() - start;
        Ok(measured)
    }

    /// The fastest candidates of a layer, one of `layers` that share what is left of the budget. On a software adapter with one
    /// block of images, which is all that it works on at once, unless the map is so small that blocks share a workgroup.
    async fn best(
        &mut self,
        (gpu, tuning, conv, density): (&Gpu, &Tuning, Conv, f64),
        known: &mut BTreeMap<String, f64>,
        (journal, budget, layers): (&mut Journal, &Budget, usize),
        measured: &mut Measured,
    ) -> Result<Choice, GpuError> {
        let fewer = |layout: Layout| Layout { images: layout.block_images(), ..layout };
        let fills = conv.output.pixels() * conv.output.lanes() >= tuning.launch.gather as usize;
        let conv = match gpu.summary.is_software() && fills {
            true => Conv { input: fewer(conv.input), output: fewer(conv.output), ..conv },
            false => conv,
        };
        let mut choice = tuning.choice(&conv, density);
        let defaults = Candidate::of(&choice);
        let here = adapter(gpu);
        let mut trial = Trial::new(gpu, tuning, conv, density).await?;
        let all = Candidate::all(&conv, tuning, (density < 1.0).then_some(trial.active));
        for (number, (candidates, default)) in all.into_iter().zip(defaults).enumerate() {
            let worth =
                |candidate: &Candidate| !gpu.summary.is_software() || worth_timing(tuning, &conv, candidate, density);
            let candidates: Vec<Candidate> = candidates.into_iter().filter(worth).collect();
            let end = budget.share(3 * layers - number);
            let task = Task { adapter: &here, candidates: &candidates, default, known: &mut *known, budget, end };
            if let Some(fastest) = self.fastest(task, &mut trial, journal, measured).await? {
                fastest.put(&mut choice);
            }
        }
        Ok(choice)
    }
}

/// Whether a candidate is worth its compilation on a software adapter, where that takes longer than a step: those that lost by
/// a factor in every layer and on every driver tried are left out (`docs/speed.md`).
fn worth_timing(tuning: &Tuning, conv: &Conv, candidate: &Candidate, density: f64) -> bool {
    let shuffles = tuning.device.subgroup_size >= SHUFFLE_LEAST;
    let widest = |load64: bool| load64 || !tuning.device.load64_fits(conv);
    match *candidate {
        Candidate::Forward(how) | Candidate::GradInput(how) => match how {
            ForwardKernel::Naive => false,
            ForwardKernel::Sparse(strip) => widest(strip.load64) && density < 0.6,
            ForwardKernel::Dense(tile) => tile.shuffle == shuffles && tile.channels * tile.row > 8 && density > 0.08,
            ForwardKernel::Matrices { .. } => density > 0.08,
        },
        Candidate::GradWeight(how) => match how {
            WeightGradKernel { tile: None, load64, .. } => widest(load64) && density < 0.8,
            WeightGradKernel { scope: Scope::Matrices, .. } => density > 0.08,
            WeightGradKernel { tile: Some(tile), scope, .. } => {
                scope == (if shuffles { Scope::Shuffle } else { Scope::Invocation }) && tile > 1 && density > 0.15
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::GpuOptions;

    fn gpu() -> Gpu {
        let adapter = std::env::var("ITOP_TEST_ADAPTER").unwrap_or("auto".into());
        pollster::block_on(Gpu::open(&GpuOptions { adapter, ..Default::default() })).unwrap()
    }

    /// Choices that were measured before a candidate was found out do not bring it back.
    #[test]
    fn a_choice_of_what_is_left_out_is_not_taken() {
        let (gpu, mut cache) = (gpu(), TuningCache::empty());
        let tuning = Tuning::for_gpu(&gpu);
        let [input, output] = [8, 16].map(|channels| Layout::new(channels, 4, 8, 1, 32));
        let choice = tuning.choice(&Conv { input, output, kernel: 3, stride: 1, padding: 1, block: 1 }, 0.3);
        cache.adapters.entry(adapter(&gpu)).or_default().insert("a layer".into(), choice);
        assert_eq!(cache.apply(&gpu, &tuning).measured.len(), 1);
        cache.refuse(&adapter(&gpu), &Candidate::of(&choice)[2].name(), "it hung");
        assert_eq!(cache.apply(&gpu, &tuning).measured.len(), 0);
    }

    /// A driver that does not end to compile a kernel: all of them take longer than no time.
    #[test]
    fn compiling_has_a_limit() {
        let mut gpu = gpu();
        if gpu.summary.backend == "gl" {
            return;
        }
        gpu.compile_limit = std::time::Duration::ZERO;
        let place = crate::verify::Device::new(gpu);
        let error = pollster::block_on(crate::verify::philox(&place)).expect_err("compiled in no time");
        assert!(error.to_string().contains("has not ended within 0 s"), "{error}");
    }
}
