//! A network as pure data: tensors, parameters and nodes in forward order. Nothing here knows about GPUs.

use crate::ops::pool::Pool;

/// Index into [`Graph::tensors`].
pub type TensorId = usize;
/// Index into [`Graph::params`].
pub type ParamId = usize;

/// Channels × height × width of an activation, without the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Shape {
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// Elements an image.
    pub const fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// True for a shape without elements.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a parameter is; decides how it starts and whether it has a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParamKind {
    /// `[out, in, kernel, kernel]`
    ConvWeight,
    /// `[out, in]`
    LinearWeight,
    /// `[out]`, of a convolution or linear layer with `fan_in` inputs an output
    Bias { fan_in: usize },
    /// `[channels]`, starts at 1
    NormWeight,
    /// `[channels]`, starts at 0
    NormBias,
}

/// A trainable tensor, named and shaped as PyTorch's `named_parameters()` gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    pub name: String,
    pub shape: Vec<usize>,
    pub kind: ParamKind,
}

impl Param {
    /// Number of elements of the dense tensor.
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the parameter has a mask: every convolution and linear weight, as in the ITOP code
    /// (stem, shortcuts and classifier included; no bias, no normalisation).
    pub fn prunable(&self) -> bool {
        matches!(self.kind, ParamKind::ConvWeight | ParamKind::LinearWeight)
    }
}

/// Batch normalisation of a [`Op::Pointwise`] node; `name` is the PyTorch module (`layer1.0.bn1`), whose running
/// statistics are `name.running_mean` and `name.running_var`.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    pub name: String,
    pub weight: ParamId,
    pub bias: ParamId,
}

/// What a node computes from its input.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Square convolution, with zero padding. A linear layer is one with `kernel` 1 on 1×1 maps.
    Conv {
        weight: ParamId,
        bias: Option<ParamId>,
        kernel: usize,
        stride: usize,
        padding: usize,
    },
    /// `relu(norm(input) + residual)`, each part optional, in this order.
    Pointwise {
        norm: Option<Norm>,
        residual: Option<TensorId>,
        relu: bool,
    },
    Pool(Pool),
    /// `[C, H, W]` to `[C·H·W, 1, 1]`.
    Flatten,
}

/// One operation: reads `input` (and what `op` names), writes `output`.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The PyTorch module's name (`layer1.0.conv1`), unique in the graph.
    pub name: String,
    pub op: Op,
    pub input: TensorId,
    pub output: TensorId,
}

/// A network. Tensor 0 is the image, the last node's output are the logits `[classes, 1, 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    pub name: String,
    pub classes: usize,
    pub tensors: Vec<Shape>,
    /// In the order of PyTorch's `named_parameters()`.
    pub params: Vec<Param>,
    /// In forward order.
    pub nodes: Vec<Node>,
}

impl Graph {
    /// The tensor that holds the class scores.
    pub fn logits(&self) -> TensorId {
        self.nodes.last().map_or(0, |node| node.output)
    }

    /// The parameters that have a mask, in parameter order.
    pub fn prunable(&self) -> impl Iterator<Item = (ParamId, &Param)> {
        self.params.iter().enumerate().filter(|(_, param)| param.prunable())
    }

    /// The batch normalisations in forward order.
    pub fn norms(&self) -> impl Iterator<Item = &Norm> {
        self.nodes.iter().filter_map(|node| match &node.op {
            Op::Pointwise { norm, .. } => norm.as_ref(),
            _ => None,
        })
    }
}
