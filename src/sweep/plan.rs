//! `plan.jsonl`: one line per row, with its whole configuration and a hash of the line, so that an edited plan is noticed.

use std::path::Path;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SweepError;
use super::estimate::{Datasets, Estimate};
use super::spec::{self, SpecRow};
use crate::train::run_folder::SCHEMA;
use crate::train::{Config, keys};
use crate::words::number_of;

/// A line of `plan.jsonl`, without its hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedRow {
    pub schema: u32,
    /// From 1.
    pub row: usize,
    /// How many there are.
    pub rows: usize,
    /// What sets the row apart: keys, dotted where nested, and values.
    pub varied: serde_json::Map<String, Value>,
    pub config: Config,
    pub estimate: Estimate,
    /// What to know before it is run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What there is to say about a plan as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remarks {
    /// The preset that the rows stand on, if they do.
    pub preset: Option<String>,
    /// Published data that is not here, so that its outline was planned with, in the words of its error.
    pub absent: Vec<String>,
    /// Why rows were left out that another row stands for.
    pub merged: Vec<String>,
}

impl PlannedRow {
    /// `method = "set", delta_t = 100`
    pub fn label(&self) -> String {
        spec::label(self.varied.iter())
    }

    /// Whether it is the same run, whatever it was estimated to cost.
    pub fn same_run(&self, other: &Self) -> bool {
        let data = self.config.data.clone();
        let same = |config: &Config| Config { data, ..config.clone() } == self.config;
        (self.row, self.rows) == (other.row, other.rows)
            && self.config.shares_data(&other.config)
            && same(&other.config)
    }
}

/// The planned rows of a specification, and what to say about them.
pub fn plan(origin: &str, text: &str) -> Result<(Vec<PlannedRow>, Remarks), SweepError> {
    let spec::Specified { preset, rows, merged, .. } = spec::rows(origin, text)?;
    let mut datasets = Datasets::default();
    let total = rows.len();
    let planned = |(row, SpecRow { varied, config }): (usize, SpecRow)| {
        let (estimate, warnings) = datasets.estimate(&config).map_err(|source| {
            let label = spec::label(spec::pairs(&varied));
            SweepError::Row { row, label, source }
        })?;
        let varied = varied.into_iter().map(|(key, value)| (key, json(value))).collect();
        Ok(PlannedRow { schema: SCHEMA, row, rows: total, varied, config, estimate, warnings })
    };
    let mut planned = (1..).zip(rows).map(planned).collect::<Result<Vec<_>, SweepError>>()?;
    let first = planned.first().map(|row| row.varied.clone()).unwrap_or_default();
    // What all rows have sets none apart.
    for (key, value) in first.iter().filter(|_| total > 1) {
        if planned.iter().all(|row| row.varied.get(key) == Some(value)) {
            planned.iter_mut().for_each(|row| drop(row.varied.shift_remove(key)));
        }
    }
    Ok((planned, Remarks { preset, absent: datasets.absent, merged }))
}

fn json(value: toml::Value) -> Value {
    serde_json::to_value(value).expect("values of TOML are values of JSON")
}

