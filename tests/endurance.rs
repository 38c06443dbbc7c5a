//! A run on devices that go away: what it computes does not change.

mod common;
#[path = "common/toy.rs"]
mod toy;

use std::cell::RefCell;
use std::error::Error;

use itop::gpu::{Gpu, GpuError, GpuOptions};
use itop::train::run_folder::MetricLine;
use itop::train::{Config, End, Listener, Method, RunData, RunPlan, Session, TrainError, Trainer};

/// Five steps an epoch.
fn config(epochs: usize) -> Config {
    Config { model: "resnet8".into(), batch_size: 5, delta_t: 2, epochs, ..Config::default() }
}

/// Does something after some steps.
struct After<F: FnMut(usize)>(usize, F);

impl<F: FnMut(usize)> Listener for After<F> {
    fn metric(&mut self, line: &MetricLine, _itop_rate: f64) {
        if let MetricLine::Step { step, .. } = line {
            self.0 = *step;
        }
    }

    fn interrupted(&mut self) -> bool {
        (self.1)(self.0);
        false
    }
}

/// The end of a run whose device is destroyed after each of `losses` (in steps), and how many devices it took.
fn run(config: Config, losses: &[usize]) -> (Result<End, String>, Vec<u8>, usize) {
    let data = RunData::of(toy::in_memory(25), &config).unwrap();
    let first = common::open();
    let run_plan = RunPlan::new(config, &data.dataset, &first).unwrap();
    let place = tempfile::tempdir().unwrap();
    let opening = common::new_run(&run_plan, &place.path().join("run"));
    let (now, opened) = (RefCell::new(first.clone()), RefCell::new(1));
    let reopen = async || -> Result<Gpu, GpuError> {
        *opened.borrow_mut() += 1;
        *now.borrow_mut() = common::open();
        Ok(now.borrow().clone())
    };
    let mut destroyed = 0;
    let mut listener = After(0, |step| {
        // Each device at most once.
        if destroyed < *opened.borrow() && losses.get(destroyed).is_some_and(|&at| step >= at) {
            destroyed += 1;
            now.borrow().device.destroy();
        }
    });
    let session = Session::start(opening, first, &run_plan, &data, &mut listener);
    let mut session = pollster::block_on(session).unwrap();
    let end = pollster::block_on(session.run(reopen, &mut listener));
    // What stopped it stands behind what is left of it.
    let end = end.map_err(|error| format!("{error}: {}", error.source().unwrap()));
    let state = std::fs::read(session.path().join("last.safetensors")).unwrap_or_default();
    let header = if state.is_empty() { 0 } else { 8 + toy::header(&state) };
    let devices = *opened.borrow();
    (end, state[header..].to_vec(), devices)
}

#[test]
fn a_lost_device_costs_nothing_but_time() {
    let (end, undisturbed, _) = run(config(4), &[]);
    assert_eq!(end, Ok(End::Finished));
    // In the first epoch, and later.
    let (end, state, devices) = run(config(4), &[3, 12]);
    assert_eq!((end, devices), (Ok(End::Finished), 3));
    assert!(state == undisturbed, "the run came out differently");
}

/// Where the buffers do not fit, a batch is named whose buffers do.
#[test]
fn without_room_the_batch_that_fits_is_named() {
    let dataset = toy::in_memory(100);
    let gpu = common::open_with(GpuOptions { memory: Some(20 << 20), ..GpuOptions::default() });
    let run_plan = |batch_size: usize| {
        let config = Config { model: "resnet8".into(), batch_size, ..Config::default() };
        RunPlan::new(config, &dataset, &gpu).unwrap()
    };
    let bytes = |batch: usize| run_plan(batch).plan.buffers.total_bytes();
    let start =
        |batch: usize| pollster::block_on(Trainer::new(gpu.clone(), &run_plan(batch), &dataset, &mut ())).map(drop);
    let Err(TrainError::NoRoom { fits, total, .. }) = start(100) else { panic!("{} bytes had room", bytes(100)) };
    assert_eq!(total, bytes(100));
    assert!(bytes(fits) <= 20 << 20 && bytes(fits + 1) > 20 << 20, "{fits}");
    start(fits).unwrap();
    // Not even one image.
    let mut small = gpu.clone();
    small.memory = Some(1 << 20);
    let error = pollster::block_on(Trainer::new(small, &run_plan(100), &dataset, &mut ())).map(drop).unwrap_err();
    assert!(matches!(error, TrainError::Gpu(GpuError::OutOfMemory { .. })), "{error}");
}

#[test]
fn a_device_that_always_dies_ends_the_run() {
    // Few kernels to compile.
    let config = Config { model: "mlp_cifar10".into(), method: Method::STATIC, ..config(4) };
    let (end, _, devices) = run(config, &[0; 6]);
    assert!(end.as_ref().is_err_and(|error| error.contains("the GPU was lost")), "{end:?}");
    assert_eq!(devices, 5, "{end:?}");
}
