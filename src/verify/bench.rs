//! A bench for kernels: upload, run passes, read back.

use crate::gpu::{BufferPlan, Gpu, GpuError, Machine, Pass, Slice};
use crate::ops::pointwise::{NormSlices, partial_bytes};
use crate::ops::{Layout, StepParams, Tuning};

/// Where cases run.
#[derive(Clone)]
pub struct Place {
    pub gpu: Gpu,
    pub tuning: Tuning,
}

impl Place {
    /// With the kernels of `gpu`. Weight gradients are split as where it takes a GPU's invocations to be busy.
    pub fn new(gpu: Gpu) -> Self {
        let usual = Tuning::for_gpu(&gpu);
        Self { tuning: Tuning { busy: usual.busy.max(1 << 14), ..usual }, gpu }
    }
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
        let slice = self.buffers.storage("case", label, bytes.len() as u64);
        self.uploads.push((slice, bytes));
        slice
    }

    pub fn empty(&mut self, label: &str, bytes: u64) -> Slice {
        self.buffers.storage("case", label, bytes)
    }

    pub fn params(&mut self, params: StepParams) -> Slice {
        let slice = self.buffers.uniform("case", "step", size_of::<StepParams>() as u64);
        self.uploads.push((slice, bytemuck::bytes_of(&params).to_vec()));
        slice
    }

    /// A normalisation of `x` with its parameters, `[mean, variance]` to run with, and room for the rest.
    pub fn norm(&mut self, x: &Layout, [weight, bias, running]: [&[f32]; 3]) -> NormSlices {
        let channels = x.channels as u64;
        NormSlices {
            weight: self.upload("weight", weight),
            bias: self.upload("bias", bias),
            weight_grad: self.empty("weight grad", 4 * channels),
            bias_grad: self.empty("bias grad", 4 * channels),
            running: self.upload("running", running),
            factors: self.empty("factors", 16 * channels),
            partials: self.empty("partials", partial_bytes(x)),
            grad_factors: self.empty("grad factors", 16 * channels),
        }
    }

    async fn machine(&self, gpu: &Gpu) -> Result<Machine, GpuError> {
        let machine = Machine::new(gpu.clone(), &self.buffers).await?;
        for (slice, bytes) in &self.uploads {
            machine.write(*slice, bytes);
        }
        Ok(machine)
    }

    /// The first of `passes` that writes a number that is not finite.
    pub async fn first_bad(self, gpu: &Gpu, passes: &[Pass]) -> Result<Option<String>, GpuError> {
        let mut machine = self.machine(gpu).await?;
        let (program, findings) = machine.prepare_checked(passes)?;
        machine.submit(&program);
        machine.first_bad(&findings).await
    }

    /// Runs `passes` once.
    pub async fn run(self, gpu: &Gpu, passes: &[Pass]) -> Result<Ran, GpuError> {
        let mut machine = self.machine(gpu).await?;
        let program = machine.prepare(passes, |_| ())?;
        machine.submit(&program);
        Ok(Ran { machine })
    }
}

/// What is left after a [`Bench::run`].
pub struct Ran {
    pub machine: Machine,
}

impl Ran {
    pub async fn read<T: bytemuck::Pod>(&self, slice: Slice) -> Result<Vec<T>, GpuError> {
        self.machine.read(slice).await
    }
}
