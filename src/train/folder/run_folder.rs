//! The run folder: the only interface to reports, sweeps and people's own scripts.
//!
//! `config.toml`, `metrics.jsonl`, `exploration.jsonl`, `maps.jsonl`, `last.safetensors`, `best.safetensors`, `summary.json`; the schema is
//! `docs/run-folder.md`. Whole files are written to a temporary name, synced and renamed; lines are appended whole.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use super::lines::{ExplorationLine, LayerExploration, MetricLine, Summary, SummaryAdapter};
use super::store::{self, Store};
pub use super::store::{Memory, read_up_to};
use crate::data::Record;
use crate::ops::Choice;
use crate::shell;
use crate::train::frames::FrameLine;
use crate::train::pass_times::PassTimes;
use crate::train::tensorboard::EventFile;

/// Version of every file's schema.
pub const SCHEMA: u32 = 1;

/// Bytes that a configuration may have, and a file of chosen kernels: what is read into trees grows.
pub const MOST_CONFIG: u64 = 64 << 10;
pub const MOST_TUNING: u64 = 4 << 20;

/// The first active set, of a run where that is more than a draw.
pub(in crate::train) const FIRST: &str = "first.safetensors";
/// What its weights go back to, where that is not a draw.
pub(in crate::train) const REWOUND: &str = "rewound.safetensors";

/// The record of the data, and the bytes that it may have: names, counts and digests of some ten thousand classes.
const DATA: &str = "data.json";
const MOST_DATA: u64 = 8 << 20;

/// Trouble with a run folder.
#[derive(Debug, Error)]
pub enum FolderError {
    #[error("`{}` already holds a run; choose another --out, or resume it with: {}", .0.display(), resume(.0, &[]))]
    Occupied(PathBuf),
    #[error("`{}` holds no run: {missing} is missing", .folder.display())]
    NoRun { folder: PathBuf, missing: &'static str },
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

/// The command that resumes the run in `folder`, with `flags` of the command that started it.
pub fn resume(folder: &Path, flags: &[String]) -> String {
    let words = ["itop", "train", "--resume", "--out"].map(String::from).into_iter().chain([shell::path(folder)]);
    shell::command(words.chain(flags.iter().cloned()))
}

pub(in crate::train) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    move |source| FolderError::Io { action, path: path.into(), source }
}

/// A run's folder with its logs open for appending.
pub struct RunFolder {
    path: PathBuf,
    store: Store,
    events: Option<EventFile>,
}

impl RunFolder {
    /// Whether `path` holds a run.
    pub fn occupied(path: &Path) -> bool {
        path.join("config.toml").exists()
    }

    /// Fails if `path` holds a run. Creates nothing.
    pub fn check_free(path: &Path) -> Result<(), FolderError> {
        if Self::occupied(path) { Err(FolderError::Occupied(path.into())) } else { Ok(()) }
    }

    /// Makes the folder `base`, or `base-2`, `base-3`, … : the first that was not there, of several processes for one alone.
    pub fn make_free(base: &Path) -> Result<PathBuf, FolderError> {
        if let Some(parent) = base.parent() {
            fs::create_dir_all(parent).map_err(io_error("create", parent))?;
        }
        let mut number = 1;
        loop {
            let mut path = base.as_os_str().to_owned();
            if number > 1 {
                path.push(format!("-{number}"));
            }
            let path = PathBuf::from(path);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(io_error("create", &path)(error)),
            }
        }
    }

    /// Starts a run in `path`, on what `data` records; `first`: the files of its first set, if that is more than a draw.
    pub fn create(
        path: &Path,
        config: &str,
        (data, first): (&Record, &[(&str, Vec<u8>)]),
        tuning: &BTreeMap<String, Choice>,
    ) -> Result<Self, FolderError> {
        Self::check_free(path)?;
        fs::create_dir_all(path).map_err(io_error("create", path))?;
        Self::start(path, Store::disk(path), config, (data, first), tuning)
    }

    /// Starts a run called `name` in `memory`, where there is no disk.
    pub fn in_memory(
        name: &str,
        memory: Memory,
        config: &str,
        (data, first): (&Record, &[(&str, Vec<u8>)]),
        tuning: &BTreeMap<String, Choice>,
    ) -> Result<Self, FolderError> {
        Self::start(Path::new(name), Store::Memory(memory), config, (data, first), tuning)
    }

    /// Writes what a run starts with; the configuration, which makes it one, last.
    fn start(
        path: &Path,
        store: Store,
        config: &str,
        (data, first): (&Record, &[(&str, Vec<u8>)]),
        tuning: &BTreeMap<String, Choice>,
    ) -> Result<Self, FolderError> {
        let mut folder = Self { path: path.into(), store, events: None };
        for log in LOGS {
            folder.write(log, b"")?;
        }
        // The kernels that measurement chose, so that a resumed run takes the same ones.
        folder.json("tuning.json", tuning)?;
        folder.json(DATA, data)?;
        first.iter().try_for_each(|(name, bytes)| folder.write(name, bytes))?;
        folder.write("config.toml", config.as_bytes())?;
        folder.open_logs()?;
        Ok(folder)
    }

