//! SGD with (Nesterov) momentum and weight decay, in PyTorch's order of arithmetic. (Kernel: `sgd`.)

/// Hyper-parameters of a step.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    pub lr: f64,
    pub momentum: f64,
    pub nesterov: bool,
    pub weight_decay: f64,
}

/// One step in place; the momentum starts at 0.
pub fn step(sgd: &Sgd, value: &mut [f64], momentum: &mut [f64], gradient: &[f64]) {
    for ((w, b), g) in value.iter_mut().zip(momentum).zip(gradient) {
        let g = g + sgd.weight_decay * *w;
        *b = sgd.momentum * *b + g;
        *w -= sgd.lr * if sgd.nesterov { g + sgd.momentum * *b } else { *b };
    }
}
