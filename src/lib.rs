//! `itop` trains sparse convolutional networks from scratch, on GPUs of any vendor.
//!
//! Weights are sparse from the first step: inactive weights are neither stored nor multiplied (layers that are dense enough
//! run dense kernels). Every ΔT steps, the GPU prunes some weights and grows as many others (In-Time Over-Parameterization).
//!
//! The modules, from the top. A module uses only modules further down this list (`tests/structure.rs` checks that):
//!
//! - `cli` (native only; feature `cli`): one file per subcommand; turns arguments into calls and prints
//! - `sweep` (native only; feature `sweep`): many runs: plan, rows, who runs them, tables of the results
//! - `compare` (feature `report`): the same steps on many adapters
//! - `report` (feature `report`): pages and figures of runs
//! - [`verify`]: whether an adapter computes what the CPU references compute
//! - [`train`]: one run: configuration, trainer, schedules, checkpoints, run folder
//! - [`predict`]: what a step would take on GPUs that are not here
//! - [`plan`]: graph × batch × densities to every buffer and every dispatch of a step
//! - [`sparsity`]: how many weights a layer gets, which, and how the set moves
//! - [`model`]: networks as data, their cost
//! - [`data`]: datasets in memory, splits
//! - [`ops`]: one file per operation: its host side, next to its shader and its CPU reference
//! - [`gpu`]: adapters, devices, kernels, buffers, timing
//! - `disk`: renaming files, where systems differ
//! - `shell`: commands that messages suggest, quoted
//! - `words`: numbers with commas and plurals, lists
//!
//! A program that trains with the library needs none of the features, which are all on by default: with
//! `itop = { version = "…", default-features = false }` it compiles 114 crates instead of 176. Feature `fetch` adds downloads of
//! published data sets (`data::fetch`, native only). `examples/` shows how to train on data of one's own, and how to read
//! what a run has left.

// There are two exceptions: `gpu::kernel` leaves out shader checks, `gpu::device` asks for cooperative matrices.
#![deny(unsafe_code)]

#[cfg(all(feature = "cli", not(target_arch = "wasm32")))]
pub mod cli;
#[cfg(feature = "report")]
pub mod compare;
pub mod data;
mod disk;
pub mod gpu;
pub mod model;
pub mod ops;
pub mod plan;
pub mod predict;
#[cfg(feature = "report")]
pub mod report;
mod shell;
pub mod sparsity;
#[cfg(all(feature = "sweep", not(target_arch = "wasm32")))]
pub mod sweep;
pub mod train;
pub mod verify;
#[cfg_attr(
    any(target_arch = "wasm32", not(feature = "sweep")),
    allow(dead_code, reason = "some are for reports or sweeps")
)]
mod words;

pub use words::version;
