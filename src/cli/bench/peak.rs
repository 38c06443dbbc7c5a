//! `itop bench peak`: the highest rates of arithmetic and copies on this adapter.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use web_time::Instant;

use super::write_json;
use crate::cli::text::table;
use crate::cli::{Failure, GpuArgs};
use crate::gpu::{BufferPlan, Command, Executor, Gpu, GpuError, Kernel, Label, Program};

#[derive(Args)]
pub struct PeakArgs {
    /// Write the rows as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    gpu: GpuArgs,
}

#[derive(Serialize)]
struct Row {
    what: &'static str,
    rate: f64,
    unit: &'static str,
}

pub fn run(args: &PeakArgs) -> Result<(), Failure> {
    let gpu = args.gpu.open()?;
    let mut rows =
        vec![Row { what: "f32 multiply-add", rate: 1e-9 * peak_flops(&gpu).map_err(Failure::run)?, unit: "GFLOP/s" }];
    for (what, load64) in [("copy, four floats", false), ("copy, eight floats as 64-bit words", true)] {
        if !load64 || gpu.int64 {
            let rate = 1e-9 * copy_bytes(&gpu, load64).map_err(Failure::run)?;
            rows.push(Row { what, rate, unit: "GB/s, read and written" });
        }
    }
    let cells = |row: &Row| vec![row.what.into(), format!("{:.1}", row.rate), row.unit.into()];
    print!("{}", table(&["", "rate", "unit"], &rows.iter().map(cells).collect::<Vec<_>>()));
    write_json(args.json.as_ref(), &gpu.summary.to_string(), &rows)
}

/// Floating-point operations a second.
pub fn peak_flops(gpu: &Gpu) -> Result<f64, GpuError> {
    let (groups, rounds) = if gpu.summary.is_software() { (256, 64) } else { (16_384, 256) };
    let mut buffers = BufferPlan::default();
    let result = buffers.storage("peak", "result", 16 * 64 * groups as u64);
    let kernel = Kernel::new("peak_fma").set("ROUNDS", rounds);
    let pass = Command::dispatch(Label::other("multiply-add"), kernel, &[result], [groups as u32, 1, 1]);
    Ok((groups * 64 * rounds * 16 * 8 * 4 * 2) as f64 / fastest(gpu, &buffers, &pass)?)
}

/// Bytes a second (`load64`: by 64-bit words), those read and those written.
pub fn copy_bytes(gpu: &Gpu, load64: bool) -> Result<f64, GpuError> {
    let bytes = (64u64 << 20).min(gpu.max_binding());
    let count = bytes as usize / if load64 { 32 } else { 16 };
    let mut buffers = BufferPlan::default();
    let (source, result) = (buffers.storage("peak", "source", bytes), buffers.storage("peak", "result", bytes));
    let kernel = copy_kernel(load64).set("COUNT", count);
    let grid = kernel.cover(count, 1);
    let pass = Command::dispatch(Label::other("copy"), kernel, &[source, result], grid);
    Ok(2.0 * bytes as f64 / fastest(gpu, &buffers, &pass)?)
}

/// Copies vectors as activations have them.
fn copy_kernel(load64: bool) -> Kernel {
    let kernel = Kernel::new("peak_copy").define("QUADS", if load64 { 2 } else { 1 }).define("LANES", 1);
    kernel.define_if(load64, "WIDE")
}

/// Seconds of the fastest of several runs: a peak is what nothing disturbed.
fn fastest(gpu: &Gpu, buffers: &BufferPlan, pass: &Command) -> Result<f64, GpuError> {
    let mut executor = pollster::block_on(Executor::new(gpu.clone(), buffers))?;
    let program: Program = executor.prepare(std::slice::from_ref(pass), |_| ())?;
    let mut best = f64::INFINITY;
    for _ in 0..7 {
        let start = Instant::now();
        executor.wait(Some(executor.submit_times(&program, 4)))?;
        best = best.min(start.elapsed().as_secs_f64() / 4.0);
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No other command runs these kernels.
    #[test]
    fn kernels_are_complete() {
        for kernel in [copy_kernel(false), copy_kernel(true), Kernel::new("peak_fma")] {
            let wgsl = kernel.wgsl().unwrap();
            naga::front::wgsl::parse_str(&wgsl).unwrap_or_else(|error| panic!("{}", error.emit_to_string(&wgsl)));
        }
    }
}
