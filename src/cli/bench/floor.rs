//! `itop bench floor`: lower bounds of the arithmetic and memory traffic of a step, and of its time.

use clap::Args;

use super::peak::{copy_bytes, peak_flops};
use crate::cli::text::table;
use crate::cli::{Failure, GpuArgs, flags};
use crate::model::{self, Shape, cost};
use crate::sparsity::Distribution;

#[derive(Args)]
pub struct FloorArgs {
    /// Network
    #[arg(long, default_value = "resnet34", value_parser = flags::name("model"))]
    model: String,
    /// Sparsities of the model (ERK), comma-separated; 0: dense
    #[arg(long, value_delimiter = ',', default_value = "0,0.8,0.9,0.95,0.98,0.99", value_parser = flags::number("sparsity"))]
    sparsity: Vec<f64>,
    /// Images per step
    #[arg(long, default_value_t = 128, value_parser = flags::whole("batch_size"))]
    batch_size: usize,
    #[command(flatten)]
    gpu: GpuArgs,
}

/// An H100 SXM's fp32 rate without tensor cores, and its memory's: NVIDIA's data sheet.
const H100: (f64, f64) = (67e12, 3.35e12);

pub fn run(args: &FloorArgs) -> Result<(), Failure> {
    let gpu = args.gpu.open()?;
    let graph = model::build(&args.model, 10, Shape::new(3, 32, 32)).map_err(Failure::input)?;
    let (flops, bytes) = (peak_flops(&gpu), copy_bytes(&gpu, gpu.int64));
    let here = (flops.map_err(Failure::run)?, bytes.map_err(Failure::run)?);
    let layers = cost::layers(&graph);
    let mut stages: Vec<usize> = layers.iter().map(|layer| layer.out_hw[0]).collect();
    stages.sort_unstable_by(|a, b| b.cmp(a));
    stages.dedup();
    let traffic = cost::step_bytes(&graph, args.batch_size) as f64;
    let mut rows = Vec::new();
    for &sparsity in &args.sparsity {
        let densities = match sparsity {
            0.0 => vec![1.0; graph.prunable().count()],
            _ => Distribution::Erk.densities(&graph, 1.0 - sparsity).map_err(Failure::input)?,
        };
        // Forward, input gradient, weight gradient: 2 FLOPs a multiply-accumulate each.
        let density = |weight| graph.prunable().position(|(param, _)| param == weight).map_or(1.0, |i| densities[i]);
        let of = |layer: &cost::LayerCost| 6.0 * layer.macs as f64 * density(layer.weight) * args.batch_size as f64;
        let total: f64 = layers.iter().map(of).sum();
        let mut row = vec![sparsity.to_string(), format!("{:.1}", 1e-9 * total)];
        row.extend(stages.iter().map(|&size| {
            let part: f64 = layers.iter().filter(|layer| layer.out_hw[0] == size).map(of).sum();
            format!("{:.1} %", 100.0 * part / total)
        }));
        for (flops, bytes) in [here, H100] {
            row.push(format!("{:.2}", 1e3 * total / flops));
            row.push(format!("{:.2}", 1e3 * traffic / bytes));
        }
        rows.push(row);
    }
    let shares: Vec<String> = stages.iter().map(|size| format!("at {size}x{size}")).collect();
    let mut head = vec!["sparsity", "GFLOP"];
    head.extend(shares.iter().map(String::as_str));
    head.extend(["FLOPs here ms", "bytes here ms", "FLOPs H100 ms", "bytes H100 ms"]);
    print!("{}", table(&head, &rows));
    println!(
        "{} at batch {}: {:.2} GB of activations a step at least; measured here: {:.1} GFLOP/s, {:.1} GB/s; H100: 67 TFLOP/s, 3.35 TB/s",
        model::name_of(&args.model),
        args.batch_size,
        1e-9 * traffic,
        1e-9 * here.0,
        1e-9 * here.1
    );
    Ok(())
}
