//! `itop bench start`: the time until the first step is done, and which kernels it is spent on.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::{config, method, write_json};
use crate::cli::text::table;
use crate::cli::tuning::TuningArgs;
use crate::cli::{Failure, GpuArgs, flags};
use crate::data;
use crate::gpu::{Command, Kernel, Label};
use crate::model::name_of;
use crate::ops::Storage;
use crate::sparsity::{Method, Structure};
use crate::train::{Config, TrainError, Trainer};

#[derive(Args)]
pub struct StartArgs {
    /// Network
    #[arg(long, default_value = "resnet34", value_parser = flags::name("model"))]
    model: String,
    /// How active weights move
    #[arg(long, default_value = "rigl", ignore_case = true, value_parser = Method::NAMES)]
    method: String,
    /// Sparsity; 0: the dense network
    #[arg(long, default_value_t = 0.98, value_parser = flags::number("sparsity"))]
    sparsity: f64,
    /// What is active together: unstructured, block:4x1, block:8x1 or fan-in
    #[arg(long, default_value = "unstructured", value_parser = flags::structure())]
    structure: Structure,
    /// Images per step
    #[arg(long, default_value_t = 32, value_parser = flags::whole("batch_size"))]
    batch_size: usize,
    /// How activations are kept
    #[arg(long, default_value = "f32", value_parser = flags::storage())]
    storage: Storage,
    /// Write the rows as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    tuning: TuningArgs,
    #[command(flatten)]
    gpu: GpuArgs,
}

/// What the kernels of one shader take when they run for the first time.
#[derive(Serialize)]
struct Row {
    shader: String,
    pipelines: usize,
    /// Milliseconds by which the first run of its passes is longer than the second: some drivers compile only then.
    first_ms: f64,
}

pub fn run(args: &StartArgs) -> Result<(), Failure> {
    let dataset = data::load("sample").map_err(Failure::input)?;
    let mut times: Vec<(&str, f64)> = Vec::new();
    let mut clock = Instant::now();
    let mut lap = |what| {
        times.push((what, 1e3 * clock.elapsed().as_secs_f64()));
        clock = Instant::now();
    };
    let gpu = args.gpu.open_to_compile()?;
    lap("adapter");
    let config =
        config(&args.model, method(&args.method), (args.sparsity, args.sparsity), args.batch_size, args.storage);
    let config = Config { structure: args.structure, ..config };
    let run_plan = args.tuning.run_plan(config, None, &dataset, &gpu, None, false)?;
    lap("plan and first weights");
    let trainer = pollster::block_on(Trainer::new(gpu.clone(), &run_plan, &dataset, &mut ()));
    let mut trainer = trainer.map_err(Failure::start)?;
    lap("buffers and pipelines");
    trainer.initialise();
    // Without growth there is no update.
    let mut both = || -> Result<[Vec<(Label, f64)>; 2], TrainError> {
        let step = pollster::block_on(trainer.profile())?.0;
        Ok([step, pollster::block_on(trainer.profile_update())?.0])
    };
    let first = both().map_err(Failure::run)?;
    lap("first step, first update");
    let second = both().map_err(Failure::run)?;
    lap("the same again");

    let plan = &run_plan.plan;
    let mut late: HashMap<&str, (HashSet<Kernel>, f64)> = HashMap::new();
    for ((passes, first), second) in [&plan.train, &plan.update].into_iter().zip(&first).zip(&second) {
        let kernel = |pass: &Command| match pass {
            Command::Dispatch { label, kernel, .. } => Some((label.clone(), kernel.clone())),
            Command::Copy { .. } | Command::Clear { .. } => None,
        };
        let kernels: HashMap<Label, Kernel> = plan.step(passes).iter().filter_map(kernel).collect();
        for ((label, first), (_, second)) in first.iter().zip(second) {
            let Some(kernel) = kernels.get(label) else { continue };
            let (pipelines, ms) = late.entry(kernel.shader).or_default();
            pipelines.insert(kernel.pipeline(&gpu));
            *ms += first - second;
        }
    }
    let row = |(shader, (pipelines, first_ms)): (&str, (HashSet<Kernel>, f64))| Row {
        shader: shader.into(),
        pipelines: pipelines.len(),
        first_ms,
    };
    let mut rows: Vec<Row> = late.into_iter().map(row).collect();
    rows.sort_by(|a, b| b.first_ms.total_cmp(&a.first_ms));
    let cell = |(what, ms): &(&str, f64)| vec![(*what).into(), format!("{ms:.0}")];
    print!("{}", table(&[name_of(&args.model).as_str(), "ms"], &times.iter().map(cell).collect::<Vec<_>>()));
    let cell = |row: &Row| vec![row.shader.clone(), row.pipelines.to_string(), format!("{:.0}", row.first_ms)];
    println!("\nof which the first run of");
    print!("{}", table(&["shader", "pipelines", "ms"], &rows.iter().map(cell).collect::<Vec<_>>()));
    write_json(args.json.as_ref(), &gpu.summary.to_string(), &rows)
}
