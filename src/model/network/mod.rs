//! Networks of somebody's own, described in TOML: layers by name, in forward order (`docs/models.md`). A file is read once;
//! from then on its text stands for the network, in configurations and so in run folders.

mod text;

pub(super) use text::is_text;
pub use text::{MOST_TEXT, name_of, resolve};

use super::builder::{Builder, Conv};
use super::{Graph, ModelError, Op, Shape, TensorId};
use crate::ops::pool::Pool;

/// Elements of a layer's output for one image, and weights of all layers together.
const MOST_ELEMENTS: usize = 1 << 26;
const MOST_WEIGHTS: usize = 1 << 30;

/// A network that a text describes, for images and classes of any number.
#[derive(Clone, Debug)]
pub struct Network {
    name: String,
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
struct Layer {
    name: String,
    kind: Kind,
    /// 0: the images; n: layer n − 1.
    input: usize,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Without `channels`: as many as there are classes.
    Conv {
        channels: Option<usize>,
        kernel: usize,
        stride: usize,
        padding: usize,
        bias: bool,
    },
    Linear {
        channels: Option<usize>,
        bias: bool,
    },
    Pointwise {
        norm: bool,
        add: Option<usize>,
        relu: bool,
    },
    Pool(Pool),
    GlobalAvgPool,
    Flatten,
}

impl Network {
    /// Its graph for images of shape `input`.
    ///
    /// # Errors
    /// When shapes do not fit, or a layer leads nowhere; the message names the layer and the shapes.
    pub fn build(&self, classes: usize, input: Shape) -> Result<Graph, ModelError> {
        let mut builder = Builder::new(&self.name, classes, input)?;
        let mut tensors = vec![Builder::INPUT];
        let mut weights = 0usize;
        let wrong =
            |layer: &Layer, what| Err(ModelError::Layer { model: self.name.clone(), layer: layer.name.clone(), what });
        for layer in &self.layers {
            let plan = layer.output(&builder, &tensors, classes);
            let (output, own_weights) = match plan {
                Ok(plan) => plan,
                Err(what) => return wrong(layer, what),
            };
            let elements = output.channels.saturating_mul(output.height).saturating_mul(output.width);
            weights = weights.saturating_add(own_weights);
            if elements > MOST_ELEMENTS || weights > MOST_WEIGHTS {
                let what = format!(
                    "its output of {} or the {weights} weights so far are too many ({MOST_ELEMENTS} and {MOST_WEIGHTS} are the most): make it smaller",
                    Dims(output)
                );
                return wrong(layer, what);
            }
            tensors.push(layer.add_to(&mut builder, &tensors, output)?);
        }
        let graph = builder.finish();
        self.check_ends(&graph, &tensors)?;
        Ok(graph)
    }

    /// Every output is read, but for the last, which are the scores of the classes.
    fn check_ends(&self, graph: &Graph, tensors: &[TensorId]) -> Result<(), ModelError> {
        let reads = |tensor: TensorId| {
            let reads = |node: &super::Node| {
                node.input == tensor
                    || matches!(node.op, Op::Pointwise { residual: Some(other), .. } if other == tensor)
            };
            graph.nodes.iter().any(reads)
        };
        let last = tensors.last().copied().unwrap_or_default();
        for (layer, &tensor) in self.layers.iter().zip(&tensors[1..]) {
            let what = if tensor != last && !reads(tensor) {
                "no layer reads its output: remove it, or name it as an `input` or in `add`".into()
            } else if tensor == last && graph.tensors[last] != Shape::new(graph.classes, 1, 1) {
                let (found, classes) = (Dims(graph.tensors[last]), graph.classes);
                format!(
                    "it is the last, and gives {found} instead of {classes}x1x1, a score for each class: end with `op = \"linear\"` without `channels`"
                )
            } else {
                continue;
            };
            return Err(ModelError::Layer { model: self.name.clone(), layer: layer.name.clone(), what });
        }
        if last != graph.logits() || graph.prunable().next().is_none() {
            let what = "it has no layer with weights: add a `conv` or `linear` layer".into();
            return Err(ModelError::Network { origin: format!("network `{}`", self.name), what });
        }
        Ok(())
    }
}

/// A shape in a message: channels, height, width.
struct Dims(Shape);

impl std::fmt::Display for Dims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Shape { channels, height, width } = self.0;
        write!(f, "{channels}x{height}x{width}")
    }
}

