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

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, from weight 1 and gradients 2 and 1.
    #[test]
    fn two_steps() {
        for (nesterov, weight_decay, expected) in [
            (false, 0.0, [(0.8, 2.0), (0.6, 2.0)]),
            (true, 0.0, [(0.7, 2.0), (0.5, 2.0)]),
            // The decay enters the momentum: 2 + 0.5 · 1, then 0.5 · 2.5 + 1 + 0.5 · 0.75.
            (false, 0.5, [(0.75, 2.5), (0.4875, 2.625)]),
        ] {
            let sgd = Sgd { lr: 0.1, momentum: 0.5, nesterov, weight_decay };
            let (mut value, mut momentum) = ([1.0], [0.0]);
            for ((w, b), gradient) in expected.into_iter().zip([2.0, 1.0]) {
                step(&sgd, &mut value, &mut momentum, &[gradient]);
                let close = |got: f64, want: f64| (got - want).abs() < 1e-12;
                assert!(close(value[0], w) && close(momentum[0], b), "{sgd:?}: {value:?} {momentum:?}, not {w} {b}");
            }
        }
    }
}
