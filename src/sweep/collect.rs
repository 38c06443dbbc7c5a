//! The results of a sweep: all rows, and means and deviations over seeds.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

pub use super::statistics::MeanStd;
use super::{State, Sweep};
use crate::train::run_folder::{SCHEMA, Summary};
use crate::train::{Config, names};

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
    /// Keys that the specification varies, in the order in which tables show them.
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
    /// Images that choose the best epoch, and that the result is measured on; none of a plan that does not say.
    pub held_out_images: Option<usize>,
    pub test_images: Option<usize>,
    /// What the plan had to say about the row.
    #[serde(skip)]
    pub warnings: Vec<String>,
    #[serde(skip)]
    pub summary: Option<Summary>,
}

/// Rows that are equal but for their seeds, each seed once.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    pub varied: Map<String, Value>,
    /// All of them, done or not; of equal rows one.
    pub rows: Vec<usize>,
    /// How many are done.
    pub done: usize,
    /// Over those that are done.
    pub metrics: BTreeMap<&'static str, MeanStd>,
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
            held_out_images: planned.estimate.held_out_images,
            test_images: planned.estimate.test_images,
            warnings: planned.warnings.clone(),
            summary,
        }
    }

    /// Test accuracy of a row that is done, as a share.
    pub fn accuracy(&self) -> Option<f64> {
        self.result.as_ref()?["test_accuracy"].as_f64()
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
    names::sort(&mut keys);
    Collected { schema: SCHEMA, keys, groups: groups(&rows), rows }
}

impl Collected {
    /// How many rows are done.
    pub fn done(&self) -> usize {
        self.rows.iter().filter(|row| row.result.is_some()).count()
    }

    /// The configuration of a group, but for the seed.
    pub fn config(&self, group: &Group) -> &Config {
        &self.rows[group.rows[0] - 1].config
    }

    /// The rows of a group, one a seed.
    pub fn members(&self, group: &Group) -> Vec<&CollectedRow> {
        group.rows.iter().map(|row| &self.rows[row - 1]).collect()
    }
}

/// In order of their first rows, but a method's together.
fn groups(rows: &[CollectedRow]) -> Vec<Group> {
    let mut groups: Vec<Vec<&CollectedRow>> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        let without_seed = Config { seed: 0, ..row.config.clone() }.identity();
        let place = *places.entry(without_seed).or_insert(groups.len());
        match groups.get_mut(place) {
            // The same run again counts once, however often it was planned.
            Some(members) => match members.iter_mut().find(|member| member.config.seed == row.config.seed) {
                Some(member) if member.result.is_none() && row.result.is_some() => *member = row,
                Some(_) => {}
                None => members.push(row),
            },
            None => groups.push(vec![row]),
        }
    }
    let first_of = |method| rows.iter().position(|row| row.config.method == method);
    groups.sort_by_cached_key(|members| first_of(members[0].config.method));
    groups.iter().map(|members| group(members)).collect()
}

