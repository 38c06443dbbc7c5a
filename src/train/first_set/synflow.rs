//! SynFlow (Tanaka, Kunin, Yamins and Ganguli 2020): in rounds, the weights of largest synaptic flow |w·∂R/∂w| stay, where R is
//! the sum of the outputs of the network with |w| for every weight, given ones. No data is needed.
//!
//! The official code runs the network in evaluation mode, where batch normalisation is at first `x / √(1 + 1e-5)`. Here it is
//! left out, which takes 5e-6 of a score away a layer. CPU reference: `tests/first_set.rs`, by `verify::Reference`.

use super::{DenseNetwork, Progress, choose_by, finite};
use crate::gpu::Gpu;
use crate::model::{Graph, Op, TensorId};
use crate::sparsity::{Init, Structure};
use crate::train::TrainError;

/// Rounds of the official code: after round r of n, a share of `density^(r/n)` is left.
pub const ROUNDS: usize = 100;

/// The active weights of each prunable parameter, of a network with the first `values`.
///
/// # Errors
/// When the network does not fit the device, or a score is not finite.
pub async fn synflow(
    gpu: &Gpu,
    graph: &Graph,
    values: &[Vec<f32>],
    (structure, density, rounds): (Structure, f64, usize),
    progress: &mut dyn FnMut(&Progress),
) -> Result<Vec<Vec<bool>>, TrainError> {
    let graph = without_norms(graph);
    let network = DenseNetwork::new(gpu, &graph, 1).await.map_err(|error| error.of(Init::Synflow))?;
    let mut magnitudes: Vec<Vec<f64>> =
        values.iter().map(|values| values.iter().map(|value| f64::from(value.abs())).collect()).collect();
    let mut active: Vec<Vec<bool>> = graph.prunable().map(|(_, param)| vec![true; param.numel()]).collect();
    for round in 1..=rounds {
        let mut scores = scores(&network, &graph, &magnitudes).await?;
        for (scores, active) in scores.iter_mut().zip(&active) {
            let gone = scores.iter_mut().zip(active).filter(|(_, active)| !**active);
            gone.for_each(|(score, _)| *score = f32::NEG_INFINITY);
        }
        active = choose_by(&graph, structure, &scores, density.powf(round as f64 / rounds as f64));
        for ((id, _), active) in graph.prunable().zip(&active) {
            let gone = magnitudes[id].iter_mut().zip(active).filter(|(_, active)| !**active);
            gone.for_each(|(magnitude, _)| *magnitude = 0.0);
        }
        progress(&Progress { unit: "round", done: round, total: rounds, bytes: network.bytes() });
    }
    Ok(active)
}

/// The flow through every prunable weight, times one factor for all of them; `magnitudes`: of every parameter's values.
async fn scores(network: &DenseNetwork, graph: &Graph, magnitudes: &[Vec<f64>]) -> Result<Vec<Vec<f32>>, TrainError> {
    let scales = scales(graph, magnitudes);
    let mut scaled: Vec<Vec<f32>> = magnitudes.iter().map(|values| vec![0.0; values.len()]).collect();
    let mut put = |param: usize, factor: f64| {
        scaled[param] = magnitudes[param].iter().map(|magnitude| (magnitude * factor) as f32).collect();
    };
    for node in &graph.nodes {
        if let Op::Conv { weight, bias, .. } = node.op {
            put(weight, scales[node.output] / scales[node.input]);
            bias.into_iter().for_each(|bias| put(bias, scales[node.output]));
        }
    }
    network.write(&scaled);
    let ones = vec![scales[0] as f32; graph.tensors[0].len()];
    let gradients = network.gradients(&ones, |logits| vec![1.0; logits.len()]).await?;
    let gradients: Vec<Vec<f64>> =
        gradients.iter().map(|gradient| gradient.iter().map(|&g| f64::from(g)).collect()).collect();
    finite(Init::Synflow, network.scores(&scaled, &gradients, |w, g| (w * g).abs()))
}

