//! A sweep's folder: where a row's files are, and what state they say it is in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::plan::{self, PlannedRow};
use super::spec::{self, Assignments, SpecError};
use crate::shell;
use crate::train::run_folder::{FolderError, MetricLine, RunFolder, Summary, write_whole};
use crate::train::{Config, RunPlanError, claim};

/// Trouble with a sweep.
#[derive(Debug, Error)]
pub enum SweepError {
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error("row {row} ({label}): {source}")]
    Row { row: usize, label: String, source: RunPlanError },
    #[error("`{}`, line {line}: {what}; plan the sweep again in another folder", .path.display())]
    Plan { path: PathBuf, line: usize, what: String },
    #[error("`{}` holds another plan, and its rows have started; choose another --out", .0.display())]
    AnotherPlan(PathBuf),
    #[error("`{}` holds a run; choose another --out", .0.display())]
    HoldsRun(PathBuf),
    #[error("`{}` holds no sweep: plan.jsonl is missing; create one with: {}", .0.display(),
        shell::command(["itop", "sweep", "plan", "SPEC.toml", "--out", &shell::path(.0)]))]
    NoSweep(PathBuf),
    #[error("there is no row {row}: the sweep has rows 1 to {rows}")]
    NoRow { row: usize, rows: usize },
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SweepError {
    move |source| SweepError::Io { action, path: path.into(), source }
}

/// Whether `folder` holds the run that was `planned`, or none. The data may lie elsewhere by now; whether it is the same is seen
/// when it is read.
pub fn is_run_of(folder: &Path, planned: &Config) -> bool {
    let same = |run: Config| Config { data: planned.data.clone(), ..run } == *planned;
    !RunFolder::occupied(folder) || Config::of_run(folder).is_ok_and(same)
}

/// What is said of a row's folder that was used for something else.
pub fn another_run(folder: &Path) -> String {
    format!("`{}` holds another run than was planned; move it away, and the row can be run", folder.display())
}

/// A planned sweep and its folder.
pub struct Sweep {
    pub path: PathBuf,
    pub rows: Vec<PlannedRow>,
}

/// What a folder holds that a plan is to be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    Nothing,
    /// This very plan.
    SamePlan,
    /// Another plan, no row of which has started: it may be replaced.
    UnstartedPlan,
}

/// Why a row failed: `failed/NNNN.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailedRow {
    pub row: usize,
    pub error: String,
}

/// How far an unfinished row has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    pub step: usize,
    pub images_per_second: f64,
    pub val_accuracy: Option<f64>,
}

/// The state of a row.
#[derive(Clone, Debug)]
pub enum State {
    ToDo,
    /// With the name of who runs it.
    Running(String),
    Failed(FailedRow),
    Done(Box<Summary>),
}

impl State {
    pub fn name(&self) -> &'static str {
        match self {
            Self::ToDo => "to do",
            Self::Running(_) => "running",
            Self::Failed(_) => "failed",
            Self::Done(_) => "done",
        }
    }
}

impl Sweep {
    /// Writes the plan of `spec` to `path`; says what was there before.
    pub fn create(path: &Path, spec: &str, rows: &[PlannedRow]) -> Result<Before, SweepError> {
        let before = Self::check_free(path, rows)?;
        for folder in ["rows", "failed", "logs"] {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
        }
        // Also of the same plan: the baseline may be another.
        write_whole(&path.join("spec.toml"), spec.as_bytes())?;
        if before != Before::SamePlan {
            // Last: the plan is what makes the folder a sweep.
            write_whole(&path.join("plan.jsonl"), plan::to_text(rows).as_bytes())?;
        }
        Ok(before)
    }

    /// What `path` holds; an error if no plan can be written there.
    pub fn check_free(path: &Path, rows: &[PlannedRow]) -> Result<Before, SweepError> {
        if RunFolder::occupied(path) {
            return Err(SweepError::HoldsRun(path.into()));
        }
        if !path.join("plan.jsonl").exists() {
            return Ok(Before::Nothing);
        }
        let started = Self::has_started(path);
        let there = match Self::open(path) {
            // A plan of another version, or an edited one.
            Err(SweepError::Plan { .. }) if !started => return Ok(Before::UnstartedPlan),
            there => there?.rows,
        };
        match there.len() == rows.len() && there.iter().zip(rows).all(|(a, b)| a.same_run(b)) {
            true => Ok(Before::SamePlan),
            false if !started => Ok(Before::UnstartedPlan),
            false => Err(SweepError::AnotherPlan(path.into())),
        }
    }

    /// Whether a row was ever begun, or handed to a cluster, which may begin it at any time.
    fn has_started(path: &Path) -> bool {
        let holds = |folder: &str| fs::read_dir(path.join(folder)).is_ok_and(|mut entries| entries.next().is_some());
        ["rows", "failed", "logs"].into_iter().any(holds) || path.join("slurm.sh").exists()
    }

