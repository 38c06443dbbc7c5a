//! Measuring the candidates of a plan's layers: each is checked against the simplest, and the fastest wins.

use super::tuning_cache::{COMPILING, adapter};
pub use super::tuning_cache::{CacheError, TuningCache};
use super::tuning_journal::{Attempt, Journal};
use crate::gpu::{Gpu, GpuError};
use crate::ops::trial::{Candidate, Trial};
use crate::ops::{Choice, Conv, ForwardKernel, Layout, SHUFFLE_LEAST, Scope, Tuning, WeightGradKernel};
use crate::plan::Plan;

/// How long a driver may take to compile a candidate.
const COMPILE_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// How often a candidate must give the right result before it is timed: some go wrong now and then.
const CHECKS: usize = 3;

/// What [`TuningCache::measure`] did.
#[derive(Debug)]
pub struct Measured {
    /// Layer shapes measured.
    pub layers: usize,
    /// Candidates that failed, and why: those that this driver refuses or gets wrong are left out from now on.
    pub failed: Vec<String>,
}

impl TuningCache {
    /// Measures what `plan` needs and the cache lacks, and notes in `journal` what runs. `progress` hears the layer, its number
    /// and how many there are.
    ///
    /// # Errors
    /// When the device is lost, or nothing can run; what was learnt until then is in the cache.
    pub async fn measure(
        &mut self,
        gpu: &Gpu,
        tuning: &Tuning,
        plan: &Plan,
        journal: &mut Journal,
        mut progress: impl FnMut(&str, usize, usize),
    ) -> Result<Measured, GpuError> {
        let known = self.adapters.get(&adapter(gpu));
        let mut missing: Vec<(String, &str, Conv, f64)> = Vec::new();
        for layer in &plan.layers {
            let density = layer.density();
            let key = Tuning::key(&layer.conv, density);
            let usable =
                |choice: &Choice| tuning.offers(&layer.conv, density, choice) && self.refuses(gpu, choice).is_none();
            let usable = known.and_then(|known| known.get(&key)).is_some_and(usable);
            if !usable && missing.iter().all(|(seen, ..)| *seen != key) {
                missing.push((key, &layer.name, layer.conv, density));
            }
        }
        let total = missing.len();
        let mut measured = Measured { layers: total, failed: Vec::new() };
        // A candidate may take its time to compile, but not a run's.
        let mut gpu = gpu.clone();
        gpu.compile_limit = COMPILE_LIMIT;
        let gpu = &gpu;
        for (number, (key, name, conv, density)) in missing.into_iter().enumerate() {
            progress(name, number + 1, total);
            let choice = self.best(gpu, tuning, (conv, density), journal, &mut measured.failed).await?;
            self.adapters.entry(adapter(gpu)).or_default().insert(key, choice);
        }
        Ok(measured)
    }

    /// The fastest candidates of a layer. On a software adapter with one block of images, which is all that it works on at
    /// once, unless the map is so small that blocks share a workgroup.
    async fn best(
        &mut self,
        gpu: &Gpu,
        tuning: &Tuning,
        (conv, density): (Conv, f64),
        journal: &mut Journal,
        failed: &mut Vec<String>,
    ) -> Result<Choice, GpuError> {
        let fewer = |layout: Layout| Layout { images: layout.block_images(), ..layout };
        let fills = conv.output.pixels() * conv.output.lanes() >= tuning.launch.gather as usize;
        let conv = match gpu.summary.is_software() && fills {
            true => Conv { input: fewer(conv.input), output: fewer(conv.output), ..conv },
            false => conv,
        };
        let mut choice = tuning.choice(&conv, density);
        let mut trial = Trial::new(gpu, tuning, conv, density).await?;
        for candidates in Candidate::all(&conv, tuning, (density < 1.0).then_some(trial.active)) {
            let worth =
                |candidate: &Candidate| !gpu.summary.is_software() || worth_timing(tuning, &conv, candidate, density);
            let candidates: Vec<Candidate> = candidates.into_iter().filter(worth).collect();
            if let Some(fastest) = self.fastest(&adapter(gpu), &mut trial, &candidates, journal, failed).await? {
                fastest.put(&mut choice);
            }
        }
        Ok(choice)
    }

