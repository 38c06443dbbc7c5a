//! A harness for kernels: upload, run commands, read back. The adapter comes from `ITOP_TEST_ADAPTER` (default `auto`),
//! `ITOP_TEST_LIMITS=webgpu` forces WebGPU's limits, `ITOP_TEST_SHADERS=checked` keeps the shader checks,
//! `ITOP_TEST_BUFFERS=unchecked` does without the driver's.
#![allow(dead_code)]

use std::path::Path;
use std::sync::OnceLock;

use itop::gpu::{Command, Gpu, GpuError, GpuOptions, LimitChoice, Slice};
use itop::ops::Tuning;
use itop::train::{Hold, Opening, RunPlan, Target};
use itop::verify::{AfterUpdate, BeforeUpdate, Comparison, Device};

/// A device of its own.
pub fn open() -> Gpu {
    open_with(GpuOptions::default())
}

/// The same with more to say.
pub fn open_with(options: GpuOptions) -> Gpu {
    let var = |name| std::env::var(name).unwrap_or_default();
    let adapter = Some(var("ITOP_TEST_ADAPTER")).filter(|name| !name.is_empty()).unwrap_or("auto".into());
    let limits = if var("ITOP_TEST_LIMITS") == "webgpu" { LimitChoice::WebGpu } else { LimitChoice::Adapter };
    let checked_shaders = var("ITOP_TEST_SHADERS") == "checked";
    let unchecked_buffers = options.unchecked_buffers || var("ITOP_TEST_BUFFERS") == "unchecked";
    let options = GpuOptions { adapter, limits, checked_shaders, unchecked_buffers, ..options };
    pollster::block_on(Gpu::open(&options)).expect("the tests need an adapter: see `make setup`")
}

/// The run of `run_plan`, to be kept in `folder`.
pub fn new_run(run_plan: &RunPlan, folder: &Path) -> Opening {
    Opening::new_run(run_plan.config.clone(), Target::Folder(folder.into()), Hold::Nobody).unwrap()
}

/// The device that all tests share.
pub fn gpu() -> Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    let shared = || {
        let gpu = open();
        eprintln!("tests run on {}, tier {}", gpu.summary, gpu.tier());
        gpu
    };
    GPU.get_or_init(shared).clone()
}

pub fn tuning() -> Tuning {
    Tuning::for_gpu(&gpu())
}

/// Where the tests run.
pub fn device() -> Device {
    Device::new(gpu())
}

/// Asserts that what a case gave agrees with its reference.
#[track_caller]
pub fn agree(comparisons: impl Future<Output = Result<Vec<Comparison>, GpuError>>) {
    let comparisons = pollster::block_on(comparisons).unwrap_or_else(|error| panic!("{error}"));
    if let Some(first) = comparisons.iter().find(|comparison| !comparison.agrees()) {
        panic!("{first}");
    }
}

/// A topology update on the GPU.
pub fn on_gpu(before: &BeforeUpdate) -> AfterUpdate {
    pollster::block_on(before.update(&device())).unwrap_or_else(|error| panic!("{error}"))
}

/// The library's harness on the tests' adapter, without futures.
#[derive(Default)]
pub struct Harness(itop::verify::Harness);

impl std::ops::Deref for Harness {
    type Target = itop::verify::Harness;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl std::ops::DerefMut for Harness {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Harness {
    /// The first of `commands` that writes a number that is not finite.
    pub fn first_bad(self, commands: &[Command]) -> Option<String> {
        pollster::block_on(self.0.first_bad(&gpu(), commands)).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs `commands` once.
    pub fn run(self, commands: &[Command]) -> Outputs {
        Outputs(pollster::block_on(self.0.run(&gpu(), commands)).unwrap_or_else(|error| panic!("{error}")))
    }
}

pub struct Outputs(itop::verify::Outputs);

impl Outputs {
    pub fn read<T: bytemuck::Pod>(&self, slice: Slice) -> Vec<T> {
        pollster::block_on(self.0.read(slice)).unwrap()
    }
}

pub fn f64s(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// Largest |a − b|, with the place for the message.
pub fn worst(got: &[f32], wanted: &[f64]) -> (f64, usize) {
    assert_eq!(got.len(), wanted.len());
    let errors = got.iter().zip(wanted).map(|(&g, &w)| (f64::from(g) - w).abs());
    errors.enumerate().fold((0.0, 0), |most, (i, e)| if e > most.0 || e.is_nan() { (e, i) } else { most })
}

/// Each case compiles its kernels anew, so they are few by default; `ITOP_TEST_CASES` sets another number.
pub fn cases() -> proptest::prelude::ProptestConfig {
    let cases = std::env::var("ITOP_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(8);
    proptest::prelude::ProptestConfig {
        cases,
        max_shrink_iters: 30,
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::default()
    }
}
