//! One run, from the first step to the summary. Its parts: [`Network`] is what the device has and is told, `Observer` what comes
//! back from it, `state` and the run folder keep it, and `Supervisor` goes on where a device was lost.

mod bad_numbers;
mod exploration;
mod finish;
mod network;
mod observer;
mod speed;
mod state;
pub mod supervisor;
mod timing;

use std::borrow::Cow;
use std::time::Duration;

use thiserror::Error;
use web_time::Instant;

use crate::data::Dataset;
use crate::gpu::{BufferPlan, Executor, Gpu, GpuError};
use crate::train::checkpoint::{CheckpointError, Progress};
use crate::train::frames::{self, FrameLine};
use crate::train::run_folder::{ExplorationLine, FolderError, MetricLine, RunFolder, SCHEMA};
use crate::train::{RunPlan, RunPlanError, first_set};
pub use network::Network;
use observer::{Observer, StepLine};

/// The checkpoints of a run folder.
pub(crate) const LAST: &str = "last.safetensors";
pub(crate) const BEST: &str = "best.safetensors";

/// What can end a run.
#[derive(Debug, Error)]
pub enum TrainError {
    #[error(transparent)]
    RunPlan(#[from] RunPlanError),
    #[error(transparent)]
    Gpu(#[from] GpuError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(
        "the first set by `{how}` runs the dense network on {batch} images: {source}; lower `batch_size`, or choose another `init`"
    )]
    FirstSet { how: &'static str, batch: usize, source: Box<TrainError> },
    #[error(
        "the first set by `{how}`: a score is infinite or not a number; choose another `init`, or a network with norms"
    )]
    NoScores { how: &'static str },
    #[error(
        "`init` = {how}: the first set was not found yet; a program calls `first_set::find` before `RunPlan::with`"
    )]
    NoFirstSet { how: &'static str },
    #[error("out of GPU memory at {what}, of {total} in all: --batch-size {fits} is the largest that fits now")]
    NoRoom { what: String, total: u64, fits: usize },
    #[error("{what}{cause}: lower `lr`, or look at the last steps in metrics.jsonl")]
    Diverged {
        step: usize,
        what: String,
        /// Where it began, if that was looked for.
        cause: String,
    },
}

/// Whoever wants to hear how a run goes.
pub trait Listener {
    /// Passes prepared, of how many.
    fn preparing(&mut self, _done: usize, _total: usize) {}
    /// The first set is being chosen by `how`.
    fn choosing(&mut self, _how: &str, _progress: &first_set::Progress) {}
    /// A line went to `metrics.jsonl`; `itop_rate` is the latest.
    fn metric(&mut self, _line: &MetricLine, _itop_rate: f64) {}
    /// A line went to `exploration.jsonl`.
    fn exploration(&mut self, _line: &ExplorationLine) {}
    /// A line went to `maps.jsonl`.
    fn frame(&mut self, _line: &FrameLine) {}
    /// Something that the run survives, but somebody should know.
    fn warning(&mut self, _text: &str) {}
    /// Something to know of how a run goes on, where nothing is wrong.
    fn note(&mut self, _text: &str) {}
    /// The run folder's last claim is watched for so long, to see whether its process still trains there. `why`: what is in doubt.
    fn watching(&mut self, _why: &str, _long: Duration) {}
    /// The kernels of `layer` are measured: layer `number` of `total`.
    fn measuring(&mut self, _layer: &str, _number: usize, _total: usize) {}
    /// Kernels were measured.
    #[cfg(not(target_arch = "wasm32"))]
    fn measured(&mut self, _what: &crate::train::autotune::Measured) {}
    /// All steps are done; the best epoch is tested.
    fn trained(&mut self) {}
    /// Asked between steps; true ends the run after a checkpoint.
    fn interrupted(&mut self) -> bool {
        false
    }
}

/// Nobody listens.
impl Listener for () {}

