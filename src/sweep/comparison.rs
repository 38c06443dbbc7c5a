//! A setting against a baseline, seed by seed.
//!
//! Two runs with the same seed share the order of images, the augmentation and the initial weights. So their difference scatters
//! less than their results. The interval of a mean difference is Student's, over the seeds. It does not include the error of a
//! small test set, because all seeds are tested on the same images. [`difference_margin`] is that error; a verdict needs both.

use std::collections::BTreeMap;

use serde::Serialize;

use super::collect::CollectedRow;
use super::statistics::{MeanStd, difference_margin};
use crate::train::names;
use crate::words::number_of;

/// A setting against a setting of the baseline that is equal in all other keys, on the same data.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// `SET ΔT 5`
    pub setting: String,
    pub baseline: String,
    /// Numbers of the first rows of both, which tell their groups.
    pub rows: [usize; 2],
    /// Those that are done in both settings, in order, and the difference of each in test accuracy (a share).
    pub seeds: Vec<u64>,
    pub differences: Vec<f64>,
    /// Seeds of only one of them, and why the other has none, in words.
    pub left_out: Vec<String>,
    pub mean: Option<f64>,
    /// Sample standard deviation; none of fewer than two seeds.
    pub std: Option<f64>,
    /// The interval of 95 % over the seeds; none of fewer than two.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// None: not known.
    pub test_images: Option<usize>,
    /// What the size of the test set leaves open by itself, to both sides (95 %).
    pub test_margin: Option<f64>,
    pub verdict: Verdict,
}

/// What a comparison allows to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No seed is done in both.
    Nothing,
    /// A single seed has no interval.
    OneSeed,
    /// Every seed has the same accuracy in both.
    Equal,
    /// The interval holds 0.
    NotDecided,
    /// The seeds agree, but the test set is too small for a difference of this size.
    OnThisTestSet,
    Higher,
    Lower,
}

impl Comparison {
    pub(super) fn new(setting: &[&CollectedRow], baseline: &[&CollectedRow]) -> Self {
        let names = [setting, baseline].map(|rows| names::setting(&rows[0].varied));
        let by_seed = |rows: &[&CollectedRow]| -> BTreeMap<u64, (&'static str, Option<f64>)> {
            rows.iter().map(|row| (row.config.seed, (row.state, row.accuracy()))).collect()
        };
        let (own, other) = (by_seed(setting), by_seed(baseline));
        let mut seeds: Vec<u64> = own.keys().chain(other.keys()).copied().collect();
        seeds.sort_unstable();
        seeds.dedup();
        let (mut paired, mut pairs, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for seed in seeds {
            let of = |rows: &BTreeMap<u64, (&str, Option<f64>)>| rows.get(&seed).and_then(|row| row.1);
            match (of(&own), of(&other)) {
                (Some(own), Some(other)) => {
                    paired.push(seed);
                    pairs.push((own, other));
                }
                (None, None) => {}
                (own_value, _) => {
                    let (name, rows) = if own_value.is_none() { (&names[0], &own) } else { (&names[1], &other) };
                    let why = rows.get(&seed).map_or("not planned".into(), |(state, _)| match *state {
                        "failed" => "failed".to_string(),
                        _ => "not done".into(),
                    });
                    left_out.push(format!("seed {seed} ({why} for {name})"));
                }
            }
        }
        // Accuracies are shares of whole images: what lies below the twelfth digit is rounding.
        let differences: Vec<f64> = pairs.iter().map(|(own, other)| ((own - other) * 1e12).round() / 1e12).collect();
        let figure = MeanStd::of(&differences);
        let margin = figure.and_then(|figure| figure.margin());
        let interval = figure.zip(margin).map(|(figure, margin)| (figure.mean - margin, figure.mean + margin));
        let test_images = setting[0].test_images;
        let mean_of = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
        let test_margin = test_images
            .filter(|_| !pairs.is_empty())
            .map(|images| difference_margin(mean_of(|pair| pair.0), mean_of(|pair| pair.1), images));
        Self {
            verdict: verdict(&differences, interval, test_margin),
            rows: [setting[0].row, baseline[0].row],
            seeds: paired,
            differences,
            left_out,
            mean: figure.map(|figure| figure.mean),
            std: figure.and_then(|figure| figure.std),
            low: interval.map(|interval| interval.0),
            high: interval.map(|interval| interval.1),
            test_images,
            test_margin,
            setting: names[0].clone(),
            baseline: names[1].clone(),
        }
    }

    /// `SET ΔT 5 against static: −1.33 points (95 % interval −9.32 to +6.65), 3 seeds, 100 test images: not decided`
    pub fn sentence(&self) -> String {
        let mut text = format!("{} against {}: ", self.setting, self.baseline);
        let seeds = number_of(self.seeds.len(), "seed");
        if let Some(mean) = self.mean {
            text += &format!("{} points", points(mean));
            text += &match self.low.zip(self.high) {
                Some((low, high)) if low == high => " in every seed".into(),
                Some((low, high)) => format!(" (95 % interval {} to {})", points(low), points(high)),
                None => String::new(),
            };
            text += &format!(", {seeds}");
            if let Some(images) = self.test_images {
                text += &format!(", {}", number_of(images, "test image"));
            }
            text += ": ";
        }
        let images = self.test_images.map_or("the test images".into(), |images| number_of(images, "test image"));
        let margin = 100.0 * self.test_margin.unwrap_or_default();
        let direction = if self.mean.is_some_and(|mean| mean < 0.0) { "lower" } else { "higher" };
        text += &match self.verdict {
            Verdict::Nothing => "no seed is done in both, so there is nothing to compare".into(),
            Verdict::OneSeed => "not decided (one seed has no interval)".into(),
            Verdict::Equal => "no difference".into(),
            Verdict::NotDecided => "not decided".into(),
            Verdict::OnThisTestSet => {
                format!(
                    "{direction} on these test images; for others not decided, since {images} leave {margin:.1} points open"
                )
            }
            Verdict::Higher | Verdict::Lower => direction.into(),
        };
        if !self.left_out.is_empty() {
            text += &format!("; left out: {}", self.left_out.join(", "));
        }
        text
    }
}

/// What the differences of the seeds, their interval and the margin of the test set allow to say.
fn verdict(differences: &[f64], interval: Option<(f64, f64)>, test_margin: Option<f64>) -> Verdict {
    let Some(first) = differences.first() else { return Verdict::Nothing };
    let Some((low, high)) = interval else { return Verdict::OneSeed };
    if differences.iter().all(|&difference| difference == 0.0) {
        return Verdict::Equal;
    }
    let mean = if low == high { *first } else { (low + high) / 2.0 };
    match test_margin {
        _ if low <= 0.0 && high >= 0.0 => Verdict::NotDecided,
        Some(margin) if mean.abs() <= margin => Verdict::OnThisTestSet,
        _ if mean < 0.0 => Verdict::Lower,
        _ => Verdict::Higher,
    }
}

/// A share as points with a sign: `−1.33`.
fn points(share: f64) -> String {
    let text = format!("{:.2}", 100.0 * share.abs());
    match share < 0.0 {
        _ if text == "0.00" => text,
        true => format!("−{text}"),
        false => format!("+{text}"),
    }
}
