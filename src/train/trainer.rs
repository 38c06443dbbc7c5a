//! One run, from the first step to the summary.

use std::collections::VecDeque;

use thiserror::Error;
use web_time::Instant;

use super::bad_numbers::Losses;
use super::checkpoint::{CheckpointError, Progress};
use super::frames::{self, FrameLine};
use super::receive::{Asked, Step, Waiting};
use super::run_folder::{ExplorationLine, FolderError, MetricLine, RunFolder, SCHEMA};
use super::speed::Speed;
use super::{RunPlan, RunPlanError};
use crate::data::{Dataset, epoch_order};
use crate::gpu::{Command, Executor, Gpu, GpuError, Program, ReadBack, Slice};
use crate::ops::philox;
use crate::ops::topology::{UpdateCounts, UpdateStats};
use crate::ops::{StepParams, augment};
use crate::plan::METRIC_SLOTS;
use crate::sparsity::prune_count;

/// The checkpoints of a run folder.
pub(super) const LAST: &str = "last.safetensors";
pub(super) const BEST: &str = "best.safetensors";

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

/// Receives the events of a run.
pub trait Listener {
    /// Passes prepared, of how many.
    fn preparing(&mut self, _done: usize, _total: usize) {}
    /// A line went to `metrics.jsonl`; `itop_rate` is the latest.
    fn metric(&mut self, _line: &MetricLine, _itop_rate: f64) {}
    /// A line went to `exploration.jsonl`.
    fn exploration(&mut self, _line: &ExplorationLine) {}
    /// A line went to `maps.jsonl`.
    fn frame(&mut self, _line: &FrameLine) {}
    /// Something that does not end the run, but that people should know.
    fn warning(&mut self, _text: &str) {}
    /// Asked between steps; true ends the run after a checkpoint.
    fn interrupted(&mut self) -> bool {
        false
    }
}

/// Ignores all events.
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
    pub executor: Executor,
    pub progress: Progress,
    pub(super) dataset: &'a Dataset,
    pub(super) train: Program,
    pub(super) update: Program,
    pub(super) eval: Program,
    pub(super) index: Program,
    pub(super) map: Program,
    /// The epoch whose order is on the GPU.
    pub(super) order_of: Option<usize>,
    pub(super) waiting: VecDeque<Waiting>,
    /// Steps whose losses nobody has asked for yet.
    pub(super) unread: Vec<Step>,
    pub(super) losses: Losses,
    pub(super) speed: Speed,
    pub(super) clock: Instant,
    /// When the last checkpoint was kept.
    pub(super) kept: Instant,
}

impl<'a> Trainer<'a> {
    /// Puts the network's first state on the GPU.
    pub async fn new(
        gpu: Gpu,
        run_plan: &'a RunPlan,
        dataset: &'a Dataset,
        listener: &mut dyn Listener,
    ) -> Result<Self, TrainError> {
        let plan = &run_plan.plan;
        let mut executor = match Executor::new(gpu.clone(), &plan.buffers).await {
            Err(GpuError::OutOfMemory { what }) => match run_plan.batch_with_room(dataset, &gpu).await {
                Some(fits) => return Err(TrainError::NoRoom { what, total: plan.buffers.total_bytes(), fits }),
                None => return Err(GpuError::OutOfMemory { what }.into()),
            },
            executor => executor?,
        };
        let (train, update) = (plan.step(&plan.train), plan.step(&plan.update));
        let eval = [std::slice::from_ref(&plan.fetch_eval), &plan.eval].concat();
        let total = train.len() + update.len() + eval.len() + plan.index.len() + plan.map.len();
        let mut before = 0;
        let mut prepare = |commands: &[Command]| {
            let program = executor.prepare(commands, |done| listener.preparing(before + done, total));
            before += commands.len();
            program
        };
        let (train, update) = (prepare(&train)?, prepare(&update)?);
        let (eval, index, map) = (prepare(&eval)?, prepare(&plan.index)?, prepare(&plan.map)?);
        let trainer = Self {
            run_plan,
            executor,
            progress: Progress { schema: SCHEMA, ..Progress::default() },
            dataset,
            train,
            update,
            eval,
            index,
            map,
            order_of: None,
            waiting: VecDeque::new(),
            unread: Vec::new(),
            losses: Losses::default(),
            speed: Speed::new(Instant::now()),
            clock: Instant::now(),
            kept: Instant::now(),
        };
        trainer.upload_data();
        Ok(trainer)
    }

