//! A bench for kernels: upload, run passes, read back. The adapter comes from `ITOP_TEST_ADAPTER` (default `auto`),
//! `ITOP_TEST_LIMITS=webgpu` forces WebGPU's limits, `ITOP_TEST_SHADERS=checked` keeps the shader checks.
#![allow(dead_code)]

use std::sync::OnceLock;

use itop::gpu::{Gpu, GpuError, GpuOptions, LimitChoice, Pass, Slice};
use itop::ops::Tuning;
use itop::verify::{After, Before, Comparison, Place};

/// A device of its own.
pub fn open() -> Gpu {
    open_with(GpuOptions::default())
}

/// The same with more to say.
pub fn open_with(options: GpuOptions) -> Gpu {
    let var = |name| std::env::var(name).unwrap_or_default();
    let adapter = Some(var("ITOP_TEST_ADAPTER")).filter(|name| !name.is_empty()).unwrap_or("auto".into());
    let limits = if var("ITOP_TEST_LIMITS") == "webgpu" { LimitChoice::WebGpu } else { LimitChoice::Adapter };
    let options = GpuOptions { adapter, limits, checked_shaders: var("ITOP_TEST_SHADERS") == "checked", ..options };
    pollster::block_on(Gpu::open(&options)).expect("the tests need an adapter: see `make setup`")
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
pub fn place() -> Place {
    Place::new(gpu())
}

/// Asserts that what a case gave agrees with its twin.
#[track_caller]
pub fn agree(comparisons: impl Future<Output = Result<Vec<Comparison>, GpuError>>) {
    let comparisons = pollster::block_on(comparisons).unwrap_or_else(|error| panic!("{error}"));
    if let Some(first) = comparisons.iter().find(|comparison| !comparison.agrees()) {
        panic!("{first}");
    }
}

/// A topology update on the GPU.
pub fn on_gpu(before: &Before) -> After {
    pollster::block_on(before.update(&place())).unwrap_or_else(|error| panic!("{error}"))
}

/// The library's bench on the tests' adapter, without futures.
#[derive(Default)]
pub struct Bench(itop::verify::Bench);

impl std::ops::Deref for Bench {
    type Target = itop::verify::Bench;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl std::ops::DerefMut for Bench {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Bench {
    /// The first of `passes` that writes a number that is not finite.
    pub fn first_bad(self, passes: &[Pass]) -> Option<String> {
        pollster::block_on(self.0.first_bad(&gpu(), passes)).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs `passes` once.
    pub fn run(self, passes: &[Pass]) -> Ran {
        Ran(pollster::block_on(self.0.run(&gpu(), passes)).unwrap_or_else(|error| panic!("{error}")))
    }
}

pub struct Ran(itop::verify::Ran);

impl Ran {
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
