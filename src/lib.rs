//! `itop` trains sparse convolutional networks from scratch on any GPU.
//!
//! Weights are sparse from the first step: forward, input gradient, weight gradient and optimiser touch only the active
//! weights, and every ΔT steps prune/regrow passes on the GPU move the active set (In-Time Over-Parameterization).
//!
//! The rooms of the house, from the top; arrows point only down this list (`tests/structure.rs` checks them):
//!
//! - `cli` (native only; feature `cli`): one file per subcommand; turns arguments into calls and prints
//! - `sweep` (native only; feature `sweep`): many runs: plan, rows, who runs them, what came of them
//! - `compare` (feature `report`): the same steps on many adapters
//! - `report` (feature `report`): what people look at after a run
//! - [`verify`]: whether an adapter computes what the CPU references compute
//! - [`train`]: one run: configuration, trainer, schedules, checkpoints, run folder
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
//! `itop = { version = "…", default-features = false }` it compiles 109 crates instead of 172. Feature `fetch` adds downloads of
//! published data sets (`data::fetch`, native only). `examples/` shows how to train on data of one's own, and how to read
//! what a run has left.

// The two exceptions are calls of `wgpu` that it marks so: shaders without checks (`gpu::kernel`), and experimental features
// (`gpu::device`).
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
