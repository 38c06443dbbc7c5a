//! First active sets that are more than a draw: chosen by running the dense network before training (SNIP, SynFlow), left of it after
//! training (lottery tickets), or read from a file.
//!
//! They come before the plan of the run, since the layers' densities come out of them: [`find`] first, then [`RunPlan::with`].
//! A run folder keeps the set (`first.safetensors`), so that a run that goes on need not find it again.
//!
//! [`RunPlan::with`]: crate::train::RunPlan::with

mod dense;
pub mod file;
mod lottery;
mod npz;
mod scores;
mod synflow;

use std::path::Path;
use std::sync::Arc;

pub use dense::{Batch, DenseNetwork};
pub use file::MaskError;
pub use scores::{Progress, snip};
pub use synflow::{ROUNDS, synflow};

use scores::finite;

use super::run_folder::{FIRST, REWOUND};
use super::{Config, Listener, RunPlanError, TrainError};
use crate::data::{Dataset, Images, Split, epoch_order};
use crate::gpu::Gpu;
use crate::model::{self, Graph, Param, Shape};
use crate::ops::Conv;
use crate::ops::augment::normalised;
use crate::sparsity::{Init, Scored, Structure, choose, exact_nnz, init};

/// The first active set of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstSet {
    /// Of each prunable parameter, in the order of the graph.
    pub layers: Vec<LayerSet>,
    /// What the network starts from, if it was trained before; else its weights are drawn.
    pub state: Option<Arc<State>>,
}

/// A network that was trained.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Of each parameter: its values; of one that has inactive weights those of the active ones.
    pub values: Vec<Vec<f32>>,
    /// Of each norm: means, then variances.
    pub running: Vec<Vec<f32>>,
}

impl State {
    /// The values of parameter `id` of a dense network that are active; `active`: its geometry and its bitset, none of a
    /// parameter that is not sparse.
    pub(super) fn values_of(&self, id: usize, active: Option<(&Conv, &[u32])>) -> Vec<f32> {
        let values = &self.values[id];
        active.map_or_else(|| values.clone(), |(conv, bits)| init::places(conv, bits).map(|at| values[at]).collect())
    }
}

/// The first active set of a weight.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSet {
    /// The weight's name.
    pub name: String,
    pub shape: Vec<usize>,
    /// Of each weight.
    pub active: Vec<bool>,
}

impl FirstSet {
    fn new(graph: &Graph, active: Vec<Vec<bool>>) -> Self {
        let layer = |((_, param), active): ((usize, &Param), Vec<bool>)| LayerSet {
            name: param.name.clone(),
            shape: param.shape.clone(),
            active,
        };
        Self { layers: graph.prunable().zip(active).map(layer).collect(), state: None }
    }

    /// The files that a run folder keeps of it, by name; `origin` says where the set comes from, `graph` is its network.
    pub(super) fn files(
        &self,
        origin: &str,
        graph: &Graph,
    ) -> Result<Vec<(&'static str, Vec<u8>)>, safetensors::SafeTensorError> {
        let mut files = vec![(FIRST, self.to_bytes(origin)?)];
        if let Some(state) = &self.state {
            files.push((REWOUND, state.to_bytes(graph)?));
        }
        Ok(files)
    }

    /// Active weights of each prunable parameter.
    pub fn counts(&self) -> impl Iterator<Item = usize> {
        self.layers.iter().map(|layer| layer.active.iter().filter(|&&set| set).count())
    }
}

/// The first set of the run of `config`, where running the network chooses it or a file has it; none where it is drawn, or all is active. The
/// same on every call, for the same device.
///
/// # Errors
/// When the dense network does not fit the device, or its numbers are not finite.
pub async fn find(
    config: &Config,
    dataset: &Dataset,
    gpu: &Gpu,
    listener: &mut dyn Listener,
) -> Result<Option<Arc<FirstSet>>, TrainError> {
    let how = config.init();
    if matches!(how, Init::Dense | Init::Random) {
        return Ok(None);
    }
    config.validate().map_err(RunPlanError::from)?;
    let graph = graph(config, dataset)?;
    if how == Init::Mask {
        let set = file::read(Path::new(&config.mask), &graph, config.structure);
        return Ok(Some(Arc::new(set.map_err(RunPlanError::from)?)));
    }
    if how == Init::Lottery {
        return Ok(Some(Arc::new(lottery::lottery(config, dataset, gpu, listener).await?)));
    }
    let values: Vec<Vec<f32>> =
        graph.params.iter().enumerate().map(|(id, param)| init::values(config.seed, id, param, None)).collect();
    let mut progress = |what: &Progress| listener.choosing(how.name(), what);
    let (structure, density) = (config.structure, config.density());
    let active = match how {
        Init::Synflow => synflow(gpu, &graph, &values, (structure, density, ROUNDS), &mut progress).await?,
        _ => {
            let batches = batches(config, dataset)?;
            let network = DenseNetwork::new(gpu, &graph, batches.first().map_or(1, Batch::images)).await;
            let network = network.map_err(|error| error.of(how))?;
            let scores = snip(&network, &values, &batches, &mut progress).await?;
            choose_by(&graph, structure, &scores, density)
        }
    };
    Ok(Some(Arc::new(FirstSet::new(&graph, active))))
}