    fn upload_data(&self) {
        let plan = &self.run_plan.plan;
        let train = &self.dataset.train;
        let bytes = train.pixels.len() / train.len().max(1) * plan.per_chunk;
        let pixels = self.dataset.parts().map(|part| part.pixels.as_slice()).collect::<Vec<_>>().concat();
        for (chunk, slice) in pixels.chunks(bytes.max(1)).zip(&plan.chunks) {
            let mut chunk = chunk.to_vec();
            chunk.resize(chunk.len().next_multiple_of(4), 0);
            self.executor.write(*slice, &chunk);
        }
        let labels = self.dataset.parts().map(|part| part.labels.as_slice()).collect::<Vec<_>>().concat();
        self.executor.write(plan.image_labels, &labels);
        self.executor.write(plan.normal, &augment::normalised(&self.dataset.mean, &self.dataset.std));
    }

    /// Drops what is under way.
    pub(super) fn forget(&mut self) {
        self.forget_losses();
        self.order_of = None;
    }

    /// Drops what nobody will ask for any more.
    pub(super) fn forget_losses(&mut self) {
        self.waiting.clear();
        self.unread.clear();
    }

    /// Trains until the run's end or an interruption, keeping `last.safetensors` after every epoch, and in longer ones whenever
    /// [`Config::checkpoint_interval`](super::Config::checkpoint_interval) is over, and `best.safetensors` whenever validation improves.
    pub async fn run(&mut self, folder: &mut RunFolder, listener: &mut dyn Listener) -> Result<End, TrainError> {
        match self.run_steps(folder, listener).await {
            Err(error) => Err(self.explain(error, folder).await?),
            done => done,
        }
    }

    async fn run_steps(&mut self, folder: &mut RunFolder, listener: &mut dyn Listener) -> Result<End, TrainError> {
        let steps_per_epoch = self.run_plan.steps_per_epoch();
        let epochs = self.run_plan.config.total_epochs();
        self.begin_steps();
        if self.progress.step == 0 {
            self.ask_frame(0);
        }
        while self.progress.step < epochs * steps_per_epoch {
            if listener.interrupted() {
                self.keep(folder, listener).await?;
                return Ok(End::Interrupted);
            }
            if self.kept.elapsed() >= self.run_plan.config.checkpoint_interval() {
                self.keep(folder, listener).await?;
            }
            self.step();
            let done = self.progress.step;
            if self.unread.len() >= self.interval() || done.is_multiple_of(steps_per_epoch) {
                self.ask_losses();
            }
            // At most one window of steps is under way while the next is recorded.
            while self.waiting.len() > 2 || self.has_arrived() {
                self.receive(folder, listener).await?;
            }
            if done.is_multiple_of(steps_per_epoch) {
                self.drain(folder, listener).await?;
                self.end_epoch(folder, listener).await?;
            }
        }
        Ok(End::Finished)
    }

    /// Keeps `last.safetensors` of where the run is, between two steps.
    async fn keep(&mut self, folder: &mut RunFolder, listener: &mut dyn Listener) -> Result<(), TrainError> {
        self.drain(folder, listener).await?;
        self.count_seconds();
        let bytes = self.capture_good().await?;
        folder.sync()?;
        folder.write(LAST, &bytes)?;
        self.begin_steps();
        Ok(())
    }

    /// From here on time is that of steps, and a checkpoint was just kept (or the run has just begun).
    pub(super) fn begin_steps(&mut self) {
        let now = Instant::now();
        (self.kept, self.clock) = (now, now);
        self.speed.begin(now);
    }

