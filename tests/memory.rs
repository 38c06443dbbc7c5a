//! Memory stays flat over a run: what the device counts, and what the process has. `ITOP_MEMORY_STEPS` (120) says how long.
#![cfg(target_os = "linux")]

mod common;
#[path = "common/toy.rs"]
mod toy;

use itop::train::run_folder::MetricLine;
use itop::train::{Config, Listener, RunData, RunPlan, Session};

/// Bytes of this process that are in memory, without files that it has mapped.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages = |column: usize| text.split_whitespace().nth(column).unwrap().parse::<u64>().unwrap();
    4096 * (pages(1) - pages(2))
}

/// Takes a sample every so many steps: step, bytes on the device, bytes of the process.
struct Samples {
    device: wgpu::Device,
    every: usize,
    taken: Vec<(usize, u64, u64)>,
}

impl Listener for Samples {
    fn metric(&mut self, line: &MetricLine, _itop_rate: f64) {
        if let MetricLine::Step { step, .. } = line
            && step.is_multiple_of(self.every)
        {
            let device = self.device.generate_allocator_report().map_or(0, |report| report.total_allocated_bytes);
            self.taken.push((*step, device, resident()));
        }
    }
}

#[test]
fn memory_is_flat() {
    let steps = std::env::var("ITOP_MEMORY_STEPS").map_or(120, |text| text.parse().unwrap());
    let gpu = common::gpu();
    // Eleven steps an epoch: validation and checkpoints play their part.
    let config =
        Config { model: "resnet8".into(), batch_size: 2, delta_t: 10, epochs: steps / 11, ..Config::default() };
    let data = RunData::of(toy::in_memory(25), &config).unwrap();
    let run_plan = RunPlan::new(config, &data.dataset, &gpu).unwrap();
    let place = tempfile::tempdir().unwrap();
    let opening = common::new_run(&run_plan, &place.path().join("run"));
    let mut samples = Samples { device: gpu.device.clone(), every: steps / 20, taken: Vec::new() };
    let mut session = pollster::block_on(Session::start(opening, gpu, &run_plan, &data, &mut samples)).unwrap();
    pollster::block_on(session.run(async || Ok(common::open()), &mut samples)).unwrap();
    samples
        .taken
        .iter()
        .for_each(|(step, device, process)| println!("step {step}: {device} B on the device, {process} B"));
    // The first quarter warms caches and pools up; a read-back may be under way at any time.
    let warm = &samples.taken[samples.taken.len() / 4..];
    let most = |of: fn(&(usize, u64, u64)) -> u64| warm.iter().map(of).max().unwrap_or(0);
    let flat = |what: &str, first: u64, last: u64, slack: u64| {
        assert!(last <= first + slack, "{what} grew from {first} to {last} bytes");
    };
    flat("the device's memory", warm[0].1, most(|sample| sample.1), 16 << 10);
    flat("the process", warm[0].2, most(|sample| sample.2), warm[0].2 / 50);
}
