//! How long steps take: for `itop bench` and for the summary of a run.

use web_time::Instant;

use super::{TrainError, Trainer};
use crate::data::epoch_order;
use crate::gpu::Label;
use crate::ops::StepParams;
use crate::plan::METRIC_SLOTS;
use crate::train::pass_times::{self, PassTimes};
use crate::train::run_folder::SCHEMA;

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
        self.network.executor.wait(None)?;
        self.observer.drop_questions();
        let seconds = start.elapsed().as_secs_f64();
        // The next ones are submitted as a run's are once its speed is known.
        self.observer.speed.seconds_per_step = Some(seconds / count as f64);
        Ok((seconds / count as f64, (self.progress.seconds_host - host) / count as f64))
    }

    /// The next step (with the topology update that ends it, if one does), and its mean loss.
    pub async fn step_loss(&mut self) -> Result<f64, TrainError> {
        self.observer.drop_questions();
        let slot = self.network.plan.metrics.part(0, 16);
        self.network.executor.write(slot, &[0.0f32; 4]);
        self.step();
        self.observer.drop_questions();
        let sums: Vec<f32> = self.network.executor.read(slot).await?;
        self.network.executor.write(slot, &[0.0f32; 4]);
        Ok(f64::from(sums[0]) / f64::from(sums[2]))
    }

    /// Runs a step that ends with a topology update; seconds until its counters are here.
    pub async fn time_update(&mut self) -> Result<f64, TrainError> {
        let start = Instant::now();
        self.network.write_update_counts(self.progress.step.max(1));
        self.network.executor.submit(&self.network.programs.update);
        self.network.executor.read::<u8>(self.network.plan.update_stats).await?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// Counts the cells of all maps; seconds until they are here, as in a frame.
    pub async fn time_map(&mut self) -> Result<f64, TrainError> {
        let start = Instant::now();
        if let Some(read) = self.network.read_map() {
            self.network.executor.finish(read).await?;
        }
        Ok(start.elapsed().as_secs_f64())
    }

    /// The training step with every pass timed, in milliseconds; true: by GPU timestamps.
    pub async fn profile(&mut self) -> Result<(Vec<(Label, f64)>, bool), TrainError> {
        Ok(self.network.executor.profile(&self.network.programs.train, self.submissions()).await?)
    }

    /// A step that ends with a topology update, every pass timed; empty without growth.
    pub async fn profile_update(&mut self) -> Result<(Vec<(Label, f64)>, bool), TrainError> {
        self.network.write_update_counts(self.progress.step.max(1));
        Ok(self.network.executor.profile(&self.network.programs.update, self.submissions()).await?)
    }

    /// Where the time of a step goes. The steps are not the run's: afterwards the state on the GPU is of no use, and a
    /// checkpoint must be put back. None where passes cannot be timed (browsers without timestamps).
    pub(super) async fn pass_times(&mut self) -> Result<Option<PassTimes>, TrainError> {
        if cfg!(target_arch = "wasm32") && self.network.executor.gpu.timestamp_period.is_none() {
            return Ok(None);
        }
        let run_plan = self.run_plan;
        let valid = self.network.plan.batch.min(run_plan.split.train.len());
        let order = epoch_order(run_plan.config.seed, 0, &run_plan.split.train);
        self.network.executor.write(self.network.plan.order, &order);
        self.drop_what_is_under_way();
        let slot = METRIC_SLOTS as u32;
        self.network.executor.write(
            self.network.plan.run,
            &[StepParams { valid: valid as u32, slot, ..self.network.constant_params() }],
        );
        // Untimed: some drivers compile a kernel when it first runs, and not every run had steps of both kinds.
        let parts = self.submissions();
        self.network.executor.submit_parts(self.network.executor.record(&self.network.programs.train, parts));
        self.network.executor.finish(self.network.executor.read_slices(&[self.network.plan.metrics])).await?;
        let start = Instant::now();
        let (mut steps, mut by_timestamps) = (Vec::new(), true);
        while steps.is_empty() || steps.len() < MOST_STEPS && start.elapsed().as_secs_f64() < MOST_SECONDS {
            let (times, timestamps) = self.network.executor.profile(&self.network.programs.train, parts).await?;
            steps.push(times);
            by_timestamps &= timestamps;
        }
        let mut updates = Vec::new();
        if !self.network.programs.update.is_empty() {
            self.network.write_update_counts(self.progress.step.max(1));
            self.network.executor.submit_parts(self.network.executor.record(&self.network.programs.update, parts));
            self.network.executor.finish(self.network.executor.read_slices(&[self.network.plan.update_stats])).await?;
            self.network.write_update_counts(self.progress.step.max(1));
            updates.push(self.network.executor.profile(&self.network.programs.update, parts).await?.0);
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
        self.network.programs.train.len()
    }
}
