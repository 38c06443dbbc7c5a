//! The network on a device: its buffers, its programs, and what they are submitted with.

use std::borrow::Cow;
use std::time::Duration;

use web_time::Instant;

use super::{Listener, Score, TrainError};
use crate::data::{Dataset, epoch_order};
use crate::gpu::{Command, Executor, Gpu, GpuError, Program, ReadBack, Slice};
use crate::ops::topology::{UpdateCounts, UpdateStats};
use crate::ops::{StepParams, augment, philox};
use crate::plan::{LayerPlan, METRIC_SLOTS, Plan};
use crate::sparsity::Structure;
use crate::train::RunPlan;
use crate::train::checkpoint::Progress;
use crate::train::first_set::State;

/// What a run submits.
pub(in crate::train) struct Programs {
    pub train: Program,
    /// A training step, and the topology update that ends it; empty without growth.
    pub update: Program,
    pub eval: Program,
    pub index: Program,
    pub map: Program,
}

/// A planned run on a device.
pub struct Network<'a> {
    pub executor: Executor,
    /// What is on the device: that of the run, until its set has shrunk.
    pub plan: Cow<'a, Plan>,
    pub(super) run_plan: &'a RunPlan,
    pub(in crate::train) programs: Programs,
    /// The epoch whose order of images is on the GPU.
    order_of_epoch: Option<usize>,
}

impl<'a> Network<'a> {
    /// Allocates the buffers of `plan`, compiles the programs, and puts the data there.
    pub(super) async fn new(
        gpu: Gpu,
        run_plan: &'a RunPlan,
        plan: Cow<'a, Plan>,
        dataset: &Dataset,
        listener: &mut dyn Listener,
    ) -> Result<Self, TrainError> {
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
        let programs = Programs { train, update, eval, index, map };
        let network = Self { executor, plan, run_plan, programs, order_of_epoch: None };
        network.upload_data(dataset);
        Ok(network)
    }

    /// Whether the plan has no more memory than the sets need once `step` steps are done.
    pub(super) fn fits(&self, step: usize) -> bool {
        self.plan.layers.iter().map(|layer| &layer.capacity).eq(self.run_plan.sizes.capacity(step))
    }

    fn upload_data(&self, dataset: &Dataset) {
        let plan = &self.plan;
        let train = &dataset.train;
        let bytes = train.pixels.len() / train.len().max(1) * plan.per_chunk;
        let pixels = dataset.parts().map(|part| part.pixels.as_slice()).collect::<Vec<_>>().concat();
        for (chunk, slice) in pixels.chunks(bytes.max(1)).zip(&plan.chunks) {
            let mut chunk = chunk.to_vec();
            chunk.resize(chunk.len().next_multiple_of(4), 0);
            self.executor.write(*slice, &chunk);
        }
        let labels = dataset.parts().map(|part| part.labels.as_slice()).collect::<Vec<_>>().concat();
        self.executor.write(plan.image_labels, &labels);
        self.executor.write(plan.normal, &augment::normalised(&dataset.mean, &dataset.std));
    }

    /// Something else was, or will be, where the order of images is.
    pub(super) fn forget_order(&mut self) {
        self.order_of_epoch = None;
    }

    /// Submits the step after those of `progress`, whose loss goes to `slot`, in `parts` parts; how long the host took. Does not
    /// wait for it.
    pub(in crate::train) fn submit_step(&mut self, progress: &Progress, slot: usize, parts: usize) -> Duration {
        let host = Instant::now();
        let config = &self.run_plan.config;
        let steps_per_epoch = self.run_plan.steps_per_epoch();
        let (epoch, in_epoch) = (progress.step / steps_per_epoch, progress.step % steps_per_epoch);
        if self.order_of_epoch != Some(epoch) {
            let order = epoch_order(config.seed, epoch as u32, &self.run_plan.split.train);
            self.executor.write(self.plan.order, &order);
            self.order_of_epoch = Some(epoch);
        }
        let cursor = in_epoch * config.batch_size;
        let params = StepParams {
            valid: config.batch_size.min(self.run_plan.split.train.len() - cursor) as u32,
            cursor: cursor as u32,
            epoch: epoch as u32,
            slot: slot as u32,
            lr: self.run_plan.lr_of_step(progress.step + 1) as f32,
            update: progress.updates as u32,
            noise: (2.0 * self.run_plan.lr_of_step(progress.step + 1) * config.temperature).sqrt() as f32,
            ..self.constant_params()
        };
        self.executor.write(self.plan.run, &[params]);
        let step = progress.step + 1;
        let updates = self.run_plan.updates_after(step);
        if updates {
            self.write_update_counts(step);
        }
        let program = if updates { &self.programs.update } else { &self.programs.train };
        let commands = self.executor.record(program, parts);
        // A software adapter computes within the call that submits: there the host's work ends before it.
        let software = self.executor.gpu.summary.is_software();
        let before = host.elapsed();
        self.executor.submit_parts(commands);
        if software { before } else { host.elapsed() }
    }

