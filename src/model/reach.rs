//! Which parts of a network a signal can reach, given the active weights.

use super::{Graph, Op, ParamId};

/// The classes whose score depends on the image: there is a path of weights for which `active` (of a parameter's position
/// in flat order) is true from some pixel to the score. A channel counts as a whole: it is reached if any of its pixels is.
pub fn classes_reached(graph: &Graph, active: impl Fn(ParamId, usize) -> bool) -> usize {
    let mut reached: Vec<Vec<bool>> = graph.tensors.iter().map(|shape| vec![false; shape.channels]).collect();
    if let Some(image) = reached.first_mut() {
        image.fill(true);
    }
    for node in &graph.nodes {
        let (input, shape) = (&reached[node.input], graph.tensors[node.input]);
        let output: Vec<bool> = match &node.op {
            Op::Conv { weight, kernel, stride, padding, .. } => {
                let (rows, columns) = (shape.height, shape.width);
                // On a small map some offsets of the kernel only ever see padding.
                let sees = |offset: usize, size: usize| {
                    let outputs = (size + 2 * padding - kernel) / stride + 1;
                    (0..outputs).any(|at| (*padding..size + padding).contains(&(at * stride + offset)))
                };
                let offset = |i: usize| (i / kernel % kernel, i % kernel);
                let area = kernel * kernel;
                let inside: Vec<bool> =
                    (0..area).map(|i| sees(offset(i).0, rows) && sees(offset(i).1, columns)).collect();
                let row = input.len() * area;
                (0..graph.tensors[node.output].channels)
                    .map(|out| (0..row).any(|i| input[i / area] && inside[i % area] && active(*weight, out * row + i)))
                    .collect()
            }
            Op::Pointwise { residual, .. } => match residual {
                Some(other) => input.iter().zip(&reached[*other]).map(|(a, b)| *a || *b).collect(),
                None => input.clone(),
            },
            Op::Pool(_) => input.clone(),
            Op::Flatten => input.iter().flat_map(|&channel| vec![channel; shape.height * shape.width]).collect(),
        };
        reached[node.output] = output;
    }
    reached[graph.logits()].iter().filter(|class| **class).count()
}

/// How many classes a random set of these densities (of the prunable parameters, in order) is expected to leave without a
/// path, as if channels were reached independently. It tells cheaply where there is no need to look at the set itself.
pub fn classes_expected_unreached(graph: &Graph, densities: &[f64]) -> f64 {
    // Of each tensor: the share of its channels that is not reached.
    let mut unreached = vec![0.0; graph.tensors.len()];
    for node in &graph.nodes {
        let input: f64 = unreached[node.input];
        unreached[node.output] = match &node.op {
            Op::Conv { weight, kernel, .. } => {
                let number = graph.prunable().position(|(id, _)| id == *weight);
                let density = number.and_then(|number| densities.get(number)).copied().unwrap_or(1.0);
                let shape = graph.tensors[node.input];
                // The middle of the kernel is what never sees padding alone.
                let area = if shape.height.min(shape.width) < *kernel { 1 } else { kernel * kernel };
                (1.0 - density * (1.0 - input)).powf((shape.channels * area) as f64)
            }
            Op::Pointwise { residual: Some(other), .. } => input * unreached[*other],
            Op::Pointwise { .. } | Op::Pool(_) | Op::Flatten => input,
        };
    }
    graph.classes as f64 * unreached[graph.logits()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{self, Shape};

    #[test]
    fn a_full_network_reaches_every_class_and_an_empty_one_none() {
        for name in model::NAMES {
            let graph = model::build(name, 7, Shape::new(3, 32, 32)).unwrap();
            assert_eq!(classes_reached(&graph, |_, _| true), 7, "{name}");
            assert_eq!(classes_reached(&graph, |_, _| false), 0, "{name}");
            let layers = graph.prunable().count();
            assert!(classes_expected_unreached(&graph, &vec![1.0; layers]) < 1e-12, "{name}");
            assert!(classes_expected_unreached(&graph, &vec![1e-6; layers]) > 6.9, "{name}");
        }
    }

    /// A block whose convolutions have no weight is passed by its shortcut; without the shortcut too, nothing passes.
    #[test]
    fn shortcuts_carry_what_blocks_do_not() {
        let graph = model::build("resnet8", 10, Shape::new(3, 32, 32)).unwrap();
        let without = |gone: &[&str]| {
            classes_reached(&graph, |param, _| !gone.iter().any(|part| graph.params[param].name.contains(part)))
        };
        assert_eq!(without(&["layer2.0.conv1"]), 10);
        assert_eq!(without(&["layer2.0.shortcut", "layer2.0.downsample"]), 10);
        assert_eq!(without(&["layer2.0"]), 0);
        // The first block has an identity for a shortcut.
        assert_eq!(without(&["layer1.0.conv2"]), 10);
        assert_eq!(without(&["layer1.0.conv2", "layer2.0"]), 0);
    }

    /// One path of one weight a layer: cut anywhere, it is gone.
    #[test]
    fn a_path_is_followed_channel_by_channel() {
        let graph = model::build("mlp_cifar10", 10, Shape::new(3, 32, 32)).unwrap();
        let weights: Vec<ParamId> = graph.prunable().map(|(id, _)| id).collect();
        // Pixel 5 → unit 9 → unit 3 → class 2.
        let path = [9 * 3072 + 5, 3 * 1024 + 9, 2 * 512 + 3];
        let reached = |path: [usize; 3]| {
            classes_reached(&graph, |param, i| weights.iter().zip(path).any(|(id, at)| *id == param && at == i))
        };
        assert_eq!(reached(path), 1);
        assert_eq!(reached([path[0], path[1] + 1, path[2]]), 0);
        assert_eq!(reached([path[0], path[1], path[2] + 1]), 0);
    }

    /// On a map of one pixel the border of a kernel of 3 × 3 sees padding only.
    #[test]
    fn weights_that_see_padding_alone_carry_nothing() {
        let graph = model::build("resnet8", 10, Shape::new(3, 1, 1)).unwrap();
        let corner = |param: ParamId, i: usize| graph.params[param].shape.len() == 2 || i.is_multiple_of(9);
        let middle = |param: ParamId, i: usize| graph.params[param].shape.len() == 2 || i % 9 == 4;
        let stem = |param: ParamId, i: usize| graph.params[param].name != "conv1.weight" || corner(param, i);
        assert_eq!(classes_reached(&graph, stem), 0);
        let stem = |param: ParamId, i: usize| graph.params[param].name != "conv1.weight" || middle(param, i);
        assert_eq!(classes_reached(&graph, stem), 10);
    }
}