/// Loss and accuracy over some images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    pub loss: f64,
    /// Share of the images whose highest class is right.
    pub accuracy: f64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Finished,
    /// A checkpoint was kept.
    Interrupted,
}

/// A network on a GPU with its data, between two steps.
pub struct Trainer<'a> {
    pub run_plan: &'a RunPlan,
    pub network: Network<'a>,
    pub progress: Progress,
    dataset: &'a Dataset,
    observer: Observer<'a>,
    clock: Clock,
}

/// Since when the time is not counted yet, and no checkpoint was kept.
struct Clock {
    counted: Instant,
    kept: Instant,
}

impl Clock {
    fn new(now: Instant) -> Self {
        Self { counted: now, kept: now }
    }
}

impl<'a> Trainer<'a> {
    /// Puts the network on the GPU; its first state follows by [`Trainer::initialise`] or [`Trainer::resume`].
    pub async fn new(
        gpu: Gpu,
        run_plan: &'a RunPlan,
        dataset: &'a Dataset,
        listener: &mut dyn Listener,
    ) -> Result<Self, TrainError> {
        if run_plan.lacks_first_set() {
            return Err(TrainError::NoFirstSet { how: run_plan.config.init().name() });
        }
        let network = Network::new(gpu, run_plan, Cow::Borrowed(&run_plan.plan), dataset, listener).await?;
        let now = Instant::now();
        let progress = Progress { schema: SCHEMA, ..Progress::default() };
        Ok(Self {
            run_plan,
            network,
            progress,
            dataset,
            observer: Observer::new(run_plan, now),
            clock: Clock::new(now),
        })
    }

    /// Trains until the run's end or an interruption, keeping `last.safetensors` after every epoch, and in longer ones whenever
    /// [`Config::checkpoint_interval`](crate::train::Config::checkpoint_interval) is over, and `best.safetensors` whenever validation improves.
    pub async fn run(&mut self, folder: &mut RunFolder, listener: &mut dyn Listener) -> Result<End, TrainError> {
        match self.run_steps(folder, listener).await {
            Err(error) => Err(self.explain(error, folder).await?),
            done => done,
        }
    }

    async fn run_steps(&mut self, folder: &mut RunFolder, listener: &mut dyn Listener) -> Result<End, TrainError> {
        let steps_per_epoch = self.run_plan.steps_per_epoch();
        self.begin_steps();
        if self.progress.step == 0 {
            self.observer.ask_frame(&self.network, &self.progress, 0);
        }
        while self.progress.step < self.run_plan.total_steps() {
            if !self.network.fits(self.progress.step) {
                self.fit(folder, listener).await?;
            }
            if listener.interrupted() {
                self.keep(folder, listener).await?;
                return Ok(End::Interrupted);
            }
            if self.clock.kept.elapsed() >= self.run_plan.config.checkpoint_interval() {
                self.keep(folder, listener).await?;
            }
            self.step();
            let ends_epoch = self.progress.step.is_multiple_of(steps_per_epoch);
            if ends_epoch || self.observer.wants_losses() {
                self.observer.ask_losses(&self.network);
            }
            self.observer.receive_in_time(&self.network, &mut self.progress, folder, listener).await?;
            if ends_epoch {
                self.observer.receive_all(&self.network, &mut self.progress, folder, listener).await?;
                self.end_epoch(folder, listener).await?;
            }
        }
        Ok(End::Finished)
    }

    /// Keeps `last.safetensors` of where the run is, between two steps.
    async fn keep(&mut self, folder: &mut RunFolder, listener: &mut dyn Listener) -> Result<(), TrainError> {
        self.observer.receive_all(&self.network, &mut self.progress, folder, listener).await?;
        self.count_seconds();
        let bytes = self.capture_good().await?;
        folder.sync()?;
        folder.write(LAST, &bytes)?;
        self.begin_steps();
        Ok(())
    }

