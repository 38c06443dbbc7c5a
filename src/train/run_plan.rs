//! All that is known of a run before it uses a GPU: configuration, network, split, active weights of each layer, plan.

use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use super::checkpoint::UpdateSchedule;
use super::first_set::{FirstSet, MaskError};
use super::{Augment, Config, ConfigError, first_set};
use crate::data::{self, Dataset, Images, Split};
use crate::gpu::{Executor, Gpu};
use crate::model::cost::{self, DenseGradient};
use crate::model::{self, Graph, ModelError, Shape};
use crate::ops::augment::PAD;
use crate::ops::{Storage, Tuning};
use crate::plan::{LayerPlan, Plan, PlanError, PlanInput};
use crate::sparsity::expected::Explored;
use crate::sparsity::{self, DistributionError, Init, expected};
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
    /// The first set, where it is more than a draw; its layers are in the order of the graph.
    pub first: Option<Arc<FirstSet>>,
    /// Realised share of active weights of each prunable parameter.
    pub densities: Vec<f64>,
    pub tuning: Tuning,
    pub plan: Plan,
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
        Self::within(config, first, dataset, tuning, (gpu.max_binding(), gpu.limits.max_buffer_size))
    }

    /// The run as a GPU without limits would have it, to know what it costs where there is no GPU.
    pub fn anywhere(config: Config, dataset: &Dataset) -> Result<Self, RunPlanError> {
        Self::within(config, None, dataset, Tuning::default(), (u32::MAX.into(), i64::MAX as u64))
    }

    fn within(
        config: Config,
        first: Option<Arc<FirstSet>>,
        dataset: &Dataset,
        tuning: Tuning,
        (max_binding, max_buffer): (u64, u64),
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
        let structure = config.structure;
        let first = match first {
            None if config.init() == Init::Mask => {
                Some(Arc::new(first_set::file::read(Path::new(&config.mask), &graph, structure)?))
            }
            first => first,
        };
        let active: Vec<usize> = match &first {
            Some(first) => first.of(&graph, structure)?.counts().collect(),
            None => {
                let densities = match config.init() {
                    Init::Dense => vec![1.0; graph.prunable().count()],
                    _ => config.distribution.densities(&graph, config.density())?,
                };
                let active =
                    |(density, (_, param)): (f64, (usize, &model::Param))| structure.active(density, &param.shape);
                densities.into_iter().zip(graph.prunable()).map(active).collect()
            }
        };
        let numels: Vec<usize> = graph.prunable().map(|(_, param)| param.numel()).collect();
        let densities: Vec<f64> = active.iter().zip(&numels).map(|(&a, &n)| a as f64 / n as f64).collect();
        let batch = config.batch_size.min(dataset.parts().map(Images::len).max().unwrap_or_default());
        let input = PlanInput {
            graph: &graph,
            batch,
            storage: config.storage,
            capacity: active.clone(),
            active,
            structure,
            update: config.method.update,
            nesterov: config.nesterov,
            augment: config.augment.padding(),
            images: dataset.parts().map(Images::len).sum(),
            tuning: tuning.clone(),
            max_binding,
            max_buffer,
        };
        let plan = Plan::compile(&input).map_err(|error| match batch_that_fits(&input) {
            Some(fits) => RunPlanError::Batch { error, fits },
            None => error.into(),
        })?;
        let (own_validation, data_warnings) = (dataset.val.is_some(), data::warnings(dataset));
        Ok(Self { config, graph, split, own_validation, data_warnings, first, densities, tuning, plan, explored: None })
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
        let config = &self.config;
        config.method.update.is_some() && config.prune_rate.updates_after(step, config.delta_t, self.total_steps())
    }

    /// How many topology updates the run has.
    pub fn updates(&self) -> usize {
        match self.config.method.update {
            Some(_) => self.config.prune_rate.updates(self.config.delta_t, self.total_steps()).count(),
            None => 0,
        }
    }

    /// The prune rate of the update that ends step `step`.
    pub fn prune_rate(&self, step: usize) -> f64 {
        self.config.prune_rate.at(step, self.total_steps())
    }

    pub fn active(&self) -> usize {
        self.plan.layers.iter().map(|layer| layer.active).sum()
    }

    pub fn prunable(&self) -> usize {
        self.plan.layers.iter().map(|layer| layer.numel).sum()
    }

    /// Share of reliably explored positions while no prune has happened: what never moves is reliable throughout, and of
    /// what can move nothing has survived a prune yet.
    pub fn reliable_without_updates(&self) -> f64 {
        let still = self.updates() == 0;
        let count = |layer: &LayerPlan| {
            if still || layer.sparse.is_none() { layer.active } else { 0 }
        };
        self.plan.layers.iter().map(count).sum::<usize>() as f64 / self.prunable() as f64
    }

    /// Forward FLOPs over dense ones.
    pub fn inference_flops_ratio(&self) -> f64 {
        cost::forward_flops_ratio(&self.graph, &self.densities)
    }

    /// Training FLOPs over dense ones, in RigL's accounting; what the first set takes is counted too.
    pub fn training_flops_ratio(&self) -> f64 {
        let growth = self.config.method.growth();
        let dense_gradient = match growth.map_or(sparsity::DenseGradient::Never, |growth| growth.dense_gradient) {
            sparsity::DenseGradient::Never => DenseGradient::Never,
            sparsity::DenseGradient::AtUpdates => DenseGradient::Every { delta_t: self.config.delta_t },
            sparsity::DenseGradient::EveryStep => DenseGradient::Always,
        };
        self.first_set_flops_ratio() + cost::training_flops_ratio(&self.graph, &self.densities, dense_gradient)
    }

    /// FLOPs of the whole training, in RigL's accounting: forward, input gradient and weight gradient of every training image
    /// in every epoch, two a multiply-accumulate of an active weight.
    pub fn training_flops(&self) -> f64 {
        let images = self.split.train.len() * self.config.total_epochs();
        6.0 * cost::macs(&self.graph) as f64 * self.training_flops_ratio() * images as f64
    }

    /// The ITOP rate that random growth would reach, from the start or from what is [`Self::explored`].
    pub fn expected_itop_rate(&self) -> f64 {
        self.expected_itop_rate_after(self.total_steps(), self.explored.as_ref())
    }

    /// The ITOP rate that random growth would have reached after `step` steps, from the start or from what was `explored`.
    pub fn expected_itop_rate_after(&self, step: usize, explored: Option<&Explored>) -> f64 {
        let config = &self.config;
        match config.method.update {
            None => self.active() as f64 / self.prunable() as f64,
            Some(_) => {
                let start = Explored { step: 0, layers: self.densities.clone() };
                let schedule = (&config.prune_rate, config.delta_t, self.total_steps());
                let from = explored.unwrap_or(&start);
                expected::itop_rate_until(&self.graph, &self.densities, schedule, from, step).total
            }
        }
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

    /// GPU bytes of what training keeps of the prunable weights: values, momentum, index,
    /// active and explored bits, and what the growth rule keeps.
    pub fn state_bytes(&self) -> u64 {
        let of = |layer: &LayerPlan| {
            let state = layer.growth_state.map_or(0, |state| state.bytes);
            8 * layer.capacity as u64 + layer.sparse.map_or(0, |sparse| sparse.index_bytes()) + state
        };
        self.plan.layers.iter().map(of).sum()
    }

    /// Bytes that the statistics of exploration need beside: the first active sets, the ages and the maps.
    pub fn statistics_bytes(&self) -> u64 {
        let sparse = self.plan.layers.iter().filter_map(|layer| layer.sparse.as_ref());
        let maps = self.plan.maps.iter().map(|map| map.slice.bytes).sum::<u64>();
        maps + sparse.map(|sparse| sparse.statistics_bytes()).sum::<u64>()
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
