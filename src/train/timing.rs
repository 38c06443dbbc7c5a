//! How long steps take: for `itop bench`, and for what a run says of itself.

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
        self.machine.wait(None)?;
        self.forget_losses();
        let seconds = start.elapsed().as_secs_f64();
        // The next ones are submitted as a run's are once its speed is known.
        self.speed.pace = Some(seconds / count as f64);
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

    /// Counts the cells of all maps; seconds until they are here, as in a frame.
    pub async fn time_map(&mut self) -> Result<f64, TrainError> {
        let start = Instant::now();
        if let Some(read) = self.read_map() {
            self.machine.finish(read).await?;
        }
        Ok(start.elapsed().as_secs_f64())
    }

    /// The training step with every pass timed, in milliseconds; true: by GPU timestamps.
    pub async fn profile(&mut self) -> Result<(Vec<(Label, f64)>, bool), TrainError> {
        Ok(self.machine.profile(&self.train, self.submissions()).await?)
    }

    /// A step that ends with a topology update, every pass timed; empty without growth.
    pub async fn profile_update(&mut self) -> Result<(Vec<(Label, f64)>, bool), TrainError> {
        self.write_wanted(self.progress.step.max(1));
        Ok(self.machine.profile(&self.update, self.submissions()).await?)
    }

    /// Where the time of a step goes. The steps are not the run's: afterwards the state on the GPU is of no use, and a
    /// checkpoint must be put back. None where passes cannot be timed (browsers without timestamps).
    pub(super) async fn pass_times(&mut self) -> Result<Option<PassTimes>, TrainError> {
        if cfg!(target_arch = "wasm32") && self.machine.gpu.timestamp_period.is_none() {
            return Ok(None);
        }
        let problem = self.problem;
        let valid = problem.plan.batch.min(problem.split.train.len());
        let order = epoch_order(problem.config.seed, 0, &problem.split.train);
        self.machine.write(problem.plan.order, &order);
        self.forget();
        let slot = METRIC_SLOTS as u32;
        self.machine.write(problem.plan.run, &[StepParams { valid: valid as u32, slot, ..self.params() }]);
        // Untimed: some drivers compile a kernel when it first runs, and not every run had steps of both kinds.
        let parts = self.submissions();
        self.machine.submit_parts(self.machine.record(&self.train, parts));
        self.machine.finish(self.machine.read_slices(&[problem.plan.metrics])).await?;
        let start = Instant::now();
        let (mut steps, mut by_timestamps) = (Vec::new(), true);
        while steps.is_empty() || steps.len() < MOST_STEPS && start.elapsed().as_secs_f64() < MOST_SECONDS {
            let (times, timestamps) = self.machine.profile(&self.train, parts).await?;
            steps.push(times);
            by_timestamps &= timestamps;
        }
        let mut updates = Vec::new();
        if !self.update.is_empty() {
            self.write_wanted(1);
            self.machine.submit_parts(self.machine.record(&self.update, parts));
            self.machine.finish(self.machine.read_slices(&[problem.plan.counters])).await?;
            self.write_wanted(1);
            updates.push(self.machine.profile(&self.update, parts).await?.0);
        }
        Ok(Some(PassTimes {
            schema: SCHEMA,
            clock: if by_timestamps { "GPU timestamps" } else { "wall clock, a submission a pass" }.into(),
            batch_size: valid,
            steps: steps.len(),
            step: pass_times::gather(problem, &steps, false),
            update: pass_times::gather(problem, &updates, pass_times::dense_update(problem)),
        }))
    }

    /// Passes a training step has.
    pub fn passes(&self) -> usize {
        self.train.len()
    }
}
