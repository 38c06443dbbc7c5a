//! `itop verify`: checks that an adapter computes correctly.

use std::io::IsTerminal;

use anyhow::anyhow;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use web_time::Instant;

use super::text::table;
use super::{Failure, GpuArgs};
use crate::ops::Storage;
use crate::verify::{self, Comparison, Device};
use crate::words::number_of;

#[derive(Args)]
pub struct VerifyArgs {
    /// Print every comparison instead of one line per kernel
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Only the checks of the first run on an adapter, with activations in this storage (`f32`, `f16`, `bf16`)
    #[arg(long, value_name = "STORAGE", num_args = 0..=1, default_missing_value = "f32")]
    short: Option<Storage>,
    /// Repeat everything this many times: some kernels fail only now and then, or under load
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,
    #[command(flatten)]
    gpu: GpuArgs,
}

pub fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let gpu = if args.json { args.gpu.open_quietly()? } else { args.gpu.open()? };
    // A GL context serves one thread at a time.
    let devices = if gpu.summary.backend == "gl" { 1 } else { most_devices() };
    let mut devices = (1..devices).map(|_| args.gpu.open_quietly().map(Device::new)).collect::<Result<Vec<_>, _>>()?;
    let once = match args.short {
        Some(storage) => verify::short(&gpu, storage),
        None => verify::cases(&gpu),
    };
    let cases: Vec<verify::Case> = (0..args.repeat).flat_map(|_| once.iter().cloned()).collect();
    devices.push(Device::new(gpu));
    let gpu = &devices[devices.len() - 1].gpu;
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(cases.len() as u64), target);
    if let Ok(style) = ProgressStyle::with_template("[{bar:24}] {pos}/{len} {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    let start = Instant::now();
    let comparisons = verify::all(&devices, &cases, |comparisons| {
        bar.inc(1);
        bar.set_message(comparisons.first().map_or_else(String::new, Comparison::kernel));
    });
    debug_assert_eq!(Some(bar.position()), bar.length());
    bar.finish_and_clear();
    let comparisons = comparisons.map_err(Failure::run)?;
    let seconds = start.elapsed().as_secs_f64();
    let first = comparisons.iter().find(|comparison| !comparison.agrees());
    if args.json {
        let value = serde_json::json!({
            "schema": 1,
            "adapter": gpu.summary.to_string(),
            "tier": gpu.tier(),
            "agrees": first.is_none(),
            "seconds": seconds,
            "rows": comparisons.iter().map(json).collect::<Vec<_>>(),
        });
        println!("{}", serde_json::to_string_pretty(&value).map_err(Failure::run)?);
    } else {
        let rows = if args.all { comparisons.iter().collect() } else { worst(&comparisons) };
        let rows: Vec<Vec<String>> = rows.into_iter().map(row).collect();
        print!("{}", table(&["kernel", "worst of", "ULP", "relative", "allowed", "verdict"], &rows));
        println!("{} in {seconds:.1} s", number_of(comparisons.len(), "comparison"));
    }
    let Some(first) = first else {
        match args.short {
            Some(storage) => super::first_contact::remember(gpu, storage),
            None => super::first_contact::remember_all(gpu),
        }
        return Ok(());
    };
    let count = comparisons.iter().filter(|comparison| !comparison.agrees()).count();
    Err(Failure::run(anyhow!(
        "{count} of {} comparisons disagree with the processor; the first is {first}; do not trust results of this adapter: \
         update its driver, or choose another with --adapter",
        comparisons.len()
    )))
}

/// Devices that work side by side, for drivers that compile on one thread a device: one a core, at most eight.
fn most_devices() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get().min(8))
}

/// Of each kernel the comparison that is worst for what it is allowed.
fn worst(comparisons: &[Comparison]) -> Vec<&Comparison> {
    let mut worst: Vec<&Comparison> = Vec::new();
    for one in comparisons {
        match worst.iter_mut().find(|known| known.kernels == one.kernels) {
            None => worst.push(one),
            Some(known) if one.share() > known.share() => *known = one,
            Some(_) => {}
        }
    }
    worst
}

/// Not a number in JSON: a null.
fn json(comparison: &Comparison) -> serde_json::Value {
    serde_json::json!({
        "kernels": comparison.kernels,
        "candidate": comparison.what,
        "ulp": comparison.ulp,
        "relative": comparison.relative,
        "allowed": comparison.tolerance,
        "agrees": comparison.agrees(),
        "worst": comparison.worst,
    })
}

fn row(comparison: &Comparison) -> Vec<String> {
    let kernel = match &comparison.kernels[..] {
        [first, _, _, _, ..] => format!("{first} + {} more", comparison.kernels.len() - 1),
        _ => comparison.kernel(),
    };
    let number = |text: String| if comparison.is_exact() { String::new() } else { text };
    vec![
        kernel,
        comparison.what.clone(),
        if comparison.is_exact() { "bits".into() } else { format!("{:.1}", comparison.ulp) },
        number(format!("{:.1e}", comparison.relative)),
        number(format!("{:.0e}", comparison.tolerance)),
        if comparison.agrees() { "agrees" } else { "DISAGREES" }.into(),
    ]
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Exit;
    use crate::gpu::broken;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: VerifyArgs,
    }

    #[test]
    fn a_broken_kernel_is_named_and_a_good_one_is_not() {
        let adapter = std::env::var("ITOP_TEST_ADAPTER").unwrap_or("auto".into());
        let args = Line::parse_from(["verify", "--adapter", &adapter]).args;
        broken::set(Some(("conv_sparse_gather", "all_of(bias[channel])", "all_of(bias[0])")));
        let failure = run(&args).expect_err("nobody noticed");
        broken::set(None);
        assert_eq!(failure.exit, Exit::Failed);
        let message = failure.message();
        assert!(
            message.contains("the first is conv_sparse_pack + conv_sparse_gather (sparse layer forward"),
            "{message}"
        );
        run(&args).unwrap_or_else(|failure| panic!("{}", failure.message()));
    }
}
