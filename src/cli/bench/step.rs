//! `itop bench step`: whole training steps, dense and sparse, interleaved.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::passes::{LayerKernels, Pass, Predictor, layers, passes, predict_all};
use super::{config, method, write_json};
use crate::cli::text::{bytes, table};
use crate::cli::tuning::TuningArgs;
use crate::cli::{Failure, GpuArgs, flags};
use crate::compare::by_operation;
use crate::data::{self, Dataset};
use crate::gpu::{Gpu, GpuError};
use crate::model::name_of;
use crate::ops::Storage;
use crate::plan::METRIC_SLOTS;
use crate::predict::GPUS;
use crate::sparsity::Structure;
use crate::train::autotune::Measured;
use crate::train::{Config, Method, RunPlan, TrainError, Trainer};
use crate::words::number_of;

#[derive(Args)]
pub struct StepArgs {
    /// Network
    #[arg(long, default_value = "resnet34", value_parser = flags::name("model"))]
    model: String,
    /// How active weights move
    #[arg(long, default_value = "rigl", ignore_case = true, value_parser = Method::NAMES)]
    method: String,
    /// Sparsities, comma-separated; 0 is the dense network. A set that shrinks (`gmp`, `granet`) ends at the largest, and is timed on its way there
    #[arg(long, value_delimiter = ',', default_value = "0,0.9,0.98", value_parser = flags::number("sparsity"))]
    sparsity: Vec<f64>,
    /// Images per step
    #[arg(long, default_value_t = 32, value_parser = flags::whole("batch_size"))]
    batch_size: usize,
    /// How activations are kept, comma-separated: f32, f16, bf16
    #[arg(long, value_delimiter = ',', default_value = "f32", value_parser = flags::storage())]
    storage: Vec<Storage>,
    /// What is active together, comma-separated: unstructured, block:4x1, block:8x1, fan-in
    #[arg(long, value_delimiter = ',', default_value = "unstructured", value_parser = flags::structure())]
    structure: Vec<Structure>,
    /// Rounds; each row is timed once per round, the result is the median
    #[arg(long, default_value_t = 5, value_parser = flags::count(10_000))]
    rounds: usize,
    /// Also print the slowest passes of each row
    #[arg(long)]
    passes: bool,
    /// Also predict each pass, by the model of this GPU (`itop bench model`; `auto`: of the adapter, or the nearest)
    #[arg(long, value_name = "GPU", ignore_case = true, value_parser = predictors())]
    predicted: Option<String>,
    /// Write the rows as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    tuning: TuningArgs,
    #[command(flatten)]
    gpu: GpuArgs,
}

fn predictors() -> clap::builder::PossibleValuesParser {
    std::iter::once("auto").chain(GPUS.iter().map(|gpu| gpu.name)).collect::<Vec<_>>().into()
}

#[derive(Serialize)]
struct Row {
    model: String,
    method: &'static str,
    sparsity: f64,
    structure: Structure,
    storage: &'static str,
    batch_size: usize,
    images_per_second: f64,
    step_ms: f64,
    passes: serde_json::Map<String, serde_json::Value>,
    dispatches: usize,
    host_ms: f64,
    peak_gpu_bytes: u64,
    /// Every dispatch, measured, and predicted where that was asked for.
    kernels: Vec<Pass>,
    predicted_by: Option<Predictor>,
    /// Which candidates the layers run, and what it took to measure them.
    layers: Vec<LayerKernels>,
    tuned: Option<Measured>,
}