impl Layer {
    /// The shape of its output, and how many weights it has.
    fn output(&self, builder: &Builder, tensors: &[TensorId], classes: usize) -> Result<(Shape, usize), String> {
        let of = |number: usize| builder.shape(tensors[number]);
        let input = of(self.input);
        let Shape { channels: inputs, height, width } = input;
        let shrunk = |channels, kernel: usize, stride: usize, padding: usize| {
            let side = |size: usize| (size + 2 * padding).checked_sub(kernel).map(|rest| rest / stride + 1);
            match (side(height), side(width)) {
                (Some(height), Some(width)) => Ok(Shape::new(channels, height, width)),
                _ => Err(format!(
                    "a kernel of {kernel}x{kernel} does not fit its input of {} with padding {padding}: lower `kernel`, or pool less before it",
                    Dims(input)
                )),
            }
        };
        match self.kind {
            Kind::Conv { channels, kernel, stride, padding, .. } => {
                let channels = channels.unwrap_or(classes);
                let weights = channels.saturating_mul(inputs).saturating_mul(kernel * kernel);
                Ok((shrunk(channels, kernel, stride, padding)?, weights))
            }
            Kind::Linear { .. } if (height, width) != (1, 1) => Err(format!(
                "its input is {}, and a linear layer reads maps of 1x1: put a `flatten` or `global_avg_pool` before it",
                Dims(input)
            )),
            Kind::Linear { channels, .. } => {
                let channels = channels.unwrap_or(classes);
                Ok((Shape::new(channels, 1, 1), channels.saturating_mul(inputs)))
            }
            Kind::Pointwise { add: Some(other), .. } if tensors[other] == tensors[self.input] => {
                Err("it adds its input to itself: name another layer in `add`".into())
            }
            Kind::Pointwise { add: Some(other), .. } if of(other) != input => Err(format!(
                "its input is {}, and what it adds is {}: only equal shapes can be added",
                Dims(input),
                Dims(of(other))
            )),
            Kind::Pointwise { .. } => Ok((input, 0)),
            Kind::Pool(Pool { size, stride, padding, .. }) => Ok((shrunk(inputs, size, stride, padding)?, 0)),
            Kind::GlobalAvgPool if height != width => {
                Err(format!("its input is {}, and only square maps are averaged: take square images", Dims(input)))
            }
            Kind::GlobalAvgPool => Ok((Shape::new(inputs, 1, 1), 0)),
            Kind::Flatten => Ok((Shape::new(inputs.saturating_mul(height * width), 1, 1), 0)),
        }
    }

    /// Adds it to the graph.
    fn add_to(&self, builder: &mut Builder, tensors: &[TensorId], output: Shape) -> Result<TensorId, ModelError> {
        let (name, input, channels) = (self.name.as_str(), tensors[self.input], output.channels);
        Ok(match self.kind {
            Kind::Conv { kernel, stride, padding, bias, .. } => {
                builder.conv(name, input, Conv { channels, kernel, stride, padding, bias })?
            }
            Kind::Linear { bias, .. } => builder.linear(name, input, channels, bias),
            Kind::Pointwise { norm, add, relu } => {
                let norm = norm.then(|| builder.norm(name, channels));
                builder.pointwise(name, input, norm, add.map(|other| tensors[other]), relu)
            }
            Kind::Pool(pool) => builder.pool(name, input, pool)?,
            Kind::GlobalAvgPool => builder.global_avg_pool(name, input)?,
            Kind::Flatten => builder.flatten(name, input),
        })
    }
}

#[cfg(test)]
mod tests;
