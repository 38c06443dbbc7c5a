//! `itop bench topology`: the cost of a topology update compared with a step.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{config, method, write_json};
use crate::cli::text::{percent, table};
use crate::cli::tuning::TuningArgs;
use crate::cli::{Failure, GpuArgs, flags};
use crate::compare::by_operation;
use crate::data;
use crate::model::name_of;
use crate::ops::Storage;
use crate::sparsity::{Method, Structure};
use crate::train::{Config, Trainer};
use crate::words::number_of;

#[derive(Args)]
pub struct TopologyArgs {
    /// Network
    #[arg(long, default_value = "resnet34", value_parser = flags::name("model"))]
    model: String,
    /// Methods, comma-separated
    #[arg(long, value_delimiter = ',', default_value = "set,rigl", ignore_case = true, value_parser = Method::NAMES)]
    method: Vec<String>,
    /// Sparsities, comma-separated
    #[arg(long, value_delimiter = ',', default_value = "0.9,0.99", value_parser = flags::number("sparsity"))]
    sparsity: Vec<f64>,
    /// What is active together: unstructured, block:4x1, block:8x1 or fan-in
    #[arg(long, default_value = "unstructured", value_parser = flags::structure())]
    structure: Structure,
    /// Images per step
    #[arg(long, default_value_t = 32, value_parser = flags::whole("batch_size"))]
    batch_size: usize,
    /// How activations are kept: f32, f16 or bf16
    #[arg(long, default_value = "f32", value_parser = flags::storage())]
    storage: Storage,
    /// Steps between two updates, for the share of time
    #[arg(long, default_value_t = 100, value_parser = flags::whole("delta_t"))]
    delta_t: usize,
    /// Rounds; the result is the median
    #[arg(long, default_value_t = 3, value_parser = flags::count(10_000))]
    rounds: usize,
    /// Write the rows as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    tuning: TuningArgs,
    #[command(flatten)]
    gpu: GpuArgs,
}

#[derive(Serialize)]
struct Row {
    model: String,
    method: String,
    sparsity: f64,
    batch_size: usize,
    step_ms: f64,
    /// A step with an update.
    update_step_ms: f64,
    /// What a frame of the maps adds; a run has at most 60.
    map_ms: f64,
    /// Of training time, at `delta_t`: everything that a step without an update does not do.
    share: f64,
    /// The same without the dense gradient.
    topology_share: f64,
    passes: serde_json::Map<String, serde_json::Value>,
}

/// What gradient growth needs and an ordinary step does in another way.
const GRADIENT: [&str; 2] = ["grad_weight", "gather"];

pub fn run(args: &TopologyArgs) -> Result<(), Failure> {
    let dataset = data::load("sample").map_err(Failure::input)?;
    let gpu = args.gpu.open()?;
    let mut rows = Vec::new();
    for name in &args.method {
        for &sparsity in &args.sparsity {
            let config = config(&args.model, method(name), (sparsity, sparsity), args.batch_size, args.storage);
            let config = Config { structure: args.structure, ..config };
            let run_plan = args.tuning.run_plan(config, None, &dataset, &gpu, None, true)?;
            let trainer = pollster::block_on(Trainer::new(gpu.clone(), &run_plan, &dataset, &mut ()));
            let mut trainer = trainer.map_err(Failure::start)?;
            trainer.initialise();
            // The wall clock counts what lies between the passes too: copies, clears, the counters' way back.
            let mut steps = Vec::new();
            let mut updates = Vec::new();
            let mut maps = Vec::new();
            for _ in 0..=args.rounds.max(1) {
                steps.push(1e3 * trainer.time_steps(1).map_err(Failure::run)?.0);
                updates.push(1e3 * pollster::block_on(trainer.time_update()).map_err(Failure::run)?);
                maps.push(1e3 * pollster::block_on(trainer.time_map()).map_err(Failure::run)?);
            }
            let median = |times: &mut Vec<f64>| {
                // The first round compiles, on drivers that do so late.
                times.remove(0);
                times.sort_by(f64::total_cmp);
                times[times.len() / 2]
            };
            let (step_ms, update_step_ms) = (median(&mut steps), median(&mut updates));
            let plain = by_operation(&pollster::block_on(trainer.profile()).map_err(Failure::run)?.0);
            let update = by_operation(&pollster::block_on(trainer.profile_update()).map_err(Failure::run)?.0);
            let ms = |passes: &serde_json::Map<String, serde_json::Value>, name: &str| {
                passes.get(name).and_then(serde_json::Value::as_f64).unwrap_or_default()
            };
            let growth = run_plan.config.growth();
            let gradient: f64 = match growth.is_some_and(|growth| growth.needs_dense_gradient(true)) {
                true => GRADIENT.iter().map(|name| ms(&update, name) - ms(&plain, name)).sum(),
                false => 0.0,
            };
            let between = args.delta_t.max(1) as f64 * step_ms;
            let extra = update_step_ms - step_ms;
            rows.push(Row {
                model: name_of(&args.model),
                method: name.clone(),
                sparsity,
                batch_size: args.batch_size,
                step_ms,
                update_step_ms,
                map_ms: median(&mut maps),
                share: extra / (between + extra),
                topology_share: (extra - gradient) / (between + extra),
                passes: update,
            });
        }
    }
    let cells = |row: &Row| {
        vec![
            format!("{} {}", row.method, row.sparsity),
            format!("{:.1}", row.step_ms),
            format!("{:.1}", row.update_step_ms),
            format!("{:.1}", row.map_ms),
            percent(row.topology_share),
            percent(row.share),
        ]
    };
    let model = name_of(&args.model);
    let head = [model.as_str(), "step ms", "with update ms", "frame ms", "share of time", "with dense gradient"];
    print!("{}", table(&head, &rows.iter().map(cells).collect::<Vec<_>>()));
    let [delta_t, rounds] = [(args.delta_t, "step"), (args.rounds, "round")].map(|(n, what)| number_of(n, what));
    println!("one update every {delta_t}, batch {}, median of {rounds}", args.batch_size);
    write_json(args.json.as_ref(), &gpu.summary.to_string(), &rows)
}
