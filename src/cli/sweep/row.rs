//! One row of a sweep, in this process: claim it, train or resume it, record the result.

use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;

use super::Failure;
use crate::cli::GpuArgs;
use crate::cli::progress::Plain;
use crate::cli::recipe::Origin;
use crate::cli::train::{Job, lost, train};
use crate::cli::tuning::TuningArgs;
use crate::gpu::GpuError;
use crate::sweep::{State, Sweep, another_run, is_run_of};
use crate::train::claim::{self, Claim, Taken};
use crate::train::run_folder::RunFolder;
use crate::train::{Config, Hold, Listener, Opening, Target};

/// How a row is to be run.
pub struct RowJob<'a> {
    pub row: usize,
    pub retry_failed: bool,
    pub stale: Duration,
    pub end_by_input: bool,
    pub tuning: &'a TuningArgs,
    pub gpu: &'a GpuArgs,
}

/// Runs the row to its end. What is done already is not done again; what is being done elsewhere is left alone (exit code 75).
pub fn run(sweep: &Sweep, job: &RowJob) -> Result<(), Failure> {
    let planned = sweep.row(job.row).map_err(Failure::input)?;
    println!("row {} of {}: {}", planned.row, planned.rows, planned.label());
    if settled(sweep, job)? {
        return Ok(());
    }
    let out = sweep.run(job.row);
    if let Some(why) = claim::doubt(&out) {
        Plain.watching(&why, job.stale);
    }
    let claim = match Claim::take(&out, job.stale, lost).map_err(Failure::run)? {
        Taken::Mine(claim) => claim,
        Taken::Busy(owner) => return Err(Failure::busy(anyhow!("row {} is run by {owner}", job.row))),
    };
    // Again: the row may have ended before the claim.
    if settled(sweep, job)? {
        return Ok(());
    }
    let result = sweep.forget_failure(job.row).map_err(Failure::run).and_then(|()| {
        train(Job {
            opening: opening(&out, &planned.config)?,
            origin: Origin::Named("the sweep's row".into()),
            beside: sweep.with_same_data(planned),
            tensorboard: false,
            report: true,
            end_by_input: job.end_by_input,
            tuning: job.tuning,
            gpu: job.gpu,
        })
    });
    match &result {
        Ok(outcome) => claim.end(outcome.word()),
        Err(failure) if is_of_the_machine(failure) => claim.end(&failure.message()),
        Err(failure) => {
            sweep.record_failure(job.row, &failure.message()).map_err(Failure::run)?;
            claim.end("failed");
        }
    }
    Failure::of(&result?)
}

/// Whether there is nothing to do. A row that failed is an error, unless it is to be tried again.
fn settled(sweep: &Sweep, job: &RowJob) -> Result<bool, Failure> {
    match sweep.result(job.row) {
        State::Done(_) => {
            println!("row {} is done: {}", job.row, sweep.run(job.row).display());
            Ok(true)
        }
        State::Failed(failed) if !job.retry_failed => {
            let row = job.row;
            Err(Failure::run(anyhow!("row {row} failed before ({}); --retry-failed tries it again", failed.error)))
        }
        _ => Ok(false),
    }
}

/// The row's run, to begin or to go on with; an error if the folder holds another.
fn opening(out: &Path, config: &Config) -> Result<Opening, Failure> {
    let config = config.clone();
    if !RunFolder::occupied(out) {
        return Ok(Opening::new_run(config, Target::Folder(out.into()), Hold::Caller)?);
    }
    if !is_run_of(out, &config) {
        return Err(Failure::input(anyhow!(another_run(out))));
    }
    Ok(Opening::resume(out, Hold::Caller, &mut Plain, |_| Ok(config))?)
}

/// Whether another machine, or this one later, may well run the same row: no adapter, no space.
fn is_of_the_machine(failure: &Failure) -> bool {
    failure.error.chain().any(|cause| {
        let full = |error: &io::Error| {
            [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::ReadOnlyFilesystem]
                .contains(&error.kind())
        };
        let none = |error: &GpuError| matches!(error, GpuError::NoAdapter | GpuError::NoSuchAdapter { .. });
        cause.downcast_ref().is_some_and(full) || cause.downcast_ref().is_some_and(none)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::TrainError;
    use crate::train::run_folder::FolderError;

    #[test]
    fn a_full_disk_is_no_fault_of_the_row() {
        let trouble = |kind: io::ErrorKind| {
            let error = FolderError::Io { action: "write", path: "metrics.jsonl".into(), source: kind.into() };
            Failure::run(anyhow::Error::from(TrainError::from(error)).context("the run stopped"))
        };
        assert!(is_of_the_machine(&trouble(io::ErrorKind::StorageFull)));
        assert!(!is_of_the_machine(&trouble(io::ErrorKind::PermissionDenied)));
        assert!(is_of_the_machine(&Failure::adapter(GpuError::NoAdapter)));
        let diverged = TrainError::Diverged { step: 3, what: "the loss".into(), cause: String::new() };
        assert!(!is_of_the_machine(&Failure::run(diverged)));
    }

    #[test]
    fn another_run_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("0001");
        let config = Config::default();
        assert!(opening(&out, &config).unwrap().resumed().is_none());
        RunFolder::create(&out, &config.to_toml().unwrap(), (&Default::default(), &[]), &Default::default()).unwrap();
        assert!(opening(&out, &config).unwrap().resumed().is_some());
        let other = Config { seed: 1, ..config.clone() };
        assert!(opening(&out, &other).is_err_and(|failure| failure.message().contains("another run")));
    }
}
