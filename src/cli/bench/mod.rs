//! `itop bench`: how fast the kernels and a step are.

mod kernels;
mod step;

use clap::{Args, Subcommand};

use super::Failure;

#[derive(Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Subcommand)]
enum BenchCommand {
    /// Every kernel candidate of every convolution, at each sparsity
    Kernels(kernels::KernelArgs),
    /// Whole training steps, dense and sparse, interleaved
    Step(step::StepArgs),
}

pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    match &args.command {
        BenchCommand::Kernels(args) => kernels::run(args),
        BenchCommand::Step(args) => step::run(args),
    }
}
