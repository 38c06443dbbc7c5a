//! All that is known of a run before it uses a GPU: configuration, network, split, active weights of each layer, plan.

use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use super::checkpoint::UpdateSchedule;
use super::first_set::{FirstSet, MaskError};
use super::set_sizes::SetSizes;
use super::{Augment, Config, ConfigError, first_set};
use crate::data::{self, Dataset, Images, Split};
use crate::gpu::{Executor, Gpu};
use crate::model::{self, Graph, ModelError, Shape};
use crate::ops::augment::PAD;
use crate::ops::{Storage, Tuning};
use crate::plan::{Plan, PlanError, PlanInput};
use crate::sparsity::expected::Explored;
use crate::sparsity::{DistributionError, Init};
use crate::words::number_of;

/// A configuration and a dataset that do not make a run.
#[derive(Debug, Error)]
pub enum RunPlanError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Distribution(#[from] DistributionError),
    #[error(transparent)]
    Data(#[from] crate::data::DataError),
    #[error(transparent)]
    Mask(#[from] MaskError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("{error}: --batch-size {fits} is the largest that fits")]
    Batch { error: PlanError, fits: usize },
    #[error(
        "images of {height}×{width} pixels cannot be mirrored by {PAD} pixels, which takes {least}×{least} or more; use \
         `augment = zero` or `augment = none`", least = PAD + 1
    )]
    Reflect { height: usize, width: usize },
    #[error("`storage` = f16 needs conversions that adapter `{adapter}` does not have; use bf16")]
    Storage { adapter: String },
    #[error(
        "`{method}` has no topology update to shrink the set with: they are {delta_t} steps apart (delta_t), and shrink.stop_at = \
         {stop_at} is step {} of {total_steps}; lower `delta_t`, or train longer", (.stop_at * *.total_steps as f64) as usize
    )]
    NeverShrinks { method: &'static str, delta_t: usize, stop_at: f64, total_steps: usize },
    #[error("the training split is empty: {}, {validation} held out; lower `validation`", number_of(*.images, "image"))]
    NoImages { images: usize, validation: f64 },
}

/// A run, ready to be put on a GPU.
pub struct RunPlan {
    pub config: Config,
    pub graph: Graph,
    pub split: Split,
    /// The data has a validation set of its own: nothing is held out.
    pub own_validation: bool,
    /// What [`data::warnings`] says of the data.
    pub(super) data_warnings: Vec<String>,
    /// How many weights are active when.
    pub sizes: SetSizes,
    /// The first set, where it is more than a draw; its layers are in the order of the graph.
    pub first: Option<Arc<FirstSet>>,
    /// Realised share of active weights of each prunable parameter, at the end.
    pub densities: Vec<f64>,
    pub tuning: Tuning,
    /// With memory for what is active at the start.
    pub plan: Plan,
    /// Images on the GPU.
    images: usize,
    /// The most bytes that a binding may span, and a buffer may have.
    limits: [u64; 2],
    /// Of a run that goes on by another schedule of updates: what it had explored by then, which expectations count from.
    pub explored: Option<Explored>,
}

impl RunPlan {
    /// Plans the run of `config` on `dataset` for the limits of `gpu`, with its default kernels.
    pub fn new(config: Config, dataset: &Dataset, gpu: &Gpu) -> Result<Self, RunPlanError> {
        Self::with_tuning(config, dataset, gpu, Tuning::for_gpu(gpu))
    }

    /// The same with the kernels that `tuning` chooses.
    pub fn with_tuning(config: Config, dataset: &Dataset, gpu: &Gpu, tuning: Tuning) -> Result<Self, RunPlanError> {
        Self::with(config, None, dataset, gpu, tuning)
    }

    /// The same with a first set that was found ([`super::first_set::find`]). Where one should be and is not, the layers'
    /// densities are those of `distribution`, as an estimate; no trainer takes such a plan.
    pub fn with(
        config: Config,
        first: Option<Arc<FirstSet>>,
        dataset: &Dataset,
        gpu: &Gpu,
        tuning: Tuning,
    ) -> Result<Self, RunPlanError> {
        if config.storage == Storage::F16 && !gpu.f16 {
            return Err(RunPlanError::Storage { adapter: gpu.summary.name.clone() });
        }
        Self::within(config, first, dataset, tuning, [gpu.max_binding(), gpu.limits.max_buffer_size])
    }

