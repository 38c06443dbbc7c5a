//! The summary at a run's end.

use super::{BEST, TrainError, Trainer};
use crate::train::run_folder::{RunFolder, SCHEMA, Summary, SummaryAdapter};

impl Trainer<'_> {
    /// Times the passes of a step, tests the best epoch and writes the summary.
    pub async fn finish(&mut self, folder: &RunFolder) -> Result<Summary, TrainError> {
        let done = self.progress.clone();
        // Before the best state is put back: the timed steps leave none.
        let passes = self.pass_times().await?;
        if let Some(passes) = &passes {
            folder.pass_times(passes)?;
        }
        self.restore_from(folder, BEST)?;
        let test = self.evaluate(&self.run_plan.test_images(self.dataset)).await?;
        let (run_plan, config) = (self.run_plan, &self.run_plan.config);
        let adapter = &self.network.executor.gpu.summary;
        let images = (self.run_plan.split.train.len() * config.total_epochs()) as f64;
        let summary = Summary {
            schema: SCHEMA,
            name: folder.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            model: config.model_name(),
            data: config.data_name(),
            method: config.method.name.into(),
            seed: config.seed,
            epochs: config.total_epochs(),
            steps: done.step,
            batch_size: config.batch_size,
            sparsity_target: 1.0 - config.density(),
            density: run_plan.active() as f64 / run_plan.prunable() as f64,
            active_parameters: run_plan.active(),
            maskable_parameters: run_plan.prunable(),
            best_epoch: done.best_epoch,
            best_val_accuracy: done.best_val_accuracy,
            test_accuracy: test.accuracy,
            test_loss: test.loss,
            itop_rate: done.itop_rate,
            reliable_itop_rate: done.reliable_itop_rate,
            inference_flops_ratio: run_plan.inference_flops_ratio(),
            training_flops_ratio: run_plan.training_flops_ratio(),
            training_flops: Some(run_plan.training_flops()),
            images_per_second: images / done.seconds_training.max(1e-9),
            seconds_training: done.seconds_training,
            host_share: done.seconds_host / done.seconds_training.max(1e-9),
            step_ms: passes.map(|passes| passes.by_kind()),
            peak_gpu_bytes: run_plan.plan.buffers.total_bytes(),
            adapter: SummaryAdapter {
                name: adapter.name.clone(),
                backend: adapter.backend.into(),
                driver: adapter.driver.clone(),
                tier: self.network.executor.gpu.tier().into(),
                kind: adapter.kind.into(),
            },
            version: crate::words::version(),
        };
        folder.summary(&summary)?;
        Ok(summary)
    }
}
