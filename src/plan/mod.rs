//! From a graph, a batch size and the number of active weights of each layer to a [`Plan`]: every buffer and every dispatch
//! of a step, fixed before anything is allocated. Pure data: a dry run prints it, [`crate::gpu::Executor`] carries it out.

mod commands;
mod memory;
mod params;
mod permutations;
mod tensors;

pub use memory::{MemoryRow, memory_table};
pub use params::{LayerMap, LayerPlan, ParamSlot};
pub use permutations::{candidates, permutations};

use std::ops::Range;

use thiserror::Error;

use crate::gpu::{BufferPlan, Command, Slice};
use crate::model::{Graph, Op, ParamId};
use crate::ops::augment::Padding;
use crate::ops::topology::Goes;
use crate::ops::{Layout, StepParams, Storage, Tuning};
use crate::sparsity::{Structure, Update};
use crate::words::{count, number_of};

/// Metrics slots for training steps; one more is for evaluation.
pub const METRIC_SLOTS: usize = 64;

/// What to plan for.
#[derive(Clone, Debug)]
pub struct PlanInput<'a> {
    pub graph: &'a Graph,
    /// Images a step.
    pub batch: usize,
    /// How activations are kept.
    pub storage: Storage,
    /// Active weights of each prunable parameter at the start, in parameter order: numbers that `structure` allows.
    pub active: Vec<usize>,
    /// The fewest that each has at any time. A layer that is always full runs dense.
    pub least: Vec<usize>,
    /// The most: what memory is planned for.
    pub capacity: Vec<usize>,
    /// What is active together.
    pub structure: Structure,
    /// How updates move the sets; none: there are none.
    pub update: Option<Update>,
    pub nesterov: bool,
    pub augment: Option<Padding>,
    /// Images that stay on the GPU (training and test).
    pub images: usize,
    pub tuning: Tuning,
    /// The most bytes a storage binding may span, and a buffer may have.
    pub max_binding: u64,
    pub max_buffer: u64,
}

/// A network, ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub buffers: BufferPlan,
    pub batch: usize,
    /// Uniform with [`StepParams`].
    pub run: Slice,
    /// Image numbers in the order of an epoch.
    pub order: Slice,
    pub image_labels: Slice,
    /// `(mean, 1/std)` a channel.
    pub normal: Slice,
    /// The images, `per_chunk` a slice.
    pub chunks: Vec<Slice>,
    pub per_chunk: usize,
    /// [`METRIC_SLOTS`] + 1 times `(loss sum, correct, images, 0)`.
    pub metrics: Slice,
    pub logits: (Layout, Slice),
    /// The network's input and its labels, for tests that skip the dataset.
    pub input: (Layout, Slice),
    pub labels: Slice,
    /// One a parameter of the graph.
    pub params: Vec<ParamSlot>,
    /// One a prunable parameter.
    pub layers: Vec<LayerPlan>,
    /// Running statistics of each norm in forward order: means, then variances.
    pub running: Vec<Slice>,
    /// Per layer: [`crate::ops::topology::UpdateCounts`]; written before an update.
    pub update_counts: Slice,
    /// The threshold below which weights go, where updates move it: a float.
    pub threshold: Option<Slice>,
    /// Per layer: [`crate::ops::topology::UpdateStats`]; cleared before an update.
    pub update_stats: Slice,
    /// Where the active weights of each sparse layer lie, on a grid of cells; in layer order.
    pub maps: Vec<LayerMap>,
    /// Builds the index of all sparse layers from their bitsets.
    pub index: Vec<Command>,
    /// Counts the cells of `maps`.
    pub map: Vec<Command>,
    /// Fetches and augments the batch that the step names.
    pub fetch_train: Command,
    pub fetch_eval: Command,
    /// Forward, loss, backward, update.
    pub train: Vec<Command>,
    /// Which of them are the loss: before them is the forward pass, after them the backward pass and the update.
    pub loss: Range<usize>,
    /// The gradient of the logits, which the loss writes.
    pub logits_grad: Option<Slice>,
    /// The same with a topology update of every sparse layer, if there are updates.
    pub update: Vec<Command>,
    /// Forward with running statistics, loss.
    pub eval: Vec<Command>,
}

/// A network that cannot be run as asked.
#[derive(Debug, Error)]
pub enum PlanError {
    #[error(
        "{} of {bytes} bytes are more than this adapter holds, which are {}; use fewer or smaller images",
        number_of(*.images, "image"), count(3 * (.max_binding / (*.bytes).max(1) as u64))
    )]
    DatasetTooLarge { images: usize, bytes: usize, max_binding: u64 },
    #[error("{what} needs {} bytes in one piece, and the adapter allows {}; {mend}", count(.bytes), count(.limit))]
    TooLarge { what: String, bytes: u64, limit: u64, mend: &'static str },
}