    /// The fastest of `candidates` for one direction, the simplest first; None if none of them is right.
    async fn fastest(
        &mut self,
        adapter: &str,
        trial: &mut Trial,
        candidates: &[Candidate],
        journal: &mut Journal,
        failed: &mut Vec<String>,
    ) -> Result<Option<Candidate>, GpuError> {
        let refused = self.refused.get(adapter);
        let is_refused = |candidate: &Candidate| refused.is_some_and(|refused| refused.contains_key(&candidate.name()));
        let candidates: Vec<Candidate> = candidates.iter().copied().filter(|one| !is_refused(one)).collect();
        if !self.careful.contains(adapter) {
            journal.begin(&Attempt { adapter: adapter.into(), candidate: COMPILING.into() });
            // What fails here fails below, by itself.
            trial.compile(&candidates).ok();
            journal.end();
        }
        let mut fastest: Option<(f64, Candidate)> = None;
        // The simplest that runs, and what it computes.
        let mut simplest: Option<(Candidate, Vec<f32>)> = None;
        for candidate in candidates {
            journal.begin(&Attempt { adapter: adapter.into(), candidate: candidate.name() });
            let enough = fastest.map_or(f64::INFINITY, |(seconds, _)| seconds);
            let seconds = try_one(trial, candidate, &mut simplest, enough).await;
            journal.end();
            match seconds {
                Ok(seconds) if seconds < enough => fastest = Some((seconds, candidate)),
                Ok(_) => {}
                Err(error) => {
                    if matches!(error, GpuError::Kernel { .. } | GpuError::Lost { .. }) {
                        self.refuse(adapter, &candidate.name(), &error.to_string());
                    }
                    if matches!(error, GpuError::Lost { .. }) {
                        return Err(error);
                    }
                    failed.push(format!("{}: {error}", candidate.name()));
                    // What it left behind must not be what the next direction reads.
                    if let Some((simplest, _)) = simplest {
                        trial.result(simplest).await?;
                    }
                }
            }
        }
        Ok(fastest.map(|(_, candidate)| candidate))
    }
}

