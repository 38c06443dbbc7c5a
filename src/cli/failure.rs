//! Errors, and the exit codes that scripts rely on: they are made here and nowhere else.

use anyhow::{Error, anyhow};

use crate::gpu::GpuError;
use crate::train::kernel_choice::ChoiceError;
use crate::train::{Outcome, SessionError, TrainError};

/// How a command ended that did not succeed, for scripts and for the process that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Bad usage or input; nothing was written.
    Input = 2,
    /// No usable adapter.
    Adapter = 3,
    /// It failed after it started.
    Failed = 4,
    /// Another process does it now; try again later (`EX_TEMPFAIL` of `sysexits.h`).
    Busy = 75,
    /// Interrupted, as shells have it: 128 and SIGINT's number.
    Interrupted = 130,
}

impl Exit {
    const ALL: [Self; 5] = [Self::Input, Self::Adapter, Self::Failed, Self::Busy, Self::Interrupted];

    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What the exit code of another `itop` says; none of one that it does not have.
    pub fn of(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| i32::from(exit.code()) == code)
    }

    /// Ends this process.
    pub fn now(self) -> ! {
        std::process::exit(self.code().into())
    }
}

/// What went wrong, and how the process ends for it.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: Error,
}

impl Failure {
    fn new(exit: Exit, error: impl Into<Error>) -> Self {
        Self { exit, error: error.into() }
    }

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
        Self::new(Exit::Input, error)
    }

    /// No usable adapter. (A name that matches none is bad usage.)
    pub fn adapter(error: GpuError) -> Self {
        let exit = if matches!(error, GpuError::NoSuchAdapter { .. }) { Exit::Input } else { Exit::Adapter };
        Self::new(exit, error)
    }

    /// What failed after it started.
    pub fn run(error: impl Into<Error>) -> Self {
        Self::new(Exit::Failed, error)
    }

    /// An end that somebody asked for; what there is to know is printed already.
    pub fn interrupted() -> Self {
        Self::new(Exit::Interrupted, anyhow!("interrupted"))
    }

    /// Somebody else does it now.
    pub fn busy(error: impl Into<Error>) -> Self {
        Self::new(Exit::Busy, error)
    }

    /// What failed before the first step.
    pub fn start(error: TrainError) -> Self {
        Self::new(before_the_first_step(&error), error)
    }

    /// Of a run that did not fail.
    pub fn of(outcome: &Outcome) -> Result<(), Self> {
        match outcome {
            Outcome::Finished(_) => Ok(()),
            Outcome::Interrupted => Err(Self::interrupted()),
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        use SessionError as E;
        let exit = match &error {
            E::Busy { .. } => Exit::Busy,
            E::Config(_) | E::Folder(_) | E::Data(_) | E::RunPlan(_) | E::TooFar { .. } => Exit::Input,
            E::NoData { .. } | E::OtherData { .. } | E::ChangedData { .. } | E::EmptySplit | E::FirstSet(_) => {
                Exit::Input
            }
            E::Start(error) => before_the_first_step(error),
            E::Evaluation(_) | E::Diverged { .. } | E::LostDevice { .. } | E::Failed { .. } => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

impl From<ChoiceError> for Failure {
    fn from(error: ChoiceError) -> Self {
        let exit = match &error {
            ChoiceError::RunPlan(_) | ChoiceError::Folder(_) => Exit::Input,
            ChoiceError::Measuring(_) => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

fn before_the_first_step(error: &TrainError) -> Exit {
    match error {
        TrainError::RunPlan(_) | TrainError::Folder(_) | TrainError::Checkpoint(_) => Exit::Input,
        // Too large for the adapter: nothing has been written yet.
        TrainError::NoRoom { .. } | TrainError::Gpu(GpuError::OutOfMemory { .. } | GpuError::Limit { .. }) => {
            Exit::Input
        }
        TrainError::FirstSet { source, .. } => before_the_first_step(source),
        TrainError::NoScores { .. } | TrainError::NoFirstSet { .. } => Exit::Input,
        TrainError::Gpu(_) | TrainError::Diverged { .. } => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_what_scripts_know() {
        assert_eq!(Exit::ALL.map(Exit::code), [2, 3, 4, 75, 130]);
        assert!(Exit::ALL.into_iter().all(|exit| Exit::of(exit.code().into()) == Some(exit)));
        assert_eq!([0, 1, 101, 139].map(Exit::of), [None; 4]);
    }
}
