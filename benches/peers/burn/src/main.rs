//! burn's side of `itop bench kernels`: dense 3×3 convolutions, forward, weight gradient and a whole forward and backward,
//! on the adapter that burn's wgpu runtime chooses. Autotune and fusion are on (without autotune burn's backward is about five
//! times slower). The JSON has the rows of `itop bench kernels --json`.

use std::time::Instant;

use burn::prelude::*;
use burn::tensor::Distribution;
use burn::tensor::module::{conv2d, conv2d_weight_backward};
use burn::tensor::ops::ConvOptions;
use serde_json::{Value, json};

/// ResNet-34's 3×3 layers at stride 1, as `itop bench kernels` names them: channels, and pixels a side of their maps.
const LAYERS: [(&str, usize, usize); 4] = [
    ("layer1.0.conv1.weight", 64, 32),
    ("layer2.0.conv2.weight", 128, 16),
    ("layer3.0.conv2.weight", 256, 8),
    ("layer4.0.conv2.weight", 512, 4),
];

const USAGE: &str = "usage: burn-peer [--batch-size N] [--samples N] [--layer WORD] [--json FILE]
  --layer WORD   only layers whose name contains this (tuning one takes minutes on a software adapter)
CUBECL_WGPU_DEFAULT_DEVICE=DiscreteGpu(0)|IntegratedGpu(0)|Cpu chooses another adapter.";

struct Args {
    batch_size: usize,
    samples: usize,
    layer: String,
    json: Option<String>,
}

impl Args {
    fn parse() -> Result<Self, String> {
        let mut args = Self { batch_size: 32, samples: 5, layer: String::new(), json: None };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{word}` is unknown or lacks its value"))?;
            let number = || match value.parse::<usize>() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(format!("{word} takes a number of at least 1, not `{value}`")),
            };
            match word.as_str() {
                "--batch-size" => args.batch_size = number()?,
                "--samples" => args.samples = number()?,
                "--layer" => args.layer = value,
                "--json" => args.json = Some(value),
                _ => return Err(format!("`{word}` is unknown")),
            }
        }
        Ok(args)
    }
}

/// Seconds that `work` takes, the median of `samples` samples of at least 30 ms each, and those of the first call,
/// which tunes and compiles. Results live until the device is idle, so that nothing can be dropped unrun.
fn time<T>(device: &Device, samples: usize, work: impl Fn() -> T) -> (f64, f64) {
    let run = |count: usize| {
        let start = Instant::now();
        let mut last = None;
        for _ in 0..count {
            last = Some(work());
        }
        device.sync().expect("the device fails");
        drop(last);
        start.elapsed().as_secs_f64()
    };
    let first = run(1);
    run(1);
    let count = (0.03 / run(1).max(1e-6)).ceil().clamp(1.0, 200.0) as usize;
    let mut times: Vec<f64> = (0..samples).map(|_| run(count) / count as f64).collect();
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], first)
}

fn main() {
    let args = Args::parse().unwrap_or_else(|error| {
        eprintln!("error: {error}\n{USAGE}");
        std::process::exit(2);
    });
    let plain = Device::wgpu(DeviceKind::DefaultDevice);
    let tracked = plain.clone().autodiff();
    let adapter = match plain.identity() {
        // burn knows no card behind a software rasteriser.
        Some(identity) => {
            let kind = if identity.physical.is_some() { "hardware" } else { "software" };
            format!("{} (wgpu, {kind}, {})", identity.name, identity.fingerprint)
        }
        None => "unnamed (wgpu)".to_owned(),
    };
    println!("adapter: {adapter}, burn 0.22.1, autotune and fusion on");
    let mut rows: Vec<Value> = Vec::new();
    for (layer, channels, side) in LAYERS.into_iter().filter(|(name, ..)| name.contains(&args.layer)) {
        let random = |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Uniform(-1.0, 1.0), &plain);
        let map = [args.batch_size, channels, side, side];
        let (x, dy, weight) = (random(map), random(map), random([channels, channels, 3, 3]));
        let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let flops = 2.0 * (channels * channels * 9 * side * side * args.batch_size) as f64;
        let mut report = |direction: &str, flops: f64, (seconds, first): (f64, f64)| {
            let (ms, gflops) = (1e3 * seconds, 1e-9 * flops / seconds);
            println!("{layer} {direction}: {ms:.2} ms, {gflops:.2} GFLOP/s (first call {first:.1} s)");
            rows.push(json!({
                "kernel": "burn", "layer": layer, "direction": direction, "sparsity": 0.0, "density": 1.0,
                "ms": ms, "gflops": gflops, "batch_size": args.batch_size, "first_call_ms": 1e3 * first,
            }));
        };
        let forward = time(&plain, args.samples, || conv2d(x.clone(), weight.clone(), None, options()));
        report("forward", flops, forward);
        // burn gives users no input gradient on its own; it is in the last row.
        let sum = || conv2d_weight_backward(x.clone(), weight.clone(), dy.clone(), options());
        report("grad_weight", flops, time(&plain, args.samples, sum));
        // As a user writes it: what autodiff adds is in, and so are the product and the sum that bring dy in.
        let whole = || {
            let x = x.clone().autodiff().require_grad();
            let weight = weight.clone().autodiff().require_grad();
            let loss = (conv2d(x.clone(), weight.clone(), None, options()) * dy.clone()).sum();
            let mut gradients = loss.backward();
            (x.grad_remove(&mut gradients), weight.grad_remove(&mut gradients))
        };
        report("forward+backward", 3.0 * flops, time(&tracked, args.samples, whole));
        // After each layer: tuning is long, and whoever stops it keeps what there is.
        if let Some(path) = &args.json {
            let value = json!({"schema": 1, "adapter": adapter, "peer": "burn 0.22.1", "rows": rows});
            let text = serde_json::to_string_pretty(&value).expect("plain numbers and words");
            if let Err(error) = std::fs::write(path, text + "\n") {
                eprintln!("error: {path}: {error}");
                std::process::exit(4);
            }
        }
    }
}
