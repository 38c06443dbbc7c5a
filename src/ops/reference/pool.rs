//! Square pooling, partial windows dropped. (Kernels: `pool_*`.)

use crate::ops::pool::{Pool, PoolKind};

/// x is `[planes, h, w]`, y `[planes, pool.outputs(h), pool.outputs(w)]`.
#[derive(Clone, Copy, Debug)]
pub struct Planes {
    pub planes: usize,
    pub h: usize,
    pub w: usize,
}

impl Planes {
    /// Indices into x of what the window of output `at` has of the map, row by row.
    fn window(&self, pool: &Pool, at: usize) -> Vec<usize> {
        let (out_h, out_w) = (pool.outputs(self.h), pool.outputs(self.w));
        let (plane, y, x) = (at / (out_h * out_w), at / out_w % out_h, at % out_w);
        let pixel = |i: usize| {
            let row = (y * pool.stride + i / pool.size).checked_sub(pool.padding).filter(|&row| row < self.h)?;
            let column =
                (x * pool.stride + i % pool.size).checked_sub(pool.padding).filter(|&column| column < self.w)?;
            Some((plane * self.h + row) * self.w + column)
        };
        (0..pool.size * pool.size).filter_map(pixel).collect()
    }

    fn outputs(&self, pool: &Pool) -> usize {
        self.planes * pool.outputs(self.h) * pool.outputs(self.w)
    }
}

/// The first of the largest in a window.
fn top(window: &[usize], x: &[f64]) -> usize {
    window.iter().copied().reduce(|best, at| if x[at] > x[best] { at } else { best }).unwrap_or(0)
}

/// y = pool(x).
pub fn forward(pool: &Pool, planes: &Planes, x: &[f64]) -> Vec<f64> {
    let value = |at: usize| {
        let window = planes.window(pool, at);
        match pool.kind {
            PoolKind::Max => x[top(&window, x)],
            PoolKind::Average => window.iter().map(|&at| x[at]).sum::<f64>() / (pool.size * pool.size) as f64,
        }
    };
    (0..planes.outputs(pool)).map(value).collect()
}

/// Gradient to x; the maximum's goes to the first of equals in row-major order, as in PyTorch.
pub fn backward(pool: &Pool, planes: &Planes, x: &[f64], dy: &[f64]) -> Vec<f64> {
    let mut dx = vec![0.0; x.len()];
    for (at, d) in dy.iter().enumerate() {
        let window = planes.window(pool, at);
        match pool.kind {
            PoolKind::Max => dx[top(&window, x)] += d,
            PoolKind::Average => window.iter().for_each(|&at| dx[at] += d / (pool.size * pool.size) as f64),
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
            for (h, w, size, stride, padding) in [
                (4, 4, 2, 2, 0),
                (5, 7, 2, 2, 0),
                (4, 4, 4, 4, 0),
                (3, 3, 3, 3, 0),
                (5, 7, 3, 2, 1),
                (4, 6, 3, 1, 1),
                (6, 5, 1, 2, 0),
            ] {
                let (pool, planes) = (Pool { kind, size, stride, padding }, Planes { planes: 2, h, w });
                let x = noise(1, 2 * h * w);
                let dy = noise(2, planes.outputs(&pool));
                let dx = backward(&pool, &planes, &x, &dy);
                check_gradient("x", &x, &dx, |x| dot(&forward(&pool, &planes, x), &dy));
            }
        }
    }

    #[test]
    fn ties_go_to_the_first() {
        let (pool, planes) = (Pool::tiles(PoolKind::Max, 2), Planes { planes: 1, h: 2, w: 2 });
        assert_eq!(backward(&pool, &planes, &[1.0, 3.0, 3.0, 3.0], &[5.0]), [0.0, 5.0, 0.0, 0.0]);
    }

    /// As PyTorch's `MaxPool2d(3, 2, 1)`: where all is negative, the padding's zeros are not the maximum.
    #[test]
    fn padding_is_never_the_maximum() {
        let pool = Pool { kind: PoolKind::Max, size: 3, stride: 2, padding: 1 };
        let planes = Planes { planes: 1, h: 3, w: 3 };
        let x: Vec<f64> = (1..10).map(|i| -f64::from(i)).collect();
        assert_eq!(forward(&pool, &planes, &x), [-1.0, -2.0, -4.0, -5.0]);
        assert_eq!(backward(&pool, &planes, &x, &[1.0; 4]), [1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