    /// Goes on with the run in `path`.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        if !Self::occupied(path) {
            return Err(FolderError::NoRun { folder: path.into(), missing: "config.toml" });
        }
        let mut folder = Self { path: path.into(), store: Store::disk(path), events: None };
        folder.open_logs()?;
        Ok(folder)
    }

    fn open_logs(&mut self) -> Result<(), FolderError> {
        LOGS.iter().try_for_each(|log| self.store.open_log(log).map_err(io_error("open", &self.path.join(log))))
    }

    /// Writes a file of the run, which is there as a whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        self.store.write(name, bytes).map_err(io_error("write", &self.path.join(name)))
    }

    /// A file of the run, unless it has more than `most` bytes.
    pub fn read(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        self.store.read(name, most)
    }

    /// Whether the run has a file of that name.
    pub fn holds(&self, name: &str) -> bool {
        self.store.holds(name)
    }

    /// Whether somebody took the folder away.
    pub fn is_gone(&self) -> bool {
        self.store.is_gone()
    }

    /// Appends a line to a log.
    fn append(&mut self, log: &'static str, line: &impl Serialize) -> Result<(), FolderError> {
        let text = serde_json::to_vec(line).map_err(io::Error::from);
        let written = text.and_then(|mut text| {
            text.push(b'\n');
            self.store.append(log, &text)
        });
        written.map_err(io_error("write", &self.path.join(log)))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes TensorBoard event files too from here on, for a run that has done `step` steps.
    pub fn tensorboard(&mut self, step: usize) -> Result<(), FolderError> {
        self.events = Some(EventFile::create(&self.path, step).map_err(io_error("write events in", &self.path))?);
        Ok(())
    }

    /// Appends a line to `metrics.jsonl`.
    pub fn metric(&mut self, line: &MetricLine) -> Result<(), FolderError> {
        self.append(LOGS[0], line)?;
        let events = self.events.as_mut().map_or(Ok(()), |events| events.metric(line));
        events.map_err(io_error("write events in", &self.path))
    }

    /// Appends a line to `exploration.jsonl`.
    pub fn exploration(&mut self, line: &ExplorationLine) -> Result<(), FolderError> {
        self.append(LOGS[1], line)?;
        let events = self.events.as_mut().map_or(Ok(()), |events| events.exploration(line));
        events.map_err(io_error("write events in", &self.path))
    }

    /// Appends a line to `maps.jsonl`.
    pub fn frame(&mut self, line: &FrameLine) -> Result<(), FolderError> {
        self.append(LOGS[2], line)
    }

    /// Drops the lines of all logs that came after `step`, which a resumed run writes again, and what a killed one left
    /// half written.
    pub fn rewind(&mut self, step: usize) -> Result<(), FolderError> {
        self.store.close_logs();
        for name in LOGS {
            self.write(name, &rewound(&self.read_log(name)?, step))?;
        }
        for name in ["last.safetensors", "best.safetensors", "summary.json"] {
            self.store.remove_temporary(name);
        }
        self.open_logs()
    }

    fn read_log(&self, name: &str) -> Result<Vec<u8>, FolderError> {
        self.read(name, u64::MAX).map_err(io_error("read", &self.path.join(name)))
    }

    /// Epochs that `metrics.jsonl` has a line of.
    pub fn epochs_logged(&self) -> Result<usize, FolderError> {
        Ok(epochs_in(&self.read_log(LOGS[0])?))
    }

    /// The same of the run in `path`, which is not opened.
    pub fn epochs_done(path: &Path) -> Result<usize, FolderError> {
        let file = path.join(LOGS[0]);
        match fs::read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            log => Ok(epochs_in(&log.map_err(io_error("read", &file))?)),
        }
    }

    /// Puts the logs on the disk, so that no checkpoint is ahead of them.
    pub fn sync(&self) -> Result<(), FolderError> {
        LOGS.iter().try_for_each(|log| self.store.sync(log).map_err(io_error("sync", &self.path.join(log))))
    }

    /// The kernels that the run in `path` was started with.
    pub fn read_tuning(path: &Path) -> Result<BTreeMap<String, Choice>, FolderError> {
        let file = path.join("tuning.json");
        let invalid = |error: serde_json::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let read = || parse_tuning(&read_up_to(&file, MOST_TUNING)?).map_err(invalid);
        read().map_err(io_error("read", &file))
    }

    /// What the run in `path` keeps of its data set; none of one that was begun by a version that kept nothing.
    pub fn read_data(path: &Path) -> Result<Option<Record>, FolderError> {
        let file = path.join(DATA);
        let text = match read_up_to(&file, MOST_DATA) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(io_error("read", &file))?,
        };
        let invalid = |error: String| io_error("read", &file)(io::Error::new(io::ErrorKind::InvalidData, error));
        let record: Record = serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))?;
        let channels = record.image[0];
        if (record.mean.len(), record.std.len()) != (channels, channels) {
            return Err(invalid(format!("`mean` and `std` must have a number for each of {channels} channels")));
        }
        Ok(Some(record))
    }

    /// Writes `passes.json`.
    pub fn pass_times(&self, times: &PassTimes) -> Result<(), FolderError> {
        self.json("passes.json", times)
    }

    fn json(&self, name: &str, content: &impl Serialize) -> Result<(), FolderError> {
        let text = serde_json::to_string_pretty(content).map_err(io::Error::from);
        let text = text.map_err(io_error("write", &self.path.join(name)))? + "\n";
        self.write(name, text.as_bytes())
    }

    /// Writes `summary.json`.
    pub fn summary(&self, summary: &Summary) -> Result<(), FolderError> {
        self.json("summary.json", summary)
    }
}

