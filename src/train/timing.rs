//! How long steps take: for `itop bench`.

use web_time::Instant;

use super::trainer::{TrainError, Trainer};
use crate::plan::METRIC_SLOTS;

impl Trainer<'_> {
    /// Runs `count` steps (from 1 to [`METRIC_SLOTS`]) and waits for them; seconds a step, and of them the host's.
    pub fn time_steps(&mut self, count: usize) -> Result<(f64, f64), TrainError> {
        let host = self.progress.seconds_host;
        let start = Instant::now();
        let count = count.clamp(1, METRIC_SLOTS);
        for _ in 0..count {
            self.step();
        }
        self.machine.wait(None)?;
        self.forget_losses();
        let seconds = start.elapsed().as_secs_f64();
        Ok((seconds / count as f64, (self.progress.seconds_host - host) / count as f64))
    }

    /// The next step (with the topology update that ends it, if one does), and its mean loss.
    pub async fn step_loss(&mut self) -> Result<f64, TrainError> {
        self.forget_losses();
        let slot = self.problem.plan.metrics.part(0, 16);
        self.machine.write(slot, &[0.0f32; 4]);
        self.step();
        self.forget_losses();
        let sums: Vec<f32> = self.machine.read(slot).await?;
        self.machine.write(slot, &[0.0f32; 4]);
        Ok(f64::from(sums[0]) / f64::from(sums[2]))
    }

    /// Runs a step that ends with a topology update; seconds until its counters are here.
    pub async fn time_update(&mut self) -> Result<f64, TrainError> {
        let start = Instant::now();
        self.write_wanted(self.progress.step.max(1));
        self.machine.submit(&self.update);
        self.machine.read::<u8>(self.problem.plan.counters).await?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// The training step with every pass timed, in milliseconds; true: by GPU timestamps.
    pub async fn profile(&mut self) -> Result<(Vec<(String, f64)>, bool), TrainError> {
        Ok(self.machine.profile(&self.train).await?)
    }

    /// A step that ends with a topology update, every pass timed; empty without growth.
    pub async fn profile_update(&mut self) -> Result<(Vec<(String, f64)>, bool), TrainError> {
        self.write_wanted(self.progress.step.max(1));
        Ok(self.machine.profile(&self.update).await?)
    }

    /// Passes a training step has.
    pub fn passes(&self) -> usize {
        self.train.len()
    }
}
