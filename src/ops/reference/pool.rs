//! Square pooling with stride = size, partial windows dropped. (Kernels: `pool_*`.)

use crate::ops::pool::PoolKind;

/// x is `[planes, h, w]`, y `[planes, h / size, w / size]`.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    pub kind: PoolKind,
    pub planes: usize,
    pub h: usize,
    pub w: usize,
    pub size: usize,
}

impl Pool {
    /// Indices into x of the window of output `at`, row by row.
    fn window(&self, at: usize) -> Vec<usize> {
        let (out_h, out_w) = (self.h / self.size, self.w / self.size);
        let (plane, y, x) = (at / (out_h * out_w), at / out_w % out_h, at % out_w);
        let first = (plane * self.h + y * self.size) * self.w + x * self.size;
        (0..self.size * self.size).map(|i| first + i / self.size * self.w + i % self.size).collect()
    }

    fn outputs(&self) -> usize {
        self.planes * (self.h / self.size) * (self.w / self.size)
    }
}

/// The first of the largest in a window.
fn top(window: &[usize], x: &[f64]) -> usize {
    window.iter().copied().reduce(|best, at| if x[at] > x[best] { at } else { best }).unwrap_or(0)
}

/// y = pool(x).
pub fn forward(pool: &Pool, x: &[f64]) -> Vec<f64> {
    let value = |at: usize| {
        let window = pool.window(at);
        match pool.kind {
            PoolKind::Max => x[top(&window, x)],
            PoolKind::Average => window.iter().map(|&at| x[at]).sum::<f64>() / window.len() as f64,
        }
    };
    (0..pool.outputs()).map(value).collect()
}

/// Gradient to x; the maximum's goes to the first of equals in row-major order, as in PyTorch.
pub fn backward(pool: &Pool, x: &[f64], dy: &[f64]) -> Vec<f64> {
    let mut dx = vec![0.0; x.len()];
    for (at, d) in dy.iter().enumerate() {
        let window = pool.window(at);
        match pool.kind {
            PoolKind::Max => dx[top(&window, x)] += d,
            PoolKind::Average => window.iter().for_each(|&at| dx[at] += d / window.len() as f64),
        }
    }
    dx
}

#[cfg(test)]
mod tests {
    use super::super::{check_gradient, dot, noise};
    use super::*;

    #[test]
    fn gradients_are_finite_differences() {
        for kind in [PoolKind::Max, PoolKind::Average] {
            for (h, w, size) in [(4, 4, 2), (5, 7, 2), (4, 4, 4), (3, 3, 3)] {
                let pool = Pool { kind, planes: 2, h, w, size };
                let x = noise(1, 2 * h * w);
                let dy = noise(2, pool.outputs());
                check_gradient("x", &x, &backward(&pool, &x, &dy), |x| dot(&forward(&pool, x), &dy));
            }
        }
    }

    #[test]
    fn ties_go_to_the_first() {
        let pool = Pool { kind: PoolKind::Max, planes: 1, h: 2, w: 2, size: 2 };
        assert_eq!(backward(&pool, &[1.0, 3.0, 3.0, 3.0], &[5.0]), [0.0, 5.0, 0.0, 0.0]);
    }
}
