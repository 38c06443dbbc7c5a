//! What stands in a run folder's logs and in its summary: the schema of `docs/run-folder.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::gpu::Kind;
use crate::ops::topology::AGE_BINS;

/// A line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum MetricLine {
    Step {
        step: usize,
        epoch: usize,
        loss: f64,
        accuracy: f64,
        lr: f64,
        images_per_second: f64,
    },
    Epoch {
        step: usize,
        /// Epochs done, from 1.
        epoch: usize,
        loss: f64,
        accuracy: f64,
        lr: f64,
        images_per_second: f64,
        val_loss: Option<f64>,
        val_accuracy: Option<f64>,
        itop_rate: f64,
        /// What random growth can be expected to have reached.
        expected_itop_rate: f64,
    },
}

/// A line of `exploration.jsonl`: one topology update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplorationLine {
    pub step: usize,
    pub epoch: usize,
    #[serde(rename = "death_rate")]
    pub prune_rate: f64,
    pub layers: Vec<LayerExploration>,
    pub itop_rate: f64,
    pub reliable_itop_rate: f64,
}

/// A layer's part of an update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerExploration {
    pub name: String,
    pub active: usize,
    #[serde(rename = "maskable")]
    pub prunable: usize,
    pub pruned: usize,
    pub grown: usize,
    pub regrown: usize,
    pub newly_explored: usize,
    pub explored: usize,
    pub reliably_explored: usize,
    /// Least magnitude kept; none where the layer has no zeros.
    pub threshold: Option<f32>,
    pub dead_outputs: usize,
    pub dead_inputs: usize,
    /// Active weights by updates survived since they were grown: 0, 1, 2–3, 4–7, … , 64 and more.
    pub ages: [u32; AGE_BINS],
    /// Jaccard distances of the active set to the one before the update, and to the first.
    pub churn: f64,
    pub drift: f64,
    /// Of what the update before had grown: the share that this prune kept, and the mean magnitude before it; none at the
    /// first update, and where nothing had grown.
    pub growth_kept: Option<f64>,
    pub growth_magnitude: Option<f64>,
}

/// The adapter of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SummaryAdapter {
    pub name: String,
    pub backend: String,
    pub driver: String,
    pub tier: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub schema: u32,
    pub name: String,
    pub model: String,
    pub data: String,
    pub method: String,
    pub seed: u64,
    pub epochs: usize,
    pub steps: usize,
    pub batch_size: usize,
    pub sparsity_target: f64,
    /// Active over prunable parameters.
    pub density: f64,
    pub active_parameters: usize,
    pub maskable_parameters: usize,
    pub best_epoch: usize,
    /// None without a validation split.
    pub best_val_accuracy: Option<f64>,
    pub test_accuracy: f64,
    pub test_loss: f64,
    pub itop_rate: f64,
    pub reliable_itop_rate: f64,
    pub inference_flops_ratio: f64,
    pub training_flops_ratio: f64,
    /// [`RunPlan::training_flops`](crate::train::RunPlan::training_flops); none in older summaries.
    #[serde(default)]
    pub training_flops: Option<f64>,
    pub images_per_second: f64,
    pub seconds_training: f64,
    /// Share of the training time that the host spent on preparing steps.
    pub host_share: f64,
    /// Milliseconds of an ordinary step by kind of pass, timed after training; none where they cannot be timed.
    #[serde(default)]
    pub step_ms: Option<BTreeMap<Kind, f64>>,
    pub peak_gpu_bytes: u64,
    pub adapter: SummaryAdapter,
    pub version: String,
}
