//! `itop bench step`: whole training steps, dense and sparse, interleaved.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::text::{bytes, table};
use crate::cli::{Failure, GpuArgs};
use crate::data;
use crate::train::run_folder::{SCHEMA, write_whole};
use crate::train::{Config, Method, Problem, Trainer};

#[derive(Args)]
pub struct StepArgs {
    #[arg(long, default_value = "resnet34")]
    model: String,
    #[arg(long, default_value = "rigl", value_parser = ["static", "set", "rigl"])]
    method: String,
    /// Sparsities, comma-separated; 0 is the dense network
    #[arg(long, value_delimiter = ',', default_value = "0,0.9,0.98")]
    sparsity: Vec<f64>,
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Rounds; each row is timed once a round, the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Print each row's slowest passes
    #[arg(long)]
    passes: bool,
    /// Write the rows as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    gpu: GpuArgs,
}

#[derive(Serialize)]
struct Row {
    model: String,
    method: &'static str,
    sparsity: f64,
    storage: &'static str,
    batch_size: usize,
    images_per_second: f64,
    step_ms: f64,
    passes: serde_json::Map<String, serde_json::Value>,
    dispatches: usize,
    host_ms: f64,
    peak_gpu_bytes: u64,
}

pub fn run(args: &StepArgs) -> Result<(), Failure> {
    let dataset = data::load("sample").map_err(Failure::input)?;
    let gpu = args.gpu.open()?;
    let adapter = gpu.summary.to_string();
    let method = match args.method.as_str() {
        "static" => Method::Static,
        "set" => Method::Set,
        _ => Method::Rigl,
    };
    let problem = |sparsity: f64| {
        let config = Config {
            model: args.model.clone(),
            data: "sample".into(),
            batch_size: args.batch_size,
            method: if sparsity == 0.0 { Method::Dense } else { method },
            sparsity,
            // Ordinary steps only: updates are timed by `bench topology`.
            delta_t: usize::MAX >> 1,
            ..Config::default()
        };
        Problem::new(config, &dataset, &gpu).map_err(Failure::input)
    };
    let problems = args.sparsity.iter().map(|&sparsity| problem(sparsity)).collect::<Result<Vec<_>, _>>()?;
    let mut trainers = Vec::new();
    for problem in &problems {
        let trainer = pollster::block_on(Trainer::new(gpu.clone(), problem, &dataset, &mut ()));
        let mut trainer = trainer.map_err(Failure::start)?;
        trainer.initialise();
        trainer.time_steps(1).map_err(Failure::run)?;
        trainers.push(trainer);
    }
    let mut times: Vec<Vec<(f64, f64)>> = vec![Vec::new(); trainers.len()];
    for _ in 0..args.rounds.max(1) {
        for (trainer, times) in trainers.iter_mut().zip(&mut times) {
            times.push(trainer.time_steps(2).map_err(Failure::run)?);
        }
    }
    let mut rows = Vec::new();
    let mut clock = "GPU timestamps";
    for (trainer, times) in trainers.iter_mut().zip(&mut times) {
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (seconds, host) = times[times.len() / 2];
        let (passes, timestamps) = pollster::block_on(trainer.profile()).map_err(Failure::run)?;
        if !timestamps {
            clock = "the wall clock, one submission a pass";
        }
        let config = &trainer.problem.config;
        rows.push(Row {
            model: config.model.clone(),
            method: config.method.name(),
            sparsity: if config.method == Method::Dense { 0.0 } else { config.sparsity },
            storage: "f32",
            batch_size: config.batch_size,
            images_per_second: config.batch_size as f64 / seconds,
            step_ms: 1e3 * seconds,
            passes: group(&passes),
            dispatches: trainer.passes(),
            host_ms: 1e3 * host,
            peak_gpu_bytes: trainer.problem.plan.buffers.total_bytes(),
        });
    }
    let cells = |row: &Row| {
        vec![
            format!("{} {}", row.method, row.sparsity),
            format!("{:.1}", row.images_per_second),
            format!("{:.1}", row.step_ms),
            format!("{:.2}", row.step_ms.recip() * rows[0].step_ms),
            format!("{:.2}", row.host_ms),
            row.dispatches.to_string(),
            bytes(row.peak_gpu_bytes),
        ]
    };
    let head = [args.model.as_str(), "img/s", "ms/step", "x first row", "host ms", "passes", "GPU memory"];
    print!("{}", table(&head, &rows.iter().map(cells).collect::<Vec<_>>()));
    println!(
        "median of {} rounds of 2 steps, batch {}, interleaved; pass times by {clock}",
        args.rounds, args.batch_size
    );
    if args.passes {
        for row in &rows {
            println!("\n{} {}", row.method, row.sparsity);
            let line = |(name, ms): (&String, &serde_json::Value)| {
                vec![name.clone(), format!("{:.2}", ms.as_f64().unwrap_or_default())]
            };
            print!("{}", table(&["pass", "ms"], &row.passes.iter().map(line).collect::<Vec<_>>()));
        }
    }
    if let Some(path) = &args.json {
        let value = serde_json::json!({"schema": SCHEMA, "adapter": adapter, "rows": rows});
        let text = serde_json::to_string_pretty(&value).map_err(Failure::run)?;
        write_whole(path, text.as_bytes()).map_err(Failure::run)?;
    }
    Ok(())
}

/// Milliseconds by kind of pass (what follows the layer's name in its label), the slowest first.
fn group(passes: &[(String, f64)]) -> serde_json::Map<String, serde_json::Value> {
    let mut sums: Vec<(String, f64)> = Vec::new();
    for (label, ms) in passes {
        let (layer, operation) = label.split_once(": ").unwrap_or(("", label));
        let norm = layer.contains("bn") || layer.ends_with("shortcut.1");
        let name = if norm { format!("pointwise {operation}") } else { operation.to_string() };
        match sums.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += ms,
            None => sums.push((name, *ms)),
        }
    }
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    sums.into_iter().map(|(name, ms)| (name, ms.into())).collect()
}
