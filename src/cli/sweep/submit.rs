//! `itop sweep submit`: the missing rows as a job array of a cluster's scheduler.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};

use super::worker::WorkerArgs;
use super::{Exit, Failure, open};
use crate::cli::tuning::TuningArgs;
use crate::shell;
use crate::sweep::State;
use crate::sweep::slurm::{self, SlurmOptions, script};
use crate::train::run_folder::write_whole;
use crate::words::{number_are, number_of};

#[derive(Args)]
pub struct SubmitArgs {
    /// Folder of the sweep; every node must see it at the same path
    sweep: PathBuf,
    /// What runs the job array
    #[arg(long, value_enum, ignore_case = true)]
    engine: Engine,
    /// Submit the script with sbatch (default: only write it)
    #[arg(long)]
    go: bool,
    /// Partition of the cluster
    #[arg(long, value_name = "NAME", value_parser = word)]
    partition: Option<String>,
    /// Generic resources of a row
    #[arg(long, value_name = "GRES", value_parser = word)]
    gres: Option<String>,
    /// Time limit of a row; a row that needs more continues in another job
    #[arg(long, value_name = "TIME", value_parser = word)]
    time: Option<String>,
    /// The most rows to run at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    throttle: Option<u32>,
    /// The adapter of every row
    #[arg(long, default_value = "auto")]
    adapter: String,
    /// Include rows that failed
    #[arg(long)]
    retry_failed: bool,
    #[command(flatten)]
    tuning: TuningArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Engine {
    Slurm,
}

/// A value for a directive, where a space or a line break would begin something else.
fn word(value: &str) -> Result<String, String> {
    match value.is_empty() || value.contains(char::is_whitespace) {
        true => Err("it must be one word".into()),
        false => Ok(value.into()),
    }
}

pub fn run(args: &SubmitArgs) -> Result<(), Failure> {
    let Engine::Slurm = args.engine;
    let sweep = open(&args.sweep)?;
    let (mut missing, mut running, mut failed) = (Vec::new(), 0, 0);
    for row in sweep.rows.iter().map(|row| row.row) {
        match sweep.state(row) {
            State::Done(_) => {}
            State::Running(_) => running += 1,
            State::Failed(_) if !args.retry_failed => failed += 1,
            State::Failed(_) | State::ToDo => missing.push(row),
        }
    }
    let of_sweep = |command: &str| shell::command(["itop", "sweep", command, &shell::path(&args.sweep)]);
    if running > 0 {
        println!("{} running, and left out", number_are(running, "row"));
    }
    if failed > 0 {
        println!(
            "{} left out after a failure; --retry-failed takes in what failed, and this says why: {}",
            number_are(failed, "row"),
            of_sweep("status")
        );
    }
    if missing.is_empty() {
        println!("nothing is left to submit; collect what is done by: {}", of_sweep("collect"));
        return Ok(());
    }
    let absolute = |path: PathBuf| path.canonicalize().with_context(|| format!("cannot find `{}`", path.display()));
    let itop = std::env::current_exe().map_err(Failure::run)?;
    let folder = absolute(args.sweep.clone()).map_err(Failure::input)?;
    let worker = WorkerArgs {
        sweep: &folder,
        adapter: &args.adapter,
        stale_after: None,
        retry_failed: args.retry_failed,
        tuning: &args.tuning,
        gpu_memory: None,
        end_by_input: false,
    };
    let options = SlurmOptions {
        partition: args.partition.clone(),
        gres: args.gres.clone(),
        time: args.time.clone(),
        throttle: args.throttle.map(|most| most as usize),
        worker: std::iter::once(itop.into_os_string()).chain(worker.words(slurm::TASK)).collect(),
        interrupted: Exit::Interrupted.code(),
    };
    let path = folder.join("slurm.sh");
    write_whole(&path, script(&folder, &missing, &options).as_bytes()).map_err(Failure::run)?;
    println!("{} in {}", number_of(missing.len(), "row"), path.display());
    if !args.go {
        let sbatch = shell::command(["sbatch", &shell::path(&path)]);
        println!("submit from the folder that relative data paths start in, by: {sbatch}");
        return Ok(());
    }
    let output = Command::new("sbatch")
        .arg(folder.join("slurm.sh"))
        .output()
        .context("cannot run sbatch; is this a machine that submits to Slurm?")
        .map_err(Failure::run)?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(Failure::run(anyhow!("sbatch refused {}: {}", path.display(), why.trim())))
}