    /// The run as a GPU without limits would have it, to know what it costs where there is no GPU.
    pub fn anywhere(config: Config, dataset: &Dataset) -> Result<Self, RunPlanError> {
        Self::within(config, None, dataset, Tuning::default(), [u32::MAX.into(), i64::MAX as u64])
    }

    fn within(
        config: Config,
        first: Option<Arc<FirstSet>>,
        dataset: &Dataset,
        tuning: Tuning,
        limits: [u64; 2],
    ) -> Result<Self, RunPlanError> {
        config.validate()?;
        let images = &dataset.train;
        let input = Shape::new(images.channels, images.height, images.width);
        if config.augment == Augment::Reflect && images.height.min(images.width) <= PAD {
            return Err(RunPlanError::Reflect { height: images.height, width: images.width });
        }
        let graph = model::build(&config.model, dataset.classes.len(), input)?;
        let split = Split::of(dataset, config.validation)?;
        if split.train.is_empty() {
            let validation = config.validation;
            return Err(RunPlanError::NoImages { images: images.len(), validation });
        }
        let total_steps = split.train.len().div_ceil(config.batch_size) * config.total_epochs();
        if config.method.shrinks && config.shrink.updates(config.delta_t, total_steps).is_none() {
            let (method, delta_t, stop_at) = (config.method.name, config.delta_t, config.shrink.stop_at);
            return Err(RunPlanError::NeverShrinks { method, delta_t, stop_at, total_steps });
        }
        let first = match first {
            None if config.init() == Init::Mask => {
                Some(Arc::new(first_set::file::read(Path::new(&config.mask), &graph, config.structure)?))
            }
            first => first,
        };
        let counts = match &first {
            Some(first) => Some(first.of(&graph, config.structure)?.counts().collect()),
            None => None,
        };
        let sizes = SetSizes::new(&config, &graph, counts, total_steps)?;
        let numels = graph.prunable().map(|(_, param)| param.numel());
        let densities: Vec<f64> =
            sizes.last().iter().zip(numels).map(|(&active, n)| active as f64 / n as f64).collect();
        let images = dataset.parts().map(Images::len).sum();
        let batch = config.batch_size.min(dataset.parts().map(Images::len).max().unwrap_or_default());
        let input = plan_input(&config, &graph, &sizes, (batch, images), &tuning, limits, 0);
        let plan = Plan::compile(&input).map_err(|error| match batch_that_fits(&input) {
            Some(fits) => RunPlanError::Batch { error, fits },
            None => error.into(),
        })?;
        let (own_validation, data_warnings) = (dataset.val.is_some(), data::warnings(dataset));
        Ok(Self {
            config,
            graph,
            split,
            own_validation,
            data_warnings,
            first,
            sizes,
            densities,
            tuning,
            plan,
            images,
            limits,
            explored: None,
        })
    }

    /// The plan in force once `step` steps are done: of a set that has shrunk, with memory and kernels for what is left.
    pub fn plan_after(&self, step: usize) -> Result<Plan, PlanError> {
        let images = (self.plan.batch, self.images);
        let input = plan_input(&self.config, &self.graph, &self.sizes, images, &self.tuning, self.limits, step);
        Plan::compile(&input)
    }