    /// Submits the next step; does not wait for it.
    pub fn step(&mut self) {
        let host = Instant::now();
        let config = &self.run_plan.config;
        let steps_per_epoch = self.run_plan.steps_per_epoch();
        let epoch = self.progress.step / steps_per_epoch;
        let in_epoch = self.progress.step % steps_per_epoch;
        if self.order_of != Some(epoch) {
            let order = epoch_order(config.seed, epoch as u32, &self.run_plan.split.train);
            self.executor.write(self.run_plan.plan.order, &order);
            self.order_of = Some(epoch);
        }
        let lr = config.lr_schedule.at(config.lr, self.progress.step, config.length(steps_per_epoch));
        let cursor = in_epoch * config.batch_size;
        let params = StepParams {
            valid: config.batch_size.min(self.run_plan.split.train.len() - cursor) as u32,
            cursor: cursor as u32,
            epoch: epoch as u32,
            slot: self.unread.len() as u32,
            lr: lr as f32,
            update: self.progress.updates as u32,
            ..self.params()
        };
        self.executor.write(self.run_plan.plan.run, &[params]);
        self.progress.step += 1;
        let step = self.progress.step;
        self.unread.push(Step { step, epoch, lr });
        let updates = self.run_plan.updates_after(step);
        if updates {
            self.write_wanted(step);
        }
        let commands = self.executor.record(if updates { &self.update } else { &self.train }, self.submissions());
        // A software adapter computes within the call that submits: there the host's work ends before it.
        let software = self.executor.gpu.summary.is_software();
        let before = host.elapsed();
        self.executor.submit_parts(commands);
        self.progress.seconds_host += if software { before } else { host.elapsed() }.as_secs_f64();
        if updates {
            self.progress.updates += 1;
            let read = self.executor.read_slices(&[self.run_plan.plan.update_stats]);
            let death_rate = self.run_plan.death_rate(step);
            let update = self.progress.updates;
            self.waiting.push_back(Waiting { read, asked: Asked::UpdateStats { update, step, epoch, death_rate } });
            if frames::is_frame(update, self.run_plan.updates()) {
                self.ask_frame(epoch);
            }
        }
    }

    /// Counts where the active weights lie now; none without sparse layers.
    pub(super) fn read_map(&self) -> Option<ReadBack> {
        if self.map.is_empty() {
            return None;
        }
        self.executor.submit(&self.map);
        let slices: Vec<Slice> = self.run_plan.plan.maps.iter().map(|map| map.slice).collect();
        Some(self.executor.read_slices(&slices))
    }

    fn ask_frame(&mut self, epoch: usize) {
        let (update, step) = (self.progress.updates, self.progress.step);
        let asked = Asked::Frame { update, step, epoch };
        self.waiting.extend(self.read_map().map(|read| Waiting { read, asked }));
    }

    /// How many weights of each layer the update that ends `step` keeps and grows.
    pub(super) fn write_wanted(&self, step: usize) {
        let plan = &self.run_plan.plan;
        let death_rate = self.run_plan.death_rate(step);
        let wanted = plan
            .layers
            .iter()
            .enumerate()
            .map(|(number, layer)| UpdateCounts::new(number, layer.active, prune_count(death_rate, layer.active)));
        self.executor.write(plan.update_counts, &wanted.collect::<Vec<_>>());
        self.executor.write(plan.update_stats, &vec![UpdateStats::default(); plan.layers.len()]);
    }

    /// The parameters that do not change during a run.
    pub(super) fn params(&self) -> StepParams {
        let config = &self.run_plan.config;
        StepParams {
            seed: philox::key(config.seed),
            momentum: config.momentum as f32,
            weight_decay: config.weight_decay as f32,
            smoothing: config.label_smoothing as f32,
            loss_scale: config.storage.loss_scale(),
            ..StepParams::default()
        }
    }

    /// Steps between two read-backs of losses: about half a second of them.
    fn interval(&self) -> usize {
        self.speed.pace.map_or(1, |seconds| ((0.5 / seconds.max(1e-4)) as usize).clamp(1, METRIC_SLOTS))
    }

    /// In how many parts a step is submitted: each about a tenth of a second, so that a slow device is not taken for hung
    /// and others can use it in between. Small parts while nothing is known.
    pub(super) fn submissions(&self) -> usize {
        self.speed.pace.map_or(self.train.len() / 8, |seconds| (seconds / 0.1).ceil() as usize)
    }
}
