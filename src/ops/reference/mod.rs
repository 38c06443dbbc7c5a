//! The CPU references: each operation in plain loops and `f64`, on row-major PyTorch shapes (activations NCHW, weights KCRS).
//! The readable specification, and the oracle that kernels are tested against.

pub mod augment;
pub mod conv;
pub mod loss;
pub mod pointwise;
pub mod pool;
pub mod sgd;
pub mod topology;
pub mod topology_counts;
pub mod topology_map;

// One reference for both kernels: sparse convolution is dense convolution with a masked weight.
pub use conv as conv_dense;
pub use conv as conv_sparse;

/// Numbers in [-1, 1), for tests.
#[cfg(test)]
fn noise(stream: u32, count: usize) -> Vec<f64> {
    use super::philox::{Purpose, unit, word};
    (0..count).map(|i| 2.0 * f64::from(unit(word(7, Purpose::Split, stream, 99, i))) - 1.0).collect()
}

/// Asserts that `gradient` is that of `loss` at `at`, by central differences.
#[cfg(test)]
#[track_caller]
fn check_gradient(what: &str, at: &[f64], gradient: &[f64], loss: impl Fn(&[f64]) -> f64) {
    const STEP: f64 = 1e-5;
    assert_eq!(at.len(), gradient.len());
    let mut moved = at.to_vec();
    for i in 0..at.len() {
        moved[i] = at[i] + STEP;
        let above = loss(&moved);
        moved[i] = at[i] - STEP;
        let difference = (above - loss(&moved)) / (2.0 * STEP);
        moved[i] = at[i];
        let error = (difference - gradient[i]).abs();
        assert!(error < 1e-6 * (1.0 + difference.abs()), "{what} {i}: {} for {difference}", gradient[i]);
    }
}

/// Σ a · b: a loss whose output gradient is `b`.
#[cfg(test)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