/// Seconds that `candidate` takes, once it has given several times what the simplest does.
async fn try_one(
    trial: &mut Trial,
    candidate: Candidate,
    simplest: &mut Option<(Candidate, Vec<f32>)>,
    fastest: f64,
) -> Result<f64, GpuError> {
    let (other, wanted) = match simplest {
        Some((other, wanted)) => (*other, &wanted[..]),
        None => {
            let wanted = trial.result(candidate).await?;
            let (_, wanted) = simplest.insert((candidate, wanted));
            (candidate, &wanted[..])
        }
    };
    let checked = trial.check(candidate, (other, wanted), CHECKS).await;
    if checked.is_err() && candidate == other {
        // One that does not even repeat itself is no measure for others.
        *simplest = None;
    }
    checked?;
    trial.time(candidate, 3, 2e-3, fastest)
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
    use crate::gpu::{GpuOptions, broken, emulated};

    fn gpu() -> Gpu {
        let adapter = std::env::var("ITOP_TEST_ADAPTER").unwrap_or("auto".into());
        pollster::block_on(Gpu::open(&GpuOptions { adapter, ..Default::default() })).unwrap()
    }

    /// A small sparse layer on a new device, and its candidates; of those by matrices, emulated ones.
    fn trial(gpu: &Gpu) -> (Trial, [Vec<Candidate>; 3]) {
        let matrices = crate::gpu::Matrices { f16: 0, f32: 8, most_lanes: 8, least_lanes: 8 };
        let mut tuning = Tuning::for_gpu(gpu);
        (tuning.device.matrices, tuning.device.occupancy_target) = (matrices, 1 << 14);
        let [input, output] = [8, 16].map(|channels| Layout::new(channels, 4, 8, 1, 32));
        let conv = Conv { input, output, kernel: 3, stride: 1, padding: 1, block: 1 };
        let trial = pollster::block_on(Trial::new(gpu, &tuning, conv, 0.3)).unwrap();
        let all = Candidate::all(&conv, &tuning, Some(trial.active));
        (trial, all)
    }

    /// The fastest of some candidates, and what failed.
    fn fastest(
        cache: &mut TuningCache,
        trial: &mut Trial,
        candidates: &[Candidate],
    ) -> Result<(Option<Candidate>, Vec<String>), GpuError> {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, mut failed) = (Journal::open(folder.path()).0, Vec::new());
        let fastest = cache.fastest("here", trial, candidates, &mut journal, &mut failed);
        Ok((pollster::block_on(fastest)?, failed))
    }

    /// One of each kind of candidate that computes something else: it is reported, remembered, and does not win.
    #[test]
    fn a_wrong_candidate_never_wins() {
        emulated::set(true);
        type Is = fn(&Candidate) -> bool;
        let kinds: [(usize, &str, &str, &str, Is); 7] = [
            (
                0,
                "conv_sparse_gather",
                "subgroupShuffle(my_weight",
                "0.5 + subgroupShuffle(my_weight",
                |c| matches!(c, Candidate::Forward(ForwardKernel::Sparse(strip)) if strip.chunk > 0),
            ),
            (1, "conv_dense_gather", "all_of(0.0)", "all_of(1.0)", |c| {
                matches!(c, Candidate::GradInput(ForwardKernel::Dense(_)))
            }),
            // What it leaves out must not be what another wrote.
            (1, "conv_dense_gather", "if place.inside &&", "if !place.inside &&", |c| {
                matches!(c, Candidate::GradInput(ForwardKernel::Dense(_)))
            }),
            (
                2,
                "conv_sparse_grad_weight_subgroup",
                "total += sum;",
                "total -= sum;",
                |c| matches!(c, Candidate::GradWeight(sum) if sum.tile.is_none() && sum.scope == Scope::Subgroup && sum.split == 1),
            ),
            (
                2,
                "conv_dense_grad_weight_workgroup",
                "total += cells[",
                "total += 1.0 + cells[",
                |c| matches!(c, Candidate::GradWeight(sum) if sum.tile.is_some() && sum.scope == Scope::Workgroup && sum.split == 1),
            ),
            (
                2,
                "conv_grad_weight_finish",
                "total += parts",
                "total -= parts",
                |c| matches!(c, Candidate::GradWeight(sum) if sum.split > 1),
            ),
            (0, "conv_matrix_gather", "r * IN_ROW", "s * IN_ROW", |c| {
                matches!(c, Candidate::Forward(ForwardKernel::Matrices { .. }))
            }),
        ];
        for (direction, shader, from, to, is) in kinds {
            let mut cache = TuningCache::empty();
            broken::set(Some((shader, from, to)));
            let (mut trial, all) = trial(&gpu());
            let Some(&wrong) = all[direction].iter().find(|candidate| is(candidate)) else {
                // Without subgroups.
                broken::set(None);
                continue;
            };
            let simplest = all[direction][0];
            let found = fastest(&mut cache, &mut trial, &[simplest, wrong]);
            broken::set(None);
            let (winner, failed) = found.unwrap();
            assert_eq!(winner, Some(simplest), "{shader}");
            let name = wrong.name();
            assert!(failed.len() == 1 && failed[0].starts_with(&name) && failed[0].contains("is off by"), "{failed:?}");
            assert!(cache.refused["here"].contains_key(&name), "{shader}");
            // Next time it is not even tried.
            let (winner, failed) = fastest(&mut cache, &mut trial, &[simplest, wrong]).unwrap();
            assert!(winner == Some(simplest) && failed.is_empty(), "{failed:?}");
        }
        emulated::set(false);
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

    #[test]
    fn what_ended_a_program_is_learnt() {
        let mut cache = TuningCache::empty();
        let attempt = |candidate: &str| Attempt { adapter: "here".into(), candidate: candidate.into() };
        assert!(cache.learn(&attempt("forward sparse")).contains("`forward sparse` is left out on here"));
        assert!(cache.refused["here"].contains_key("forward sparse") && cache.careful.is_empty());
        assert!(cache.learn(&attempt(COMPILING)).contains("one by one"));
        assert!(cache.careful.contains("here"));
        let (mut trial, all) = trial(&gpu());
        assert_eq!(fastest(&mut cache, &mut trial, &all[2][..1]).unwrap(), (Some(all[2][0]), Vec::new()));
    }

    #[test]
    fn a_candidate_that_loses_the_device_is_left_out_from_then_on() {
        let mut cache = TuningCache::empty();
        let (mut lost, all) = trial(&gpu());
        let [simplest, losing] = [all[0][0], all[0][1]];
        crate::ops::trial::broken::set(Some(losing));
        let error = fastest(&mut cache, &mut lost, &[simplest, losing]).expect_err("the device is there");
        assert!(matches!(error, GpuError::Lost { .. }), "{error}");
        assert!(cache.refused["here"].contains_key(&losing.name()));
        // Again, on a new device: it is not run, so nothing is lost.
        let found = fastest(&mut cache, &mut trial(&gpu()).0, &[simplest, losing]);
        crate::ops::trial::broken::set(None);
        assert_eq!(found.unwrap(), (Some(simplest), Vec::new()));
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
