//! `itop compare`: the same steps on several adapters.

use std::path::PathBuf;

use clap::Args;

use super::text::{bytes, table};
use super::{Failure, flags};
use crate::compare::{self, Options, Report, Side};
use crate::data;
use crate::gpu::{self, AdapterSummary, GpuError};
use crate::train::Config;
use crate::train::config_builder::ConfigBuilder;
use crate::train::keys::Key;
use crate::train::run_folder::write_whole;

#[derive(Args)]
pub struct CompareArgs {
    /// `all`, `auto`, or adapters separated by commas: backends, indices from `itop adapters`, or parts of names
    #[arg(long, default_value = "all", value_delimiter = ',')]
    adapters: Vec<String>,
    /// Steps whose losses and active sets are compared
    #[arg(long, default_value_t = 20, value_parser = flags::count(10_000))]
    steps: usize,
    /// The most steps that the CPU references also compute (they end at the first topology update)
    #[arg(long, default_value_t = 3)]
    reference_steps: usize,
    /// Timed steps of each adapter
    #[arg(long, default_value_t = 15, value_parser = flags::count(10_000))]
    rounds: usize,
    /// Write compare.json and compare.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    keys: flags::KeyFlags<FirstSteps>,
}

/// What of a run's configuration shows in its first steps.
struct FirstSteps;

impl flags::Choice for FirstSteps {
    fn has(key: &Key) -> bool {
        let fixed = [
            "data",
            "method",
            "epochs",
            "epoch_multiplier",
            "storage",
            "validation",
            "test",
            "finite_check",
            "checkpoint_minutes",
        ];
        !fixed.contains(&key.name) && !key.name.starts_with("lr_schedule")
    }
}

impl CompareArgs {
    /// ResNet-8 on the sample at 90 % in batches of 16 with an update each quarter of the steps, and the flags on top.
    fn config(&self) -> Result<Config, Failure> {
        let mut layers = ConfigBuilder::default();
        layers.set("model", "resnet8");
        layers.set("data", "sample");
        layers.set("batch_size", 16);
        layers.set("delta_t", (self.steps / 4).max(2) as i64);
        self.keys.lay(&mut layers);
        let config = layers.finish().map_err(Failure::input)?;
        match config.delta_t {
            0..2 => Err(Failure::input(anyhow::anyhow!(
                "`--delta-t` must be at least 2: the steps between updates are timed"
            ))),
            _ => Ok(config),
        }
    }
}

pub fn run(args: &CompareArgs) -> Result<(), Failure> {
    let config = args.config()?;
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
            Err(error) => message!("warning: {summary} is left out: {error}"),
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
        message!("warning: {warning}");
    }
    match report.winner.map(|at| &report.adapters[at]) {
        Some(side) => println!("fastest: {}", side.label()),
        None if report.adapters.len() > 1 => println!("no winner: the intervals overlap"),
        None => {}
    }
}
