//! The results of a sweep: all rows, and means and deviations over seeds.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{State, Sweep};
use crate::train::Config;
use crate::train::run_folder::{SCHEMA, Summary};

/// What is averaged over seeds, as it is named in `summary.json`.
pub const METRICS: &[&str] = &[
    "test_accuracy",
    "best_val_accuracy",
    "test_loss",
    "itop_rate",
    "reliable_itop_rate",
    "density",
    "inference_flops_ratio",
    "training_flops_ratio",
];

/// What of a summary is the machine's and not the result's: equal runs may differ in it, so it stands in a table of its own.
pub const MACHINE: &[&str] =
    &["adapter", "images_per_second", "seconds_training", "step_ms", "host_share", "peak_gpu_bytes"];

/// `sweep.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Collected {
    pub schema: u32,
    /// Keys that differ between rows.
    pub keys: Vec<String>,
    pub rows: Vec<CollectedRow>,
    pub groups: Vec<Group>,
}

/// A row with what is known of it.
#[derive(Clone, Debug, Serialize)]
pub struct CollectedRow {
    pub row: usize,
    pub state: &'static str,
    pub varied: Map<String, Value>,
    pub config: Config,
    /// Of a row that is done: its summary without [`MACHINE`].
    pub result: Option<Value>,
    /// Of a row that failed.
    pub error: Option<String>,
    /// The run folder, from the sweep's.
    pub run: String,
    #[serde(skip)]
    pub summary: Option<Summary>,
}

/// Rows that are equal but for their seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    pub varied: Map<String, Value>,
    /// All of them, done or not.
    pub rows: Vec<usize>,
    /// How many are done.
    pub done: usize,
    /// Over those that are done.
    pub metrics: BTreeMap<&'static str, MeanStd>,
}

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
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (n > 0).then(|| Self { n, mean, std: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()) })
    }
}

impl Group {
    /// Whether there is something to say about `metric`.
    pub fn metric(&self, metric: &str) -> Option<MeanStd> {
        self.metrics.get(metric).copied()
    }
}

impl CollectedRow {
    fn new(sweep: &Sweep, number: usize) -> Self {
        let planned = &sweep.rows[number];
        let state = sweep.state(planned.row);
        let name = state.name();
        let (summary, error) = match state {
            State::Done(summary) => (Some(*summary), None),
            State::Failed(failed) => (None, Some(failed.error)),
            State::ToDo | State::Running(_) => (None, None),
        };
        let result = summary.as_ref().and_then(|summary| serde_json::to_value(summary).ok()).map(|mut result| {
            if let Value::Object(fields) = &mut result {
                fields.retain(|key, _| !MACHINE.contains(&key.as_str()));
            }
            result
        });
        Self {
            row: planned.row,
            state: name,
            varied: planned.varied.clone(),
            config: planned.config.clone(),
            result,
            error,
            run: format!("rows/{:04}", planned.row),
            summary,
        }
    }
}

/// What is there of `sweep` now.
pub fn collect(sweep: &Sweep) -> Collected {
    let rows: Vec<CollectedRow> = (0..sweep.rows.len()).map(|number| CollectedRow::new(sweep, number)).collect();
    let mut keys: Vec<String> = Vec::new();
    for key in rows.iter().flat_map(|row| row.varied.keys()) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    Collected { schema: SCHEMA, keys, groups: groups(&rows), rows }
}

impl Collected {
    /// How many rows are done.
    pub fn done(&self) -> usize {
        self.groups.iter().map(|group| group.done).sum()
    }
}

/// In order of their first rows.
fn groups(rows: &[CollectedRow]) -> Vec<Group> {
    let mut groups: Vec<Vec<&CollectedRow>> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        let without_seed = Config { seed: 0, ..row.config.clone() }.to_toml();
        let place = *places.entry(without_seed).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(members) => members.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups.iter().map(|members| group(members)).collect()
}

