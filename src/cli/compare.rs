//! `itop compare`: the same steps on several adapters.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use super::text::{bytes, table};
use crate::compare::{self, Options, Report, Side};
use crate::data;
use crate::gpu::{self, AdapterSummary, GpuError};
use crate::train::run_folder::write_whole;
use crate::train::{Config, Method};

#[derive(Args)]
pub struct CompareArgs {
    /// `all`, `auto`, or adapters separated by commas: backends, indices from `itop adapters`, or parts of names
    #[arg(long, default_value = "all", value_delimiter = ',')]
    adapters: Vec<String>,
    #[arg(long, default_value = "resnet8")]
    model: String,
    #[arg(long, default_value_t = 0.9)]
    sparsity: f64,
    #[arg(long, default_value_t = 16)]
    batch_size: usize,
    /// Steps whose losses and active sets are compared
    #[arg(long, default_value_t = 20)]
    steps: usize,
    /// Steps that the CPU twins compute too, at most: of those up to the first topology update
    #[arg(long, default_value_t = 3)]
    reference_steps: usize,
    /// Steps between two topology updates; if not given, a quarter of the steps, at least 2
    #[arg(long)]
    delta_t: Option<usize>,
    /// Timed steps of each adapter
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    #[arg(long, default_value_t = 17)]
    seed: u64,
    /// Write compare.json and compare.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(args: &CompareArgs) -> Result<(), Failure> {
    for (flag, value) in [("--steps", args.steps), ("--rounds", args.rounds)] {
        if !(1..=10_000).contains(&value) {
            return Err(Failure::input(anyhow::anyhow!("`{flag}` = {value} must be from 1 to 10000")));
        }
    }
    if args.delta_t.is_some_and(|delta_t| delta_t < 2) {
        return Err(Failure::input(anyhow::anyhow!(
            "`--delta-t` must be at least 2: the steps between updates are timed"
        )));
    }
    let config = Config {
        model: args.model.clone(),
        data: "sample".into(),
        method: Method::Rigl,
        sparsity: args.sparsity,
        batch_size: args.batch_size,
        seed: args.seed,
        delta_t: args.delta_t.unwrap_or((args.steps / 4).max(2)),
        ..Config::default()
    };
    config.validate().map_err(Failure::input)?;
    let dataset = data::load("sample").map_err(Failure::input)?;
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).map_err(|error| {
            let what = format!("cannot create `{}`: {error}; choose another folder with --out", folder.display());
            Failure::input(anyhow::anyhow!(what))
        })?;
    }
    let mut opened = Vec::new();
    for summary in chosen(&args.adapters)? {
        match pollster::block_on(compare::open(&summary)) {
            Ok(side) => opened.push(side),
            Err(error) => eprintln!("warning: {summary} is left out: {error}"),
        }
    }
    if opened.is_empty() {
        return Err(Failure::adapter(GpuError::NoAdapter));
    }
    let (steps, reference_steps, rounds) = (args.steps, args.reference_steps, args.rounds);
    let options = Options { config, steps, reference_steps, rounds };
    let report = compare::compare(&options, &dataset, &opened, |what| eprintln!("{what}"));
    let report = pollster::block_on(report).map_err(Failure::start)?;
    print(&report);
    if let Some(folder) = &args.out {
        let json = serde_json::to_string_pretty(&report).map_err(Failure::run)? + "\n";
        write_whole(&folder.join("compare.json"), json.as_bytes()).map_err(Failure::run)?;
        write_whole(&folder.join("compare.html"), compare::page(&report).as_bytes()).map_err(Failure::run)?;
        println!("report: {}", folder.join("compare.html").display());
    }
    Ok(())
}

/// The adapters that `wanted` names, each once.
fn chosen(wanted: &[String]) -> Result<Vec<AdapterSummary>, Failure> {
    let all = pollster::block_on(gpu::list());
    let mut chosen: Vec<AdapterSummary> = Vec::new();
    for word in wanted {
        for summary in gpu::named(&all, word).map_err(Failure::adapter)? {
            if chosen.iter().all(|known| known.index != summary.index) {
                chosen.push(summary.clone());
            }
        }
    }
    Ok(chosen)
}

fn print(report: &Report) {
    let speed = |side: &Side| {
        let timing = &side.step_ms;
        vec![
            side.label(),
            format!("{:.2}", timing.median),
            format!("{:.2} to {:.2}", timing.low, timing.high),
            format!("{:.1}", side.images_per_second),
            bytes(side.gpu_bytes),
            format!("{:.0}", side.open_ms),
            format!("{:.0}", side.prepare_ms),
            format!("{:.0}", side.first_step_ms),
        ]
    };
    let head = ["adapter", "ms/step", "95 % interval", "img/s", "GPU memory", "open ms", "prepare ms", "first step ms"];
    print!("{}", table(&head, &report.adapters.iter().map(speed).collect::<Vec<_>>()));
    println!();
    print!("{}", table(&Report::SAMENESS, &report.sameness()));
    println!();
    for side in &report.adapters {
        let passes = side.passes.iter().take(6);
        let parts = passes.map(|(pass, ms)| format!("{pass} {:.2}", ms.as_f64().unwrap_or_default()));
        let clock = if side.timestamps { "timestamps" } else { "wall clock" };
        println!("{}: ms by pass ({clock}): {}", side.label(), parts.collect::<Vec<_>>().join(", "));
    }
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    match report.winner.map(|at| &report.adapters[at]) {
        Some(side) => println!("fastest: {}", side.label()),
        None if report.adapters.len() > 1 => println!("no winner: the intervals overlap"),
        None => {}
    }
}
