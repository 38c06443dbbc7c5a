//! Errors with the exit code that scripts rely on.

use anyhow::{Error, anyhow};

use crate::gpu::GpuError;
use crate::train::TrainError;

/// What went wrong, and the exit code: 2 bad usage or input (nothing written), 3 no usable adapter, 4 the run failed after
/// it started, 75 another process runs it, 130 interrupted.
pub struct Failure {
    pub code: u8,
    pub error: Error,
}

impl Failure {
    /// The error and its causes, each once.
    pub fn message(&self) -> String {
        let mut message = String::new();
        for cause in self.error.chain().map(ToString::to_string) {
            if !message.contains(&cause) {
                message += if message.is_empty() { "" } else { ": " };
                message += &cause;
            }
        }
        message
    }

    /// Bad usage or input.
    pub fn input(error: impl Into<Error>) -> Self {
        Self { code: 2, error: error.into() }
    }

    /// No usable adapter. (A name that matches none is bad usage.)
    pub fn adapter(error: GpuError) -> Self {
        let code = if matches!(error, GpuError::NoSuchAdapter { .. }) { 2 } else { 3 };
        Self { code, error: error.into() }
    }

    /// A run that failed after it started.
    pub fn run(error: impl Into<Error>) -> Self {
        Self { code: 4, error: error.into() }
    }

    /// The exit code of what was interrupted, as shells have it: 128 and SIGINT's number.
    pub const INTERRUPTED: u8 = 130;

    /// An end that somebody asked for; what there is to know is printed already.
    pub fn interrupted() -> Self {
        Self { code: Self::INTERRUPTED, error: anyhow!("interrupted") }
    }

    /// Somebody else does it now; try again later (`EX_TEMPFAIL` of `sysexits.h`).
    pub fn busy(error: impl Into<Error>) -> Self {
        Self { code: 75, error: error.into() }
    }

    /// What failed before the first step.
    pub fn start(error: TrainError) -> Self {
        match error {
            TrainError::RunPlan(_) | TrainError::Folder(_) | TrainError::Checkpoint(_) => Self::input(error),
            // Too large for the adapter: nothing has been written yet.
            TrainError::NoRoom { .. } | TrainError::Gpu(GpuError::OutOfMemory { .. } | GpuError::Limit { .. }) => {
                Self::input(error)
            }
            TrainError::Gpu(_) | TrainError::Diverged { .. } => Self::run(error),
        }
    }
}
