//! Scores of every weight by gradients of the dense network. CPU reference: `verify::Reference::gradients`.

use super::{Batch, DenseNetwork};
use crate::sparsity::Init;
use crate::train::TrainError;

/// How far the choice of a first set is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What is counted.
    pub unit: &'static str,
    pub done: usize,
    pub total: usize,
    /// GPU memory that it takes, in bytes.
    pub bytes: u64,
}

/// SNIP (Lee, Ajanthan and Torr 2019): |w·g| of each prunable parameter's weights, with the gradient of the mean loss over all
/// `batches`. The paper divides by the sum over all weights, which changes no order.
///
/// # Errors
/// When the device fails, or a score is not finite.
pub async fn snip(
    network: &DenseNetwork,
    values: &[Vec<f32>],
    batches: &[Batch],
    progress: &mut dyn FnMut(&Progress),
) -> Result<Vec<Vec<f32>>, TrainError> {
    network.write(values);
    let mut done = |done| progress(&Progress { unit: "gradient", done, total: batches.len(), bytes: network.bytes() });
    let gradient = mean_gradient(network, batches, &mut done).await?;
    let score = |w: f64, g: f64| (w * g).abs();
    finite(Init::Snip, network.scores(values, &gradient, score))
}

/// The mean over `batches` of the gradient of each prunable parameter.
async fn mean_gradient(
    network: &DenseNetwork,
    batches: &[Batch],
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<f64>>, TrainError> {
    let mut sums: Vec<Vec<f64>> = Vec::new();
    for (number, batch) in batches.iter().enumerate() {
        let head = |logits: &[f32]| cross_entropy(logits, &batch.labels);
        let gradient = network.gradients(&batch.input, head).await?;
        sums.resize_with(gradient.len(), Vec::new);
        for (sum, gradient) in sums.iter_mut().zip(gradient) {
            sum.resize(gradient.len(), 0.0);
            sum.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += f64::from(g) / batches.len() as f64);
        }
        done(number + 1);
    }
    Ok(sums)
}

/// The gradient of the mean cross-entropy of `logits` (`[n, classes]`).
fn cross_entropy(logits: &[f32], labels: &[usize]) -> Vec<f32> {
    let classes = logits.len() / labels.len().max(1);
    let scale = 1.0 / labels.len() as f64;
    let of_image = |(logits, &label): (&[f32], &usize)| {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = logits.iter().map(|z| f64::from(z - most).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let gradient = move |(class, power): (usize, f64)| {
            let target = if class == label { 1.0 } else { 0.0 };
            ((power / sum - target) * scale) as f32
        };
        powers.into_iter().enumerate().map(gradient)
    };
    logits.chunks(classes.max(1)).zip(labels).flat_map(of_image).collect()
}

/// The scores, if all of them are numbers.
pub(super) fn finite(how: Init, scores: Vec<Vec<f32>>) -> Result<Vec<Vec<f32>>, TrainError> {
    match scores.iter().flatten().all(|score| score.is_finite()) {
        true => Ok(scores),
        false => Err(TrainError::NoScores { how: how.name() }),
    }
}
