//! One run, from the first step to the summary.

use std::collections::VecDeque;

use thiserror::Error;
use web_time::Instant;

use super::bad_numbers::Losses;
use super::checkpoint::{CheckpointError, Progress};
use super::run_folder::{ExplorationLine, FolderError, MetricLine, RunFolder, SCHEMA, Summary, SummaryAdapter};
use super::{Problem, ProblemError};
use super::{exploration, frames, frames::FrameLine};
use crate::data::{Dataset, epoch_order};
use crate::gpu::{Gpu, GpuError, Machine, Pass, Program, ReadBack, Slice};
use crate::ops::philox;
use crate::ops::topology::{Counters, Wanted};
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
    Problem(#[from] ProblemError),
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

/// Whoever wants to hear how a run goes.
pub trait Listener {
    /// Passes prepared, of how many.
    fn preparing(&mut self, _done: usize, _total: usize) {}
    /// A line went to `metrics.jsonl`; `itop_rate` is the latest.
    fn metric(&mut self, _line: &MetricLine, _itop_rate: f64) {}
    /// A line went to `exploration.jsonl`.
    fn exploration(&mut self, _line: &ExplorationLine) {}
    /// A line went to `maps.jsonl`.
    fn frame(&mut self, _line: &FrameLine) {}
    /// Something that the run survives, but somebody should know.
    fn warning(&mut self, _text: &str) {}
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
    pub problem: &'a Problem,
    pub machine: Machine,
    pub progress: Progress,
    pub(super) dataset: &'a Dataset,
    pub(super) train: Program,
    pub(super) update: Program,
    eval: Program,
    pub(super) index: Program,
    map: Program,
    /// The epoch whose order is on the GPU.
    order_of: Option<usize>,
    waiting: VecDeque<Waiting>,
    /// Steps whose losses nobody has asked for yet.
    unread: Vec<Step>,
    losses: Losses,
    /// Seconds a step took in the last window of steps.
    pub(super) pace: Option<f64>,
    window: Instant,
    clock: Instant,
}

/// A step that was submitted.
#[derive(Clone, Copy)]
struct Step {
    step: usize,
    epoch: usize,
    lr: f64,
}

/// A read-back under way.
enum Waiting {
    Losses { read: ReadBack, steps: Vec<Step> },
    Counters { read: ReadBack, update: usize, step: usize, epoch: usize, death_rate: f64 },
    Frame { read: ReadBack, update: usize, step: usize, epoch: usize },
}

impl<'a> Trainer<'a> {
    /// Puts the network's first state on the GPU.
    pub async fn new(
        gpu: Gpu,
        problem: &'a Problem,
        dataset: &'a Dataset,
        listener: &mut dyn Listener,
    ) -> Result<Self, TrainError> {
        let plan = &problem.plan;
        let mut machine = match Machine::new(gpu.clone(), &plan.buffers).await {
            Err(GpuError::OutOfMemory { what }) => match problem.batch_with_room(dataset, &gpu).await {
                Some(fits) => return Err(TrainError::NoRoom { what, total: plan.buffers.total_bytes(), fits }),
                None => return Err(GpuError::OutOfMemory { what }.into()),
            },
            machine => machine?,
        };
        let (train, update) = (plan.step(&plan.train), plan.step(&plan.update));
        let eval = [std::slice::from_ref(&plan.fetch_eval), &plan.eval].concat();
        let total = train.len() + update.len() + eval.len() + plan.index.len() + plan.map.len();
        let mut before = 0;
        let mut prepare = |passes: &[Pass]| {
            let program = machine.prepare(passes, |done| listener.preparing(before + done, total));
            before += passes.len();
            program
        };
        let (train, update) = (prepare(&train)?, prepare(&update)?);
        let (eval, index, map) = (prepare(&eval)?, prepare(&plan.index)?, prepare(&plan.map)?);
        let trainer = Self {
            problem,
            machine,
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
            pace: None,
            window: Instant::now(),
            clock: Instant::now(),
        };
        trainer.upload_data();
        Ok(trainer)
    }

    fn upload_data(&self) {
        let plan = &self.problem.plan;
        let (train, test) = (&self.dataset.train, &self.dataset.test);
        let bytes = train.pixels.len() / train.len().max(1) * plan.per_chunk;
        let pixels = [train.pixels.as_slice(), test.pixels.as_slice()].concat();
        for (chunk, slice) in pixels.chunks(bytes.max(1)).zip(&plan.chunks) {
            let mut chunk = chunk.to_vec();
            chunk.resize(chunk.len().next_multiple_of(4), 0);
            self.machine.write(*slice, &chunk);
        }
        self.machine.write(plan.image_labels, &[train.labels.as_slice(), test.labels.as_slice()].concat());
        self.machine.write(plan.normal, &augment::normalised(&self.dataset.mean, &self.dataset.std));
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

    /// Trains until the run's end or an interruption, keeping `last.safetensors` after every epoch and `best.safetensors`
    /// whenever validation improves.
    pub async fn run(&mut self, folder: &mut RunFolder, listener: &mut dyn Listener) -> Result<End, TrainError> {
        match self.run_steps(folder, listener).await {
            Err(error) => Err(self.explain(error, folder).await?),
            done => done,
        }
    }

    async fn run_steps(&mut self, folder: &mut RunFolder, listener: &mut dyn Listener) -> Result<End, TrainError> {
        let steps_per_epoch = self.problem.steps_per_epoch();
        let epochs = self.problem.config.total_epochs();
        self.clock = Instant::now();
        self.window = Instant::now();
        if self.progress.step == 0 {
            self.ask_frame(0);
        }
        while self.progress.step < epochs * steps_per_epoch {
            if listener.interrupted() {
                self.drain(folder, listener).await?;
                self.count_seconds();
                let bytes = self.capture_good().await?;
                folder.sync()?;
                folder.write(LAST, &bytes)?;
                return Ok(End::Interrupted);
            }
            self.step();
            let done = self.progress.step;
            if self.unread.len() >= self.interval() || done.is_multiple_of(steps_per_epoch) {
                self.ask_losses();
            }
            // At most one window of steps is under way while the next is recorded.
            while self.waiting.len() > 2 {
                self.receive(folder, listener).await?;
            }
            if done.is_multiple_of(steps_per_epoch) {
                self.drain(folder, listener).await?;
                self.end_epoch(folder, listener).await?;
            }
        }
        Ok(End::Finished)
    }

    /// Submits the next step; does not wait for it.
    pub fn step(&mut self) {
        let host = Instant::now();
        let config = &self.problem.config;
        let steps_per_epoch = self.problem.steps_per_epoch();
        let epoch = self.progress.step / steps_per_epoch;
        let in_epoch = self.progress.step % steps_per_epoch;
        if self.order_of != Some(epoch) {
            let order = epoch_order(config.seed, epoch as u32, &self.problem.split.train);
            self.machine.write(self.problem.plan.order, &order);
            self.order_of = Some(epoch);
        }
        let lr = config.lr_schedule.at(config.lr, self.progress.step, config.length(steps_per_epoch));
        let cursor = in_epoch * config.batch_size;
        let params = StepParams {
            valid: config.batch_size.min(self.problem.split.train.len() - cursor) as u32,
            cursor: cursor as u32,
            epoch: epoch as u32,
            slot: self.unread.len() as u32,
            lr: lr as f32,
            update: self.progress.updates as u32,
            ..self.params()
        };
        self.machine.write(self.problem.plan.run, &[params]);
        self.progress.step += 1;
        let step = self.progress.step;
        self.unread.push(Step { step, epoch, lr });
        let updates = self.problem.updates_after(step);
        if updates {
            self.write_wanted(step);
        }
        let commands = self.machine.record(if updates { &self.update } else { &self.train }, self.submissions());
        // A software adapter computes within the call that submits: there the host's work ends before it.
        let software = self.machine.gpu.summary.is_software();
        let before = host.elapsed();
        self.machine.submit_parts(commands);
        self.progress.seconds_host += if software { before } else { host.elapsed() }.as_secs_f64();
        if updates {
            self.progress.updates += 1;
            let read = self.machine.read_slices(&[self.problem.plan.counters]);
            let death_rate = self.problem.death_rate(step);
            let update = self.progress.updates;
            self.waiting.push_back(Waiting::Counters { read, update, step, epoch, death_rate });
            if frames::is_frame(update, self.problem.updates()) {
                self.ask_frame(epoch);
            }
        }
    }

    /// Counts where the active weights lie now; none without sparse layers.
    pub(super) fn read_map(&self) -> Option<ReadBack> {
        if self.map.is_empty() {
            return None;
        }
        self.machine.submit(&self.map);
        let slices: Vec<Slice> = self.problem.plan.maps.iter().map(|map| map.slice).collect();
        Some(self.machine.read_slices(&slices))
    }

    fn ask_frame(&mut self, epoch: usize) {
        let (update, step) = (self.progress.updates, self.progress.step);
        let frame = self.read_map().map(|read| Waiting::Frame { read, update, step, epoch });
        self.waiting.extend(frame);
    }

    /// How many weights of each layer the update that ends `step` keeps and grows.
    pub(super) fn write_wanted(&self, step: usize) {
        let plan = &self.problem.plan;
        let death_rate = self.problem.death_rate(step);
        let wanted = plan
            .layers
            .iter()
            .enumerate()
            .map(|(number, layer)| Wanted::new(number, layer.active, prune_count(death_rate, layer.active)));
        self.machine.write(plan.wanted, &wanted.collect::<Vec<_>>());
        self.machine.write(plan.counters, &vec![Counters::default(); plan.layers.len()]);
    }

    /// The parameters that do not change during a run.
    pub(super) fn params(&self) -> StepParams {
        let config = &self.problem.config;
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
        self.pace.map_or(1, |seconds| ((0.5 / seconds.max(1e-4)) as usize).clamp(1, METRIC_SLOTS))
    }

    /// In how many parts a step is submitted: each about a tenth of a second, so that a slow device is not taken for hung
    /// and others can use it in between. Small parts while nothing is known.
    pub(super) fn submissions(&self) -> usize {
        self.pace.map_or(self.train.len() / 8, |seconds| (seconds / 0.1).ceil() as usize)
    }

    fn ask_losses(&mut self) {
        let metrics = self.problem.plan.metrics.part(0, 16 * self.unread.len() as u64);
        let read = self.machine.read_slices(&[metrics]);
        self.machine.write(metrics, &vec![0.0f32; 4 * self.unread.len()]);
        let steps = std::mem::take(&mut self.unread);
        self.waiting.push_back(Waiting::Losses { read, steps });
    }

    /// Takes the oldest read-back and writes its lines.
    async fn receive(&mut self, folder: &mut RunFolder, listener: &mut dyn Listener) -> Result<(), TrainError> {
        match self.waiting.pop_front() {
            None => Ok(()),
            Some(Waiting::Losses { read, steps }) => {
                let slots: Vec<[f32; 4]> = bytemuck::pod_collect_to_vec(&self.machine.finish(read).await?);
                let images: f64 = slots.iter().map(|slot| f64::from(slot[2])).sum();
                let seconds = self.window.elapsed().as_secs_f64();
                self.window = Instant::now();
                self.pace = Some(seconds / steps.len().max(1) as f64);
                self.progress.epoch_seconds += seconds;
                for (step, slot) in steps.iter().zip(slots) {
                    let [loss, correct, count, _] = slot.map(f64::from);
                    self.progress.epoch_loss += loss;
                    self.progress.epoch_correct += correct;
                    self.progress.epoch_images += count;
                    let line = MetricLine::Step {
                        step: step.step,
                        epoch: step.epoch,
                        loss: loss / count,
                        accuracy: correct / count,
                        lr: step.lr,
                        images_per_second: images / seconds.max(1e-9),
                    };
                    if !loss.is_finite() {
                        let what = format!("the loss of step {} is {}", step.step, loss / count);
                        return Err(TrainError::Diverged { step: step.step, what, cause: String::new() });
                    }
                    if let Some(median) = self.losses.spike(loss / count) {
                        let (step, loss) = (step.step, loss / count);
                        let text =
                            format!("the loss of step {step} is {loss:.4}, and the median before it {median:.4}");
                        listener.warning(&text);
                    }
                    folder.metric(&line)?;
                    listener.metric(&line, self.progress.itop_rate);
                }
                Ok(())
            }
            Some(Waiting::Counters { read, update, step, epoch, death_rate }) => {
                let counters: Vec<Counters> = bytemuck::pod_collect_to_vec(&self.machine.finish(read).await?);
                let line = exploration::line(self.problem, (update, step, epoch), death_rate, &counters);
                self.progress.itop_rate = line.itop_rate;
                self.progress.reliable_itop_rate = line.reliable_itop_rate;
                folder.exploration(&line)?;
                listener.exploration(&line);
                Ok(())
            }
            Some(Waiting::Frame { read, update, step, epoch }) => {
                let words: Vec<u32> = bytemuck::pod_collect_to_vec(&self.machine.finish(read).await?);
                let line = frames::line(self.problem, (update, step, epoch), &words);
                folder.frame(&line)?;
                listener.frame(&line);
                Ok(())
            }
        }
    }

    async fn drain(&mut self, folder: &mut RunFolder, listener: &mut dyn Listener) -> Result<(), TrainError> {
        if !self.unread.is_empty() {
            self.ask_losses();
        }
        while !self.waiting.is_empty() {
            self.receive(folder, listener).await?;
        }
        Ok(())
    }

    fn count_seconds(&mut self) {
        self.progress.seconds_training += self.clock.elapsed().as_secs_f64();
        self.clock = Instant::now();
    }

    /// Validates, keeps the checkpoints, writes the epoch's line.
    async fn end_epoch(&mut self, folder: &mut RunFolder, listener: &mut dyn Listener) -> Result<(), TrainError> {
        self.count_seconds();
        let epoch = self.progress.step / self.problem.steps_per_epoch();
        let val =
            if self.problem.split.val.is_empty() { None } else { Some(self.evaluate(&self.problem.split.val).await?) };
        let progress = &mut self.progress;
        let lr = self.problem.config.lr_schedule.at(
            self.problem.config.lr,
            progress.step - 1,
            self.problem.config.length(self.problem.steps_per_epoch()),
        );
        let line = MetricLine::Epoch {
            step: progress.step,
            epoch,
            loss: progress.epoch_loss / progress.epoch_images,
            accuracy: progress.epoch_correct / progress.epoch_images,
            lr,
            images_per_second: progress.epoch_images / progress.epoch_seconds.max(1e-9),
            val_loss: val.map(|score| score.loss),
            val_accuracy: val.map(|score| score.accuracy),
            itop_rate: progress.itop_rate,
            expected_itop_rate: self.problem.expected_itop_rate_after(progress.step),
        };
        (progress.epoch_loss, progress.epoch_correct, progress.epoch_images, progress.epoch_seconds) =
            Default::default();
        // Without validation the last epoch is the one that counts; of equals the later, which has learnt longer.
        let accuracy = val.map(|score| score.accuracy);
        let better = accuracy.is_none() || accuracy >= progress.best_val_accuracy;
        if better {
            progress.best_epoch = epoch;
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
        self.clock = Instant::now();
        self.window = Instant::now();
        Ok(())
    }

    /// Loss and accuracy over `images` (numbers in training, then test images) with running statistics.
    pub async fn evaluate(&mut self, images: &[u32]) -> Result<Score, TrainError> {
        let plan = &self.problem.plan;
        let slot: Slice = plan.metrics.part(16 * METRIC_SLOTS as u64, 16);
        self.machine.write(slot, &[0.0f32; 4]);
        self.machine.write(plan.order, images);
        self.order_of = None;
        let mut last = None;
        for cursor in (0..images.len()).step_by(plan.batch) {
            let params = StepParams {
                valid: plan.batch.min(images.len() - cursor) as u32,
                cursor: cursor as u32,
                slot: METRIC_SLOTS as u32,
                ..self.params()
            };
            self.machine.write(plan.run, &[params]);
            self.machine.submit_parts(self.machine.record(&self.eval, self.submissions()));
            // Two batches at a time: the host does not run ahead of a slow adapter.
            let so_far = self.machine.read_slices(&[slot]);
            if let Some(before) = last.replace(so_far) {
                self.machine.finish(before).await?;
            }
        }
        let sums = match last {
            Some(read) => bytemuck::pod_collect_to_vec(&self.machine.finish(read).await?),
            None => Vec::<f32>::new(),
        };
        let [loss, correct, count, _] = sums[..] else {
            return Ok(Score { loss: f64::NAN, accuracy: 0.0 });
        };
        let count = f64::from(count).max(1.0);
        Ok(Score { loss: f64::from(loss) / count, accuracy: f64::from(correct) / count })
    }

    /// Times the passes of a step, tests the best epoch and writes the summary.
    pub async fn finish(&mut self, folder: &RunFolder) -> Result<Summary, TrainError> {
        let done = self.progress.clone();
        // Before the best state is put back: the timed steps leave none.
        let passes = self.pass_times().await?;
        if let Some(passes) = &passes {
            folder.pass_times(passes)?;
        }
        self.restore_from(folder, BEST)?;
        let test = self.evaluate(&self.problem.test_images(self.dataset)).await?;
        let (problem, config) = (self.problem, &self.problem.config);
        let adapter = &self.machine.gpu.summary;
        let images = (self.problem.split.train.len() * config.total_epochs()) as f64;
        let summary = Summary {
            schema: SCHEMA,
            name: folder.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            model: config.model.clone(),
            data: config.data.clone(),
            method: config.method.name().into(),
            seed: config.seed,
            epochs: config.total_epochs(),
            steps: done.step,
            batch_size: config.batch_size,
            sparsity_target: 1.0 - config.density(),
            density: problem.active() as f64 / problem.maskable() as f64,
            active_parameters: problem.active(),
            maskable_parameters: problem.maskable(),
            best_epoch: done.best_epoch,
            best_val_accuracy: done.best_val_accuracy,
            test_accuracy: test.accuracy,
            test_loss: test.loss,
            itop_rate: done.itop_rate,
            reliable_itop_rate: done.reliable_itop_rate,
            inference_flops_ratio: problem.inference_flops_ratio(),
            training_flops_ratio: problem.training_flops_ratio(),
            images_per_second: images / done.seconds_training.max(1e-9),
            seconds_training: done.seconds_training,
            host_share: done.seconds_host / done.seconds_training.max(1e-9),
            step_ms: passes.map(|passes| passes.by_kind()),
            peak_gpu_bytes: problem.plan.buffers.total_bytes(),
            adapter: SummaryAdapter {
                name: adapter.name.clone(),
                backend: adapter.backend.into(),
                driver: adapter.driver.clone(),
                tier: self.machine.gpu.tier().into(),
                kind: adapter.kind.into(),
            },
            version: env!("CARGO_PKG_VERSION").into(),
        };
        folder.summary(&summary)?;
        Ok(summary)
    }
}
