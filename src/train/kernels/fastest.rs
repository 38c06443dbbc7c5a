//! The fastest candidate of one pass of a layer: each is checked against the simplest before it is timed.

use std::collections::BTreeMap;

use super::autotune::Measured;
use super::tuning_budget::{Budget, nearest_first};
use super::tuning_cache::{COMPILING, TuningCache};
use super::tuning_journal::{Attempt, Journal};
use crate::gpu::GpuError;
use crate::ops::trial::{Candidate, Trial};

/// How often a candidate must give the right result before it wins: some go wrong now and then.
const CHECKS: usize = 3;

/// Candidates that are compiled side by side before the first of them runs.
const COMPILED_TOGETHER: usize = 8;

/// One pass of a layer, and what is known of its candidates.
pub(super) struct Task<'a> {
    pub adapter: &'a str,
    /// All of them, the simplest first, and what runs by default.
    pub candidates: &'a [Candidate],
    pub default: Candidate,
    /// Seconds of those that were timed before, and from now on.
    pub known: &'a mut BTreeMap<String, f64>,
    pub budget: &'a Budget,
    /// When its share of the budget is used up.
    pub end: f64,
}

impl TuningCache {
    /// The fastest candidate for one direction; None if none of them is right, or there was no time for one.
    pub(super) async fn fastest(
        &mut self,
        task: Task<'_>,
        trial: &mut Trial,
        journal: &mut Journal,
        measured: &mut Measured,
    ) -> Result<Option<Candidate>, GpuError> {
        let Task { adapter, candidates, default, known, budget, end } = task;
        let refused = self.refused.get(adapter);
        let is_refused = |candidate: &Candidate| refused.is_some_and(|refused| refused.contains_key(&candidate.name()));
        let candidates: Vec<Candidate> = candidates.iter().copied().filter(|one| !is_refused(one)).collect();
        let of = |one: &Candidate| known.get(&one.name()).map(|&seconds| (seconds, *one));
        let mut fastest = candidates.iter().filter_map(of).min_by(|a, b| a.0.total_cmp(&b.0));
        let new: Vec<Candidate> = candidates.iter().copied().filter(|one| of(one).is_none()).collect();
        let new = nearest_first(&new, default);
        // What computes the wanted result: the simplest that runs.
        let mut simplest: Option<(Candidate, Vec<f32>)> = None;
        let mut simple = candidates.into_iter();
        let mut wrong = Vec::new();
        for (number, candidate) in new.iter().copied().enumerate() {
            if budget.is_past(end) {
                measured.left += new.len() - number;
                break;
            }
            if number.is_multiple_of(COMPILED_TOGETHER) && !self.careful.contains(adapter) {
                journal.begin(&Attempt { adapter: adapter.into(), candidate: COMPILING.into() });
                // What fails here fails below, by itself.
                trial.compile(&new[number..new.len().min(number + COMPILED_TOGETHER)]).ok();
                journal.end();
            }
            while simplest.is_none()
                && let Some(one) = simple.next()
            {
                match self.noted(adapter, journal, one, trial_result(trial, one)).await {
                    Ok(wanted) => simplest = Some((one, wanted)),
                    Err(error @ GpuError::Lost { .. }) => return Err(error),
                    Err(error) => {
                        measured.failed.push(format!("{}: {error}", one.name()));
                        wrong.push(one);
                    }
                }
            }
            let Some((simplest, wanted)) = &simplest else { break };
            if wrong.contains(&candidate) {
                continue;
            }
            measured.candidates += 1;
            let enough = fastest.map_or(f64::INFINITY, |(seconds, _)| seconds);
            let seconds = try_one(trial, candidate, (*simplest, wanted), enough);
            match self.noted(adapter, journal, candidate, seconds).await {
                Ok(seconds) => {
                    known.insert(candidate.name(), seconds);
                    if seconds < enough {
                        fastest = Some((seconds, candidate));
                    }
                }
                Err(error @ GpuError::Lost { .. }) => return Err(error),
                Err(error) => {
                    measured.failed.push(format!("{}: {error}", candidate.name()));
                    // What it left behind must not be what the next direction reads.
                    trial.result(*simplest).await?;
                }
            }
        }
        Ok(fastest.map(|(_, candidate)| candidate))
    }

