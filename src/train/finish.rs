//! Evaluation, and the summary at a run's end.

use super::run_folder::{RunFolder, SCHEMA, Summary, SummaryAdapter};
use super::trainer::{BEST, Score, TrainError, Trainer};
use crate::gpu::Slice;
use crate::ops::StepParams;
use crate::plan::METRIC_SLOTS;

impl Trainer<'_> {
    /// Loss and accuracy over `images` (numbers in training, then test images) with running statistics.
    pub async fn evaluate(&mut self, images: &[u32]) -> Result<Score, TrainError> {
        let plan = &self.run_plan.plan;
        let slot: Slice = plan.metrics.part(16 * METRIC_SLOTS as u64, 16);
        self.executor.write(slot, &[0.0f32; 4]);
        self.executor.write(plan.order, images);
        self.order_of = None;
        let mut last = None;
        for cursor in (0..images.len()).step_by(plan.batch) {
            let params = StepParams {
                valid: plan.batch.min(images.len() - cursor) as u32,
                cursor: cursor as u32,
                slot: METRIC_SLOTS as u32,
                ..self.params()
            };
            self.executor.write(plan.run, &[params]);
            self.executor.submit_parts(self.executor.record(&self.eval, self.submissions()));
            // Two batches at a time: the host does not run ahead of a slow adapter.
            let so_far = self.executor.read_slices(&[slot]);
            if let Some(before) = last.replace(so_far) {
                self.executor.finish(before).await?;
            }
        }
        let sums = match last {
            Some(read) => bytemuck::pod_collect_to_vec(&self.executor.finish(read).await?),
            None => Vec::<f32>::new(),
        };
        let [loss, correct, count, _] = sums[..] else {
            return Ok(Score { loss: f64::NAN, accuracy: 0.0 });
        };
        let count = f64::from(count).max(1.0);
        Ok(Score { loss: f64::from(loss) / count, accuracy: f64::from(correct) / count })
    }

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
        let adapter = &self.executor.gpu.summary;
        let images = (self.run_plan.split.train.len() * config.total_epochs()) as f64;
        let summary = Summary {
            schema: SCHEMA,
            name: folder.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            model: config.model.clone(),
            data: config.data_name(),
            method: config.method.name().into(),
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
                tier: self.executor.gpu.tier().into(),
                kind: adapter.kind.into(),
            },
            version: crate::version(),
        };
        folder.summary(&summary)?;
        Ok(summary)
    }
}
