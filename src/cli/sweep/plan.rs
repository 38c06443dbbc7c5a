//! `itop sweep plan`: the rows of a specification, what they need and about how long they take.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::{Failure, duration, text};
use crate::cli::GpuArgs;
use crate::sweep::plan::{PlannedRow, plan};
use crate::sweep::{Sweep, SweepError};
use crate::train::run_folder::read_config;
use crate::train::{Problem, Trainer};

#[derive(Args)]
pub struct PlanArgs {
    /// TOML file with [base], [grid], [[list]] and [random]; see docs/sweeps.md
    spec: PathBuf,
    /// Folder of the sweep
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Estimate the time from a few training steps of row 1 on the adapter
    #[arg(long)]
    measure: bool,
    #[command(flatten)]
    gpu: GpuArgs,
}

pub fn run(args: &PlanArgs) -> Result<(), Failure> {
    let spec = read_config(&args.spec)
        .with_context(|| format!("cannot read `{}`", args.spec.display()))
        .map_err(Failure::input)?;
    let (rows, absent) = plan(&args.spec.display().to_string(), &spec).map_err(Failure::input)?;
    Sweep::check_free(&args.out, &rows).map_err(Failure::input)?;
    for what in absent {
        eprintln!("warning: planned without the images: {what}");
    }
    print!("{}", table(&rows));
    let flops: f64 = rows.iter().map(|row| row.estimate.training_flops).sum();
    let time = match args.measure {
        true => {
            let rate = measure(args, &rows[0])?;
            let seconds = duration(flops / rate);
            format!("about {seconds} on one such adapter, at the {:.1} GFLOP/s of row 1's first steps", rate / 1e9)
        }
        false => "time unknown (--measure times row 1's first steps here; once rows run, status knows)".into(),
    };
    println!("{} rows, {flops:.2e} FLOPs: {time}", rows.len());
    let known = Sweep::create(&args.out, &spec, &rows).map_err(|error| match error {
        SweepError::Folder(_) | SweepError::Io { .. } => Failure::run(error),
        error => Failure::input(error),
    })?;
    let out = args.out.display();
    println!("{} {out}; run it by: itop sweep run {out}", if known { "already planned in" } else { "planned in" });
    Ok(())
}

fn table(rows: &[PlannedRow]) -> String {
    let row = |row: &PlannedRow| {
        let estimate = &row.estimate;
        let flops = format!("{:.2e}", estimate.training_flops);
        vec![row.label(), row.row.to_string(), text::count(estimate.steps), text::bytes(estimate.gpu_bytes), flops]
    };
    text::table(&["run", "row", "steps", "GPU memory", "FLOPs"], &rows.iter().map(row).collect::<Vec<_>>())
}

/// FLOPs a second of the first row's steps.
fn measure(args: &PlanArgs, row: &PlannedRow) -> Result<f64, Failure> {
    const STEPS: usize = 4;
    let dataset = row.config.source().load().map_err(Failure::input)?;
    let gpu = args.gpu.open()?;
    let problem = Problem::new(row.config.clone(), &dataset, &gpu).map_err(Failure::input)?;
    let mut trainer = pollster::block_on(Trainer::new(gpu, &problem, &dataset, &mut ())).map_err(Failure::start)?;
    trainer.initialise();
    // The first steps still compile.
    trainer.time_steps(2).map_err(Failure::start)?;
    let (seconds, _) = trainer.time_steps(STEPS).map_err(Failure::start)?;
    Ok(row.estimate.training_flops / row.estimate.steps.max(1) as f64 / seconds)
}