    /// Goes on with a plan for what is left of a set that has shrunk.
    async fn fit(&mut self, folder: &mut RunFolder, listener: &mut dyn Listener) -> Result<(), TrainError> {
        self.keep(folder, listener).await?;
        let plan = self.run_plan.plan_after(self.progress.step).map_err(RunPlanError::from)?;
        let gpu = self.network.executor.gpu.clone();
        // The old buffers go before the new ones come.
        self.network.executor = Executor::new(gpu.clone(), &BufferPlan::default()).await?;
        self.network = Network::new(gpu, self.run_plan, Cow::Owned(plan), self.dataset, listener).await?;
        self.restore_from(folder, LAST)?;
        self.begin_steps();
        Ok(())
    }

    /// From here on time is that of steps, and a checkpoint was just kept (or the run has just begun).
    fn begin_steps(&mut self) {
        let now = Instant::now();
        self.clock = Clock::new(now);
        self.observer.speed.begin(now);
    }

    fn count_seconds(&mut self) {
        self.progress.seconds_training += self.clock.counted.elapsed().as_secs_f64();
        self.clock.counted = Instant::now();
    }

    /// Submits the next step; does not wait for it.
    pub fn step(&mut self) {
        let host = self.network.submit_step(&self.progress, self.observer.steps_to_ask(), self.submissions());
        self.progress.seconds_host += host.as_secs_f64();
        let epoch = self.progress.step / self.run_plan.steps_per_epoch();
        self.progress.step += 1;
        let step = self.progress.step;
        self.observer.submitted(StepLine { step, epoch, lr: self.run_plan.lr_of_step(step) });
        if self.run_plan.updates_after(step) {
            self.progress.updates += 1;
            self.observer.ask_update(&self.network, &self.progress, epoch);
            if frames::is_frame(self.progress.updates, self.run_plan.updates()) {
                self.observer.ask_frame(&self.network, &self.progress, epoch);
            }
        }
    }

    /// Validates, keeps the checkpoints, writes the epoch's line.
    async fn end_epoch(&mut self, folder: &mut RunFolder, listener: &mut dyn Listener) -> Result<(), TrainError> {
        self.count_seconds();
        let val = match self.run_plan.split.val.as_slice() {
            [] => None,
            images => Some(self.evaluate(images).await?),
        };
        let line = observer::epoch_line(self.run_plan, &mut self.progress, val);
        // Without validation the last epoch is the one that counts; of equals the later, which has learnt longer.
        let progress = &mut self.progress;
        let accuracy = val.map(|score| score.accuracy);
        // A network that was still larger does not compete.
        let larger = progress.best_epoch * self.run_plan.steps_per_epoch() < self.run_plan.sizes.settled();
        let better = larger || accuracy.is_none() || accuracy >= progress.best_val_accuracy;
        if better {
            progress.best_epoch = progress.step / self.run_plan.steps_per_epoch();
            progress.best_val_accuracy = accuracy;
        }
        let bytes = self.capture_good().await?;
        if better {
            folder.write(BEST, &bytes)?;
        }
        folder.metric(&line)?;
        folder.sync()?;
        folder.write(LAST, &bytes)?;
        listener.metric(&line, self.progress.itop_rate);
        self.begin_steps();
        Ok(())
    }

    /// Loss and accuracy over `images` (numbers in training, then test images) with running statistics.
    pub async fn evaluate(&mut self, images: &[u32]) -> Result<Score, TrainError> {
        let parts = self.submissions();
        self.network.evaluate(images, parts).await
    }

    /// In how many parts a step is submitted: each about a tenth of a second, so that a slow device is not taken for hung
    /// and others can use it in between. Small parts while nothing is known.
    fn submissions(&self) -> usize {
        let unknown = self.network.programs.train.len() / 8;
        self.observer.speed.seconds_per_step.map_or(unknown, |seconds| (seconds / 0.1).ceil() as usize)
    }
}
