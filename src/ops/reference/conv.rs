//! Convolution. Sparse and dense kernels compute the same: a sparse weight is one with zeros.
//! (Kernels: `conv_sparse_*`, `conv_dense_*`, `conv_bias_grad`.)

/// Shapes: x `[n, c, h, w]`, weight `[k, c, kernel, kernel]`, y `[n, k, out_h, out_w]`.
#[derive(Clone, Copy, Debug)]
pub struct Conv {
    pub n: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
    pub k: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Conv {
    pub fn out_h(&self) -> usize {
        (self.h + 2 * self.padding - self.kernel) / self.stride + 1
    }

    pub fn out_w(&self) -> usize {
        (self.w + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Visits every product of the convolution: indices into y, x and the weight.
    fn each(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let (out_h, out_w) = (self.out_h(), self.out_w());
        for (n, k, c) in grid(self.n, self.k, self.c) {
            for (y, x, tap) in grid(out_h, out_w, self.kernel * self.kernel) {
                let (r, s) = (tap / self.kernel, tap % self.kernel);
                let (in_y, in_x) = (y * self.stride + r, x * self.stride + s);
                let inside = |at: usize, size: usize| at >= self.padding && at < size + self.padding;
                if inside(in_y, self.h) && inside(in_x, self.w) {
                    let (in_y, in_x) = (in_y - self.padding, in_x - self.padding);
                    visit(
                        ((n * self.k + k) * out_h + y) * out_w + x,
                        ((n * self.c + c) * self.h + in_y) * self.w + in_x,
                        (k * self.c + c) * self.kernel * self.kernel + tap,
                    );
                }
            }
        }
    }
}

fn grid(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a * b * c).map(move |i| (i / (b * c), i / c % b, i % c))
}

/// y = conv(x, weight) + bias.
pub fn forward(conv: &Conv, x: &[f64], weight: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    let plane = conv.out_h() * conv.out_w();
    let start = |at: usize| bias.map_or(0.0, |bias| bias[at / plane % conv.k]);
    let mut y: Vec<f64> = (0..conv.n * conv.k * plane).map(start).collect();
    conv.each(|to, from, w| y[to] += weight[w] * x[from]);
    y
}

/// Gradient to x.
pub fn grad_input(conv: &Conv, dy: &[f64], weight: &[f64]) -> Vec<f64> {
    let mut dx = vec![0.0; conv.n * conv.c * conv.h * conv.w];
    conv.each(|to, from, w| dx[from] += weight[w] * dy[to]);
    dx
}

/// Gradient to every position of the weight, active or not.
pub fn grad_weight(conv: &Conv, x: &[f64], dy: &[f64]) -> Vec<f64> {
    let mut dw = vec![0.0; conv.k * conv.c * conv.kernel * conv.kernel];
    conv.each(|to, from, w| dw[w] += x[from] * dy[to]);
    dw
}

/// Gradient to the bias.
pub fn grad_bias(conv: &Conv, dy: &[f64]) -> Vec<f64> {
    let plane = conv.out_h() * conv.out_w();
    let mut db = vec![0.0; conv.k];
    for (at, d) in dy.iter().enumerate() {
        db[at / plane % conv.k] += d;
    }
    db
}

#[cfg(test)]
mod tests {
    use super::super::{check_gradient, dot, noise};
    use super::*;

    #[test]
    fn gradients_are_finite_differences() {
        for (kernel, stride, padding, h, w) in [
            (3, 1, 1, 4, 5),
            (3, 2, 1, 5, 4),
            (3, 1, 0, 5, 4),
            (3, 2, 0, 5, 6),
            (1, 1, 0, 3, 2),
            (1, 2, 0, 4, 5),
            (1, 1, 1, 2, 3),
        ] {
            let conv = Conv { n: 2, c: 2, h, w, k: 3, kernel, stride, padding };
            let x = noise(1, 2 * 2 * h * w);
            let weight = noise(2, 3 * 2 * kernel * kernel);
            let bias = noise(3, 3);
            let dy = noise(4, 2 * 3 * conv.out_h() * conv.out_w());
            let loss = |x: &[f64], w: &[f64], b: &[f64]| dot(&forward(&conv, x, w, Some(b)), &dy);
            check_gradient("x", &x, &grad_input(&conv, &dy, &weight), |x| loss(x, &weight, &bias));
            check_gradient("weight", &weight, &grad_weight(&conv, &x, &dy), |w| loss(&x, w, &bias));
            check_gradient("bias", &bias, &grad_bias(&conv, &dy), |b| loss(&x, &weight, b));
        }
    }
}