    /// What `attempt` gives, noted while it runs. A candidate that goes wrong is left out from then on.
    async fn noted<T>(
        &mut self,
        adapter: &str,
        journal: &mut Journal,
        candidate: Candidate,
        attempt: impl Future<Output = Result<T, GpuError>>,
    ) -> Result<T, GpuError> {
        journal.begin(&Attempt { adapter: adapter.into(), candidate: candidate.name() });
        let result = attempt.await;
        journal.end();
        if let Err(error @ (GpuError::Kernel { .. } | GpuError::Lost { .. })) = &result {
            self.refuse(adapter, &candidate.name(), &error.to_string());
        }
        result
    }
}

/// What `candidate` computes, if it computes that again.
async fn trial_result(trial: &mut Trial, candidate: Candidate) -> Result<Vec<f32>, GpuError> {
    let wanted = trial.result(candidate).await?;
    // One that does not even repeat itself is no measure for others.
    trial.check(candidate, (candidate, &wanted), CHECKS).await?;
    Ok(wanted)
}

/// Seconds that `candidate` takes, once it has given what the simplest does: several times, if it is faster than `fastest`.
async fn try_one(
    trial: &mut Trial,
    candidate: Candidate,
    wanted: (Candidate, &[f32]),
    fastest: f64,
) -> Result<f64, GpuError> {
    trial.check(candidate, wanted, 1).await?;
    let seconds = trial.time(candidate, 3, 2e-3, fastest)?;
    if seconds < fastest {
        // The results that are read back take most of the time: only one that would win is looked at again.
        trial.check(candidate, wanted, CHECKS - 1).await?;
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Gpu, GpuOptions, broken, emulated};
    use crate::ops::{Conv, ForwardKernel, Layout, Scope, Tuning};

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
        let (mut journal, mut measured) = (Journal::open(folder.path()).0, Measured::default());
        let (default, budget) = (candidates[0], Budget::endless());
        let (known, end) = (&mut BTreeMap::new(), f64::INFINITY);
        let task = Task { adapter: "here", candidates, default, known, budget: &budget, end };
        let fastest = cache.fastest(task, trial, &mut journal, &mut measured);
        Ok((pollster::block_on(fastest)?, measured.failed))
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

    /// A clock that goes on by one whenever somebody looks at it: what there was no time for is measured later, nothing twice.
    #[test]
    fn measuring_goes_on_where_its_time_was_up() {
        let (mut trial, all) = trial(&gpu());
        let folder = tempfile::tempdir().unwrap();
        let (mut cache, mut journal) = (TuningCache::empty(), Journal::open(folder.path()).0);
        let candidates = &all[2][..5];
        let (mut known, mut tried, mut left) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut winner = None;
        for _ in 0..3 {
            let looks = std::cell::Cell::new(0.0);
            let budget = Budget::by(move || looks.replace(looks.get() + 1.0), 4.0);
            let mut measured = Measured::default();
            let end = budget.share(1);
            let known = &mut known;
            let task = Task { adapter: "here", candidates, default: candidates[1], known, budget: &budget, end };
            winner = pollster::block_on(cache.fastest(task, &mut trial, &mut journal, &mut measured)).unwrap();
            assert_eq!(measured.failed, [""; 0]);
            tried.push(measured.candidates);
            left.push(measured.left);
            assert!(known.contains_key(&candidates[1].name()), "the default comes first");
        }
        assert_eq!((tried, left), (vec![2, 2, 1], vec![3, 1, 0]));
        let fastest = known.iter().min_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        assert_eq!(winner.map(|one| one.name()).as_ref(), Some(fastest));
    }
}
