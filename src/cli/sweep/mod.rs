//! `itop sweep`: many runs from one specification.

mod collect;
mod pace;
mod plan;
mod row;
mod run;
mod status;
mod submit;
mod worker;

use std::path::Path;

use clap::{Args, Subcommand};

pub use collect::write as collect;

use super::{Exit, Failure, text};
use crate::sweep::Sweep;

#[derive(Args)]
pub struct SweepArgs {
    #[command(subcommand)]
    command: SweepCommand,
}

#[derive(Subcommand)]
enum SweepCommand {
    /// Turn a specification into numbered rows, one per run
    Plan(plan::PlanArgs),
    /// Run the missing rows
    Run(run::RunArgs),
    /// Show the state of all rows
    Status(status::StatusArgs),
    /// Write the answer, tables and figures of the rows that are done: a page, CSV, JSON, Markdown, LaTeX, SVG, PDF
    Collect(collect::CollectArgs),
    /// Write (and with --go submit) a job array of the missing rows
    Submit(submit::SubmitArgs),
}

impl SweepArgs {
    /// Whether it only prints.
    pub fn only_prints(&self) -> bool {
        matches!(self.command, SweepCommand::Status(_))
    }
}

pub fn run(args: &SweepArgs) -> Result<(), Failure> {
    match &args.command {
        SweepCommand::Plan(args) => plan::run(args),
        SweepCommand::Run(args) => run::run(args),
        SweepCommand::Status(args) => status::run(args),
        SweepCommand::Collect(args) => collect::run(args),
        SweepCommand::Submit(args) => submit::run(args),
    }
}

fn open(path: &Path) -> Result<Sweep, Failure> {
    Sweep::open(path).map_err(Failure::input)
}

/// `2 of 3 rows are done`
fn rows_done(done: usize, rows: usize) -> String {
    format!("{done} of {} done", text::number_are(rows, "row"))
}

/// `2 h 05 min`
fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}