    /// The largest batch, below the configured one, for which the GPU has room right now: found by trying.
    pub async fn batch_with_room(&self, dataset: &Dataset, gpu: &Gpu) -> Option<usize> {
        let mut search = Batches::below(self.config.batch_size);
        while let Some(batch) = search.next() {
            let config = Config { batch_size: batch, ..self.config.clone() };
            let fits = match Self::with(config, self.first.clone(), dataset, gpu, self.tuning.clone()) {
                Ok(run_plan) => Executor::new(gpu.clone(), &run_plan.plan.buffers).await.is_ok(),
                Err(_) => false,
            };
            search.tried(batch, fits);
            // What was tried is gone when the device has noticed.
            gpu.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: None }).ok();
        }
        search.found()
    }

    /// Steps of an epoch; the last may be short.
    pub fn steps_per_epoch(&self) -> usize {
        self.split.train.len().div_ceil(self.config.batch_size)
    }

    pub fn total_steps(&self) -> usize {
        self.steps_per_epoch() * self.config.total_epochs()
    }

    /// The learning rate of step `step` (from 1).
    pub fn lr_of_step(&self, step: usize) -> f64 {
        let config = &self.config;
        config.lr_schedule.at(config.lr, step - 1, config.length(self.steps_per_epoch()))
    }

    /// Whether step `step` (from 1) ends with a topology update.
    pub fn updates_after(&self, step: usize) -> bool {
        self.sizes.updates_after(step)
    }

    /// How many topology updates the run has.
    pub fn updates(&self) -> usize {
        self.sizes.updates()
    }

    /// The prune rate of the update that ends step `step`; what it takes to shrink the set is not counted.
    pub fn prune_rate(&self, step: usize) -> f64 {
        let grows = self.config.growth().is_some();
        if grows { self.config.prune_rate.at(step, self.total_steps()) } else { 0.0 }
    }

    /// Active weights at the end.
    pub fn active(&self) -> usize {
        self.sizes.last().iter().sum()
    }

    /// Active weights at the start.
    pub fn first_active(&self) -> usize {
        self.sizes.first().iter().sum()
    }

    pub fn prunable(&self) -> usize {
        self.plan.layers.iter().map(|layer| layer.numel).sum()
    }

    /// When the set moves, and how far.
    pub fn update_schedule(&self) -> UpdateSchedule {
        let (delta_t, prune_rate) = (self.config.delta_t, self.config.prune_rate);
        UpdateSchedule { total_steps: self.total_steps(), delta_t, prune_rate }
    }

    /// Numbers of the test images: they follow all others.
    pub fn test_images(&self, dataset: &Dataset) -> Vec<u32> {
        let end = dataset.parts().map(Images::len).sum::<usize>();
        (end - dataset.test.len()..end).map(|image| image as u32).collect()
    }
}

/// What is planned for the steps after the first `step`, of so many images a batch and in all.
fn plan_input<'a>(
    config: &Config,
    graph: &'a Graph,
    sizes: &SetSizes,
    (batch, images): (usize, usize),
    tuning: &Tuning,
    [max_binding, max_buffer]: [u64; 2],
    step: usize,
) -> PlanInput<'a> {
    PlanInput {
        graph,
        batch,
        storage: config.storage,
        active: sizes.first().to_vec(),
        least: sizes.least().to_vec(),
        capacity: sizes.capacity(step).to_vec(),
        structure: config.structure,
        update: config.update(),
        nesterov: config.nesterov,
        augment: config.augment.padding(),
        images,
        tuning: tuning.clone(),
        max_binding,
        max_buffer,
    }
}

/// The search for the largest batch that fits.
struct Batches {
    most: usize,
    too_many: usize,
}

impl Batches {
    fn below(too_many: usize) -> Self {
        Self { most: 0, too_many }
    }

    /// The next to try.
    fn next(&self) -> Option<usize> {
        (self.too_many - self.most > 1).then(|| self.most + (self.too_many - self.most) / 2)
    }

    fn tried(&mut self, batch: usize, fits: bool) {
        *(if fits { &mut self.most } else { &mut self.too_many }) = batch;
    }

    fn found(&self) -> Option<usize> {
        (self.most > 0).then_some(self.most)
    }
}

/// The largest batch, below the one that `input` has, that can be planned.
fn batch_that_fits(input: &PlanInput) -> Option<usize> {
    let mut search = Batches::below(input.batch);
    while let Some(batch) = search.next() {
        search.tried(batch, Plan::compile(&PlanInput { batch, ..input.clone() }).is_ok());
    }
    search.found()
}
