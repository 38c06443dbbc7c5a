//! A run folder as a report sees it: what can be read is kept, what cannot is named.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::maps::Film;
use crate::data::Record;
use crate::train::Config;
use crate::train::frames::FrameLine;
use crate::train::pass_times::PassTimes;
use crate::train::run_folder::{ExplorationLine, MetricLine, SCHEMA, Summary};
use crate::words::number_are;

/// One run.
#[derive(Default)]
pub struct Run {
    /// The folder's name.
    pub name: String,
    /// Where it is, by its real path.
    pub folder: PathBuf,
    pub config: Option<Config>,
    pub summary: Option<Summary>,
    pub epochs: Vec<Epoch>,
    pub updates: Vec<ExplorationLine>,
    /// Where the active weights lay, frame by frame.
    pub film: Film,
    /// How many images it was trained on, chosen by and tested on.
    pub images: Option<ImageCounts>,
    /// Where the time of a step went.
    pub times: Option<PassTimes>,
    /// What could not be read, and why.
    pub notes: Vec<String>,
}

/// Of `data.json`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageCounts {
    pub train: usize,
    pub validation: usize,
    pub test: usize,
}

/// An epoch's line of `metrics.jsonl`.
pub struct Epoch {
    pub epoch: usize,
    pub step: usize,
    pub loss: f64,
    pub accuracy: f64,
    pub val_loss: Option<f64>,
    pub val_accuracy: Option<f64>,
    pub itop_rate: f64,
    pub expected_itop_rate: f64,
}

impl Run {
    /// Whether there is anything to draw.
    pub fn is_empty(&self) -> bool {
        self.epochs.is_empty() && self.updates.is_empty() && self.summary.is_none()
    }

    /// The seed that it was started with.
    pub fn seed(&self) -> Option<u64> {
        self.config.as_ref().map(|config| config.seed)
    }

    /// The method's random growth, as expected at the end: nothing where the active set never moved.
    pub fn expected_itop_rate(&self) -> Option<f64> {
        let moved = !self.updates.is_empty();
        self.epochs.last().filter(|_| moved).map(|epoch| epoch.expected_itop_rate)
    }
}

/// Reads the run in `folder`.
pub fn read(folder: &Path) -> Run {
    let mut notes = Vec::new();
    let real = folder.canonicalize().unwrap_or_else(|_| folder.into());
    let name =
        real.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned());
    let config = config(folder, &mut notes);
    let metrics: Vec<MetricLine> = lines(folder, "metrics.jsonl", &mut notes);
    let updates: Vec<ExplorationLine> = lines(folder, "exploration.jsonl", &mut notes);
    let epochs = metrics.into_iter().filter_map(|line| match line {
        MetricLine::Step { .. } => None,
        MetricLine::Epoch {
            step,
            epoch,
            loss,
            accuracy,
            val_loss,
            val_accuracy,
            itop_rate,
            expected_itop_rate,
            ..
        } => Some(Epoch { epoch, step, loss, accuracy, val_loss, val_accuracy, itop_rate, expected_itop_rate }),
    });
    let frames: Vec<FrameLine> = lines(folder, "maps.jsonl", &mut notes);
    let film = Film::new(&frames, &mut notes);
    let summary: Option<Summary> = whole(folder, "summary.json", &mut notes);
    if summary.is_none() && notes.iter().all(|note| !note.starts_with("summary.json")) {
        notes.push("summary.json is missing: the run has not ended".into());
    }
    let times = whole(folder, "passes.json", &mut notes);
    let images = whole(folder, "data.json", &mut notes).map(|Record { split, test, .. }| ImageCounts {
        train: split.train,
        validation: split.val,
        test: test.images.iter().sum(),
    });
    Run { name, folder: real, config, summary, epochs: epochs.collect(), updates, film, images, times, notes }
}

fn config(folder: &Path, notes: &mut Vec<String>) -> Option<Config> {
    Config::of_run(folder).map_err(|why| notes.push(why.to_string())).ok()
}

/// A file that is written at the end; none, and no note, if it is not there.
fn whole<T: DeserializeOwned>(folder: &Path, name: &str, notes: &mut Vec<String>) -> Option<T> {
    let text = match fs::read_to_string(folder.join(name)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            notes.push(format!("{name}: {error}"));
            return None;
        }
    };
    #[derive(serde::Deserialize)]
    struct Version {
        schema: u32,
    }
    match serde_json::from_str::<Version>(&text) {
        Ok(version) if version.schema != SCHEMA => {
            notes.push(format!("{name} has schema {}, this report reads {SCHEMA}", version.schema));
            return None;
        }
        _ => {}
    }
    serde_json::from_str(&text).map_err(|error| notes.push(format!("{name}: {error}"))).ok()
}

/// The lines of a log that are what they should be.
fn lines<T: DeserializeOwned>(folder: &Path, name: &str, notes: &mut Vec<String>) -> Vec<T> {
    let bytes = match fs::read(folder.join(name)) {
        Ok(bytes) => bytes,
        Err(error) => {
            notes.push(format!("{name}: {error}"));
            return Vec::new();
        }
    };
    let mut parsed = Vec::new();
    let mut bad = Vec::new();
    for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        match serde_json::from_slice(line) {
            Ok(line) => parsed.push(line),
            Err(_) => bad.push(number + 1),
        }
    }
    if let Some(first) = bad.first() {
        let half = if bytes.ends_with(b"\n") { "" } else { " (half written)" };
        notes.push(format!("{name}: {} left out, the first is line {first}{half}", number_are(bad.len(), "line")));
    }
    parsed
}
