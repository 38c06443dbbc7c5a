//! What a network costs: parameters and multiply-accumulates. Only convolution and linear layers are counted, as the
//! papers do: no bias, normalisation, ReLU or pooling. Padding is not discounted, nor is index traffic counted.

use super::{Graph, Op, ParamId, ParamKind};

/// Kind of a weight layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    Conv,
    Linear,
}

/// One convolution or linear layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerCost {
    /// The PyTorch module's name.
    pub name: String,
    pub weight: ParamId,
    pub kind: LayerKind,
    pub in_channels: usize,
    pub out_channels: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub bias: bool,
    /// Height and width.
    pub in_hw: [usize; 2],
    /// Height and width.
    pub out_hw: [usize; 2],
    /// Multiply-accumulates of the dense layer an image; a FLOPs count is twice that.
    pub macs: u64,
}

/// The convolution and linear layers in forward order.
pub fn layers(graph: &Graph) -> Vec<LayerCost> {
    let layer = |node: &super::Node| {
        let Op::Conv { weight, bias, kernel, stride, padding } = node.op else { return None };
        let (input, output) = (graph.tensors[node.input], graph.tensors[node.output]);
        let param = &graph.params[weight];
        Some(LayerCost {
            name: node.name.clone(),
            weight,
            kind: if param.kind == ParamKind::LinearWeight { LayerKind::Linear } else { LayerKind::Conv },
            in_channels: input.channels,
            out_channels: output.channels,
            kernel,
            stride,
            padding,
            bias: bias.is_some(),
            in_hw: [input.height, input.width],
            out_hw: [output.height, output.width],
            macs: param.numel() as u64 * (output.height * output.width) as u64,
        })
    };
    graph.nodes.iter().filter_map(layer).collect()
}

/// All trainable parameters.
pub fn parameters(graph: &Graph) -> usize {
    graph.params.iter().map(|param| param.numel()).sum()
}

/// The weights that have a mask.
pub fn maskable_parameters(graph: &Graph) -> usize {
    graph.prunable().map(|(_, param)| param.numel()).sum()
}

/// Multiply-accumulates of a dense forward pass an image.
pub fn macs(graph: &Graph) -> u64 {
    layers(graph).iter().map(|layer| layer.macs).sum()
}

/// FLOPs of a sparse forward pass over those of the dense one. `densities`: one a prunable parameter, in parameter order.
pub fn forward_flops_ratio(graph: &Graph, densities: &[f64]) -> f64 {
    let mut layers = layers(graph);
    layers.sort_by_key(|layer| layer.weight);
    let sparse: f64 = layers.iter().zip(densities).map(|(layer, density)| layer.macs as f64 * density).sum();
    sparse / macs(graph) as f64
}

/// The fewest bytes of activations that a training step must move for `images` images of 4 bytes an element, when every
/// pass reads each of its operands once and nothing stays in a cache from one pass to the next: a convolution reads x and
/// writes y, reads dy and writes dx, reads x and dy; a pointwise node reads x, y and the residual and writes y, and backward
/// reads x and dy twice (batch normalisation needs their sums first; the second time the residual's gradient may stand for dy), and
/// once y where it tells what passed the ReLU and x alone does not, and writes dx and the residual's gradient. Its statistics come free with the convolution that writes x.
pub fn step_bytes(graph: &Graph, images: usize) -> u64 {
    let size = |tensor: usize| {
        let shape = graph.tensors[tensor];
        (shape.channels * shape.height * shape.width) as u64
    };
    let elements = graph.nodes.iter().map(|node| {
        let (x, y) = (size(node.input), size(node.output));
        match &node.op {
            Op::Conv { .. } => 3 * x + 3 * y,
            Op::Pointwise { norm, residual, relu } => {
                let reads = if norm.is_some() { 2 } else { 1 };
                let mask = if *relu && (norm.is_none() || residual.is_some()) { y } else { 0 };
                let forward = x + y + residual.map_or(0, size);
                forward + reads * (if norm.is_some() { x } else { 0 } + y) + mask + x + residual.map_or(0, size)
            }
            Op::Pool(_) | Op::Flatten => 2 * x + 2 * y,
        }
    });
    4 * images as u64 * elements.sum::<u64>()
}

/// How often training needs the dense weight gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenseGradient {
    /// Static masks, SET.
    Never,
    /// RigL: on update steps, every `delta_t` steps.
    Every { delta_t: usize },
    /// Masked simulations and SNFS: on every step.
    Always,
}

/// FLOPs of a sparse training step over those of the dense one (3 f_D: forward, input gradient, weight gradient), by the
/// accounting of RigL (Evci et al. 2020); a RigL update replaces a step, hence ΔT + 1.
pub fn training_flops_ratio(graph: &Graph, densities: &[f64], dense_gradient: DenseGradient) -> f64 {
    let sparse = forward_flops_ratio(graph, densities);
    let update = (2.0 * sparse + 1.0) / 3.0;
    match dense_gradient {
        DenseGradient::Never => sparse,
        DenseGradient::Every { delta_t } => (sparse * delta_t as f64 + update) / (delta_t as f64 + 1.0),
        DenseGradient::Always => update,
    }
}
