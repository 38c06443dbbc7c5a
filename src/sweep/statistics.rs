//! Statistics of a few runs: means, and 95 % intervals.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// The probability below the upper end of a two-sided interval of 95 %.
const UPPER: f64 = 0.975;

/// A mean and a sample standard deviation (n − 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MeanStd {
    pub n: usize,
    pub mean: f64,
    /// None of fewer than two values.
    pub std: Option<f64>,
}

impl MeanStd {
    /// None of nothing.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        let first = *values.first()?;
        // Equal values have no deviation, not even by rounding.
        if n > 1 && values.iter().all(|&value| value == first) {
            return Some(Self { n, mean: first, std: Some(0.0) });
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self { n, mean, std: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()) })
    }

    /// Half the width of the interval of 95 % for the mean, by Student's t with n − 1 degrees of freedom; none of fewer than
    /// two values.
    pub fn margin(&self) -> Option<f64> {
        let t = StudentsT::new(0.0, 1.0, self.n.checked_sub(1)? as f64).ok()?.inverse_cdf(UPPER);
        Some(t * self.std? / (self.n as f64).sqrt())
    }
}

fn z() -> f64 {
    Normal::standard().inverse_cdf(UPPER)
}

/// Half the width of Wilson's interval of 95 % for a share that was seen to be `share` in `n` cases.
pub fn share_margin(share: f64, n: usize) -> f64 {
    let (z, n) = (z(), n as f64);
    z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt()
}

/// Half the width of the interval of 95 % for the difference of two shares, each seen in `n` cases, by Agresti and Caffo
/// (2000). Two networks that are tested on the same images err together, so that it is wide rather than narrow.
pub fn difference_margin(first: f64, second: f64, n: usize) -> f64 {
    let wider = n as f64 + 2.0;
    let variance = |share: f64| {
        let share = (share * n as f64 + 1.0) / wider;
        share * (1.0 - share) / wider
    };
    z() * (variance(first) + variance(second)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, wanted: f64) {
        assert!((value - wanted).abs() < 1e-9 * wanted.abs().max(1.0), "{value} is not {wanted}");
    }

    /// By scipy 1.17: `stats.t.ppf(0.975, n - 1)`; the tables in books have the first digits (12.706, 4.303, 2.776, …).
    #[test]
    fn intervals_are_students() {
        for (n, t) in [
            (2, 12.706204736174694),
            (3, 4.302652729749462),
            (5, 2.7764451051977934),
            (10, 2.262157162798205),
            (30, 2.045229642132703),
            (100, 1.9842169515864174),
        ] {
            let unit = MeanStd { n, mean: 0.0, std: Some(1.0) };
            near(unit.margin().unwrap() * (n as f64).sqrt(), t);
        }
        // stats.t.interval(0.95, 2, loc = mean, scale = stats.sem(differences))
        let paired = MeanStd::of(&[-0.05, 0.01, 0.0]).unwrap();
        near(paired.mean, -0.013333333333333334);
        near(paired.std.unwrap(), 0.03214550253664319);
        near(paired.mean - paired.margin().unwrap(), -0.09318718844777457);
        assert_eq!(MeanStd::of(&[0.1]).unwrap().margin(), None);
        assert_eq!(MeanStd::of(&[]), None);
        assert_eq!(MeanStd::of(&[0.5, 0.5]).unwrap().margin(), Some(0.0));
    }

    /// By scipy 1.17: `stats.binomtest(k, n).proportion_ci(method="wilson")`; the formula of Agresti and Caffo in Python.
    #[test]
    fn margins_of_a_test_set() {
        near(share_margin(0.28, 100), 0.08674171749367476);
        near(share_margin(0.0, 100), 0.01849674910349284);
        near(share_margin(0.93, 10_000), 0.005002555178514001);
        near(difference_margin(0.28, 0.27, 100), 0.12314109569044793);
        near(difference_margin(1.0, 1.0, 100), 0.027041047939836353);
        near(difference_margin(0.93, 0.935, 10_000), 0.006957165562538711);
    }
}
