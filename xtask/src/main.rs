//! What cargo alone does not do. `cargo xtask web`: builds the page, in `target/web`. `cargo xtask isa`: what compilers of
//! GPUs make of the kernels.

mod isa;
mod web;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the web page into target/web
    Web {
        /// Quick to build, large and slow to load
        #[arg(long)]
        dev: bool,
    },
    /// Compiles kernels for GPUs that need not be here, and prints what comes out (as root, on Debian)
    Isa(isa::Arguments),
    /// Runs a command with the driver of each of those GPUs, which executes nothing
    OnGpus(isa::OnArguments),
    /// The part of `isa` that runs with the driver of one GPU
    #[command(hide = true)]
    IsaWorker(isa::WorkerArguments),
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Web { dev } => web::build(if dev { "dev" } else { "web" }),
        Task::Isa(arguments) => isa::run(&arguments),
        Task::OnGpus(arguments) => isa::run_on(&arguments),
        Task::IsaWorker(arguments) => isa::work(&arguments),
    }
}