pub fn run(args: &StepArgs) -> Result<(), Failure> {
    let dataset = data::load("sample").map_err(Failure::input)?;
    let gpu = args.gpu.open()?;
    let adapter = gpu.summary.to_string();
    let method = method(&args.method);
    let end = args.sparsity.iter().copied().fold(0.0, f64::max);
    let (mut problems, mut tuned) = (Vec::new(), Vec::new());
    for &storage in &args.storage {
        for &sparsity in &args.sparsity {
            // The dense network has no sets that could have a structure.
            let structures = if sparsity == 0.0 { &args.structure[..1] } else { &args.structure };
            for &structure in structures {
                let config = config(&args.model, method, (sparsity, end), args.batch_size, storage);
                let config = Config { structure, ..config };
                let (run_plan, measured) = args.tuning.measured_run_plan(config, None, &dataset, &gpu, None, true)?;
                problems.push(run_plan);
                tuned.push(measured);
            }
        }
    }
    let together: Vec<&RunPlan> = problems.iter().collect();
    let mut timed = match measure(args, &gpu, &dataset, &together) {
        Err(error) if problems.len() > 1 && is_of_memory(&error) => {
            message!("warning: the adapter has no memory for all rows at once: they are timed one after the other");
            // What was tried is gone when the device has noticed.
            gpu.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: None }).ok();
            let alone = problems.iter().map(|run_plan| measure(args, &gpu, &dataset, &[run_plan]));
            let parts = alone.collect::<Result<Vec<_>, _>>().map_err(Failure::start)?;
            let by_timestamps = parts.iter().all(|part| part.by_timestamps);
            let (interleaved, steps) = (false, parts[0].steps);
            Timed { rows: parts.into_iter().flat_map(|part| part.rows).collect(), steps, by_timestamps, interleaved }
        }
        timed => timed.map_err(Failure::start)?,
    };
    for (row, measured) in timed.rows.iter_mut().zip(tuned) {
        row.tuned = measured;
    }
    // Now, for a prediction takes its time too.
    write_json(args.json.as_ref(), &adapter, &timed.rows)?;
    let rows = &timed.rows;
    let name = |row: &Row| match row.structure {
        Structure::Unstructured => format!("{} {} {}", row.method, row.sparsity, row.storage),
        structure => format!("{} {} {structure} {}", row.method, row.sparsity, row.storage),
    };
    let cells = |row: &Row| {
        vec![
            name(row),
            format!("{:.1}", row.images_per_second),
            format!("{:.1}", row.step_ms),
            format!("{:.2}", row.step_ms.recip() * rows[0].step_ms),
            format!("{:.2}", row.host_ms),
            row.dispatches.to_string(),
            bytes(row.peak_gpu_bytes),
        ]
    };
    let model = name_of(&args.model);
    let head = [model.as_str(), "img/s", "ms/step", "x first row", "host ms", "passes", "GPU memory"];
    print!("{}", table(&head, &rows.iter().map(cells).collect::<Vec<_>>()));
    println!(
        "median of {} of {}, batch {}, {}; pass times by {}",
        number_of(args.rounds, "round"),
        number_of(timed.steps, "step"),
        args.batch_size,
        if timed.interleaved { "interleaved" } else { "one row after the other" },
        if timed.by_timestamps { "GPU timestamps" } else { "the wall clock, one submission a pass" }
    );
    if args.passes {
        for row in rows {
            println!("\n{}", name(row));
            let line = |(name, ms): (&String, &serde_json::Value)| {
                vec![name.clone(), format!("{:.2}", ms.as_f64().unwrap_or_default())]
            };
            print!("{}", table(&["pass", "ms"], &row.passes.iter().map(line).collect::<Vec<_>>()));
        }
    }
    let Some(wish) = &args.predicted else { return Ok(()) };
    let Some((by, model)) = Predictor::of(wish, &gpu.summary) else { return Ok(()) };
    let mut kernels: Vec<_> = timed.rows.iter_mut().map(|row| &mut row.kernels).zip(&problems).collect();
    predict_all(&mut kernels, model);
    for row in &mut timed.rows {
        row.predicted_by = Some(by);
    }
    write_json(args.json.as_ref(), &adapter, &timed.rows)
}

/// What was measured, and how.
struct Timed {
    rows: Vec<Row>,
    /// Steps a round.
    steps: usize,
    by_timestamps: bool,
    interleaved: bool,
}

/// Times the steps of `problems` in turns.
fn measure(args: &StepArgs, gpu: &Gpu, dataset: &Dataset, problems: &[&RunPlan]) -> Result<Timed, TrainError> {
    let mut trainers = Vec::new();
    for run_plan in problems {
        let mut trainer = pollster::block_on(Trainer::new(gpu.clone(), run_plan, dataset, &mut ()))?;
        trainer.initialise();
        trainer.time_steps(1)?;
        trainers.push(trainer);
    }
    // A slow step needs no company to be timed well.
    let mut count = 1;
    for trainer in &mut trainers {
        let (seconds, _) = trainer.time_steps(1)?;
        count = count.max((0.2 / seconds.max(1e-6)) as usize).min(METRIC_SLOTS);
    }
    let mut times: Vec<Vec<(f64, f64)>> = vec![Vec::new(); trainers.len()];
    for _ in 0..args.rounds.max(1) {
        for (trainer, times) in trainers.iter_mut().zip(&mut times) {
            times.push(trainer.time_steps(count)?);
        }
    }
    let mut timed = Timed { rows: Vec::new(), steps: count, by_timestamps: true, interleaved: true };
    for (trainer, times) in trainers.iter_mut().zip(&mut times) {
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (seconds, host) = times[times.len() / 2];
        let (passes, timestamps) = pollster::block_on(trainer.profile())?;
        timed.by_timestamps &= timestamps;
        let config = &trainer.run_plan.config;
        timed.rows.push(Row {
            model: config.model_name(),
            method: config.method.name,
            sparsity: match config.method {
                method if method == Method::DENSE => 0.0,
                method if method.shrinks => config.shrink.initial_sparsity,
                _ => config.sparsity,
            },
            structure: config.structure,
            storage: config.storage.name(),
            batch_size: config.batch_size,
            images_per_second: config.batch_size as f64 / seconds,
            step_ms: 1e3 * seconds,
            passes: by_operation(&passes),
            dispatches: trainer.passes(),
            host_ms: 1e3 * host,
            peak_gpu_bytes: trainer.run_plan.plan.buffers.total_bytes(),
            kernels: self::passes(trainer.run_plan, &passes),
            predicted_by: None,
            layers: layers(trainer.run_plan),
            tuned: None,
        });
    }
    Ok(timed)
}

fn is_of_memory(error: &TrainError) -> bool {
    matches!(error, TrainError::NoRoom { .. } | TrainError::Gpu(GpuError::OutOfMemory { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways in which a trainer says that its buffers do not fit beside those of others.
    #[test]
    fn rows_that_do_not_fit_together_are_known() {
        let what = || "buffer `x`".to_string();
        assert!(is_of_memory(&TrainError::NoRoom { what: what(), total: 1, fits: 1 }));
        assert!(is_of_memory(&GpuError::OutOfMemory { what: what() }.into()));
        assert!(!is_of_memory(&GpuError::NoAdapter.into()));
    }
}
