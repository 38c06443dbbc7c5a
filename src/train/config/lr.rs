//! Learning-rate schedules, as PyTorch's schedulers of the same names.

use serde::{Deserialize, Serialize};

use crate::sparsity::schedule::cosine;

/// How long a run is: `epochs · multiplier` epochs of `steps_per_epoch` steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLength {
    pub epochs: usize,
    /// Extended training: stretches the run and its schedules.
    pub multiplier: usize,
    pub steps_per_epoch: usize,
}

impl RunLength {
    pub fn total_epochs(&self) -> usize {
        self.epochs * self.multiplier
    }

    pub fn total_steps(&self) -> usize {
        self.total_epochs() * self.steps_per_epoch
    }
}

/// The learning rate over the course of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LrSchedule {
    Constant,
    /// Times `gamma` at each of `milestones` (fractions of the epochs, rounded down to whole epochs as the ITOP code does
    /// before it multiplies them by the run's multiplier).
    MultiStep {
        #[serde(default = "half_and_three_quarters")]
        milestones: Vec<f64>,
        #[serde(default = "one_tenth")]
        gamma: f64,
    },
    /// Half a cosine from the base rate to `min`, one step an epoch.
    Cosine {
        #[serde(default)]
        min: f64,
    },
    /// Up from `base / div_factor` to the base rate in `pct_start` of the steps, then down to
    /// `base / div_factor / final_div_factor`, both along half a cosine, without momentum cycling.
    OneCycle {
        #[serde(default = "pct_start")]
        pct_start: f64,
        #[serde(default = "div_factor")]
        div_factor: f64,
        #[serde(default = "final_div_factor")]
        final_div_factor: f64,
    },
}

fn half_and_three_quarters() -> Vec<f64> {
    vec![0.5, 0.75]
}

fn one_tenth() -> f64 {
    0.1
}

fn pct_start() -> f64 {
    0.3
}

fn div_factor() -> f64 {
    25.0
}

fn final_div_factor() -> f64 {
    1e4
}

/// ITOP's: times 0.1 at half and at three quarters of the epochs.
impl Default for LrSchedule {
    fn default() -> Self {
        Self::MultiStep { milestones: half_and_three_quarters(), gamma: one_tenth() }
    }
}

impl LrSchedule {
    /// As the configuration names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::MultiStep { .. } => "multi-step",
            Self::Cosine { .. } => "cosine",
            Self::OneCycle { .. } => "one-cycle",
        }
    }

    /// The epochs (from 0) that begin with another rate.
    pub fn milestone_epochs(milestones: &[f64], epochs: usize, multiplier: usize) -> impl Iterator<Item = usize> {
        // 0.29 of 100 epochs is 28.999…96 in f64 and means 29.
        let start = move |fraction: &f64| (fraction * epochs as f64 + 1e-9).floor() as usize * multiplier;
        // A milestone before the first epoch's end (a run of one epoch) would only lower the base rate.
        milestones.iter().map(start).filter(|&start| start > 0)
    }

    /// The learning rate of step `step` (from 0) for the base (in one-cycle: highest) rate `base`.
    pub fn at(&self, base: f64, step: usize, run: RunLength) -> f64 {
        let epoch = step / run.steps_per_epoch.max(1);
        match self {
            Self::Constant => base,
            Self::MultiStep { milestones, gamma } => {
                let starts = Self::milestone_epochs(milestones, run.epochs, run.multiplier);
                base * gamma.powi(starts.filter(|&start| epoch >= start).count() as i32)
            }
            Self::Cosine { min } => {
                let progress = (epoch as f64 / run.total_epochs().max(1) as f64).min(1.0);
                cosine(base, *min, progress)
            }
            Self::OneCycle { pct_start, div_factor, final_div_factor } => {
                let initial = base / div_factor;
                let last = run.total_steps().max(1) as f64 - 1.0;
                let step = (step as f64).min(last);
                // Where PyTorch's first phase ends; it counts from step 0 and includes it.
                let peak = pct_start * (last + 1.0) - 1.0;
                if peak > 0.0 && step <= peak {
                    cosine(initial, base, step / peak)
                } else if last > peak {
                    cosine(base, initial / final_div_factor, (step - peak) / (last - peak))
                } else {
                    base
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunLength = RunLength { epochs: 10, multiplier: 1, steps_per_epoch: 10 };

    fn one_cycle() -> LrSchedule {
        toml::from_str("kind = 'one-cycle'").unwrap()
    }

    /// By the formula of `torch.optim.lr_scheduler.OneCycleLR(max_lr=0.1, total_steps=100)`: peak at step 29, end at 99.
    #[test]
    fn one_cycle_as_pytorch() {
        for (step, expected) in [(0, 0.004), (29, 0.1), (99, 4e-7), (500, 4e-7)] {
            assert!((one_cycle().at(0.1, step, RUN) - expected).abs() < 1e-12, "step {step}");
        }
        // Half way down between the steps 29 and 99.
        assert!((one_cycle().at(0.1, 64, RUN) - (0.1 + 4e-7) / 2.0).abs() < 1e-12);
        let rates: Vec<_> = (0..100).map(|step| one_cycle().at(0.1, step, RUN)).collect();
        assert!(rates[..30].is_sorted() && rates[29..].is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn every_schedule_is_finite_at_the_edges() {
        let tight = LrSchedule::OneCycle { pct_start: 1.0, div_factor: 25.0, final_div_factor: 1e4 };
        for schedule in
            [LrSchedule::Constant, LrSchedule::default(), LrSchedule::Cosine { min: 0.0 }, one_cycle(), tight]
        {
            for (epochs, steps_per_epoch) in [(0, 0), (0, 5), (1, 0), (1, 1), (1, 2), (1, 10)] {
                let run = RunLength { epochs, multiplier: 1, steps_per_epoch };
                for step in 0..12 {
                    let rate = schedule.at(0.1, step, run);
                    assert!((0.0..=0.1).contains(&rate), "{schedule:?} {run:?} {step}: {rate}");
                }
            }
        }
    }

    #[test]
    fn multi_step_changes_between_epochs() {
        let schedule = LrSchedule::default();
        let at = |step| schedule.at(1.0, step, RUN);
        assert_eq!((at(0), at(49)), (1.0, 1.0));
        assert!((at(50) - 0.1).abs() < 1e-15 && (at(69) - 0.1).abs() < 1e-15 && (at(70) - 0.01).abs() < 1e-15);
    }

    #[test]
    fn read_from_toml() {
        let schedule: LrSchedule = toml::from_str("kind = 'multi-step'\nmilestones = [0.3]").unwrap();
        assert_eq!(schedule, LrSchedule::MultiStep { milestones: vec![0.3], gamma: 0.1 });
        assert!(toml::from_str::<LrSchedule>("kind = 'cosine'\nmni = 0.1").is_err());
    }
}
