//! What a row will cost: memory from its plan, work from its FLOPs.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::data::{self, DataError, Dataset, Source};
use crate::train::{Config, RunPlan, RunPlanError};

/// What a row is expected to need.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// All buffers of the plan with default kernels.
    pub gpu_bytes: u64,
    pub steps: usize,
    /// Training images over all epochs.
    pub images: usize,
    /// FLOPs of the whole training, in RigL's accounting.
    pub training_flops: f64,
    /// Topology updates.
    #[serde(default)]
    pub updates: Option<usize>,
    /// The ITOP rate that random growth reaches.
    #[serde(default)]
    pub itop_rate: Option<f64>,
    /// Images that choose the best epoch.
    #[serde(default)]
    pub held_out_images: Option<usize>,
    #[serde(default)]
    pub test_images: Option<usize>,
}

impl Estimate {
    /// Training FLOPs an image.
    pub fn flops_per_image(&self) -> f64 {
        self.training_flops / self.images.max(1) as f64
    }

    fn new(run_plan: &RunPlan, dataset: &Dataset) -> Self {
        let images = run_plan.split.train.len() * run_plan.config.total_epochs();
        Self {
            gpu_bytes: run_plan.plan.buffers.total_bytes(),
            steps: run_plan.total_steps(),
            images,
            training_flops: run_plan.training_flops(),
            updates: Some(run_plan.updates()),
            itop_rate: Some(run_plan.expected_itop_rate()),
            held_out_images: Some(run_plan.split.val.len()),
            test_images: Some(dataset.test.len()),
        }
    }
}

/// The datasets of a sweep, each loaded once. A published one that is not here is replaced by its outline: sweeps are
/// planned where they are not run.
#[derive(Default)]
pub struct Datasets {
    /// By name or path, and by the share that becomes the test set.
    loaded: HashMap<(String, u64), Dataset>,
    /// What is missing here, in the words of its error.
    pub absent: Vec<String>,
}

impl Datasets {
    pub fn get(&mut self, source: Source) -> Result<&Dataset, DataError> {
        let key = (source.spec.to_string(), source.test.to_bits());
        if !self.loaded.contains_key(&key) {
            let dataset = match (source.load(), data::outline(source.spec)) {
                (Err(error @ DataError::Absent { .. }), Some(outline)) => {
                    self.absent.push(error.to_string());
                    outline
                }
                (loaded, _) => loaded?,
            };
            self.loaded.insert(key.clone(), dataset);
        }
        Ok(&self.loaded[&key])
    }

    /// The cost of the run of `config` and what to know before it, or why there can be no such run.
    pub fn estimate(&mut self, config: &Config) -> Result<(Estimate, Vec<String>), RunPlanError> {
        let dataset = self.get(config.source())?;
        let run_plan = RunPlan::anywhere(config.clone(), dataset)?;
        Ok((Estimate::new(&run_plan, dataset), run_plan.warnings()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Method;

    #[test]
    fn a_published_dataset_is_planned_without_its_files() {
        let mut datasets = Datasets::default();
        let sparse = Config { epochs: 2, ..Config::default() };
        let dense = Config { method: Method::DENSE, ..sparse.clone() };
        let (sparse, dense) = (datasets.estimate(&sparse).unwrap().0, datasets.estimate(&dense).unwrap().0);
        assert_eq!((sparse.images, sparse.steps), (90_000, 704));
        assert_eq!((sparse.held_out_images, sparse.test_images), (Some(5000), Some(10_000)));
        assert_eq!((sparse.updates, dense.updates, dense.itop_rate), (Some(7), Some(0), Some(1.0)));
        assert!(sparse.training_flops < 0.4 * dense.training_flops);
        assert!(sparse.gpu_bytes > 100 << 20);
        // ResNet-34 for CIFAR has 1.16 GMAC an image.
        assert!((dense.flops_per_image() / 6.0e9 - 1.16).abs() < 0.01, "{}", dense.flops_per_image());
    }
}
