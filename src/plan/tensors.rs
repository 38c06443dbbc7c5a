//! Where activations and their gradients live. Every tensor has the borders that its convolutions need, and buffers are
//! shared by tensors of one layout whose lives do not overlap (of one layout only, because borders must stay zero).

use super::{PlanError, PlanInput};
use crate::gpu::{BufferPlan, Slice};
use crate::model::{Graph, Node, Op, Shape, TensorId};
use crate::ops::pool::{Pool, PoolKind};
use crate::ops::{Conv, Layout, Storage};

/// Layout and place of every tensor of the graph.
pub(super) struct Tensors {
    pub layouts: Vec<Layout>,
    pub value: Vec<Slice>,
    /// None where no gradient is needed.
    pub grad: Vec<Option<Slice>>,
}

pub(super) fn plan(input: &PlanInput, buffers: &mut BufferPlan) -> Result<Tensors, PlanError> {
    let graph = input.graph;
    let layouts = layouts(graph, input.batch, input.storage);
    for (tensor, layout) in layouts.iter().enumerate() {
        let limit = input.max_binding.min(input.max_buffer);
        if layout.bytes() > limit {
            let what = format!("activation {tensor} of {} at batch {}", graph.name, input.batch);
            let mend =
                if input.batch > 1 { "use a smaller --batch-size" } else { "use smaller images, or a smaller network" };
            return Err(PlanError::TooLarge { what, bytes: layout.bytes(), limit, mend });
        }
    }
    let needs = needs_grad(graph);
    // Time: node i runs forward at i and backward at 2n − i; the loss is at n.
    let n = graph.nodes.len();
    let mut value_life: Vec<(usize, usize)> = vec![(0, 0); graph.tensors.len()];
    let mut grad_life: Vec<Option<(usize, usize)>> = vec![None; graph.tensors.len()];
    let mut read = |tensor: TensorId, at: usize| value_life[tensor].1 = value_life[tensor].1.max(at);
    let mut touch = |tensor: TensorId, at: usize| {
        if needs[tensor] {
            let life = grad_life[tensor].get_or_insert((at, at));
            *life = (life.0.min(at), life.1.max(at));
        }
    };
    for (i, node) in graph.nodes.iter().enumerate() {
        let back = 2 * n - i;
        read(node.input, i);
        read(node.output, i);
        touch(node.output, back);
        touch(node.input, back);
        match &node.op {
            Op::Conv { .. } | Op::Pool(Pool { kind: PoolKind::Max, .. }) => read(node.input, back),
            Op::Pointwise { norm, residual, relu } => {
                if norm.is_some() {
                    read(node.input, back);
                }
                if *relu {
                    read(node.output, back);
                }
                if let Some(residual) = *residual {
                    read(residual, i);
                    touch(residual, back);
                }
            }
            Op::Pool(_) | Op::Flatten => {}
        }
    }
    read(graph.logits(), n);
    touch(graph.logits(), n);
    for (i, node) in graph.nodes.iter().enumerate() {
        value_life[node.output].0 = i;
    }

    // Linear scan in order of birth: the first free buffer of the same layout, else a new one.
    enum Kind {
        Value,
        Grad,
    }
    let mut lives: Vec<(usize, usize, TensorId, Kind)> = Vec::new();
    for tensor in 0..graph.tensors.len() {
        lives.push((value_life[tensor].0, value_life[tensor].1, tensor, Kind::Value));
        if let Some((first, last)) = grad_life[tensor] {
            lives.push((first, last, tensor, Kind::Grad));
        }
    }
    lives.sort_by_key(|&(first, _, tensor, _)| (first, tensor));
    let mut pool: Vec<(Layout, Slice, usize)> = Vec::new();
    let mut value = vec![None; graph.tensors.len()];
    let mut grad = vec![None; graph.tensors.len()];
    for (first, last, tensor, kind) in lives {
        let layout = layouts[tensor];
        let slice = match pool.iter_mut().find(|(shape, _, until)| *shape == layout && *until < first) {
            Some((_, slice, until)) => {
                *until = last;
                *slice
            }
            None => {
                let slice = buffers.storage("activations", describe(&layout), layout.bytes());
                pool.push((layout, slice, last));
                slice
            }
        };
        match kind {
            Kind::Value => value[tensor] = Some(slice),
            Kind::Grad => grad[tensor] = Some(slice),
        }
    }
    Ok(Tensors { layouts, value: value.into_iter().flatten().collect(), grad })
}

fn describe(layout: &Layout) -> String {
    format!("{}x{}x{}", layout.channels, layout.height, layout.width)
}

/// Which tensors need a gradient: those that a parameter came before.
pub(super) fn needs_grad(graph: &Graph) -> Vec<bool> {
    let mut needs = vec![false; graph.tensors.len()];
    for node in &graph.nodes {
        needs[node.output] = needs[node.input]
            || match &node.op {
                Op::Conv { .. } => true,
                Op::Pointwise { norm, residual, .. } => norm.is_some() || residual.is_some_and(|tensor| needs[tensor]),
                _ => false,
            };
    }
    // What adds or normalises passes a gradient on from its input's, be it of the images.
    for node in &graph.nodes {
        if matches!(node.op, Op::Pointwise { .. }) && needs[node.output] {
            needs[node.input] = true;
        }
    }
    needs
}

/// Every tensor's layout, with the border that the convolutions around it need.
pub(super) fn layouts(graph: &Graph, batch: usize, storage: Storage) -> Vec<Layout> {
    let layout = |shape: &Shape| Layout::new(shape.channels, shape.height, shape.width, 0, batch).stored(storage);
    let mut layouts: Vec<Layout> = graph.tensors.iter().map(layout).collect();
    for node in &graph.nodes {
        if let Op::Conv { kernel, stride, padding, .. } = node.op {
            let (input, output) = (layouts[node.input], layouts[node.output]);
            let behind = |size, out| Conv::output_halo(size, out, kernel, stride, padding);
            let halo = behind(input.height, output.height).max(behind(input.width, output.width));
            layouts[node.input].halo = input.halo.max(Conv::input_halo(padding));
            layouts[node.output].halo = output.halo.max(halo);
        }
    }
    layouts
}

/// The convolution that a node computes, with a weight without blocks.
pub(super) fn conv_of(node: &Node, layouts: &[Layout]) -> Option<Conv> {
    match node.op {
        Op::Conv { kernel, stride, padding, .. } => {
            Some(Conv { input: layouts[node.input], output: layouts[node.output], kernel, stride, padding, block: 1 })
        }
        _ => None,
    }
}
