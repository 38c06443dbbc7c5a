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
    let mut done = |done| progress(&Progress { unit: "batch", done, total: batches.len(), bytes: network.bytes() });
    let gradient = mean_gradient(network, batches, 1.0, &mut done).await?;
    let score = |w: f64, g: f64| (w * g).abs();
    finite(Init::Snip, network.scores(values, &gradient, score))
}

/// By what GraSP divides the logits: with it, every class is about as likely as any other (the official code's `T`).
pub const TEMPERATURE: f64 = 200.0;

/// How far GraSP goes along the gradient in each direction, as a share of the norm of the weights. In `f32`, a shorter way drowns
/// in rounding; on a longer one the gradient bends.
pub const STEP: f64 = 0.01;

/// GraSP (Wang, Zhang and Grosse 2020): w·(H g) of each prunable parameter's weights, with g and the Hessian H of the mean loss over
/// all `batches`, logits divided by [`TEMPERATURE`]. The paper's score is −w·(H g), and the weights of smallest score stay: of
/// this one, the largest. H g is a central difference of gradients, [`STEP`] along g: no kernel has a second derivative.
///
/// # Errors
/// When the device fails, or a score is not finite.
pub async fn grasp(
    network: &DenseNetwork,
    values: &[Vec<f32>],
    batches: &[Batch],
    progress: &mut dyn FnMut(&Progress),
) -> Result<Vec<Vec<f32>>, TrainError> {
    let total = 3 * batches.len();
    let mut before = 0;
    let mut gradient = async |values: &[Vec<f32>]| {
        network.write(values);
        let mut done = |done| progress(&Progress { unit: "batch", done: before + done, total, bytes: network.bytes() });
        let gradient = mean_gradient(network, batches, TEMPERATURE, &mut done).await;
        before += batches.len();
        gradient
    };
    let along = gradient(values).await?;
    let norm = |squares: f64| squares.sqrt();
    let weights = norm(network.prunable().flat_map(|param| &values[param]).map(|&w| f64::from(w).powi(2)).sum());
    let step = STEP * weights / norm(along.iter().flatten().map(|g| g * g).sum());
    let moved = |step: f64| {
        let mut moved = values.to_vec();
        for (param, along) in network.prunable().zip(&along) {
            moved[param].iter_mut().zip(along).for_each(|(w, g)| *w = (f64::from(*w) + step * g) as f32);
        }
        moved
    };
    let (mut ahead, behind) = (gradient(&moved(step)).await?, gradient(&moved(-step)).await?);
    for (ahead, behind) in ahead.iter_mut().flatten().zip(behind.iter().flatten()) {
        *ahead = (*ahead - behind) / (2.0 * step);
    }
    finite(Init::Grasp, network.scores(values, &ahead, |w, hg| w * hg))
}

/// The mean over `batches` of the gradient of each prunable parameter. `temperature` divides the logits.
async fn mean_gradient(
    network: &DenseNetwork,
    batches: &[Batch],
    temperature: f64,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<f64>>, TrainError> {
    let mut sums: Vec<Vec<f64>> = Vec::new();
    for (number, batch) in batches.iter().enumerate() {
        let head = |logits: &[f32]| cross_entropy(logits, &batch.labels, temperature);
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

/// The gradient of the mean cross-entropy of `logits / temperature` (`[n, classes]`) with respect to `logits`.
fn cross_entropy(logits: &[f32], labels: &[usize], temperature: f64) -> Vec<f32> {
    let classes = logits.len() / labels.len().max(1);
    let scale = 1.0 / (temperature * labels.len() as f64);
    let of_image = |(logits, &label): (&[f32], &usize)| {
        let scaled = |z: &f32| f64::from(*z) / temperature;
        let most = logits.iter().map(scaled).fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = logits.iter().map(|z| (scaled(z) - most).exp()).collect();
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
