//! Continues a run after its device was lost: drivers are reset, laptops sleep.

use super::{End, Listener, TrainError, Trainer};
use crate::gpu::{Gpu, GpuError};
use crate::train::checkpoint::CheckpointError;
use crate::train::run_folder::RunFolder;

/// How often a run continues from the same checkpoint on a new device.
pub const RETRIES: usize = 3;

/// How often the run went on from its last checkpoint.
struct Supervisor {
    from_step: usize,
    retries: usize,
}

impl Supervisor {
    /// Whether the run may go on from `step` once more.
    fn allows(&mut self, step: usize) -> bool {
        self.retries = if step == self.from_step { self.retries + 1 } else { 1 };
        self.from_step = step;
        self.retries <= RETRIES
    }
}

impl Trainer<'_> {
    /// [`Trainer::run`]; if the device is lost, it continues from the last checkpoint on a device from `open`: at most
    /// [`RETRIES`] times without a new checkpoint.
    pub async fn run_on(
        &mut self,
        open: impl AsyncFn() -> Result<Gpu, GpuError>,
        folder: &mut RunFolder,
        listener: &mut dyn Listener,
    ) -> Result<End, TrainError> {
        let mut supervisor = Supervisor { from_step: self.progress.step, retries: 0 };
        loop {
            let error = match self.run(folder, listener).await {
                Err(error) if self.lost_behind(&error) => error,
                done => return done,
            };
            // What failed because of it says less than that the device was lost.
            let lost = self.network.executor.gpu.lost();
            let error = lost.map_or(error, |message| GpuError::Lost { message }.into());
            let gpu = open().await?;
            if !gpu.is_like(&self.network.executor.gpu) {
                return Err(GpuError::Lost { message: format!("{error}, and it came back as {}", gpu.summary) }.into());
            }
            *self = Self::new(gpu, self.run_plan, self.dataset, listener).await?;
            self.resume(folder)?;
            let step = self.progress.step;
            if !supervisor.allows(step) {
                return Err(error);
            }
            let error = error.to_string();
            let error = error.trim_end_matches('.');
            listener.warning(&format!("{error}; the run continues from step {step} on a new device"));
        }
    }

    /// Whether an error comes of a lost device: some calls say so, others only fail.
    fn lost_behind(&self, error: &TrainError) -> bool {
        match error {
            TrainError::Gpu(GpuError::Lost { .. })
            | TrainError::Checkpoint(CheckpointError::Gpu(GpuError::Lost { .. })) => true,
            TrainError::Gpu(_) | TrainError::Checkpoint(CheckpointError::Gpu(_)) | TrainError::Diverged { .. } => {
                self.network.executor.gpu.lost().is_some()
            }
            TrainError::NoRoom { .. } | TrainError::RunPlan(_) | TrainError::Folder(_) | TrainError::Checkpoint(_) => {
                false
            }
            // Before there is a trainer.
            TrainError::FirstSet { .. } | TrainError::NoScores { .. } | TrainError::NoFirstSet { .. } => false,
        }
    }
}
