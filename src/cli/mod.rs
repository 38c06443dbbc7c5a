//! The command line: one file per subcommand; turns arguments into calls of the rooms below, and prints.

mod adapters;
mod bench;
mod data;
mod dry_run;
mod eval;
mod explore;
mod failure;
mod progress;
mod report;
mod sweep;
mod text;
mod train;
mod tuning;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::gpu::{Gpu, GpuOptions, LimitChoice};
use failure::Failure;

/// Trains sparse convolutional networks from scratch on any GPU.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a network; without further words, a small one on the embedded sample
    #[command(args_override_self = true)]
    Train(Box<train::TrainArgs>),
    /// Measure a trained network's loss and accuracy
    Eval(eval::EvalArgs),
    /// List the GPUs that can be used
    Adapters(adapters::AdaptersArgs),
    /// Fetch datasets, and look at them
    Data(data::DataArgs),
    /// Plan how much a run will explore
    Explore(explore::ExploreArgs),
    /// Many runs from one specification: plan, run, look, collect
    Sweep(sweep::SweepArgs),
    /// Draw what runs did
    Report(report::ReportArgs),
    /// Measure speed
    Bench(bench::BenchArgs),
}

/// Which GPU, and how.
#[derive(Args, Clone)]
struct GpuArgs {
    /// `auto`, a backend (`vulkan`, `metal`, `dx12`, `gl`), an index from `itop adapters`, or part of a name
    #[arg(long, default_value = "auto")]
    adapter: String,
    /// Buffer limits: the adapter's own, or what every WebGPU implementation offers
    #[arg(long, value_enum, default_value = "adapter")]
    limits: Limits,
    /// Keep the bounds checks in shaders that are else left out
    #[arg(long, hide = true)]
    checked_shaders: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Limits {
    Adapter,
    Webgpu,
}

impl GpuArgs {
    /// What to ask of the adapter.
    fn options(&self) -> GpuOptions {
        let limits = match self.limits {
            Limits::Adapter => LimitChoice::Adapter,
            Limits::Webgpu => LimitChoice::WebGpu,
        };
        GpuOptions { adapter: self.adapter.clone(), limits, checked_shaders: self.checked_shaders }
    }

    /// Opens the adapter and says so in line 1.
    fn open(&self) -> Result<Gpu, Failure> {
        let gpu = pollster::block_on(Gpu::open(&self.options())).map_err(Failure::adapter)?;
        println!("adapter: {}, tier {}", gpu.summary, gpu.tier());
        if gpu.summary.is_software() {
            eprintln!(
                "warning: this adapter is software: it computes the same on the processor, much slower than a GPU"
            );
        }
        Ok(gpu)
    }
}

/// Runs the command line; returns the exit code.
pub fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::new().filter("ITOP_LOG")).init();
    let done = match Cli::parse().command {
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Adapters(args) => adapters::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Explore(args) => explore::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Sweep(args) => sweep::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {}", failure.message());
            ExitCode::from(failure.code)
        }
    }
}
