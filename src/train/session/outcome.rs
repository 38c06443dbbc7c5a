//! How a run ended, or why there is none: what callers tell apart, and what exit codes are made of.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::data::DataError;
use crate::gpu::GpuError;
use crate::train::run_folder::{FolderError, RunFolder, Summary};
use crate::train::trainer::{LAST, TrainError};
use crate::train::{ConfigError, RunPlanError};
use crate::words::number_are;

/// How a run ended that did not fail.
#[derive(Debug)]
pub enum Outcome {
    /// All steps are done, and the summary is written.
    Finished(Box<Summary>),
    /// Somebody asked for the end; the last checkpoint is kept.
    Interrupted,
}

impl Outcome {
    /// What the run's claim keeps of it.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Finished(_) => "done",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Why a run did not begin, or did not get to its end.
#[derive(Debug, Error)]
pub enum SessionError {
    #[error("another process trains in `{}` ({owner}); wait until it ends, or end it first", .run.display())]
    Busy { run: PathBuf, owner: String },

    // Bad input: nothing was written.
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    RunPlan(#[from] RunPlanError),
    #[error("`{}`: {} done already, and the run is to have {epochs}: ask for {least} or more by --epochs, or start another run", .run.display(), number_are(*.done, "epoch"))]
    TooFar { run: PathBuf, done: usize, epochs: usize, least: usize },
    #[error("{error}; if the run's data was moved, say where it is: {elsewhere}")]
    NoData { error: DataError, elsewhere: String },
    #[error("`{data}` is not the data that `{}` was trained on: {differences}; put it back as it was, or say where that is: {elsewhere}", .run.display())]
    OtherData { data: String, run: PathBuf, differences: String, elsewhere: String },
    #[error("the data was changed since `{}` was trained on it: {differences}; put it back as it was, or plan the sweep anew in another folder", .run.display())]
    ChangedData { run: PathBuf, differences: String },
    #[error("the first set cannot be kept: {0}")]
    FirstSet(String),
    #[error("the split is empty: the run held out nothing (`validation = 0`)")]
    EmptySplit,

    /// It failed before its first step: by its input, its checkpoint or its device.
    #[error(transparent)]
    Start(TrainError),
    /// Evaluation failed.
    #[error(transparent)]
    Evaluation(TrainError),

    // A run that had begun; what is left of it comes first.
    #[error("{left}")]
    Diverged { left: String, source: TrainError },
    #[error("{left}")]
    LostDevice { left: String, source: TrainError },
    #[error("{left}")]
    Failed { left: String, source: TrainError },
}

impl SessionError {
    /// Of the run in `folder`, which `source` stopped.
    pub(in crate::train) fn stopped(folder: &RunFolder, source: TrainError) -> Self {
        let left = left_of(folder, folder.path());
        match &source {
            TrainError::Diverged { .. } => Self::Diverged { left, source },
            TrainError::Gpu(GpuError::Lost { .. }) => Self::LostDevice { left, source },
            _ => Self::Failed { left, source },
        }
    }
}

/// What a run that stopped has left in its folder.
fn left_of(folder: &RunFolder, path: &Path) -> String {
    if folder.is_gone() {
        return format!("the run's folder `{}` is gone", path.display());
    }
    match folder.holds(LAST) {
        true => format!("the run stopped; its last checkpoint is `{}`", path.join(LAST).display()),
        false => "the run stopped before its first checkpoint".into(),
    }
}