/// The same network without batch normalisation.
fn without_norms(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    for node in &mut graph.nodes {
        if let Op::Pointwise { norm, .. } = &mut node.op {
            *norm = None;
        }
    }
    graph
}

/// By what each tensor is multiplied, a power of two, so that sums of magnitudes over many layers stay in the range of `f32`:
/// without norms they grow tenfold and more a layer. All of a network's flows then change by one factor, since what is added has
/// one scale.
fn scales(graph: &Graph, magnitudes: &[Vec<f64>]) -> Vec<f64> {
    // Tensors that pass on what they get, or are added, are of one scale: that of the first of them.
    let mut first: Vec<TensorId> = (0..graph.tensors.len()).collect();
    let mut sizes = vec![1.0f64; graph.tensors.len()];
    for node in &graph.nodes {
        let x = sizes[node.input];
        let mut join = |a: TensorId, b: TensorId| {
            let (low, high) = (first[a].min(first[b]), first[a].max(first[b]));
            first.iter_mut().filter(|first| **first == high).for_each(|first| *first = low);
        };
        sizes[node.output] = match &node.op {
            Op::Conv { weight, bias, .. } => {
                let mean =
                    |param: usize| magnitudes[param].iter().sum::<f64>() / graph.tensors[node.output].channels as f64;
                x * mean(*weight) + bias.map_or(0.0, mean)
            }
            Op::Pointwise { residual, .. } => {
                join(node.input, node.output);
                residual.iter().for_each(|&residual| join(residual, node.output));
                x + residual.map_or(0.0, |residual| sizes[residual])
            }
            Op::Pool(_) | Op::Flatten => {
                join(node.input, node.output);
                x
            }
        };
    }
    let scale = |tensor: TensorId| {
        let together = (0..sizes.len()).filter(|&other| first[other] == first[tensor]);
        let range = together.map(|other| sizes[other].max(f64::MIN_POSITIVE).log2());
        let (low, high) = range.fold((f64::MAX, f64::MIN), |(low, high), size| (low.min(size), high.max(size)));
        (-0.5 * (low + high)).round().exp2()
    };
    (0..sizes.len()).map(scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{self, Shape};
    use crate::sparsity::init;

    /// A network of 34 layers, whose flow has a range that `f32` has not, is scaled to one that it has.
    #[test]
    fn sums_over_many_layers_stay_in_range() {
        let graph = without_norms(&model::build("resnet34", 10, Shape::new(3, 32, 32)).unwrap());
        let magnitudes: Vec<Vec<f64>> = (graph.params.iter().enumerate())
            .map(|(id, param)| init::values(3, id, param, None).iter().map(|v| f64::from(v.abs())).collect())
            .collect();
        let scales = scales(&graph, &magnitudes);
        let mut sizes = vec![1.0f64; graph.tensors.len()];
        for node in &graph.nodes {
            sizes[node.output] = match &node.op {
                Op::Conv { weight, .. } => {
                    let channels = graph.tensors[node.output].channels as f64;
                    sizes[node.input] * magnitudes[*weight].iter().sum::<f64>() / channels
                }
                Op::Pointwise { residual, .. } => sizes[node.input] + residual.map_or(0.0, |residual| sizes[residual]),
                _ => sizes[node.input],
            };
            if let Op::Pointwise { residual: Some(residual), .. } = node.op {
                assert_eq!(scales[residual], scales[node.input], "what is added has one scale");
            }
        }
        assert!(sizes[graph.logits()] > 1e38, "this network needs no scales: {}", sizes[graph.logits()]);
        for (size, scale) in sizes.iter().zip(&scales) {
            assert_eq!(scale.log2().fract(), 0.0);
            assert!((1e-12..1e12).contains(&(size * scale)), "{size} by {scale}");
        }
    }
}
