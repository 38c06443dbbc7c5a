//! How long steps take: for `itop bench` and for the summary of a run.

use web_time::Instant;

use super::pass_times::{self, PassTimes};
use super::run_folder::SCHEMA;
use super::trainer::{TrainError, Trainer};
use crate::data::epoch_order;
use crate::gpu::Label;
use crate::ops::StepParams;
use crate::plan::METRIC_SLOTS;

/// Steps that a run times of itself, unless they take longer than this.
const MOST_STEPS: usize = 5;
const MOST_SECONDS: f64 = 1.0;

impl Trainer<'_> {
    /// Runs `count` steps (from 1 to [`METRIC_SLOTS`]) and waits for them; seconds a step, and of them the host's.
    pub fn time_steps(&mut self, count: usize) -> Result<(f64, f64), TrainError> {
        let host = self.progress.seconds_host;
        let start = Instant::now();
        let count = count.clamp(1, METRIC_SLOTS);
        for _ in 0..count {
            self.step();
        }
        self.executor.wait(None)?;
        self.forget_losses();
        let seconds = start.elapsed().as_secs_f64();
        // The next ones are submitted as a run's are once its speed is known.
        self.speed.pace = Some(seconds / count as f64);
        Ok((seconds / count as f64, (self.progress.seconds_host - host) / count as f64))
    }

    /// The next step (with the topology update that ends it, if one does), and its mean loss.
    pub async fn step_loss(&mut self) -> Result<f64, TrainError> {
        self.forget_losses();
        let slot = self.run_plan.plan.metrics.part(0, 16);
        self.executor.write(slot, &[0.0f32; 4]);
        self.step();
        self.forget_losses();
        let sums: Vec<f32> = self.executor.read(slot).await?;
        self.executor.write(slot, &[0.0f32; 4]);
        Ok(f64::from(sums[0]) / f64::from(sums[2]))
    }

    /// Runs a step that ends with a topology update; seconds until its counters are here.
    pub async fn time_update(&mut self) -> Result<f64, TrainError> {
        let start = Instant::now();
        self.write_wanted(self.progress.step.max(1));
        self.executor.submit(&self.update);
        self.executor.read::<u8>(self.run_plan.plan.update_stats).await?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// Counts the cells of all maps; seconds until they are here, as in a frame.
    pub async fn time_map(&mut self) -> Result<f64, TrainError> {
        let start = Instant::now();
        if let Some(read) = self.read_map() {
            self.executor.finish(read).await?;
        }
        Ok(start.elapsed().as_secs_f64())
    }

    /// The training step with every pass timed, in milliseconds; true: by GPU timestamps.
    pub async fn profile(&mut self) -> Result<(Vec<(Label, f64)>, bool), TrainError> {
        Ok(self.executor.profile(&self.train, self.submissions()).await?)
    }

    /// A step that ends with a topology update, every pass timed; empty without growth.
    pub async fn profile_update(&mut self) -> Result<(Vec<(Label, f64)>, bool), TrainError> {
        self.write_wanted(self.progress.step.max(1));
        Ok(self.executor.profile(&self.update, self.submissions()).await?)
    }

    /// Where the time of a step goes. The steps are not the run's: afterwards the state on the GPU is of no use, and a
    /// checkpoint must be put back. None where passes cannot be timed (browsers without timestamps).
    pub(super) async fn pass_times(&mut self) -> Result<Option<PassTimes>, TrainError> {
        if cfg!(target_arch = "wasm32") && self.executor.gpu.timestamp_period.is_none() {
            return Ok(None);
        }
        let run_plan = self.run_plan;
        let valid = run_plan.plan.batch.min(run_plan.split.train.len());
        let order = epoch_order(run_plan.config.seed, 0, &run_plan.split.train);
        self.executor.write(run_plan.plan.order, &order);
        self.forget();
        let slot = METRIC_SLOTS as u32;
        self.executor.write(run_plan.plan.run, &[StepParams { valid: valid as u32, slot, ..self.params() }]);
        // Untimed: some drivers compile a kernel when it first runs, and not every run had steps of both kinds.
        let parts = self.submissions();
        self.executor.submit_parts(self.executor.record(&self.train, parts));
        self.executor.finish(self.executor.read_slices(&[run_plan.plan.metrics])).await?;
        let start = Instant::now();
        let (mut steps, mut by_timestamps) = (Vec::new(), true);
        while steps.is_empty() || steps.len() < MOST_STEPS && start.elapsed().as_secs_f64() < MOST_SECONDS {
            let (times, timestamps) = self.executor.profile(&self.train, parts).await?;
            steps.push(times);
            by_timestamps &= timestamps;
        }
        let mut updates = Vec::new();
        if !self.update.is_empty() {
            self.write_wanted(1);
            self.executor.submit_parts(self.executor.record(&self.update, parts));
            self.executor.finish(self.executor.read_slices(&[run_plan.plan.update_stats])).await?;
            self.write_wanted(1);
            updates.push(self.executor.profile(&self.update, parts).await?.0);
        }
        Ok(Some(PassTimes {
            schema: SCHEMA,
            clock: if by_timestamps { "GPU timestamps" } else { "wall clock, a submission a pass" }.into(),
            batch_size: valid,
            steps: steps.len(),
            step: pass_times::gather(run_plan, &steps, false),
            update: pass_times::gather(run_plan, &updates, pass_times::dense_update(run_plan)),
        }))
    }

    /// Passes a training step has.
    pub fn passes(&self) -> usize {
        self.train.len()
    }
}