/// Tells slips and edits, not forgeries.
fn hash(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The rows as lines, each with its hash in front.
pub fn to_text(rows: &[PlannedRow]) -> String {
    let line = |row: &PlannedRow| {
        let text = serde_json::to_string(row).expect("a row is JSON");
        let keys = text.strip_prefix('{').expect("a row is an object");
        format!("{{\"hash\":\"{}\",{keys}\n", hash(&text))
    };
    rows.iter().map(line).collect()
}

/// Reads what [`to_text`] wrote.
pub fn from_text(path: &Path, text: &str) -> Result<Vec<PlannedRow>, SweepError> {
    let wrong = |line: usize, what: String| SweepError::Plan { path: path.into(), line, what };
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let edited = || wrong(number, "its hash does not fit: the line was changed after it was planned".into());
        let (found, rest) =
            line.strip_prefix("{\"hash\":\"").and_then(|line| line.split_once("\",")).ok_or_else(edited)?;
        let content = format!("{{{rest}");
        if hash(&content) != found {
            return Err(edited());
        }
        let row: PlannedRow = serde_json::from_str(&content)
            .map_err(|error| wrong(number, format!("not a row of this version: {error}")))?;
        if row.row != number {
            return Err(wrong(number, format!("row {} stands where row {number} belongs", row.row)));
        }
        // Older programs had other names for some keys.
        let name = |key: String| keys::find(&key).map_or(key, |found| found.name.into());
        let varied = row.varied.into_iter().map(|(key, value)| (name(key), value)).collect();
        rows.push(PlannedRow { varied, ..row });
    }
    match rows.last() {
        Some(last) if last.rows == rows.len() => Ok(rows),
        Some(last) => Err(wrong(rows.len(), format!("{} planned, {} here", number_of(last.rows, "row"), rows.len()))),
        None => Err(wrong(0, "it is empty".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "base = 'quick'\n[grid]\nmethod = ['set', 'dense']\nlr = [0.1, 0.123456]\n";

    #[test]
    fn a_plan_reads_back_and_an_edited_one_does_not() {
        let (rows, remarks) = plan("spec.toml", SPEC).unwrap();
        assert_eq!(remarks, Remarks { preset: Some("quick".into()), ..Remarks::default() });
        let text = to_text(&rows);
        let path = Path::new("plan.jsonl");
        assert_eq!(from_text(path, &text).unwrap(), rows);
        let edits = [
            text.replace("0.123456", "0.2"),
            text.replacen("\"row\":2", "\"row\":3", 1),
            text.lines().skip(1).flat_map(|line| [line, "\n"]).collect(),
            text.lines().take(3).flat_map(|line| [line, "\n"]).collect(),
            text[..text.len() - 20].to_string(),
            String::new(),
        ];
        for edit in edits {
            let message = from_text(path, &edit).unwrap_err().to_string();
            assert!(message.contains("plan.jsonl"), "{message}");
        }
    }

    #[test]
    fn what_all_rows_have_sets_none_apart() {
        let spec = "base = 'quick'\n[grid]\nmethod = ['set', 'static']\ndelta_t = [5]\nlr = [0.1]\nseed = [3]";
        let (rows, _) = plan("spec.toml", spec).unwrap();
        assert_eq!([rows[0].label(), rows[1].label()], ["delta_t = 5, method = \"set\"", "method = \"static\""]);
        assert_eq!((rows[1].config.lr, rows[1].config.seed), (0.1, 3));
        let (rows, _) = plan("spec.toml", "base = 'quick'\n[grid]\nlr = [0.1]").unwrap();
        assert_eq!(rows[0].label(), "lr = 0.1");
    }

    #[test]
    fn impossible_rows_are_named() {
        for (spec, words) in [
            ("base = 'quick'\n[grid]\nmodel = ['resnet8', 'resnet33']", "row 2 (model = \"resnet33\")"),
            ("base = 'quick'\n[[list]]\ndata = 'nowhere'", "nowhere"),
        ] {
            let message = plan("spec.toml", spec).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }

    /// The studies that ship: each has a small version for a software adapter.
    #[test]
    fn every_shipped_sweep_can_be_planned() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sweeps");
        let mut names: Vec<String> = Vec::new();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let (rows, remarks) = plan(&name, &text).unwrap();
            if name.ends_with("-small") {
                assert!(remarks.absent.is_empty(), "{name} needs data that is not embedded");
                assert!(rows.len() <= 20, "{name} has {} rows", rows.len());
            }
            names.push(name);
        }
        assert!(names.len() >= 12, "{names:?}");
        for name in &names {
            let pair = name.strip_suffix("-small").map_or_else(|| format!("{name}-small"), str::to_string);
            assert!(names.contains(&pair), "{name} has no {pair}");
        }
    }
}
