//! A whole training step made of the CPU references.

use crate::model::{Graph, Node, Norm, Op, TensorId};
use crate::ops::reference::sgd::Sgd;
use crate::ops::reference::{conv, loss, pointwise, pool, sgd};

/// A network in `f64`, on row-major PyTorch shapes.
pub struct Reference<'a> {
    graph: &'a Graph,
    images: usize,
    /// Of each parameter: all its values, those of inactive weights 0.
    pub values: Vec<Vec<f64>>,
    momentum: Vec<Vec<f64>>,
    masks: Vec<Option<Vec<bool>>>,
}

impl<'a> Reference<'a> {
    /// `masks`: the active weights of each parameter that has inactive ones.
    pub fn new(graph: &'a Graph, images: usize, mut values: Vec<Vec<f64>>, masks: Vec<Option<Vec<bool>>>) -> Self {
        for (values, mask) in values.iter_mut().zip(&masks) {
            let inactive = mask.iter().flatten().zip(values).filter(|(keep, _)| !**keep);
            inactive.for_each(|(_, value)| *value = 0.0);
        }
        let momentum = values.iter().map(|value| vec![0.0; value.len()]).collect();
        Self { graph, images, values, momentum, masks }
    }

    /// Forward, backward, update; the mean loss. `images` is `[n, c, h, w]`.
    pub fn step(&mut self, images: &[f64], labels: &[usize], smoothing: f64, rule: &Sgd) -> f64 {
        let mut losses = Vec::new();
        let gradients = self.gradients(images, |logits| {
            let result = loss::forward_backward(logits, labels, smoothing);
            losses = result.losses;
            result.gradient
        });
        for (id, mut gradient) in gradients.into_iter().enumerate() {
            if let Some(mask) = &self.masks[id] {
                gradient.iter_mut().zip(mask).filter(|(_, keep)| !**keep).for_each(|(g, _)| *g = 0.0);
            }
            sgd::step(rule, &mut self.values[id], &mut self.momentum[id], &gradient);
        }
        losses.iter().sum::<f64>() / labels.len() as f64
    }

    /// The gradient of every parameter, from that of the logits, which `head` makes of them.
    pub fn gradients(&self, images: &[f64], head: impl FnOnce(&[f64]) -> Vec<f64>) -> Vec<Vec<f64>> {
        let tensors = self.forward(images);
        let logits = head(&tensors[self.graph.logits()]);
        self.backward(&tensors, logits)
    }

    fn conv(&self, node: &Node, [kernel, stride, padding]: [usize; 3]) -> conv::Conv {
        let (x, y) = (self.graph.tensors[node.input], self.graph.tensors[node.output]);
        conv::Conv { n: self.images, c: x.channels, h: x.height, w: x.width, k: y.channels, kernel, stride, padding }
    }

    fn dims(&self, tensor: TensorId) -> pointwise::Dims {
        let shape = self.graph.tensors[tensor];
        pointwise::Dims { n: self.images, c: shape.channels, plane: shape.height * shape.width }
    }

    fn planes(&self, tensor: TensorId) -> pool::Planes {
        let shape = self.graph.tensors[tensor];
        pool::Planes { planes: self.images * shape.channels, h: shape.height, w: shape.width }
    }

    fn forward(&self, images: &[f64]) -> Vec<Vec<f64>> {
        let mut tensors = vec![Vec::new(); self.graph.tensors.len()];
        tensors[0] = images.to_vec();
        for node in &self.graph.nodes {
            let x = &tensors[node.input];
            tensors[node.output] = match &node.op {
                Op::Conv { weight, bias, kernel, stride, padding } => {
                    let bias = bias.map(|bias| self.values[bias].as_slice());
                    conv::forward(&self.conv(node, [*kernel, *stride, *padding]), x, &self.values[*weight], bias)
                }
                Op::Pointwise { norm, residual, relu } => {
                    let dims = self.dims(node.input);
                    let (mean, variance) = pointwise::batch_statistics(&dims, x);
                    let norm = norm.as_ref().map(|norm| (self.norm(norm), &mean[..], &variance[..]));
                    pointwise::forward(&dims, x, norm, residual.map(|tensor| tensors[tensor].as_slice()), *relu)
                }
                Op::Pool(of) => pool::forward(of, &self.planes(node.input), x),
                Op::Flatten => x.clone(),
            };
        }
        tensors
    }

    fn norm(&self, norm: &Norm) -> pointwise::Norm<'_> {
        pointwise::Norm { weight: &self.values[norm.weight], bias: &self.values[norm.bias] }
    }

    /// Gradient of every parameter, from that of the logits.
    fn backward(&self, tensors: &[Vec<f64>], logits: Vec<f64>) -> Vec<Vec<f64>> {
        let mut params: Vec<Vec<f64>> = self.values.iter().map(|value| vec![0.0; value.len()]).collect();
        let mut grads: Vec<Vec<f64>> = tensors.iter().map(|tensor| vec![0.0; tensor.len()]).collect();
        grads[self.graph.logits()] = logits;
        let add = |to: &mut Vec<f64>, more: Vec<f64>| to.iter_mut().zip(more).for_each(|(to, more)| *to += more);
        for node in self.graph.nodes.iter().rev() {
            let (x, y) = (&tensors[node.input], &tensors[node.output]);
            let dy = std::mem::take(&mut grads[node.output]);
            let dx = match &node.op {
                Op::Conv { weight, bias, kernel, stride, padding } => {
                    let conv = self.conv(node, [*kernel, *stride, *padding]);
                    params[*weight] = conv::grad_weight(&conv, x, &dy);
                    if let Some(bias) = bias {
                        params[*bias] = conv::grad_bias(&conv, &dy);
                    }
                    conv::grad_input(&conv, &dy, &self.values[*weight])
                }
                Op::Pointwise { norm, residual, relu } => {
                    let reference = norm.as_ref().map(|norm| self.norm(norm));
                    let found = pointwise::backward(&self.dims(node.input), x, reference, *relu, y, &dy);
                    if let Some(norm) = norm {
                        (params[norm.weight], params[norm.bias]) = (found.weight, found.bias);
                    }
                    if let Some(residual) = residual {
                        add(&mut grads[*residual], found.residual);
                    }
                    found.x
                }
                Op::Pool(of) => pool::backward(of, &self.planes(node.input), x, &dy),
                Op::Flatten => dy,
            };
            add(&mut grads[node.input], dx);
        }
        params
    }
}