/// The first set that the run of `config` in `folder` keeps; none if it was drawn. A run keeps it before it is one.
///
/// # Errors
/// When it cannot be read, or is not one of this run.
pub fn kept(folder: &Path, config: &Config, dataset: &Dataset) -> Result<Option<Arc<FirstSet>>, TrainError> {
    let path = folder.join(FIRST);
    if matches!(config.init(), Init::Dense | Init::Random) {
        return Ok(None);
    }
    let graph = graph(config, dataset)?;
    let mut set = file::read(&path, &graph, config.structure).map_err(RunPlanError::from)?;
    if config.init() == Init::Lottery && config.lottery.rewind > 0 {
        let state = file::read_state(&folder.join(REWOUND), &graph).map_err(RunPlanError::from)?;
        set.state = Some(Arc::new(state));
    }
    // The file may be gone; if it is there, it must be what it was.
    let mask = Path::new(&config.mask);
    if config.init() == Init::Mask && mask.exists() {
        let now = file::read(mask, &graph, config.structure).map_err(RunPlanError::from)?;
        if let Some((layer, _)) = now.layers.iter().zip(&set.layers).find(|(now, kept)| now != kept) {
            let (path, name, kept) = (mask.into(), layer.name.clone(), path);
            return Err(RunPlanError::from(MaskError::Changed { path, name, kept }).into());
        }
    }
    Ok(Some(Arc::new(set)))
}

fn graph(config: &Config, dataset: &Dataset) -> Result<Graph, RunPlanError> {
    let Images { channels, height, width, .. } = dataset.train;
    Ok(model::build(&config.model, dataset.classes.len(), Shape::new(channels, height, width))?)
}

/// The active weights of each prunable parameter: those of highest score, to `density` in all, as `structure` has them.
pub fn choose_by(graph: &Graph, structure: Structure, scores: &[Vec<f32>], density: f64) -> Vec<Vec<bool>> {
    let layers = graph.prunable().zip(scores).map(|((_, param), scores)| {
        let outputs = param.shape[0];
        Scored { scores, outputs, structure: structure.of_layer(outputs) }
    });
    choose(&layers.collect::<Vec<_>>(), exact_nnz(density, scores.iter().map(Vec::len).sum()))
}

/// Training images of each class that scores are taken over, as the code of SynFlow has it for SNIP; and the
/// least of them in all, one batch of SNIP's paper. A batch has at most so many.
const OF_CLASS: usize = 10;
const LEAST: usize = 128;

/// Images of a batch, and how many batches there are, of so many classes and training images.
fn size_and_batches(config: &Config, classes: usize, train: usize) -> (usize, usize) {
    let size = config.batch_size.min(LEAST).min(train).max(1);
    (size, LEAST.max(OF_CLASS * classes).div_ceil(size).min(train / size))
}

/// How many images go through the dense network, forward and back, to choose the first set.
pub(super) fn image_passes(how: Init, config: &Config, classes: usize, train: usize) -> usize {
    let (size, batches) = size_and_batches(config, classes, train);
    match how {
        Init::Snip => size * batches,
        Init::Synflow => ROUNDS,
        Init::Dense | Init::Random | Init::Lottery | Init::Mask => 0,
    }
}

/// The images that scores are taken over: those of the first steps of the run, as they are, in batches of one size.
pub(super) fn batches(config: &Config, dataset: &Dataset) -> Result<Vec<Batch>, TrainError> {
    let split = Split::of(dataset, config.validation).map_err(RunPlanError::from)?;
    let order = epoch_order(config.seed, 0, &split.train);
    let (size, wanted) = size_and_batches(config, dataset.classes.len(), order.len());
    let normal = normalised(&dataset.mean, &dataset.std);
    let Images { channels, height, width, pixels, labels, .. } = &dataset.train;
    let (plane, bytes) = (height * width, channels * height * width);
    let batch = |images: &[u32]| {
        let of = |&image: &u32| {
            let image = &pixels[image as usize * bytes..][..bytes];
            image.iter().enumerate().map(|(at, &byte)| normal[at / plane * 256 + usize::from(byte)])
        };
        Batch {
            input: images.iter().flat_map(of).collect(),
            labels: images.iter().map(|&image| labels[image as usize] as usize).collect(),
        }
    };
    Ok(order.chunks_exact(size).take(wanted).map(batch).collect())
}
