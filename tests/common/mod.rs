//! A bench for kernels: upload, run passes, read back. The adapter comes from `ITOP_TEST_ADAPTER` (default `auto`),
//! `ITOP_TEST_LIMITS=webgpu` forces WebGPU's limits, `ITOP_TEST_SHADERS=checked` keeps the shader checks.
#![allow(dead_code)]

pub mod topology;

use std::sync::OnceLock;

use itop::gpu::{BufferPlan, Gpu, GpuOptions, LimitChoice, Machine, Pass, Slice};
use itop::ops::{StepParams, Tuning};

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

/// Buffers with their first contents.
#[derive(Default)]
pub struct Bench {
    pub buffers: BufferPlan,
    uploads: Vec<(Slice, Vec<u8>)>,
}

impl Bench {
    pub fn upload<T: bytemuck::NoUninit>(&mut self, label: &str, data: &[T]) -> Slice {
        let bytes: Vec<u8> = bytemuck::cast_slice(data).to_vec();
        let slice = self.buffers.storage(label, bytes.len() as u64);
        self.uploads.push((slice, bytes));
        slice
    }

    pub fn empty(&mut self, label: &str, bytes: u64) -> Slice {
        self.buffers.storage(label, bytes)
    }

    pub fn params(&mut self, params: StepParams) -> Slice {
        let slice = self.buffers.uniform("step", size_of::<StepParams>() as u64);
        self.uploads.push((slice, bytemuck::bytes_of(&params).to_vec()));
        slice
    }

    fn machine(&self) -> Machine {
        let machine = pollster::block_on(Machine::new(gpu(), &self.buffers)).unwrap();
        for (slice, bytes) in &self.uploads {
            machine.write(*slice, bytes);
        }
        machine
    }

    /// The first of `passes` that writes a number that is not finite.
    pub fn first_bad(self, passes: &[Pass]) -> Option<String> {
        let mut machine = self.machine();
        let (program, findings) = machine.prepare_checked(passes).unwrap_or_else(|error| panic!("{error}"));
        machine.submit(&program);
        pollster::block_on(machine.first_bad(&findings)).unwrap()
    }

    /// Runs `passes` once.
    pub fn run(self, passes: &[Pass]) -> Ran {
        let mut machine = self.machine();
        let program = machine.prepare(passes, |_| ()).unwrap_or_else(|error| panic!("{error}"));
        machine.submit(&program);
        Ran { machine }
    }
}

pub struct Ran {
    pub machine: Machine,
}

impl Ran {
    pub fn read<T: bytemuck::Pod>(&self, slice: Slice) -> Vec<T> {
        pollster::block_on(self.machine.read(slice)).unwrap()
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

/// Asserts that `got` is `wanted` up to `relative` of the largest wanted magnitude.
#[track_caller]
pub fn close(what: &str, got: &[f32], wanted: &[f64], relative: f64) {
    let scale = wanted.iter().fold(0.0f64, |most, v| most.max(v.abs())).max(1e-3);
    let (error, at) = worst(got, wanted);
    assert!(error <= relative * scale, "{what}: {} instead of {} at {at} (scale {scale})", got[at], wanted[at]);
}
