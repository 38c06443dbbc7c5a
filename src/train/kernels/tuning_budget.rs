//! How long measuring kernels may take, and in which order candidates are tried so that the time goes where the gain is expected.

use crate::ops::trial::Candidate;
use crate::ops::{ForwardKernel, WeightGradKernel};

/// Seconds that a start may measure for on a GPU. What is left is measured by the next start.
pub const GPU_SECONDS: f64 = 20.0;

/// The time that there is to measure.
pub struct Budget {
    /// Seconds since some moment.
    clock: Box<dyn Fn() -> f64>,
    /// By that clock; infinite: as long as it takes.
    end: f64,
}

impl Budget {
    /// So many seconds from now on.
    pub fn seconds(seconds: f64) -> Self {
        let start = web_time::Instant::now();
        Self::by(move || start.elapsed().as_secs_f64(), seconds)
    }

    /// As long as it takes.
    pub fn endless() -> Self {
        Self::seconds(f64::INFINITY)
    }

    pub(super) fn by(clock: impl Fn() -> f64 + 'static, seconds: f64) -> Self {
        let end = clock() + seconds;
        Self { clock: Box::new(clock), end }
    }

    /// Seconds by the clock.
    pub(super) fn now(&self) -> f64 {
        (self.clock)()
    }

    /// The moment at which the first of `count` equal parts of the time that is left ends.
    pub(super) fn share(&self, count: usize) -> f64 {
        let now = self.now();
        now + (self.end - now) / count.max(1) as f64
    }

    /// Whether no time is left.
    pub(super) fn is_used(&self) -> bool {
        self.is_past(self.end)
    }

    /// Whether the moment `end` has passed.
    pub(super) fn is_past(&self, end: f64) -> bool {
        self.now() >= end
    }
}

/// `candidates` in the order in which they are tried: the default, then what is most like it, for the default is the best guess
/// that there is.
pub(super) fn nearest_first(candidates: &[Candidate], default: Candidate) -> Vec<Candidate> {
    let mut all = candidates.to_vec();
    all.sort_by_key(|&candidate| distance(candidate, default));
    all
}

/// How unlike the default a candidate is: by factors of two of its sizes, by what it does otherwise, and most by what it reads.
fn distance(candidate: Candidate, default: Candidate) -> u32 {
    match (candidate, default) {
        (Candidate::Forward(one), Candidate::Forward(other)) => of_gathers(one, other),
        (Candidate::GradInput(one), Candidate::GradInput(other)) => of_gathers(one, other),
        (Candidate::GradWeight(one), Candidate::GradWeight(other)) => of_sums(one, other),
        _ => u32::MAX,
    }
}

fn factors(a: u32, b: u32) -> u32 {
    a.max(1).ilog2().abs_diff(b.max(1).ilog2())
}

fn of_gathers(one: ForwardKernel, other: ForwardKernel) -> u32 {
    let differs = |differs: bool, by: u32| if differs { by } else { 0 };
    match (one, other) {
        (ForwardKernel::Sparse(a), ForwardKernel::Sparse(b)) => {
            let sizes = factors(a.row, b.row) + factors(a.unroll, b.unroll) + factors(a.group, b.group);
            sizes + differs((a.chunk > 0) != (b.chunk > 0), 2) + differs(a.load64 != b.load64, 2)
        }
        (ForwardKernel::Dense(a), ForwardKernel::Dense(b)) => {
            let sizes = factors(a.channels, b.channels) + factors(a.row, b.row);
            sizes + differs(a.shuffle != b.shuffle, 2) + differs(a.load64 != b.load64, 2)
        }
        (ForwardKernel::Naive, ForwardKernel::Naive) => 0,
        // Where all weights are multiplied, matrices may gain most; the larger ones first.
        (ForwardKernel::Matrices { channels, row }, ForwardKernel::Dense(_)) => 8 - (channels * row).ilog2().min(7),
        // The naive kernel is there to be read.
        (ForwardKernel::Naive, _) => u32::MAX,
        _ => 100,
    }
}

fn of_sums(one: WeightGradKernel, other: WeightGradKernel) -> u32 {
    let differs = |differs: bool, by: u32| if differs { by } else { 0 };
    let all = differs(one.tile.is_some() != other.tile.is_some(), 100);
    let sizes =
        factors(one.tile.unwrap_or(1), other.tile.unwrap_or(1)) + differs((one.split > 1) != (other.split > 1), 1);
    all + sizes + differs(one.scope != other.scope, 2) + differs(one.load64 != other.load64, 2)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use super::*;
    use crate::gpu::Family;
    use crate::model::{Shape, build};
    use crate::ops::{Storage, Tuning};
    use crate::plan::convolutions;
    use crate::sparsity::Distribution;

    #[test]
    fn what_is_not_used_is_left_to_the_others() {
        let now = Rc::new(Cell::new(100.0));
        let clock = now.clone();
        let budget = Budget::by(move || clock.get(), 20.0);
        assert_eq!(budget.share(4), 105.0);
        now.set(101.0);
        let end = budget.share(2);
        assert_eq!(end, 110.5);
        assert!(!budget.is_past(end));
        now.set(121.0);
        assert!(budget.is_past(end) && budget.is_past(budget.share(3)) && budget.is_used());
        assert_eq!(Budget::endless().share(7), f64::INFINITY);
    }

    /// What a first start on an NVIDIA GPU has to try. Twenty seconds are some 30 ms for each.
    #[test]
    fn defaults_come_first_and_there_are_hundreds_of_others() {
        let mut tuning = Tuning::of(Family::Nvidia, 32, true);
        tuning.device = tuning.device.of_a_card();
        tuning.device.most_group = 1024;
        let graph = build("resnet34", 10, Shape::new(3, 32, 32)).unwrap();
        let densities = Distribution::Erk.densities(&graph, 0.02).unwrap();
        let (mut shapes, mut count) = (BTreeMap::new(), 0);
        for (_, conv, density) in convolutions(&graph, 128, Storage::F32, &densities) {
            if shapes.insert(Tuning::key(&conv, density), ()).is_some() {
                continue;
            }
            let active = (density * conv.numel() as f64) as usize;
            let defaults = Candidate::of(&tuning.choice(&conv, density));
            for (all, default) in Candidate::all(&conv, &tuning, Some(active)).into_iter().zip(defaults) {
                let ordered = nearest_first(&all, default);
                assert_eq!((ordered[0], ordered.len()), (default, all.len()), "{}", default.name());
                // The first are of the default's kind.
                let of_its_kind = |one: &Candidate| distance(*one, default) < 100;
                assert!(ordered[..4].iter().all(of_its_kind), "{ordered:?}");
                count += all.len();
            }
        }
        println!("{} shapes, {count} candidates", shapes.len());
        assert!(shapes.len() == 12 && (500..1000).contains(&count), "{} shapes, {count} candidates", shapes.len());
    }
}
