//! Where parameters live: one arena each for values, momentum and gradients, of active weights only; per sparse layer its
//! index and bitsets; batch normalisation's running statistics and scratch.

use super::{PlanError, PlanInput, tensors::conv_of};
use crate::gpu::{ALIGNMENT, BufferPlan, Slice};
use crate::model::{Node, Op, ParamId};
use crate::ops::pointwise::{NormSlices, partial_bytes};
use crate::ops::topology::Scratch;
use crate::ops::topology::map::Grid;
use crate::ops::{Conv, Layout, SparseTensor};
use crate::sparsity::Structure;

/// A parameter's place: `len` values (active ones only, in flat order) from the start of each slice.
#[derive(Clone, Copy, Debug)]
pub struct ParamSlot {
    pub len: usize,
    pub value: Slice,
    pub momentum: Slice,
    pub grad: Slice,
}

/// A prunable layer.
#[derive(Clone, Debug)]
pub struct LayerPlan {
    pub param: ParamId,
    /// The weight's name.
    pub name: String,
    pub conv: Conv,
    /// What is active together, as it fits the layer.
    pub structure: Structure,
    pub numel: usize,
    /// Active weights at the start, the fewest at any time, and the most.
    pub active: usize,
    pub least: usize,
    pub capacity: usize,
    /// None: the layer has no zeros and runs dense.
    pub sparse: Option<SparseTensor>,
    /// A float a position, where the growth rule keeps one.
    pub growth_state: Option<Slice>,
}

impl LayerPlan {
    /// How many of `active` weights an update with `rate` prunes.
    pub fn prune_count(&self, rate: f64, active: usize) -> usize {
        self.structure.prune_count(rate, active, self.conv.output.channels)
    }

    /// Entries of its index for so many active weights: as many, or blocks.
    pub fn entries(&self, weights: usize) -> usize {
        weights / self.conv.block
    }

    /// The most of the weights that are active at any time, as a share: what kernels are chosen by.
    pub fn density(&self) -> f64 {
        self.capacity as f64 / self.numel as f64
    }
}

/// Where the active weights of a sparse layer lie.
#[derive(Clone, Copy, Debug)]
pub struct LayerMap {
    /// Number of the layer among the prunable ones.
    pub layer: usize,
    pub grid: Grid,
    /// A word a cell: [`crate::ops::topology::map::Cell`].
    pub slice: Slice,
}

pub(super) struct Params {
    pub slots: Vec<ParamSlot>,
    pub layers: Vec<LayerPlan>,
    pub maps: Vec<LayerMap>,
    pub norms: Vec<NormSlices>,
    pub scratch: Scratch,
    /// Workspace for what one layer's pass leaves to its next dispatch: [`crate::ops::Choice::workspace_bytes`].
    pub workspace: Slice,
    /// The arenas' parts that hold the sparse layers, and the rest: (value, momentum, gradient).
    pub sparse_range: [Slice; 3],
    pub other_range: [Slice; 3],
}

