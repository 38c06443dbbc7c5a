//! `relu(norm(x) + residual)`, each part optional. (Kernels: `pointwise_*`.)

/// PyTorch's defaults.
pub const EPSILON: f64 = 1e-5;
pub const MOMENTUM: f64 = 0.1;

/// x is `[n, c, plane]`.
#[derive(Clone, Copy, Debug)]
pub struct Dims {
    pub n: usize,
    pub c: usize,
    pub plane: usize,
}

impl Dims {
    fn channel(&self, at: usize) -> usize {
        at / self.plane % self.c
    }

    /// Per channel: the sum of `value` over images and pixels.
    fn sums(&self, value: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.c];
        for at in 0..self.n * self.c * self.plane {
            sums[self.channel(at)] += value(at);
        }
        sums
    }
}

/// Batch normalisation's weight and bias, `[c]` each.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    pub weight: &'a [f64],
    pub bias: &'a [f64],
}

/// Mean and biased variance of each channel.
pub fn batch_statistics(dims: &Dims, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let count = (dims.n * dims.plane) as f64;
    let mean: Vec<f64> = dims.sums(|at| x[at]).iter().map(|sum| sum / count).collect();
    let variance = dims.sums(|at| (x[at] - mean[dims.channel(at)]).powi(2)).iter().map(|sum| sum / count).collect();
    (mean, variance)
}

/// Running statistics after a batch: the variance's update is unbiased, as in PyTorch; with one value a channel (where
/// PyTorch fails) it is the biased one.
pub fn update_running(dims: &Dims, statistics: (&[f64], &[f64]), running: (&mut [f64], &mut [f64])) {
    let count = (dims.n * dims.plane) as f64;
    let unbiased = count / (count - 1.0).max(1.0);
    for c in 0..dims.c {
        running.0[c] = (1.0 - MOMENTUM) * running.0[c] + MOMENTUM * statistics.0[c];
        running.1[c] = (1.0 - MOMENTUM) * running.1[c] + MOMENTUM * statistics.1[c] * unbiased;
    }
}

/// The result with given statistics: the batch's in training, the running ones in evaluation.
pub fn forward(
    dims: &Dims,
    x: &[f64],
    norm: Option<(Norm, &[f64], &[f64])>,
    residual: Option<&[f64]>,
    relu: bool,
) -> Vec<f64> {
    let value = |at: usize| {
        let c = dims.channel(at);
        let mut v = match norm {
            Some((norm, mean, variance)) => {
                (x[at] - mean[c]) / (variance[c] + EPSILON).sqrt() * norm.weight[c] + norm.bias[c]
            }
            None => x[at],
        };
        v += residual.map_or(0.0, |residual| residual[at]);
        if relu { v.max(0.0) } else { v }
    };
    (0..x.len()).map(value).collect()
}

/// Gradients of [`forward`] in training.
#[derive(Clone, Debug)]
pub struct Gradients {
    pub x: Vec<f64>,
    /// Of each number of `x` the magnitudes of what it is the sum of: a sum that cancels is no better than they are.
    pub x_terms: Vec<f64>,
    pub residual: Vec<f64>,
    pub weight: Vec<f64>,
    pub bias: Vec<f64>,
}

/// From the output `y` and its gradient `dy`; ReLU's gradient at 0 is 0.
pub fn backward(dims: &Dims, x: &[f64], norm: Option<Norm>, relu: bool, y: &[f64], dy: &[f64]) -> Gradients {
    let dz: Vec<f64> = y.iter().zip(dy).map(|(&y, &dy)| if relu && y <= 0.0 { 0.0 } else { dy }).collect();
    let Some(norm) = norm else {
        let x_terms = dz.iter().map(|v| v.abs()).collect();
        return Gradients { x: dz.clone(), x_terms, residual: dz, weight: Vec::new(), bias: Vec::new() };
    };
    let (mean, variance) = batch_statistics(dims, x);
    let inverse: Vec<f64> = variance.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();
    let normal = |at: usize| (x[at] - mean[dims.channel(at)]) * inverse[dims.channel(at)];
    let bias = dims.sums(|at| dz[at]);
    let weight = dims.sums(|at| dz[at] * normal(at));
    let count = (dims.n * dims.plane) as f64;
    let terms = |at: usize| {
        let c = dims.channel(at);
        [dz[at], -bias[c] / count, -normal(at) * weight[c] / count].map(|term| norm.weight[c] * inverse[c] * term)
    };
    let dx = (0..x.len()).map(|at| terms(at).iter().sum()).collect();
    let x_terms = (0..x.len()).map(|at| terms(at).iter().map(|term| term.abs()).sum()).collect();
    Gradients { x: dx, x_terms, residual: dz, weight, bias }
}

