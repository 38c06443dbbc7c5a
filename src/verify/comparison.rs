//! The comparison of a device's result with its reference.

use std::fmt::Debug;

use crate::gpu::Command;
use crate::ops::Storage;

/// One tensor of one case.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The shaders that made it.
    pub kernels: Vec<&'static str>,
    /// The candidate, or which of the kernel's results.
    pub what: String,
    /// Largest error in units in the last place of the wanted value (or of a thousandth of the largest, if that is more:
    /// a sum that cancels has no better). 0 where bits were compared and are equal.
    pub ulp: f64,
    /// Largest error over the largest wanted magnitude, or of a sum over its terms' magnitudes; infinite where bits were
    /// compared and differ.
    pub relative: f64,
    /// How large `relative` may be; 0: the same bits.
    pub tolerance: f64,
    /// The worst place: what stands there and what should.
    pub worst: String,
}

impl Comparison {
    /// Of rounded numbers, measured by the largest of them.
    pub fn close(kernels: &[&'static str], what: &str, got: &[f32], wanted: &[f64], tolerance: f64) -> Self {
        let scale = wanted.iter().fold(0.0f64, |most, v| most.max(v.abs())).max(1e-3);
        Self::within(kernels, what, got, (wanted, |_| scale), tolerance)
    }

    /// Of sums, each measured by the sum of its terms' magnitudes: one that cancels is no better than its terms are.
    pub fn sums(
        kernels: &[&'static str],
        what: &str,
        got: &[f32],
        (wanted, magnitudes): (&[f64], &[f64]),
        tolerance: f64,
    ) -> Self {
        let scale = |i: usize| magnitudes.get(i).map_or(0.0, |&magnitude| magnitude.max(1e-30));
        Self::within(kernels, what, got, (wanted, scale), tolerance)
    }

    fn within(
        kernels: &[&'static str],
        what: &str,
        got: &[f32],
        (wanted, scale): (&[f64], impl Fn(usize) -> f64),
        tolerance: f64,
    ) -> Self {
        let (mut ulp, mut relative, mut at) = (0.0f64, 0.0f64, 0);
        for (i, (&g, &w)) in got.iter().zip(wanted).enumerate() {
            let error = (f64::from(g) - w).abs();
            let place = (w.abs().max(1e-3 * scale(i)) as f32).to_bits();
            let unit = f64::from(f32::from_bits(place + 1)) - f64::from(f32::from_bits(place));
            ulp = ulp.max(error / unit);
            let share = error / scale(i);
            if share > relative || !share.is_finite() {
                (relative, at) = (if share.is_finite() { share } else { f64::INFINITY }, i);
            }
            if !share.is_finite() {
                ulp = f64::INFINITY;
                break;
            }
        }
        let mut worst = match (got.get(at), wanted.get(at)) {
            (Some(got), Some(wanted)) => format!("{got} instead of {wanted} at {at} (scale {})", scale(at)),
            _ => String::new(),
        };
        // As one phone's browser gave all gradients (tfjs#8590).
        if got.len() > 1 && got.iter().all(|&g| g == 0.0) && wanted.iter().any(|&w| w != 0.0) {
            worst = format!("all {} numbers are 0", got.len());
        }
        if got.len() != wanted.len() {
            relative = f64::INFINITY;
            worst = format!("{} numbers instead of {}", got.len(), wanted.len());
        }
        Self { kernels: kernels.to_vec(), what: what.into(), ulp, relative, tolerance, worst }
    }

    /// The same of numbers that were rounded to `storage` when they were written: that much more is allowed, and its units
    /// count.
    pub fn stored(mut self, storage: Storage) -> Self {
        let bits = storage.precision();
        if bits < Storage::F32.precision() {
            self.tolerance += 0.5f64.powi(bits);
            self.ulp /= 2f64.powi(Storage::F32.precision() - bits);
        }
        self
    }

    /// Of bits.
    pub fn exact<T: PartialEq + Debug>(kernels: &[&'static str], what: &str, got: &[T], wanted: &[T]) -> Self {
        let at = got.iter().zip(wanted).position(|(got, wanted)| got != wanted);
        let worst = match at {
            Some(at) => format!("{:?} instead of {:?} at {at}", got[at], wanted[at]),
            None if got.len() != wanted.len() => format!("{} values instead of {}", got.len(), wanted.len()),
            None => String::new(),
        };
        let error = if worst.is_empty() { 0.0 } else { f64::INFINITY };
        Self { kernels: kernels.to_vec(), what: what.into(), ulp: error, relative: error, tolerance: 0.0, worst }
    }

    pub fn agrees(&self) -> bool {
        self.relative <= self.tolerance
    }

    /// Whether bits were compared.
    pub fn is_exact(&self) -> bool {
        self.tolerance == 0.0
    }

    /// How much of what is allowed was needed; above 1 it disagrees.
    pub fn share(&self) -> f64 {
        if self.is_exact() { self.relative } else { self.relative / self.tolerance }
    }

    /// The names of its kernels.
    pub fn kernel(&self) -> String {
        self.kernels.join(" + ")
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.kernel(), self.what, self.worst)
    }
}

/// The shaders of `commands`, each once, in order.
pub(super) fn shaders(commands: &[Command]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for pass in commands {
        if let Command::Dispatch { kernel, .. } = pass
            && !names.contains(&kernel.shader)
        {
            names.push(kernel.shader);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_measured_and_bad_numbers_disagree() {
        let close = |got: &[f32]| Comparison::close(&["k"], "w", got, &[1.0, -2.0], 1e-6);
        let one = close(&[1.0 + f32::EPSILON, -2.0]);
        assert!(one.agrees() && one.ulp == 1.0 && one.relative == f64::from(f32::EPSILON) / 2.0, "{one:?}");
        for bad in [&[1.1f32, -2.0][..], &[1.0, 2.0], &[f32::NAN, -2.0], &[1.0, f32::INFINITY], &[1.0], &[]] {
            assert!(!close(bad).agrees(), "{bad:?}");
        }
        let zeros = close(&[0.0, 0.0]);
        assert!(!zeros.agrees() && zeros.worst == "all 2 numbers are 0", "{zeros:?}");
        // 1 + 1e4 − 1e4 in f32.
        let cancelled = Comparison::sums(&["k"], "w", &[1.0 + 2f32.powi(-10), 3.0], (&[1.0, 3.0], &[2e4, 3.0]), 1e-7);
        assert!(cancelled.agrees() && cancelled.relative > 1e-8, "{cancelled:?}");
        assert!(!Comparison::sums(&["k"], "w", &[1.0, 3.001], (&[1.0, 3.0], &[2e4, 3.0]), 1e-7).agrees());
        assert!(!Comparison::sums(&["k"], "w", &[1e-9], (&[0.0], &[0.0]), 1e-7).agrees(), "no terms, no error");
        assert!(Comparison::exact(&["k"], "w", &[1, 2], &[1, 2]).agrees());
        let differs = Comparison::exact(&["k"], "w", &[1, 2], &[1, 3]);
        assert!(!differs.agrees() && differs.to_string() == "k (w): 2 instead of 3 at 1", "{differs}");
        assert!(!Comparison::exact(&["k"], "w", &[1], &[1, 3]).agrees());
    }
}