fn group(rows: &[&CollectedRow]) -> Group {
    let mut varied = rows[0].varied.clone();
    varied.retain(|key, _| key != "seed" && rows[0].config.has_effect(key));
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

    /// The summary of a run of seed `seed` that ended with `accuracy`.
    pub fn summary(seed: usize, accuracy: f64, itop_rate: f64) -> Value {
        serde_json::json!({
            "schema": 1, "name": "0001", "model": "resnet8", "data": "sample", "method": "rigl", "seed": seed,
            "epochs": 1, "steps": 29, "batch_size": 64, "sparsity_target": 0.9, "density": 0.1,
            "active_parameters": 10, "maskable_parameters": 100, "best_epoch": 1, "best_val_accuracy": null,
            "test_accuracy": accuracy, "test_loss": 2.0, "itop_rate": itop_rate, "reliable_itop_rate": 0.1,
            "inference_flops_ratio": 0.2, "training_flops_ratio": 0.2, "images_per_second": 100.0,
            "seconds_training": 10.0, "host_share": 0.1, "peak_gpu_bytes": 1000, "version": "0",
            "adapter": {"name": "a, \"b\"", "backend": "vulkan", "driver": "", "tier": "base", "type": "software"},
        })
    }

    /// The sweep that `spec` plans, its rows done with these accuracies and ITOP rates; none: not done.
    pub fn sweep_of(place: &tempfile::TempDir, spec: &str, results: &[Option<(f64, f64)>]) -> Sweep {
        let (rows, _) = plan::plan("spec.toml", spec).unwrap();
        let path = place.path().join("sweep");
        Sweep::create(&path, spec, &rows).unwrap();
        let sweep = Sweep::open(&path).unwrap();
        for (row, result) in (1..).zip(results) {
            let Some((accuracy, itop_rate)) = *result else { continue };
            let seed = sweep.row(row).unwrap().config.seed as usize;
            std::fs::create_dir_all(sweep.run(row)).unwrap();
            std::fs::write(sweep.run(row).join("summary.json"), summary(seed, accuracy, itop_rate).to_string())
                .unwrap();
        }
        sweep
    }

    /// A sweep of two methods by three seeds, of which the first `done` rows are done.
    pub fn example(place: &tempfile::TempDir, done: usize) -> Sweep {
        let spec = "base = 'quick'\n[grid]\nseed = [1, 2, 3]\nmethod = ['rigl', 'dense']\n";
        let results: Vec<_> = (1..=done).map(|row| Some((0.25 * row as f64, 0.2))).collect();
        sweep_of(place, spec, &results)
    }

    /// A row's folder is a run folder like others, and may have been used as one.
    #[test]
    fn a_row_counts_only_as_it_was_planned() {
        let place = tempfile::tempdir().unwrap();
        let sweep = example(&place, 4);
        let planned = &sweep.rows[0].config;
        let hold =
            |config: Config| std::fs::write(sweep.run(1).join("config.toml"), config.to_toml().unwrap()).unwrap();
        hold(Config { data: "/elsewhere/sample".into(), ..planned.clone() });
        assert_eq!((collect(&sweep).done(), sweep.state(1).name()), (4, "done"), "data may move");
        for other in [
            Config { epochs: planned.epochs + 1, ..planned.clone() },
            Config { lr: 0.5, ..planned.clone() },
            Config { seed: 9, ..planned.clone() },
        ] {
            hold(other);
            let collected = collect(&sweep);
            assert_eq!((collected.done(), collected.rows[0].state), (3, "failed"));
            assert!(
                collected.rows[0].error.as_ref().is_some_and(|error| error.contains("another run than was planned"))
            );
        }
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
        assert_eq!(first.metric("best_val_accuracy"), None);
        for metric in METRICS {
            assert!(*metric == "best_val_accuracy" || first.metric(metric).is_some(), "{metric}");
        }
        let result = collected.rows[0].result.as_ref().unwrap();
        assert!(MACHINE.iter().all(|key| result.get(key).is_none()) && result["steps"] == 29);
    }

    /// What was planned before equal rows were one: they are averaged as one run, not as two.
    #[test]
    fn equal_rows_count_once() {
        let place = tempfile::tempdir().unwrap();
        let spec = "base = 'quick'\n[grid]\nseed = [1, 2]\nmethod = ['static']\n";
        let (mut rows, _) = plan::plan("spec.toml", spec).unwrap();
        let doubled: Vec<_> = rows
            .iter()
            .cloned()
            .map(|mut row| {
                row.config.delta_t = 7;
                row
            })
            .collect();
        rows.extend(doubled);
        for (number, row) in rows.iter_mut().enumerate() {
            (row.row, row.rows) = (number + 1, 4);
            row.varied.insert("delta_t".into(), row.config.delta_t.into());
        }
        let path = place.path().join("sweep");
        Sweep::create(&path, spec, &rows).unwrap();
        let sweep = Sweep::open(&path).unwrap();
        for (row, accuracy) in [(2, 0.3), (3, 0.2), (4, 0.3)] {
            std::fs::create_dir_all(sweep.run(row)).unwrap();
            let seed = if row == 3 { 1 } else { 2 };
            std::fs::write(sweep.run(row).join("summary.json"), summary(seed, accuracy, 0.1).to_string()).unwrap();
        }
        let collected = collect(&sweep);
        let [group] = &collected.groups[..] else { panic!("{:?}", collected.groups) };
        assert_eq!((group.rows.as_slice(), group.done), (&[3, 2][..], 2));
        assert_eq!(group.metric("test_accuracy").map(|figure| (figure.n, figure.mean)), Some((2, 0.25)));
        assert!(!group.varied.contains_key("delta_t"));
    }
}