#[cfg(test)]
mod tests {
    use super::super::{check_gradient, dot, noise};
    use super::*;

    #[test]
    fn gradients_are_finite_differences() {
        let dims = Dims { n: 3, c: 2, plane: 4 };
        let (x, residual, dy) = (noise(1, 24), noise(2, 24), noise(3, 24));
        let (weight, bias) = (noise(4, 2), noise(5, 2));
        for relu in [false, true] {
            let run = |x: &[f64], weight: &[f64], bias: &[f64], residual: &[f64]| {
                let (mean, variance) = batch_statistics(&dims, x);
                forward(&dims, x, Some((Norm { weight, bias }, &mean, &variance)), Some(residual), relu)
            };
            let y = run(&x, &weight, &bias, &residual);
            let norm = Norm { weight: &weight, bias: &bias };
            let gradients = backward(&dims, &x, Some(norm), relu, &y, &dy);
            check_gradient("x", &x, &gradients.x, |x| dot(&run(x, &weight, &bias, &residual), &dy));
            check_gradient("residual", &residual, &gradients.residual, |r| dot(&run(&x, &weight, &bias, r), &dy));
            check_gradient("weight", &weight, &gradients.weight, |w| dot(&run(&x, w, &bias, &residual), &dy));
            check_gradient("bias", &bias, &gradients.bias, |b| dot(&run(&x, &weight, b, &residual), &dy));
        }
        let y = forward(&dims, &x, None, None, true);
        let gradients = backward(&dims, &x, None, true, &y, &dy);
        check_gradient("relu", &x, &gradients.x, |x| dot(&forward(&dims, x, None, None, true), &dy));
    }

    #[test]
    fn running_statistics() {
        let update = |dims: &Dims, x: &[f64]| {
            let (mean, variance) = batch_statistics(dims, x);
            let mut running = ([1.0], [2.0]);
            update_running(dims, (&mean, &variance), (&mut running.0, &mut running.1));
            (running.0[0], running.1[0])
        };
        let close = |got: (f64, f64), want: (f64, f64)| {
            assert!((got.0 - want.0).abs() + (got.1 - want.1).abs() < 1e-12, "{got:?}, not {want:?}");
        };
        // Mean 2, biased variance 1, unbiased 4/3.
        close(update(&Dims { n: 2, c: 1, plane: 2 }, &[1.0, 1.0, 3.0, 3.0]), (1.1, 1.8 + 0.4 / 3.0));
        // One value a channel: the biased variance 0, and no NaN.
        close(update(&Dims { n: 1, c: 1, plane: 1 }, &[5.0]), (1.4, 1.8));
    }

    #[test]
    fn evaluation_uses_the_given_statistics() {
        let dims = Dims { n: 1, c: 2, plane: 1 };
        let norm = Norm { weight: &[2.0, 2.0], bias: &[1.0, -9.0] };
        let (mean, variance) = ([1.0, 1.0], [4.0 - EPSILON, 1.0 - EPSILON]);
        let y = |relu| forward(&dims, &[3.0, 3.0], Some((norm, &mean, &variance)), Some(&[10.0, 1.0]), relu);
        assert_eq!((y(false), y(true)), (vec![13.0, -4.0], vec![13.0, 0.0]));
    }

    #[test]
    fn no_gradient_at_zero() {
        let dims = Dims { n: 1, c: 1, plane: 3 };
        let x = [0.0, -0.0, 1e-300];
        let y = forward(&dims, &x, None, None, true);
        assert_eq!(backward(&dims, &x, None, true, &y, &[1.0; 3]).x, [0.0, 0.0, 1.0]);
    }
}
