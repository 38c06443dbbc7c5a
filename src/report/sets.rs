//! The runs of a page, grouped by setting: runs that differ only in the seed are one line of a chart, their mean.

use std::collections::BTreeMap;

use plotters::style::RGBColor;

use super::chart::{Look, Series};
use super::colours;
use super::read::Run;
use super::setting::Settings;

/// The runs of one setting.
pub struct Set<'a> {
    /// `SET ΔT 5`; without a configuration the run's name.
    pub setting: String,
    pub colour: RGBColor,
    /// By seed, each once.
    pub runs: Vec<&'a Run>,
}

/// All runs of a page.
pub struct Sets<'a> {
    pub settings: Settings,
    pub all: Vec<Set<'a>>,
    /// What is to be known of runs that are left out.
    pub notes: Vec<String>,
}

impl<'a> Sets<'a> {
    pub fn of(runs: &'a [Run]) -> Self {
        let settings = Settings::of(runs.iter().filter_map(|run| run.config.as_ref()));
        let set = |setting: &super::setting::Setting| Set {
            setting: setting.label.clone(),
            colour: settings.colour(&setting.label),
            runs: Vec::new(),
        };
        let mut all: Vec<Set> = settings.all.iter().map(set).collect();
        let mut notes = Vec::new();
        for (number, run) in runs.iter().enumerate() {
            let Some(at) = run.config.as_ref().and_then(|config| settings.find(config)) else {
                all.push(Set { setting: run.name.clone(), colour: colours::colour(30 + number), runs: vec![run] });
                continue;
            };
            let set = &mut all[at];
            // The same run again, under another name or with a value that changes nothing: a mean must not count it twice.
            match set.runs.iter_mut().find(|known| known.seed() == run.seed()) {
                Some(known) => {
                    let (kept, left) =
                        if known.summary.is_none() && run.summary.is_some() { (run, *known) } else { (*known, run) };
                    *known = kept;
                    notes.push(format!(
                        "{} is the same run as {} (same settings, same seed) and counts once",
                        left.name, kept.name
                    ));
                }
                None => set.runs.push(run),
            }
        }
        all.iter_mut().for_each(|set| set.runs.sort_by_key(|run| run.seed()));
        Self { settings, all, notes }
    }

    /// What a run is called: its setting and its seed.
    pub fn name(&self, run: &Run) -> String {
        let set = self.all.iter().find(|set| set.runs.iter().any(|own| std::ptr::eq(*own, run)));
        set.map_or_else(|| run.name.clone(), |set| with_seeds(&set.setting, &[run]))
    }
}

/// `SET ΔT 5, seed 18`, or `SET ΔT 5, 3 seeds`.
fn with_seeds(setting: &str, runs: &[&Run]) -> String {
    match runs {
        [run] => run.seed().map_or_else(|| setting.to_string(), |seed| format!("{setting}, seed {seed}")),
        _ => format!("{setting}, {} seeds", runs.len()),
    }
}

impl Set<'_> {
    /// Its name in a legend.
    pub fn label(&self) -> String {
        with_seeds(&self.setting, &self.runs)
    }

    /// The mean of its runs at each number (an epoch, a step) that all of them have, with the sample standard deviation as a
    /// band. Runs that have not ended count only where none has.
    pub fn mean(&self, look: Look, values: impl Fn(&Run) -> Vec<(usize, f64)>) -> Series {
        let ended = self.runs.iter().filter(|run| run.summary.is_some());
        let counted: Vec<&&Run> =
            if ended.clone().next().is_some() { ended.collect() } else { self.runs.iter().collect() };
        let mut at: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        let curves = counted.iter().map(|run| values(run)).filter(|curve| !curve.is_empty());
        let mut curves_found = 0;
        for curve in curves {
            curves_found += 1;
            curve.into_iter().for_each(|(x, y)| at.entry(x).or_default().push(y));
        }
        at.retain(|_, values| values.len() == curves_found);
        let mut series =
            Series { label: self.label(), points: Vec::new(), colour: self.colour, look, band: Vec::new() };
        for (x, values) in at {
            let (mean, deviation) = mean_and_deviation(&values);
            series.points.push((x as f64, mean));
            series.band.extend(deviation.map(|deviation| (x as f64, mean - deviation, mean + deviation)));
        }
        series
    }
}

/// Mean and sample standard deviation (n − 1); none of fewer than two values.
pub fn mean_and_deviation(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{Config, Method};

    fn run(name: &str, method: Method, delta_t: usize, seed: u64) -> Run {
        Run { name: name.into(), config: Some(Config { method, delta_t, seed, ..Config::default() }), ..Run::default() }
    }

    #[test]
    fn a_run_counts_once() {
        let runs = [
            run("a", Method::STATIC, 5, 18),
            run("b", Method::STATIC, 20, 18),
            run("c", Method::STATIC, 5, 17),
            run("d", Method::SET, 5, 17),
            Run { name: "e".into(), ..Run::default() },
        ];
        let sets = Sets::of(&runs);
        let labels: Vec<String> = sets.all.iter().map(Set::label).collect();
        assert_eq!(labels, ["static, 2 seeds", "SET ΔT 5, seed 17", "e"]);
        assert_eq!(sets.notes, ["b is the same run as a (same settings, same seed) and counts once"]);
        assert_eq!([sets.name(&runs[0]), sets.name(&runs[4])], ["static, seed 18", "e"]);
    }

    #[test]
    fn means_are_of_what_all_have() {
        let runs = [run("a", Method::STATIC, 5, 1), run("b", Method::STATIC, 5, 2)];
        let sets = Sets::of(&runs);
        let series = sets.all[0].mean(Look::Line, |run| match run.seed() {
            Some(1) => vec![(1, 1.0), (2, 2.0)],
            _ => vec![(1, 3.0)],
        });
        assert_eq!(series.points, [(1.0, 2.0)]);
        let deviation = 2f64.sqrt();
        assert_eq!(series.band, [(1.0, 2.0 - deviation, 2.0 + deviation)]);
    }
}
