//! SGD with (Nesterov) momentum and weight decay, in PyTorch's order of arithmetic. (Kernel: `sgd`.)

use crate::ops::philox::{Purpose, key, philox4x32};

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

/// What a step that keeps signs adds: a pull to 0 and the deviation of noise.
#[derive(Clone, Copy, Debug)]
pub struct Pull {
    pub l1: f64,
    pub noise: f64,
}

/// What makes of a step from `before` one that keeps signs (DeepR, Bellec et al. 2018): weights are pulled to 0, get `gaussian` noise,
/// and become 0 where their sign would change.
pub fn keep_signs(pull: &Pull, before: &[f64], value: &mut [f64], gaussian: impl Fn(usize) -> f64) {
    for (at, (w, &old)) in value.iter_mut().zip(before).enumerate() {
        let moved = *w - pull.l1 * old.signum() + pull.noise * gaussian(at);
        *w = if old != 0.0 && moved * old.signum() > 0.0 { moved } else { 0.0 };
    }
}

/// Number `at` of a step's noise, of a standard normal distribution: Box and Muller's transform of 24 bits each.
pub fn gaussian(seed: u64, (epoch, cursor): (u32, u32), at: usize) -> f64 {
    let words = philox4x32(key(seed), [(at / 4) as u32, epoch, cursor, Purpose::Noise as u32]);
    let unit = |part: usize| (f64::from(words[part] >> 8) + 0.5) / 16_777_216.0;
    // Of a block of four, the first two numbers are cosines, the others sines.
    let pair = at % 2;
    let (radius, turn) = ((-2.0 * unit(pair).ln()).sqrt(), std::f64::consts::TAU * unit(2 + pair));
    radius * if at % 4 < 2 { turn.cos() } else { turn.sin() }
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

    #[test]
    fn what_would_cross_zero_stays_there() {
        let pull = Pull { l1: 0.25, noise: 0.0 };
        let mut value = [0.5, 0.125, -0.125, 0.5, -0.5];
        keep_signs(&pull, &[0.5, 0.5, -0.1, 0.0, 0.3], &mut value, |_| 0.0);
        assert_eq!(value, [0.25, 0.0, 0.0, 0.0, 0.0]);
    }

    /// Mean 0, variance 1 and fourth moment 3, within five standard errors.
    #[test]
    fn noise_is_normal() {
        let draws: Vec<f64> = (0..40_000).map(|at| gaussian(1, (2, 3), at)).collect();
        let moment = |power: i32| draws.iter().map(|x| x.powi(power)).sum::<f64>() / draws.len() as f64;
        assert!(moment(1).abs() < 0.025 && (moment(2) - 1.0).abs() < 0.036 && (moment(4) - 3.0).abs() < 0.25);
    }
}