    /// How many weights of each layer the update that ends `step` keeps and grows.
    pub(super) fn write_update_counts(&self, step: usize) {
        let plan = &self.plan;
        let rules = self.run_plan.config.rule_params(self.run_plan.prune_rate(step));
        let sizes = self.run_plan.sizes.update_counts(step);
        let counts = plan.layers.iter().zip(sizes).enumerate().map(|(number, (layer, (keep, grow)))| {
            // A layer without zeros has no part in it.
            if layer.sparse.is_none() {
                return UpdateCounts { rules, ..UpdateCounts::new(number, 0, 0) };
            }
            let [capacity, first] = [layer.capacity, layer.active].map(|weights| layer.entries(weights) as u32);
            let counts = UpdateCounts::new(number, layer.entries(keep), layer.entries(grow));
            UpdateCounts { rules, capacity, first, ..counts }
        });
        self.executor.write(plan.update_counts, &counts.collect::<Vec<_>>());
        // Rows that are pruned on their own lower the threshold to the least of theirs.
        let threshold = |layer: &LayerPlan| if layer.structure == Structure::FanIn { u32::MAX } else { 0 };
        let stats = |layer| UpdateStats { threshold: threshold(layer), ..UpdateStats::default() };
        self.executor.write(plan.update_stats, &plan.layers.iter().map(stats).collect::<Vec<_>>());
    }

    /// Counts where the active weights lie now; none without sparse layers.
    pub(super) fn read_map(&self) -> Option<ReadBack> {
        if self.programs.map.is_empty() {
            return None;
        }
        self.executor.submit(&self.programs.map);
        let slices: Vec<Slice> = self.plan.maps.iter().map(|map| map.slice).collect();
        Some(self.executor.read_slices(&slices))
    }

    /// The parameters that do not change during a run.
    pub(super) fn constant_params(&self) -> StepParams {
        let config = &self.run_plan.config;
        StepParams {
            seed: philox::key(config.seed),
            momentum: config.momentum as f32,
            weight_decay: config.weight_decay as f32,
            smoothing: config.label_smoothing as f32,
            l1: config.l1 as f32,
            loss_scale: config.storage.loss_scale(),
            ..StepParams::default()
        }
    }

    /// The values of all parameters and the running statistics, after everything submitted so far.
    pub(in crate::train) async fn state(&self) -> Result<State, GpuError> {
        let plan = &self.run_plan.plan;
        let values = plan.params.iter().map(|slot| slot.value.part(0, 4 * slot.len as u64));
        let slices: Vec<Slice> = values.chain(plan.running.iter().copied()).collect();
        let bytes = self.executor.finish(self.executor.read_slices(&slices)).await?;
        let mut rest = bytes.as_slice();
        let mut take = |slice: &Slice| {
            let (data, tail) = rest.split_at(slice.bytes as usize);
            rest = tail;
            bytemuck::pod_collect_to_vec(data)
        };
        let mut all: Vec<Vec<f32>> = slices.iter().map(&mut take).collect();
        let running = all.split_off(plan.params.len());
        Ok(State { values: all, running })
    }

    /// Loss and accuracy over `images` (numbers in training, then test images) with running statistics; each batch is submitted
    /// in `parts` parts.
    pub(super) async fn evaluate(&mut self, images: &[u32], parts: usize) -> Result<Score, TrainError> {
        self.forget_order();
        let plan = &self.plan;
        let slot: Slice = plan.metrics.part(16 * METRIC_SLOTS as u64, 16);
        self.executor.write(slot, &[0.0f32; 4]);
        self.executor.write(plan.order, images);
        let mut last = None;
        for cursor in (0..images.len()).step_by(plan.batch) {
            let params = StepParams {
                valid: plan.batch.min(images.len() - cursor) as u32,
                cursor: cursor as u32,
                slot: METRIC_SLOTS as u32,
                ..self.constant_params()
            };
            self.executor.write(plan.run, &[params]);
            self.executor.submit_parts(self.executor.record(&self.programs.eval, parts));
            // Two batches at a time: the host does not run ahead of a slow adapter.
            let so_far = self.executor.read_slices(&[slot]);
            if let Some(before) = last.replace(so_far) {
                self.executor.finish(before).await?;
            }
        }
        let sums = match last {
            Some(read) => bytemuck::pod_collect_to_vec(&self.executor.finish(read).await?),
            None => Vec::<f32>::new(),
        };
        let [loss, correct, count, _] = sums[..] else {
            return Ok(Score { loss: f64::NAN, accuracy: 0.0 });
        };
        let count = f64::from(count).max(1.0);
        Ok(Score { loss: f64::from(loss) / count, accuracy: f64::from(correct) / count })
    }
}
