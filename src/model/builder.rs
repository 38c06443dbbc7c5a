//! Builds a [`Graph`] node by node. Parameters get their ids in the order of the calls, which must therefore be the
//! order in which the PyTorch modules are registered.

use super::{Graph, ModelError, Node, Norm, Op, Param, ParamId, ParamKind, Shape, TensorId};
use crate::ops::pool::{Pool, PoolKind};

/// Geometry of a convolution; `channels` are the output's.
pub struct Conv {
    pub channels: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub bias: bool,
}

pub struct Builder {
    graph: Graph,
}

impl Builder {
    /// The tensor of the images.
    pub const INPUT: TensorId = 0;

    pub fn new(name: &str, classes: usize, input: Shape) -> Result<Self, ModelError> {
        let name = name.to_owned();
        if classes == 0 {
            return Err(ModelError::NoClasses(name));
        }
        if input.is_empty() {
            return Err(ModelError::EmptyInput(name));
        }
        Ok(Self { graph: Graph { name, classes, tensors: vec![input], params: Vec::new(), nodes: Vec::new() } })
    }

    pub fn shape(&self, tensor: TensorId) -> Shape {
        self.graph.tensors[tensor]
    }

    pub fn conv(&mut self, name: &str, input: TensorId, conv: Conv) -> Result<TensorId, ModelError> {
        let Conv { channels, kernel, stride, padding, bias } = conv;
        let shape = self.shape(input);
        let out = |size: usize| (size + 2 * padding).checked_sub(kernel).map_or(0, |rest| rest / stride + 1);
        let output = self.map(name, Shape::new(channels, out(shape.height), out(shape.width)))?;
        let weight = self.param(name, "weight", &[channels, shape.channels, kernel, kernel], ParamKind::ConvWeight);
        let fan_in = shape.channels * kernel * kernel;
        let bias = bias.then(|| self.param(name, "bias", &[channels], ParamKind::Bias { fan_in }));
        Ok(self.node(name, Op::Conv { weight, bias, kernel, stride, padding }, input, output))
    }

    /// A linear layer over a 1×1 map.
    pub fn linear(&mut self, name: &str, input: TensorId, outputs: usize, bias: bool) -> TensorId {
        let fan_in = self.shape(input).channels;
        let weight = self.param(name, "weight", &[outputs, fan_in], ParamKind::LinearWeight);
        let bias = bias.then(|| self.param(name, "bias", &[outputs], ParamKind::Bias { fan_in }));
        let op = Op::Conv { weight, bias, kernel: 1, stride: 1, padding: 0 };
        self.node(name, op, input, Shape::new(outputs, 1, 1))
    }

    /// The parameters of a batch normalisation, for a later [`Self::norm_relu`] or [`Self::pointwise`].
    pub fn norm(&mut self, name: &str, channels: usize) -> Norm {
        let weight = self.param(name, "weight", &[channels], ParamKind::NormWeight);
        let bias = self.param(name, "bias", &[channels], ParamKind::NormBias);
        Norm { name: name.to_owned(), weight, bias }
    }

    /// Batch normalisation and ReLU.
    pub fn norm_relu(&mut self, name: &str, input: TensorId) -> TensorId {
        let norm = self.norm(name, self.shape(input).channels);
        self.pointwise(name, input, Some(norm), None, true)
    }

    pub fn relu(&mut self, name: &str, input: TensorId) -> TensorId {
        self.pointwise(name, input, None, None, true)
    }

    /// `relu(norm(input) + residual)`, each part optional.
    pub fn pointwise(
        &mut self,
        name: &str,
        input: TensorId,
        norm: Option<Norm>,
        residual: Option<TensorId>,
        relu: bool,
    ) -> TensorId {
        self.node(name, Op::Pointwise { norm, residual, relu }, input, self.shape(input))
    }

    /// Maximum of windows side by side.
    pub fn max_pool(&mut self, name: &str, input: TensorId, size: usize) -> Result<TensorId, ModelError> {
        self.pool(name, input, Pool::tiles(PoolKind::Max, size))
    }

    pub fn pool(&mut self, name: &str, input: TensorId, pool: Pool) -> Result<TensorId, ModelError> {
        let Shape { channels, height, width } = self.shape(input);
        let output = self.map(name, Shape::new(channels, pool.outputs(height), pool.outputs(width)))?;
        Ok(self.node(name, Op::Pool(pool), input, output))
    }

    /// Average over the whole map, which must be square; no node where it is 1×1 already.
    pub fn global_avg_pool(&mut self, name: &str, input: TensorId) -> Result<TensorId, ModelError> {
        match self.shape(input) {
            Shape { height: 1, width: 1, .. } => Ok(input),
            Shape { height: size, width, .. } if width == size => {
                self.pool(name, input, Pool::tiles(PoolKind::Average, size))
            }
            _ => {
                let (model, Shape { height, width, .. }) = (self.graph.name.clone(), self.shape(Self::INPUT));
                Err(ModelError::NotSquare { model, height, width })
            }
        }
    }

    /// `[C·H·W, 1, 1]`; no node where the map is 1×1 already.
    pub fn flatten(&mut self, name: &str, input: TensorId) -> TensorId {
        match self.shape(input) {
            Shape { height: 1, width: 1, .. } => input,
            shape => self.node(name, Op::Flatten, input, Shape::new(shape.len(), 1, 1)),
        }
    }

    /// The graph; the last node's output are the logits.
    pub fn finish(self) -> Graph {
        self.graph
    }

    fn map(&self, layer: &str, output: Shape) -> Result<Shape, ModelError> {
        if output.is_empty() {
            let Shape { height, width, .. } = self.shape(Self::INPUT);
            let (model, layer) = (self.graph.name.clone(), layer.to_owned());
            return Err(ModelError::TooSmall { model, layer, height, width, least: 0 });
        }
        Ok(output)
    }

    fn param(&mut self, module: &str, field: &str, shape: &[usize], kind: ParamKind) -> ParamId {
        self.graph.params.push(Param { name: format!("{module}.{field}"), shape: shape.to_vec(), kind });
        self.graph.params.len() - 1
    }

    fn node(&mut self, name: &str, op: Op, input: TensorId, shape: Shape) -> TensorId {
        let output = self.graph.tensors.len();
        self.graph.tensors.push(shape);
        self.graph.nodes.push(Node { name: name.to_owned(), op, input, output });
        output
    }
}