impl Plan {
    /// Plans a run.
    pub fn compile(input: &PlanInput) -> Result<Self, PlanError> {
        let graph = input.graph;
        let mut buffers = BufferPlan::default();
        let run = buffers.uniform("run", "step", size_of::<StepParams>() as u64);
        let tensors = tensors::plan(input, &mut buffers)?;
        let params = params::plan(input, &tensors.layouts, &mut buffers)?;

        let image = &tensors.layouts[0];
        let bytes = image.channels * image.pixels();
        let per_chunk = (input.max_binding as usize / bytes).min(input.images.max(1));
        if input.images.div_ceil(per_chunk.max(1)) > 3 || per_chunk == 0 {
            let max_binding = input.max_binding;
            return Err(PlanError::DatasetTooLarge { images: input.images, bytes, max_binding });
        }
        let chunks: Vec<Slice> = (0..input.images.max(1))
            .step_by(per_chunk)
            .map(|first| {
                let images = per_chunk.min(input.images.max(1) - first);
                buffers.storage("dataset", "images", (images * bytes) as u64)
            })
            .collect();
        let words = |count: usize| 4 * count as u64;
        let order = buffers.storage("dataset", "order", words(input.images));
        let image_labels = buffers.storage("dataset", "labels", words(input.images));
        let normal = buffers.storage("dataset", "normalisation", crate::ops::augment::normalised_bytes(image.channels));
        let slots = image.blocks() * image.block_images();
        let labels = buffers.storage("run", "labels", words(slots));
        let result = buffers.storage("run", "losses", 8 * slots as u64);
        let metrics = buffers.storage("run", "metrics", 16 * (METRIC_SLOTS as u64 + 1));

        let context = commands::Context { input, tensors: &tensors, params: &params, run, labels, result, metrics };
        let fetch = crate::ops::augment::AugmentSlices {
            order,
            image_labels,
            labels,
            output: tensors.value[0],
            normal,
            chunks: chunks.clone(),
            per_chunk,
        };
        let logits = graph.logits();
        let adaptive = input.update.is_some_and(|update| update.prune.goes == Goes::BelowAdaptive);
        let plan = Self {
            batch: input.batch,
            index: context.index(),
            map: context.map(),
            fetch_train: crate::ops::augment::pass(image, &fetch, run, input.augment),
            fetch_eval: crate::ops::augment::pass(image, &fetch, run, None),
            train: context.train(false),
            loss: context.loss_of_train(),
            logits_grad: tensors.grad[logits],
            update: if input.update.is_some() { context.train(true) } else { Vec::new() },
            eval: context.eval(),
            run,
            order,
            image_labels,
            normal,
            chunks,
            per_chunk,
            metrics,
            logits: (tensors.layouts[logits], tensors.value[logits]),
            input: (*image, tensors.value[0]),
            labels,
            update_counts: params.scratch.update_counts,
            threshold: adaptive.then(|| params.scratch.threshold.part(0, 4)),
            update_stats: params.scratch.update_stats,
            running: params.norms.iter().map(|norm| norm.running).collect(),
            params: params.slots,
            layers: params.layers,
            maps: params.maps,
            buffers,
        };
        plan.check_limits(input)?;
        Ok(plan)
    }

    /// What no part of the plan has looked at before it was there: every binding and every buffer.
    fn check_limits(&self, input: &PlanInput) -> Result<(), PlanError> {
        let too_large = |what: String, bytes, limit| {
            let mend = "use a smaller model or batch, or an adapter with larger buffers";
            Err(PlanError::TooLarge { what, bytes, limit, mend })
        };
        for command in [&self.index, &self.map, &self.train, &self.update, &self.eval].into_iter().flatten() {
            let Command::Dispatch { label, bindings, .. } = command else { continue };
            if let Some(slice) = bindings.iter().find(|slice| slice.bytes > input.max_binding) {
                let buffer = self.buffers.buffers[slice.buffer].label();
                return too_large(format!("`{buffer}` for `{label}`"), slice.bytes, input.max_binding);
            }
        }
        let large = self.buffers.buffers.iter().find(|buffer| buffer.bytes > input.max_buffer);
        large.map_or(Ok(()), |buffer| too_large(format!("`{}`", buffer.label()), buffer.bytes, input.max_buffer))
    }

    /// A whole step of training: the batch, then `commands`; nothing without commands.
    pub fn step(&self, commands: &[Command]) -> Vec<Command> {
        if commands.is_empty() { Vec::new() } else { [std::slice::from_ref(&self.fetch_train), commands].concat() }
    }

    /// The layer plan of a prunable parameter.
    pub fn layer_of(&self, param: ParamId) -> Option<&LayerPlan> {
        self.layers.iter().find(|layer| layer.param == param)
    }
}

/// Every prunable layer's name, geometry at `batch` images and density, in parameter order.
pub fn convolutions(
    graph: &Graph,
    batch: usize,
    storage: Storage,
    densities: &[f64],
) -> Vec<(String, crate::ops::Conv, f64)> {
    let layouts = tensors::layouts(graph, batch, storage);
    let of = |((param, data), &density): ((ParamId, &crate::model::Param), &f64)| {
        let weight = |node: &&crate::model::Node| matches!(node.op, Op::Conv { weight, .. } if weight == param);
        let conv = tensors::conv_of(graph.nodes.iter().find(weight)?, &layouts)?;
        Some((data.name.clone(), conv, density))
    };
    graph.prunable().zip(densities).filter_map(of).collect()
}