pub(super) fn plan(input: &PlanInput, layouts: &[Layout], buffers: &mut BufferPlan) -> Result<Params, PlanError> {
    let graph = input.graph;
    let mut layers: Vec<LayerPlan> = graph
        .prunable()
        .zip(input.active.iter().zip(&input.least).zip(&input.capacity))
        .filter_map(|((param, data), ((&active, &least), &capacity))| {
            let node = graph.nodes.iter().find(|node| matches!(node.op, Op::Conv { weight, .. } if weight == param))?;
            let conv = conv_of(node, layouts)?;
            let (name, numel) = (data.name.clone(), data.numel());
            let own = input.structure.of_layer(conv.output.channels);
            // A layer without zeros has no set that could have a structure.
            let structure = if least < numel { own } else { Structure::Unstructured };
            let conv = Conv { block: structure.block(), ..conv };
            let (sparse, growth_state) = (None, None);
            Some(LayerPlan { param, name, conv, structure, numel, active, least, capacity, sparse, growth_state })
        })
        .collect();

    // Sparse layers first, so that an update step can do the rest in one range.
    let is_sparse = |layer: &LayerPlan| layer.least < layer.numel;
    let mut order: Vec<ParamId> = layers.iter().filter(|layer| is_sparse(layer)).map(|layer| layer.param).collect();
    let sparse_count = order.len();
    let rest = (0..graph.params.len()).filter(|param| !order.contains(param)).collect::<Vec<_>>();
    order.extend(rest);
    let length = |param: ParamId| {
        layers.iter().find(|layer| layer.param == param).map_or(graph.params[param].numel(), |layer| layer.capacity)
    };
    let mut offsets = vec![(0u64, 0usize); graph.params.len()];
    let mut at = 0;
    let mut boundary = 0;
    for (i, &param) in order.iter().enumerate() {
        if i == sparse_count {
            boundary = at;
        }
        offsets[param] = (at, length(param));
        at += (4 * length(param) as u64).next_multiple_of(ALIGNMENT);
    }
    if at > input.max_buffer {
        let mend = "use a smaller model or a higher --sparsity";
        let what = format!("the active weights of {}", graph.name);
        return Err(PlanError::TooLarge { what, bytes: at, limit: input.max_buffer, mend });
    }
    let arenas =
        ["weights: values", "weights: momentum", "weights: gradients"].map(|group| buffers.storage(group, "", at));
    let slots: Vec<ParamSlot> = offsets
        .iter()
        .map(|&(offset, len)| {
            let [value, momentum, grad] = arenas.map(|arena| arena.part(offset, (4 * len as u64).next_multiple_of(16)));
            ParamSlot { len, value, momentum, grad }
        })
        .collect();
    let sparse_range = arenas.map(|arena| arena.part(0, boundary));
    let other_range = arenas.map(|arena| arena.part(boundary, at - boundary));

    for (number, layer) in layers.iter_mut().enumerate() {
        if is_sparse(layer) {
            let ParamSlot { value, momentum, grad, .. } = slots[layer.param];
            let fan_in = layer.structure == Structure::FanIn;
            let of = (layer.conv, number, layer.entries(layer.capacity), fan_in);
            layer.sparse = Some(SparseTensor::plan(buffers, &layer.name, of, [value, momentum, grad], &input.tuning));
            let state = input.update.map_or(0, |update| update.state_bytes(layer.numel));
            layer.growth_state = (state > 0).then(|| buffers.storage("growth", &layer.name, state).part(0, state));
        }
    }
    let maps = maps(&layers, buffers);
    let sparse = || layers.iter().filter(|layer| layer.sparse.is_some());
    let scatters = layers.iter().filter_map(|layer| layer.sparse).any(|layer| layer.choice(&input.tuning).is_dense());
    let scratch = Scratch::new(
        buffers,
        &sparse().map(|layer| layer.conv).collect::<Vec<_>>(),
        sparse().map(|layer| layer.capacity).max().unwrap_or(0),
        layers.len(),
        input.update.is_some() || scatters,
    );

    let normed: Vec<(&crate::model::Norm, Layout)> = graph
        .nodes
        .iter()
        .filter_map(|node| match &node.op {
            Op::Pointwise { norm: Some(norm), .. } => Some((norm, layouts[node.input])),
            _ => None,
        })
        .collect();
    let partials = buffers.storage(
        "norm",
        "partial sums",
        normed.iter().map(|(_, layout)| partial_bytes(layout)).max().unwrap_or(4),
    );
    let channels = normed.iter().map(|(_, layout)| layout.channels).max().unwrap_or(1);
    let grad_factors = buffers.storage("norm", "gradient factors", 16 * channels as u64);
    let norms = normed
        .iter()
        .map(|(norm, layout)| NormSlices {
            weight: slots[norm.weight].value,
            bias: slots[norm.bias].value,
            weight_grad: slots[norm.weight].grad,
            bias_grad: slots[norm.bias].grad,
            running: buffers.storage("norm", format!("running {}", norm.name), 8 * layout.channels as u64),
            factors: buffers.storage("norm", format!("factors {}", norm.name), 16 * layout.channels as u64),
            partials,
            grad_factors,
        })
        .collect();
    let workspace = buffers.storage("workspace", "", workspace_bytes(input, layouts, &layers).max(4));
    Ok(Params { slots, layers, maps, norms, scratch, workspace, sparse_range, other_range })
}

/// The most that a layer's commands leave to their next dispatches, in a step without an update or with one.
fn workspace_bytes(input: &PlanInput, layouts: &[Layout], layers: &[LayerPlan]) -> u64 {
    let of_node = |node: &Node| {
        let Op::Conv { weight, .. } = node.op else { return None };
        let layer = layers.iter().find(|layer| layer.param == weight);
        let conv = layer.map_or_else(|| conv_of(node, layouts), |layer| Some(layer.conv))?;
        let (active, density) = layer.map_or((conv.numel(), 1.0), |layer| (layer.capacity, layer.density()));
        let choice = input.tuning.choice(&conv, density);
        let own = choice.workspace_bytes(&conv, active);
        match input.update {
            Some(update) if update.needs_dense_gradient(true) => {
                Some(own.max(input.tuning.dense(&conv, choice.grad_weight).workspace_bytes(&conv, active)))
            }
            _ => Some(own),
        }
    };
    input.graph.nodes.iter().filter_map(of_node).max().unwrap_or(0)
}

/// One buffer for the maps of all sparse layers.
fn maps(layers: &[LayerPlan], buffers: &mut BufferPlan) -> Vec<LayerMap> {
    let grids = layers.iter().enumerate().filter(|(_, layer)| layer.sparse.is_some());
    let grids: Vec<(usize, Grid)> = grids.filter_map(|(i, layer)| Some((i, Grid::new(&layer.conv)?))).collect();
    if grids.is_empty() {
        return Vec::new();
    }
    let aligned = |grid: &Grid| grid.bytes().next_multiple_of(ALIGNMENT);
    let whole = buffers.storage("maps", "cells", grids.iter().map(|(_, grid)| aligned(grid)).sum());
    let place = |at: &mut u64, (layer, grid): (usize, Grid)| {
        let slice = whole.part(*at, grid.bytes());
        *at += aligned(&grid);
        Some(LayerMap { layer, grid, slice })
    };
    grids.into_iter().scan(0, place).collect()
}
