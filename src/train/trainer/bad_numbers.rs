//! Infinite numbers and NaN: where they began, and losses that are suspiciously large.

use std::collections::VecDeque;

use super::{TrainError, Trainer};
use crate::gpu::{Command, Findings, Program};
use crate::train::run_folder::RunFolder;

impl Trainer<'_> {
    /// Says in `error`, of a run that diverged, which pass of which step first wrote a number that is not finite: a replay
    /// from the last checkpoint gives the same bits, and looks at all of them. The trainer is of no use afterwards.
    pub(super) async fn explain(&mut self, error: TrainError, folder: &RunFolder) -> Result<TrainError, TrainError> {
        match error {
            TrainError::Diverged { step, what, .. } if self.run_plan.config.finite_check => {
                let found = self.first_bad(folder, step).await?;
                let cause = found.unwrap_or_else(|| {
                    "; a replay from the last checkpoint found every number finite: suspect the driver or the hardware".into()
                });
                Ok(TrainError::Diverged { step, what, cause })
            }
            other => Ok(other),
        }
    }

    async fn first_bad(&mut self, folder: &RunFolder, until: usize) -> Result<Option<String>, TrainError> {
        self.return_to_last(folder)?;
        if let Some(name) = self.first_bad_of(&self.capture().await?) {
            let step = self.progress.step;
            return Ok(Some(format!("; `{name}` was bad already when the run went on at step {step}")));
        }
        let plan = &self.network.plan;
        let mut look_at = |commands: &[Command]| self.network.executor.prepare_checked(&plan.step(commands));
        let (train, train_findings): (Program, Findings) = look_at(&plan.train)?;
        let (update, update_findings) = look_at(&plan.update)?;
        (self.network.programs.train, self.network.programs.update) = (train, update);
        while self.progress.step < until {
            let updates = self.run_plan.updates_after(self.progress.step + 1);
            self.step();
            self.observer.drop_questions();
            let findings = if updates { &update_findings } else { &train_findings };
            if let Some(pass) = self.network.executor.first_bad(findings).await? {
                let step = self.progress.step;
                return Ok(Some(format!("; the first number to go bad is in `{pass}` of step {step}")));
            }
        }
        Ok(None)
    }
}

/// Steps that the running median of the loss is over, and how many there must be.
const KEPT: usize = 101;
const LEAST: usize = 20;
/// A loss so many times the median is a spike.
const SPIKE: f64 = 4.0;

/// The losses of the last steps.
#[derive(Default)]
pub(super) struct Losses(VecDeque<f64>);

impl Losses {
    /// The median of the losses before, if `loss` is a spike over it.
    pub fn spike(&mut self, loss: f64) -> Option<f64> {
        let mut sorted: Vec<f64> = self.0.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().filter(|_| sorted.len() >= LEAST);
        self.0.push_back(loss);
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
        median.filter(|median| loss > SPIKE * median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_stands_out_of_the_median() {
        let mut losses = Losses::default();
        assert_eq!(losses.spike(100.0), None, "nothing to compare with yet");
        assert!((0..150).all(|i| losses.spike(2.0 + f64::from(i % 3)).is_none()));
        assert_eq!(losses.spike(12.1), Some(3.0));
        assert_eq!(losses.spike(11.9), None);
    }
}