    /// The settings that the specification in the folder names as the baseline, if it does.
    pub fn baseline(&self) -> Result<Option<Assignments>, SweepError> {
        let path = self.path.join("spec.toml");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(spec::baseline(&path.display().to_string(), &text)?),
            // The plan is enough to run a sweep, and to collect it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", &path)(error)),
        }
    }

    /// The sweep in `path`, its plan checked.
    pub fn open(path: &Path) -> Result<Self, SweepError> {
        let file = path.join("plan.jsonl");
        let text = match fs::read_to_string(&file) {
            Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
                return Err(SweepError::NoSweep(path.into()));
            }
            text => text.map_err(io_error("read", &file))?,
        };
        Ok(Self { rows: plan::from_text(&file, &text)?, path: path.into() })
    }

    /// Row `number`, from 1.
    pub fn row(&self, number: usize) -> Result<&PlannedRow, SweepError> {
        let missing = SweepError::NoRow { row: number, rows: self.rows.len() };
        number.checked_sub(1).and_then(|index| self.rows.get(index)).ok_or(missing)
    }

    /// The run folder of a row.
    pub fn run(&self, row: usize) -> PathBuf {
        self.path.join("rows").join(format!("{row:04}"))
    }

    /// What the row's worker printed.
    pub fn log(&self, row: usize) -> PathBuf {
        self.path.join("logs").join(format!("{row:04}.log"))
    }

    fn failed(&self, row: usize) -> PathBuf {
        self.path.join("failed").join(format!("{row:04}.json"))
    }

    /// The state of a row, as its files say.
    pub fn state(&self, row: usize) -> State {
        // Before the result: a row that ends between the two looks has one.
        let running = claim::running(&self.run(row));
        match (self.result(row), running) {
            (State::Done(summary), _) => State::Done(summary),
            (_, Some(owner)) => State::Running(owner),
            (result, None) => result,
        }
    }

    /// The result of a row, also while a process runs it: done, failed, or nothing yet.
    pub fn result(&self, row: usize) -> State {
        if let Some(summary) = read_json(&self.run(row).join("summary.json")) {
            let planned = row.checked_sub(1).and_then(|index| self.rows.get(index));
            if planned.is_some_and(|planned| !is_run_of(&self.run(row), &planned.config)) {
                return State::Failed(FailedRow { row, error: another_run(&self.run(row)) });
            }
            return State::Done(Box::new(summary));
        }
        read_json(&self.failed(row)).map_or(State::ToDo, State::Failed)
    }

    /// Records that a row failed.
    pub fn record_failure(&self, row: usize, error: &str) -> Result<(), SweepError> {
        let mut text = serde_json::to_string_pretty(&FailedRow { row, error: error.into() })
            .expect("a number and a text are JSON");
        text.push('\n');
        Ok(write_whole(&self.failed(row), text.as_bytes())?)
    }

    /// Forgets that a row failed.
    pub fn forget_failure(&self, row: usize) -> Result<(), SweepError> {
        let path = self.failed(row);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// How far a row has come by its metrics.
    pub fn progress(&self, row: usize) -> Option<Progress> {
        let text = fs::read_to_string(self.run(row).join("metrics.jsonl")).ok()?;
        // A line may be half written.
        let mut lines = text.lines().rev().filter_map(|line| serde_json::from_str::<MetricLine>(line).ok()).peekable();
        let (step, images_per_second) = match lines.peek()? {
            MetricLine::Step { step, images_per_second, .. } | MetricLine::Epoch { step, images_per_second, .. } => {
                (*step, *images_per_second)
            }
        };
        let val_accuracy = lines.find_map(|line| match line {
            MetricLine::Epoch { val_accuracy, .. } => val_accuracy,
            MetricLine::Step { .. } => None,
        });
        Some(Progress { step, images_per_second, val_accuracy })
    }
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "base = 'quick'\n[grid]\nseed = [1, 2]\n";

    #[test]
    fn a_folder_holds_one_plan() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("sweep");
        assert!(matches!(Sweep::open(&path), Err(SweepError::NoSweep(_))));
        let (rows, _) = plan::plan("spec.toml", SPEC).unwrap();
        assert_eq!(Sweep::create(&path, SPEC, &rows).unwrap(), Before::Nothing);
        assert_eq!(Sweep::create(&path, SPEC, &rows).unwrap(), Before::SamePlan);
        // Nothing has started: the plan may change.
        let (other, _) = plan::plan("spec.toml", "base = 'quick'\n[grid]\nseed = [1, 3]\n").unwrap();
        assert_eq!(Sweep::create(&path, SPEC, &other).unwrap(), Before::UnstartedPlan);
        assert_eq!(Sweep::open(&path).unwrap().rows, other);
        fs::write(path.join("plan.jsonl"), "edited").unwrap();
        assert_eq!(Sweep::create(&path, SPEC, &rows).unwrap(), Before::UnstartedPlan);
        for (name, is_folder) in
            [("rows/0001", true), ("failed/0001.json", false), ("logs/0001.log", false), ("slurm.sh", false)]
        {
            let begun = path.join(name);
            if is_folder {
                fs::create_dir(&begun).unwrap()
            } else {
                fs::write(&begun, "").unwrap()
            }
            assert!(matches!(Sweep::create(&path, SPEC, &other), Err(SweepError::AnotherPlan(_))), "{name}");
            if is_folder { fs::remove_dir(&begun).unwrap() } else { fs::remove_file(&begun).unwrap() }
        }
        let sweep = Sweep::open(&path).unwrap();
        assert_eq!(sweep.rows, rows);
        assert!(sweep.row(0).is_err() && sweep.row(3).is_err() && sweep.row(2).is_ok());

        assert_eq!(sweep.state(1).name(), "to do");
        sweep.record_failure(1, "no luck").unwrap();
        assert!(matches!(sweep.state(1), State::Failed(failed) if failed.error == "no luck"));
        sweep.forget_failure(1).unwrap();
        sweep.forget_failure(1).unwrap();
        assert_eq!(sweep.state(1).name(), "to do");
    }

    #[test]
    fn a_run_folder_is_not_a_place_for_a_sweep() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("config.toml"), "").unwrap();
        let (rows, _) = plan::plan("spec.toml", SPEC).unwrap();
        assert!(matches!(Sweep::create(place.path(), SPEC, &rows), Err(SweepError::HoldsRun(_))));
    }
}
