//! The commands of a step, in the order in which they run.

use std::ops::Range;

use super::{LayerPlan, PlanInput, params::Params, tensors::Tensors, tensors::conv_of};
use crate::gpu::{Command, Slice};
use crate::model::{Node, Op, TensorId};
use crate::ops::loss::LossSlices;
use crate::ops::pointwise::{BackwardSlices, Pointwise};
use crate::ops::{Choice, Conv, ConvLayer, SparseWeight, flatten, loss, pointwise, pool, sgd};
use crate::sparsity::Update;
use crate::sparsity::growth::Site;

pub(super) struct Context<'a> {
    pub input: &'a PlanInput<'a>,
    pub tensors: &'a Tensors,
    pub params: &'a Params,
    pub run: Slice,
    pub labels: Slice,
    pub result: Slice,
    pub metrics: Slice,
}

impl Context<'_> {
    /// The index of every sparse layer.
    pub fn index(&self) -> Vec<Command> {
        let scratch = &self.params.scratch;
        let layers = &self.params.layers;
        let commands = |layer: &LayerPlan| {
            layer.sparse.map_or_else(Vec::new, |sparse| sparse.index(&layer.name, &self.input.tuning, scratch))
        };
        layers.iter().flat_map(commands).collect()
    }

    /// Where the active weights of every sparse layer lie.
    pub fn map(&self) -> Vec<Command> {
        let layers = &self.params.layers;
        let pass = |map: &super::LayerMap| {
            let sparse = layers[map.layer].sparse?;
            Some(map.grid.pass(&layers[map.layer].name, sparse.active, sparse.explored, map.slice))
        };
        self.params.maps.iter().filter_map(pass).collect()
    }

    /// Forward with running statistics, and the loss.
    pub fn eval(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        self.forward(&mut commands, false);
        commands.extend(self.loss(None));
        commands
    }

    /// A training step; `update`: with a topology update of each sparse layer as soon as its gradient is known, so that
    /// one scratch holds the scores of one layer at a time.
    pub fn train(&self, update: bool) -> Vec<Command> {
        let mut commands = Vec::new();
        self.forward(&mut commands, true);
        commands.extend(self.loss(self.tensors.grad[self.input.graph.logits()]));
        let mut written = vec![false; self.tensors.layouts.len()];
        let mut norm = self.params.norms.len();
        for node in self.input.graph.nodes.iter().rev() {
            if matches!(node.op, Op::Pointwise { norm: Some(_), .. }) {
                norm -= 1;
            }
            self.backward(node, norm, update, &mut written, &mut commands);
        }
        // Layers that share out what grows wait for each other.
        let shared = self.input.update.filter(|moves| update && moves.redistribution.is_some());
        if !update || shared.is_some() {
            commands.extend(self.sgd("sparse weights", self.params.sparse_range, self.signed()));
        }
        commands.extend(self.sgd("other weights", self.params.other_range, false));
        commands.extend(shared.iter().flat_map(|moves| self.redistribute(moves)));
        commands
    }

    /// The topology updates of all sparse layers, which share out what grows.
    fn redistribute(&self, moves: &Update) -> Vec<Command> {
        let nodes = self.input.graph.nodes.iter();
        let sites: Vec<Site> = nodes.filter_map(|node| self.site(&node.name, self.conv(node)?.1?)).collect();
        let counts = sites.iter().filter_map(|site| moves.count(site));
        let shares = self.params.scratch.share_out(self.params.layers.len(), moves.prune.goes);
        let updates = sites.iter().flat_map(|site| moves.commands(site, &self.input.tuning));
        counts.chain([shares]).chain(updates).collect()
    }

    /// Whether the optimiser keeps the signs of sparse layers' weights.
    fn signed(&self) -> bool {
        self.input.update.is_some_and(|moves| moves.signed)
    }

    /// A sparse layer as rules find it.
    fn site<'s>(&'s self, label: &'s str, layer: &'s LayerPlan) -> Option<Site<'s>> {
        let tensor = layer.sparse.as_ref()?;
        Some(Site { label, tensor, scratch: &self.params.scratch, state: layer.growth_state, run: self.run })
    }

    /// Where the loss is among the commands of a training step.
    pub fn loss_of_train(&self) -> Range<usize> {
        let mut forward = Vec::new();
        self.forward(&mut forward, true);
        let loss = self.loss(self.tensors.grad[self.input.graph.logits()]);
        forward.len()..forward.len() + loss.len()
    }

    fn forward(&self, commands: &mut Vec<Command>, training: bool) {
        let (value, layouts, tuning) = (&self.tensors.value, &self.tensors.layouts, &self.input.tuning);
        let mut norm = 0;
        for node in &self.input.graph.nodes {
            let (x, y, label) = (value[node.input], value[node.output], &node.name);
            match &node.op {
                Op::Conv { weight, bias, .. } => {
                    let Some((conv, sparse)) = self.conv(node) else { continue };
                    let weight = self.params.slots[*weight].value;
                    let bias = bias.map(|bias| self.params.slots[bias].value);
                    let (layer, choice) = self.layer(label, &conv, sparse);
                    commands.extend(layer.forward(choice.forward, [x, weight, y], bias));
                }
                Op::Pointwise { residual, .. } => {
                    let pointwise = self.pointwise(node, norm);
                    norm += usize::from(pointwise.norm.is_some());
                    let residual = residual.map(|tensor| value[tensor]);
                    commands.extend(if training {
                        pointwise::forward_train(label, &pointwise, tuning, x, residual, y, self.run)
                    } else {
                        pointwise::forward_eval(label, &pointwise, tuning, x, residual, y)
                    });
                }
                Op::Pool(of) => {
                    commands.push(pool::forward(label, of, &layouts[node.input], &layouts[node.output], x, y));
                }
                Op::Flatten => {
                    commands.push(flatten::forward(label, &layouts[node.input], &layouts[node.output], x, y));
                }
            }
        }
    }

    fn loss(&self, logits_grad: Option<Slice>) -> Vec<Command> {
        let logits = self.input.graph.logits();
        let io = LossSlices {
            logits: self.tensors.value[logits],
            logits_grad,
            labels: self.labels,
            result: self.result,
            metrics: self.metrics,
        };
        loss::commands(&self.tensors.layouts[logits], &io, self.run)
    }

    fn backward(&self, node: &Node, norm: usize, update: bool, written: &mut [bool], commands: &mut Vec<Command>) {
        let (value, grad, layouts) = (&self.tensors.value, &self.tensors.grad, &self.tensors.layouts);
        let (tuning, label) = (&self.input.tuning, &node.name);
        let Some(dy) = grad[node.output] else { return };
        // The first to reach a tensor's gradient writes it, the others add.
        let mut reach = |tensor: TensorId| std::mem::replace(&mut written[tensor], true);
        match &node.op {
            Op::Conv { weight, bias, .. } => {
                let Some((conv, sparse)) = self.conv(node) else { return };
                let slot = &self.params.slots[*weight];
                let x = value[node.input];
                let (layer, choice) = self.layer(label, &conv, sparse);
                // The input gradient comes first: it needs the weights of before the update, and may need the scratch.
                if let Some(dx) = grad[node.input] {
                    let (add, io) = (reach(node.input), [dy, slot.value, dx]);
                    commands.extend(layer.grad_input(choice.grad_input, io, add));
                }
                // Of a dense gradient, that of the active weights is a part.
                let moves = sparse.and(self.input.update);
                let dense = moves.is_some_and(|moves| moves.needs_dense_gradient(update));
                let how = if dense { tuning.dense(&conv, choice.grad_weight) } else { choice.grad_weight };
                commands.extend(layer.grad_weight(how, [x, dy, slot.grad]));
                if let Some(bias) = bias {
                    commands.push(layer.grad_bias(dy, self.params.slots[*bias].grad));
                }
                let (Some(site), Some(moves)) = (sparse.and_then(|layer| self.site(label, layer)), moves) else {
                    return;
                };
                if let Some(growth) = moves.growth.filter(|_| dense) {
                    commands.extend((growth.observe)(&site));
                }
                if update && moves.redistribution.is_none() {
                    // The optimiser's step comes before the prune, the dense gradient is this step's (ITOP code).
                    commands.extend(self.sgd(label, [slot.value, slot.momentum, slot.grad], moves.signed));
                    commands.extend(moves.count(&site));
                    commands.extend(moves.commands(&site, tuning));
                }
            }
            Op::Pointwise { residual, .. } => {
                let pointwise = self.pointwise(node, norm);
                let residual = residual.and_then(|tensor| grad[tensor].map(|slice| (slice, reach(tensor))));
                let Some(dx) = grad[node.input] else { return };
                let io = BackwardSlices {
                    x: value[node.input],
                    y: value[node.output],
                    dy,
                    dx,
                    accumulate: reach(node.input),
                    residual,
                };
                commands.extend(pointwise::backward(label, &pointwise, tuning, &io, self.run));
            }
            Op::Pool(of) => {
                let Some(dx) = grad[node.input] else { return };
                let (from, to) = (&layouts[node.input], &layouts[node.output]);
                let io = [value[node.input], dy, dx];
                commands.push(pool::backward(label, of, from, to, io, reach(node.input)));
            }
            Op::Flatten => {
                let Some(dx) = grad[node.input] else { return };
                let add = reach(node.input);
                let (from, to) = (&layouts[node.input], &layouts[node.output]);
                commands.push(flatten::backward(label, from, to, dy, dx, add));
            }
        }
    }

    /// SGD on a range of the arenas, in bindings of at most the allowed size.
    fn sgd(&self, label: &str, [value, momentum, grad]: [Slice; 3], signed: bool) -> Vec<Command> {
        let form = sgd::Form { nesterov: self.input.nesterov, signed };
        let most = self.input.max_binding / crate::gpu::ALIGNMENT * crate::gpu::ALIGNMENT;
        (0..value.bytes)
            .step_by(most as usize)
            .map(|at| {
                let part = |slice: Slice| slice.part(at, most.min(slice.bytes - at));
                sgd::step(label, [part(value), part(momentum), part(grad)], self.run, form)
            })
            .collect()
    }

    /// The geometry of a convolution's node, and its layer if that is sparse.
    fn conv(&self, node: &Node) -> Option<(Conv, Option<&LayerPlan>)> {
        let Op::Conv { weight, .. } = node.op else { return None };
        let layer = self.params.layers.iter().find(|layer| layer.param == weight && layer.sparse.is_some());
        let conv = layer.map_or_else(|| conv_of(node, &self.tensors.layouts), |layer| Some(layer.conv))?;
        Some((conv, layer))
    }

    fn layer<'s>(&'s self, label: &'s str, conv: &'s Conv, sparse: Option<&LayerPlan>) -> (ConvLayer<'s>, Choice) {
        let tuning = &self.input.tuning;
        let tensor = sparse.and_then(|layer| layer.sparse);
        let choice = tensor.map_or_else(|| tuning.choice(conv, 1.0), |tensor| tensor.choice(tuning));
        let sparse = tensor.map(|tensor| SparseWeight::new(tensor, &self.params.scratch));
        (ConvLayer { node: label, conv, tuning, sparse, workspace: self.params.workspace }, choice)
    }

    fn pointwise(&self, node: &Node, norm: usize) -> Pointwise {
        let layouts = &self.tensors.layouts;
        let (has_norm, residual, relu) = match &node.op {
            Op::Pointwise { norm, residual, relu } => (norm.is_some(), *residual, *relu),
            _ => (false, None, false),
        };
        Pointwise {
            input: layouts[node.input],
            output: layouts[node.output],
            residual: residual.map(|tensor| layouts[tensor]),
            norm: has_norm.then(|| self.params.norms[norm]),
            relu,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Family, Kind};
    use crate::model::{self, Shape};
    use crate::ops::{Storage, Tuning};
    use crate::plan::Plan;
    use crate::sparsity::{Method, Structure};

    /// Whatever PyTorch calls its layers: a ResNet's norms are `bn1`, those of VGG and the MLP have numbers.
    #[test]
    fn passes_are_of_the_kind_of_their_node() {
        for name in ["resnet8", "vgg_c", "mlp_cifar10"] {
            let graph = model::build(name, 10, Shape::new(3, 32, 32)).unwrap();
            let active: Vec<usize> = graph.prunable().map(|(_, param)| param.numel() / 10).collect();
            let plan = Plan::compile(&PlanInput {
                graph: &graph,
                batch: 4,
                storage: Storage::F32,
                least: active.clone(),
                capacity: active.clone(),
                active,
                structure: Structure::Unstructured,
                update: Method::SET.update,
                nesterov: true,
                augment: None,
                images: 10,
                tuning: Tuning::of(Family::Software, 8, true),
                max_binding: 64 << 20,
                max_buffer: 1 << 30,
            });
            let plan = plan.unwrap();
            let mut norms = 0;
            for command in [&plan.train, &plan.update].into_iter().flatten() {
                let label = command.label();
                let node = graph.nodes.iter().find(|node| node.name == label.node);
                let right: &[Kind] = match node.map(|node| &node.op) {
                    Some(Op::Conv { .. }) => {
                        &[Kind::Forward, Kind::GradInput, Kind::GradWeight, Kind::Optimiser, Kind::Topology]
                    }
                    Some(Op::Pointwise { .. }) => &[Kind::Pointwise],
                    Some(_) => &[Kind::Other],
                    None => &[Kind::Optimiser, Kind::Other],
                };
                assert!(right.contains(&label.kind), "{name}: {label} is {:?}", label.kind);
                let pointwise = command.kernel().is_some_and(|kernel| kernel.shader.starts_with("pointwise"));
                assert_eq!(pointwise, label.operation().starts_with("pointwise "), "{name}: {label}");
                norms += usize::from(pointwise);
            }
            assert!(norms > 0, "{name} has norms");
        }
    }
}
