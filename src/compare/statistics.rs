//! Statistics of repeated timings: a median with its interval, outliers, a trend.

use serde::Serialize;

/// Timings of one thing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timing {
    pub median: f64,
    /// Interval of the median from order statistics: no assumption about how the samples are distributed.
    pub low: f64,
    pub high: f64,
    /// The share of repetitions whose interval holds the true median: at least 0.95 from six samples on.
    pub confidence: f64,
    /// In the order in which they were taken.
    pub samples: Vec<f64>,
}

impl Timing {
    /// Of at least one sample.
    pub fn of(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        if n == 0 {
            return Self { median: f64::NAN, low: f64::NAN, high: f64::NAN, confidence: 0.0, samples: Vec::new() };
        }
        let (cut, confidence) = order_interval(n);
        Self {
            median: middle(&sorted),
            low: sorted[cut],
            high: sorted[n - 1 - cut],
            confidence,
            samples: samples.into(),
        }
    }

    /// Whether all of this interval lies below all of the other's.
    pub fn is_below(&self, other: &Self) -> bool {
        self.high < other.low
    }

    /// Samples far above the others: more than five times the usual deviation from the median, and a tenth of it.
    pub fn outliers(&self) -> usize {
        let mut deviations: Vec<f64> = self.samples.iter().map(|v| (v - self.median).abs()).collect();
        deviations.sort_by(f64::total_cmp);
        let usual = 1.4826 * middle(&deviations);
        let most = (5.0 * usual).max(0.1 * self.median);
        self.samples.iter().filter(|&&v| v - self.median > most).count()
    }

    /// By which share the later samples are slower than the earlier ones, if they rise (or, below 0, fall) more steadily
    /// than chance would have it: Mann and Kendall's test at 5 %, and at least one in twenty.
    pub fn trend(&self) -> Option<f64> {
        let n = self.samples.len();
        if n < 6 {
            return None;
        }
        let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
        let score: f64 = pairs.map(|(i, j)| (self.samples[j] - self.samples[i]).partial_cmp(&0.0)).map(sign).sum();
        let n = n as f64;
        let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
        let third = (self.samples.len() / 3).max(1);
        let sorted = |part: &[f64]| {
            let mut part = part.to_vec();
            part.sort_by(f64::total_cmp);
            middle(&part)
        };
        let change = sorted(&self.samples[self.samples.len() - third..]) / sorted(&self.samples[..third]) - 1.0;
        (score.abs() > 1.96 * deviation && change.abs() > 0.05).then_some(change)
    }
}

fn sign(order: Option<std::cmp::Ordering>) -> f64 {
    match order {
        Some(std::cmp::Ordering::Greater) => 1.0,
        Some(std::cmp::Ordering::Less) => -1.0,
        _ => 0.0,
    }
}

fn middle(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    if n.is_multiple_of(2) { 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]) } else { sorted[n / 2] }
}

/// How many samples may be left out at each end of `n` sorted ones so that what is left still holds the median with 95 %
/// (fewer than six never do: then none), and that confidence.
fn order_interval(n: usize) -> (usize, f64) {
    // The number of samples below the median is binomial with p = 1/2.
    let mut probability = 0.5f64.powi(n as i32);
    let mut tail = probability;
    let mut found = (0, 1.0 - 2.0 * tail);
    for cut in 1..n / 2 {
        probability *= (n - cut + 1) as f64 / cut as f64;
        tail += probability;
        if 1.0 - 2.0 * tail < 0.95 {
            break;
        }
        found = (cut, 1.0 - 2.0 * tail);
    }
    (found.0, found.1.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the tables of order-statistic intervals (Conover 1999, binomial with p = 1/2).
    #[test]
    fn intervals_of_the_median() {
        let near = |(cut, confidence): (usize, f64), wanted: (usize, f64)| {
            cut == wanted.0 && (confidence - wanted.1).abs() < 5e-5
        };
        assert!(near(order_interval(1), (0, 0.0)));
        assert!(near(order_interval(5), (0, 0.9375)));
        assert!(near(order_interval(6), (0, 0.96875)));
        assert!(near(order_interval(9), (1, 0.9609)));
        assert!(near(order_interval(20), (5, 0.9586)));
        let timing = Timing::of(&[5.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0]);
        assert_eq!((timing.median, timing.low, timing.high), (5.0, 2.0, 8.0));
        assert_eq!(Timing::of(&[1.0, 3.0]).median, 2.0);
    }

    #[test]
    fn outliers_and_trends() {
        let steady = Timing::of(&[10.0, 10.1, 9.9, 10.0, 10.2, 9.8, 10.1, 10.0, 9.9]);
        assert_eq!((steady.outliers(), steady.trend()), (0, None));
        let hiccup = Timing::of(&[10.0, 10.1, 9.9, 30.0, 10.2, 9.8, 10.1, 10.0, 9.9]);
        assert_eq!((hiccup.outliers(), hiccup.trend()), (1, None));
        let throttled = Timing::of(&[10.0, 10.2, 10.5, 11.0, 11.5, 12.0, 12.4, 13.0, 13.3]);
        assert!(throttled.trend().is_some_and(|change| change > 0.2), "{:?}", throttled.trend());
        assert!(Timing::of(&[1.0; 6]).is_below(&Timing::of(&[2.0; 6])));
        assert!(!Timing::of(&[1.0, 2.0, 3.0]).is_below(&Timing::of(&[2.5, 4.0])));
    }
}