fn group(rows: &[&CollectedRow]) -> Group {
    let mut varied = rows[0].varied.clone();
    varied.retain(|key, _| key != "seed");
    let done: Vec<&Value> = rows.iter().filter_map(|row| row.result.as_ref()).collect();
    let metric = |&name: &&'static str| {
        let values: Vec<f64> = done.iter().filter_map(|result| result[name].as_f64()).collect();
        MeanStd::of(&values).map(|figure| (name, figure))
    };
    Group {
        varied,
        rows: rows.iter().map(|row| row.row).collect(),
        done: done.len(),
        metrics: METRICS.iter().filter_map(metric).collect(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::sweep::plan;

    /// A sweep of two methods by three seeds, of which the first `done` rows are done.
    pub fn example(place: &tempfile::TempDir, done: usize) -> Sweep {
        let spec = "base = 'quick'\n[grid]\nseed = [1, 2, 3]\nmethod = ['rigl', 'dense']\n";
        let (rows, _) = plan::plan("spec.toml", spec).unwrap();
        let path = place.path().join("sweep");
        Sweep::create(&path, spec, &rows).unwrap();
        let sweep = Sweep::open(&path).unwrap();
        for row in 1..=done {
            let summary = serde_json::json!({
                "schema": 1, "name": "0001", "model": "resnet8", "data": "sample", "method": "rigl", "seed": row,
                "epochs": 1, "steps": 29, "batch_size": 64, "sparsity_target": 0.9, "density": 0.1,
                "active_parameters": 10, "maskable_parameters": 100, "best_epoch": 1, "best_val_accuracy": null,
                "test_accuracy": 0.25 * row as f64, "test_loss": 2.0, "itop_rate": 0.2, "reliable_itop_rate": 0.1,
                "inference_flops_ratio": 0.2, "training_flops_ratio": 0.2, "images_per_second": 100.0,
                "seconds_training": 10.0, "host_share": 0.1, "peak_gpu_bytes": 1000, "version": "0",
                "adapter": {"name": "a, \"b\"", "backend": "vulkan", "driver": "", "tier": "base", "type": "software"},
            });
            std::fs::create_dir_all(sweep.run(row)).unwrap();
            std::fs::write(sweep.run(row).join("summary.json"), summary.to_string()).unwrap();
        }
        sweep
    }

    #[test]
    fn seeds_are_averaged_and_unfinished_rows_left_out() {
        let place = tempfile::tempdir().unwrap();
        let sweep = example(&place, 4);
        sweep.record_failure(5, "diverged").unwrap();
        let collected = collect(&sweep);
        assert_eq!((collected.keys.clone(), collected.done()), (vec!["method".to_string(), "seed".into()], 4));
        let states: Vec<_> = collected.rows.iter().map(|row| row.state).collect();
        assert_eq!(states, ["done", "done", "done", "done", "failed", "to do"]);
        assert_eq!(collected.rows[4].error.as_deref(), Some("diverged"));
        let [first, second] = &collected.groups[..] else { panic!("{:?}", collected.groups) };
        assert_eq!((first.rows.as_slice(), first.done, second.done), (&[1, 2, 3][..], 3, 1));
        assert!(!first.varied.contains_key("seed"));
        let accuracy = first.metric("test_accuracy").unwrap();
        // 0.25, 0.5, 0.75: mean 0.5, variance (2 · 0.0625) / 2.
        assert_eq!((accuracy.n, accuracy.mean, accuracy.std), (3, 0.5, Some(0.25)));
        assert_eq!(MeanStd::of(&[1.0]), Some(MeanStd { n: 1, mean: 1.0, std: None }));
        assert_eq!(first.metric("best_val_accuracy"), None);
        for metric in METRICS {
            assert!(*metric == "best_val_accuracy" || first.metric(metric).is_some(), "{metric}");
        }
        let result = collected.rows[0].result.as_ref().unwrap();
        assert!(MACHINE.iter().all(|key| result.get(key).is_none()) && result["steps"] == 29);
    }
}
