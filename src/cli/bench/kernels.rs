//! `itop bench kernels`: times every kernel candidate of every convolution of a model, in all three passes.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::peak::peak_flops;
use super::write_json;
use crate::cli::text::{percent, table};
use crate::cli::{Failure, GpuArgs, flags};
use crate::gpu::GpuError;
use crate::model::{self, Shape};
use crate::ops::trial::{Candidate, Trial};
use crate::ops::{Conv, Storage, Tuning};
use crate::plan::convolutions;
use crate::sparsity::{Distribution, Structure};

#[derive(Args)]
pub struct KernelArgs {
    /// Network
    #[arg(long, default_value = "resnet34", value_parser = flags::name("model"))]
    model: String,
    /// Sparsities of the model (ERK), comma-separated; 0: the dense kernels
    #[arg(long, value_delimiter = ',', default_value = "0,0.9,0.98", value_parser = flags::number("sparsity"))]
    sparsity: Vec<f64>,
    /// Images per step
    #[arg(long, default_value_t = 32, value_parser = flags::whole("batch_size"))]
    batch_size: usize,
    /// How activations are kept: f32, f16 or bf16
    #[arg(long, default_value = "f32", value_parser = flags::storage())]
    storage: Storage,
    /// Only layers whose name contains this
    #[arg(long, default_value = "")]
    layer: String,
    /// Only `forward`, `grad_input` or `grad_weight`
    #[arg(long, default_value = "")]
    direction: String,
    /// Only candidates whose name contains this
    #[arg(long, default_value = "")]
    candidate: String,
    /// What is active together: unstructured, block:4x1, block:8x1 or fan-in
    #[arg(long, default_value = "unstructured", value_parser = flags::structure())]
    structure: Structure,
    /// Samples of each; the result is the median
    #[arg(long, default_value_t = 5, value_parser = flags::count(10_000))]
    samples: usize,
    /// Write the rows as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    gpu: GpuArgs,
}

#[derive(Serialize)]
struct Row {
    kernel: String,
    layer: String,
    direction: &'static str,
    storage: &'static str,
    sparsity: f64,
    density: f64,
    ms: f64,
    /// On active weights.
    gflops: f64,
    /// Of the adapter's measured peak.
    share_of_peak: f64,
}

pub fn run(args: &KernelArgs) -> Result<(), Failure> {
    let gpu = args.gpu.open()?;
    let tuning = Tuning::for_gpu(&gpu);
    let graph = model::build(&args.model, 10, Shape::new(3, 32, 32)).map_err(Failure::input)?;
    let peak = peak_flops(&gpu).map_err(Failure::run)?;
    let mut rows = Vec::new();
    for &sparsity in &args.sparsity {
        let densities = match sparsity {
            0.0 => vec![1.0; graph.prunable().count()],
            _ => Distribution::Erk.densities(&graph, 1.0 - sparsity).map_err(Failure::input)?,
        };
        let mut seen: Vec<Conv> = Vec::new();
        for (name, conv, density) in convolutions(&graph, args.batch_size, args.storage, &densities) {
            if seen.contains(&conv) || !name.contains(&args.layer) {
                continue;
            }
            seen.push(conv);
            let block = args.structure.of_layer(conv.output.channels).block();
            let conv = Conv { block: if density < 1.0 { block } else { 1 }, ..conv };
            let trial = Trial::new(&gpu, &tuning, conv, density);
            let mut trial = pollster::block_on(trial).map_err(Failure::run)?;
            for candidate in
                Candidate::all(&conv, &tuning, (density < 1.0).then_some(trial.active)).into_iter().flatten()
            {
                let kernel = candidate.to_string();
                if !candidate.direction().contains(&args.direction.to_lowercase()) || !kernel.contains(&args.candidate)
                {
                    continue;
                }
                let seconds = match trial.time(candidate, args.samples, 0.03, f64::INFINITY) {
                    Ok(seconds) => seconds,
                    Err(error @ GpuError::Lost { .. }) => return Err(Failure::run(error)),
                    Err(error) => {
                        eprintln!("{name} {} {kernel}: left out: {error}", candidate.direction());
                        continue;
                    }
                };
                let row = Row {
                    kernel,
                    layer: name.clone(),
                    direction: candidate.direction(),
                    storage: args.storage.name(),
                    sparsity,
                    density,
                    ms: 1e3 * seconds,
                    gflops: 1e-9 * trial.flops() / seconds,
                    share_of_peak: trial.flops() / seconds / peak,
                };
                eprintln!(
                    "{} {} {}: {:.2} ms, {:.2} GFLOP/s",
                    row.layer, row.direction, row.kernel, row.ms, row.gflops
                );
                rows.push(row);
                // Now, for there are hundreds and somebody's time may be limited.
                write_json(args.json.as_ref(), &gpu.summary.to_string(), &rows)?;
            }
        }
    }
    let cells = |row: &Row| {
        vec![
            row.layer.clone(),
            format!("{:.3}", row.density),
            row.direction.into(),
            row.kernel.clone(),
            format!("{:.2}", row.ms),
            format!("{:.2}", row.gflops),
            percent(row.share_of_peak),
        ]
    };
    let head = ["layer", "density", "direction", "candidate", "ms", "GFLOP/s", "of peak"];
    print!("{}", table(&head, &rows.iter().map(cells).collect::<Vec<_>>()));
    write_json(args.json.as_ref(), &gpu.summary.to_string(), &rows)
}
