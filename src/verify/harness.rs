//! A harness for kernels: upload, run commands, read back.

use crate::gpu::{BufferPlan, Command, Executor, Gpu, GpuError, Slice};
use crate::ops::pointwise::{NormSlices, partial_bytes};
use crate::ops::{Layout, StepParams, Tuning};

/// Where cases run.
#[derive(Clone)]
pub struct Device {
    pub gpu: Gpu,
    pub tuning: Tuning,
}

impl Device {
    /// With the kernels of `gpu`. Weight gradients are split as where it takes a GPU's invocations to be busy.
    pub fn new(gpu: Gpu) -> Self {
        let mut tuning = Tuning::for_gpu(&gpu);
        tuning.device.occupancy_target = tuning.device.occupancy_target.max(1 << 14);
        Self { tuning, gpu }
    }
}

/// Buffers with their first contents.
#[derive(Default)]
pub struct Harness {
    pub buffers: BufferPlan,
    uploads: Vec<(Slice, Vec<u8>)>,
}

impl Harness {
    pub fn upload<T: bytemuck::NoUninit>(&mut self, label: &str, data: &[T]) -> Slice {
        let slice = self.buffers.storage("case", label, size_of_val(data) as u64);
        self.write(slice, data);
        slice
    }

    /// What a slice of `buffers` begins with.
    pub fn write<T: bytemuck::NoUninit>(&mut self, slice: Slice, data: &[T]) {
        self.uploads.push((slice, bytemuck::cast_slice(data).to_vec()));
    }

    pub fn empty(&mut self, label: &str, bytes: u64) -> Slice {
        self.buffers.storage("case", label, bytes)
    }

    pub fn params(&mut self, params: StepParams) -> Slice {
        let slice = self.buffers.uniform("case", "step", size_of::<StepParams>() as u64);
        self.write(slice, &[params]);
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

    async fn executor(&self, gpu: &Gpu) -> Result<Executor, GpuError> {
        let executor = Executor::new(gpu.clone(), &self.buffers).await?;
        for (slice, bytes) in &self.uploads {
            executor.write(*slice, bytes);
        }
        Ok(executor)
    }

    /// The first of `commands` that writes a number that is not finite.
    pub async fn first_bad(self, gpu: &Gpu, commands: &[Command]) -> Result<Option<String>, GpuError> {
        let mut executor = self.executor(gpu).await?;
        let (program, findings) = executor.prepare_checked(commands)?;
        executor.submit(&program);
        executor.first_bad(&findings).await
    }

    /// Runs `commands` once.
    pub async fn run(self, gpu: &Gpu, commands: &[Command]) -> Result<Outputs, GpuError> {
        let mut executor = self.executor(gpu).await?;
        let program = executor.prepare(commands, |_| ())?;
        executor.submit(&program);
        Ok(Outputs { executor })
    }
}

/// What is left after a [`Harness::run`].
pub struct Outputs {
    pub executor: Executor,
}

impl Outputs {
    pub async fn read<T: bytemuck::Pod>(&self, slice: Slice) -> Result<Vec<T>, GpuError> {
        self.executor.read(slice).await
    }
}
