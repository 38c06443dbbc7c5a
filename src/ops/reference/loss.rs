//! Log-softmax and negative log-likelihood with label smoothing s: (1 − s) · nll + s · mean of −log p. (Kernels: `loss`,
//! `loss_reduce`.)

/// What a batch gives.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Of each image.
    pub losses: Vec<f64>,
    /// Gradient of the mean loss to the logits.
    pub gradient: Vec<f64>,
    /// Whether the highest class (of equals the lowest) is the label.
    pub correct: Vec<bool>,
}

/// Logits are `[n, classes]`.
pub fn forward_backward(logits: &[f64], labels: &[usize], smoothing: f64) -> Loss {
    let classes = logits.len() / labels.len();
    let mut loss = Loss { losses: Vec::new(), gradient: Vec::new(), correct: Vec::new() };
    for (row, &label) in logits.chunks(classes).zip(labels) {
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_total = most + row.iter().map(|v| (v - most).exp()).sum::<f64>().ln();
        let log_p: Vec<f64> = row.iter().map(|v| v - log_total).collect();
        let mean = -log_p.iter().sum::<f64>() / classes as f64;
        loss.losses.push((1.0 - smoothing) * -log_p[label] + smoothing * mean);
        loss.correct.push(row.iter().position(|&v| v == most) == Some(label));
        for (class, log_p) in log_p.iter().enumerate() {
            let wanted = smoothing / classes as f64 + if class == label { 1.0 - smoothing } else { 0.0 };
            loss.gradient.push((log_p.exp() - wanted) / labels.len() as f64);
        }
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::super::{check_gradient, noise};
    use super::*;

    #[test]
    fn gradients_are_finite_differences() {
        let logits = noise(1, 3 * 5);
        for smoothing in [0.0, 0.1, 1.0] {
            let run = |logits: &[f64]| forward_backward(logits, &[4, 0, 2], smoothing);
            let mean = |logits: &[f64]| run(logits).losses.iter().sum::<f64>() / 3.0;
            check_gradient("logits", &logits, &run(&logits).gradient, mean);
        }
        assert_eq!(forward_backward(&[1.0, 1.0, 1.0, 1.0], &[0, 1], 0.0).correct, [true, false]);
    }

    #[test]
    fn large_logits_stay_finite() {
        let loss = forward_backward(&[1000.0, -1000.0], &[1], 0.0);
        assert_eq!((loss.losses[0], &loss.gradient[..]), (2000.0, &[1.0, -1.0][..]));
    }
}
