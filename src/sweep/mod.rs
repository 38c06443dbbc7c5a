//! Many runs: a specification becomes a plan of numbered rows, workers run the rows, and their results are collected.
//!
//! A sweep is a folder, and the files in it are the only thing that its processes share (`docs/sweeps.md`):
//!
//! - `spec.toml`, `plan.jsonl`: the specification; one line per row with its whole configuration and a hash
//! - `rows/NNNN/`: the run folder of a row, with the claims of the processes that run it (see [`claim`](crate::train::claim))
//! - `failed/NNNN.json`: why a row failed
//! - `logs/NNNN.log`: what a row's worker printed
//! - `collected/`: tables and plots

pub mod answer;
pub mod baseline;
pub mod collect;
pub mod comparison;
pub mod csv;
pub mod estimate;
mod folder;
pub mod page;
pub mod plan;
mod random;
mod same_data;
pub mod slurm;
pub mod spec;
mod spec_file;
pub mod statistics;
pub mod table;

pub use folder::{Before, FailedRow, Progress, State, Sweep, SweepError, another_run, is_run_of};
