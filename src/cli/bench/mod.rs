//! `itop bench`: measures kernels, steps, updates and startup.

mod floor;
mod kernels;
mod model;
mod passes;
mod peak;
mod replay;
mod start;
mod step;
mod topology;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Failure;
use crate::ops::Storage;
use crate::sparsity::{InitChoice, Shrink};
use crate::train::run_folder::{SCHEMA, write_whole};
use crate::train::{Config, Method};

#[derive(Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Subcommand)]
enum BenchCommand {
    /// Print lower bounds of the work, the traffic and the time of a step
    Floor(floor::FloorArgs),
    /// Predict steps on GPUs that are not here, by a model of their caches
    Model(model::ModelArgs),
    /// Measure the highest rates of arithmetic and copies
    Peak(peak::PeakArgs),
    /// Time every kernel candidate of every convolution, at each sparsity
    Kernels(kernels::KernelArgs),
    /// Time whole training steps, dense and sparse, interleaved
    Step(step::StepArgs),
    /// Time everything until the first step is done
    Start(start::StartArgs),
    /// Time topology updates, compared with steps
    Topology(topology::TopologyArgs),
}

impl BenchArgs {
    /// The file that is to be written.
    pub fn json(&self) -> Option<&PathBuf> {
        match &self.command {
            BenchCommand::Floor(_) => None,
            BenchCommand::Model(args) => args.json.as_ref(),
            BenchCommand::Peak(args) => args.json.as_ref(),
            BenchCommand::Kernels(args) => args.json.as_ref(),
            BenchCommand::Step(args) => args.json.as_ref(),
            BenchCommand::Start(args) => args.json.as_ref(),
            BenchCommand::Topology(args) => args.json.as_ref(),
        }
    }
}

pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    match &args.command {
        BenchCommand::Floor(args) => floor::run(args),
        BenchCommand::Model(args) => model::run(args),
        BenchCommand::Peak(args) => peak::run(args),
        BenchCommand::Kernels(args) => kernels::run(args),
        BenchCommand::Step(args) => step::run(args),
        BenchCommand::Start(args) => start::run(args),
        BenchCommand::Topology(args) => topology::run(args),
    }
}

/// The run whose steps are timed; sparsity 0 is the dense network. Of a set that shrinks to the sparsity `end` it is the moment at
/// which it has `sparsity`.
fn config(model: &str, method: Method, (sparsity, end): (f64, f64), batch_size: usize, storage: Storage) -> Config {
    let base = Config {
        model: model.into(),
        data: "sample".into(),
        batch_size,
        storage,
        method: if sparsity == 0.0 { Method::DENSE } else { method },
        sparsity,
        // Which weights are active takes no other time.
        init: InitChoice::Random,
        // Ordinary steps only: updates are timed by `bench topology`.
        delta_t: usize::MAX >> 1,
        ..Config::default()
    };
    if !method.shrinks {
        return base;
    }
    let shrink = Shrink { initial_sparsity: sparsity, ..Shrink::default() };
    // Far away, but there is one: a set that shrinks has an update.
    Config { method, sparsity: end, shrink, epochs: 1_000_000, delta_t: 700_000, ..base }
}

fn method(name: &str) -> Method {
    Method::named(name).expect("clap takes names of the table alone")
}

fn write_json(path: Option<&PathBuf>, adapter: &str, rows: &impl Serialize) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let value = serde_json::json!({"schema": SCHEMA, "adapter": adapter, "rows": rows});
    let text = serde_json::to_string_pretty(&value).map_err(Failure::run)?;
    write_whole(path, text.as_bytes()).map_err(Failure::run)
}