fn epochs_in(log: &[u8]) -> usize {
    let start = br#"{"kind":"epoch""#;
    log.split(|&byte| byte == b'\n').filter(|line| line.starts_with(start)).count()
}

/// The logs, which grow by whole lines.
const LOGS: [&str; 3] = ["metrics.jsonl", "exploration.jsonl", "maps.jsonl"];

/// The whole lines of a log up to `step`; none for step 0, where a run begins again with the frame of its first state.
pub fn rewound(log: &[u8], step: usize) -> Vec<u8> {
    /// All that counts of a line; the rest is passed over without being kept.
    #[derive(Deserialize)]
    struct Line {
        step: usize,
    }
    let mut kept = Vec::with_capacity(log.len());
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        let parsed = serde_json::from_slice::<Line>(line);
        if line.ends_with(b"\n") && step > 0 && parsed.is_ok_and(|line| line.step <= step) {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// The kernels in the bytes of a `tuning.json`.
pub fn parse_tuning(text: &[u8]) -> Result<BTreeMap<String, Choice>, serde_json::Error> {
    serde_json::from_slice(text)
}

/// The text of a configuration.
pub fn read_config(path: &Path) -> io::Result<String> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    String::from_utf8(read_up_to(path, MOST_CONFIG)?).map_err(invalid)
}

/// Writes a file so that its name never holds a part of it, and holds the old content until the new is on the disk.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    store::replace(path, bytes).map_err(io_error("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_used_once_and_rewound() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("run");
        let (data, tuning) = (Record::default(), BTreeMap::new());
        let mut folder = RunFolder::create(&path, "seed = 1\n", (&data, &[]), &tuning).unwrap();
        assert!(matches!(RunFolder::create(&path, "", (&data, &[]), &tuning), Err(FolderError::Occupied(_))));
        assert_eq!(RunFolder::make_free(&path).unwrap(), place.path().join("run-2"));
        assert_eq!(RunFolder::make_free(&path).unwrap(), place.path().join("run-3"));
        let line =
            |step| MetricLine::Step { step, epoch: 0, loss: 1.0, accuracy: 0.5, lr: 0.1, images_per_second: 1.0 };
        (1..=4).for_each(|step| folder.metric(&line(step)).unwrap());
        fs::write(path.join("metrics.jsonl"), fs::read_to_string(path.join("metrics.jsonl")).unwrap() + "{\"half")
            .unwrap();
        folder.rewind(2).unwrap();
        folder.metric(&line(3)).unwrap();
        let text = fs::read_to_string(path.join("metrics.jsonl")).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
    }

    /// A run folder in memory holds what a disk would hold, and can be resumed when unpacked.
    #[test]
    fn a_run_in_memory_unpacks_to_a_run_folder() {
        let (memory, data, tuning) = (Memory::default(), Record::default(), BTreeMap::new());
        let mut folder = RunFolder::in_memory("run", memory.clone(), "seed = 1\n", (&data, &[]), &tuning).unwrap();
        let line =
            |step| MetricLine::Step { step, epoch: 0, loss: 1.0, accuracy: 0.5, lr: 0.1, images_per_second: 1.0 };
        (1..=4).for_each(|step| folder.metric(&line(step)).unwrap());
        folder.write("last.safetensors", b"old").unwrap();
        folder.write("last.safetensors", b"state").unwrap();
        folder.rewind(3).unwrap();
        folder.sync().unwrap();
        assert!(folder.holds("last.safetensors") && !folder.holds("best.safetensors"));

        let place = tempfile::tempdir().unwrap();
        tar::Archive::new(memory.tar("run").unwrap().as_slice()).unpack(place.path()).unwrap();
        let mut unpacked = RunFolder::open(&place.path().join("run")).unwrap();
        unpacked.metric(&line(4)).unwrap();
        let text = fs::read_to_string(place.path().join("run/metrics.jsonl")).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert_eq!(unpacked.read("last.safetensors", 5).unwrap(), b"state");
        assert!(unpacked.read("last.safetensors", 4).is_err());
        assert!(RunFolder::read_tuning(unpacked.path()).unwrap().is_empty());
    }

    #[test]
    fn nothing_stays_behind_when_writing_fails() {
        let place = tempfile::tempdir().unwrap();
        let missing = place.path().join("no/such/file");
        assert!(write_whole(&missing, b"x").is_err());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
