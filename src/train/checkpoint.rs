//! A run's state in one `safetensors` file, layout in `docs/run-folder.md`.
//!
//! Per parameter `value.NAME` and `momentum.NAME` (F32; of a sparse layer its active weights in flat order); per sparse layer
//! the bitsets `active.NAME`, `explored.NAME`, `reliable.NAME`, `initial.NAME` (U32 words, lowest bit first) and `ages.NAME`
//! (U32 words of four bytes, lowest first, one byte an active weight); per norm `running.NAME` (F32:
//! means, then variances). The metadata's `itop` is [`Progress`] as JSON. The index is rebuilt from the bitsets.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::run_folder::{FolderError, SCHEMA, write_whole};
use crate::gpu::{GpuError, Machine, Slice};
use crate::model::Graph;
use crate::plan::Plan;

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub schema: u32,
    /// Steps done.
    pub step: usize,
    /// Topology updates done.
    pub updates: usize,
    /// Sums over the steps of the epoch under way.
    pub epoch_loss: f64,
    pub epoch_correct: f64,
    pub epoch_images: f64,
    pub epoch_seconds: f64,
    /// Best epoch so far (from 1; 0: none yet) and its validation accuracy.
    pub best_epoch: usize,
    pub best_val_accuracy: Option<f64>,
    pub seconds_training: f64,
    pub seconds_host: f64,
    /// Explored and reliable positions at the last update.
    pub itop_rate: f64,
    pub reliable_itop_rate: f64,
}

/// A checkpoint that cannot be read or does not fit the run.
#[derive(Debug, Error)]
pub enum CheckpointError {
    #[error("cannot read checkpoint `{}`: {message}", .path.display())]
    Read { path: PathBuf, message: String },
    #[error("checkpoint `{}` does not fit the run: {message}; was its config.toml edited?", .path.display())]
    Mismatch { path: PathBuf, message: String },
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// A tensor of the file and its place on the GPU.
struct Entry {
    name: String,
    dtype: Dtype,
    slice: Slice,
    /// Set bits that it must have, of how many.
    bits: Option<(usize, usize)>,
}

fn entries(plan: &Plan, graph: &Graph) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |name: String, dtype, slice: Slice, bits| entries.push(Entry { name, dtype, slice, bits });
    for (param, slot) in graph.params.iter().zip(&plan.params) {
        let bytes = 4 * slot.len as u64;
        add(format!("value.{}", param.name), Dtype::F32, slot.value.part(0, bytes), None);
        add(format!("momentum.{}", param.name), Dtype::F32, slot.momentum.part(0, bytes), None);
    }
    for layer in &plan.layers {
        if let Some(sparse) = &layer.sparse {
            let bits = Some((layer.active, layer.numel));
            add(format!("active.{}", layer.name), Dtype::U32, sparse.active, bits);
            add(format!("explored.{}", layer.name), Dtype::U32, sparse.explored, None);
            add(format!("reliable.{}", layer.name), Dtype::U32, sparse.reliable, None);
            add(format!("initial.{}", layer.name), Dtype::U32, sparse.initial, None);
            add(format!("ages.{}", layer.name), Dtype::U32, sparse.ages, None);
        }
    }
    for (norm, running) in graph.norms().zip(&plan.running) {
        add(format!("running.{}", norm.name), Dtype::F32, *running, None);
    }
    entries
}

/// The whole state as a file's bytes, after everything submitted so far.
pub async fn capture(machine: &Machine, plan: &Plan, graph: &Graph, progress: &Progress) -> Result<Vec<u8>, GpuError> {
    let entries = entries(plan, graph);
    let slices: Vec<Slice> = entries.iter().map(|entry| entry.slice).collect();
    let bytes = machine.finish(machine.read_slices(&slices)).await?;
    let mut rest = bytes.as_slice();
    let mut tensors = Vec::with_capacity(entries.len());
    for entry in &entries {
        let (data, tail) = rest.split_at(entry.slice.bytes as usize);
        rest = tail;
        if let Ok(view) = TensorView::new(entry.dtype, vec![data.len() / 4], data) {
            tensors.push((entry.name.as_str(), view));
        }
    }
    let metadata = HashMap::from([("itop".to_string(), serde_json::to_string(progress).unwrap_or_default())]);
    safetensors::serialize(tensors, Some(metadata))
        .map_err(|error| GpuError::ReadBack { what: "checkpoint".into(), message: error.to_string() })
}

/// Writes captured bytes.
pub fn save(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    Ok(write_whole(path, bytes)?)
}

/// Reads the file and puts it on the GPU; the caller rebuilds the index.
pub fn restore(machine: &Machine, plan: &Plan, graph: &Graph, path: &Path) -> Result<Progress, CheckpointError> {
    let read = |message: String| CheckpointError::Read { path: path.into(), message };
    let mismatch = |message: String| CheckpointError::Mismatch { path: path.into(), message };
    let bytes = std::fs::read(path).map_err(|error| read(error.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| read(error.to_string()))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| read(error.to_string()))?;
    let json = header.metadata().as_ref().and_then(|metadata| metadata.get("itop"));
    let json = json.ok_or_else(|| read("it has no `itop` metadata".into()))?;
    let progress: Progress = serde_json::from_str(json).map_err(|error| read(error.to_string()))?;
    if progress.schema != SCHEMA {
        return Err(read(format!("its schema is {}, this program writes {SCHEMA}", progress.schema)));
    }
    let entries = entries(plan, graph);
    let mut found = Vec::with_capacity(entries.len());
    for entry in &entries {
        let tensor = file.tensor(&entry.name).map_err(|_| mismatch(format!("`{}` is missing", entry.name)))?;
        let data = tensor.data();
        if tensor.dtype() != entry.dtype || data.len() as u64 != entry.slice.bytes {
            let wanted = entry.slice.bytes / 4;
            return Err(mismatch(format!("`{}` has {} values for {wanted}", entry.name, data.len() / 4)));
        }
        if let Some((set, of)) = entry.bits {
            // The kernels trust the count, and that no bit lies behind the last position.
            let words = || data.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
            let count: usize = words().map(|word| word.count_ones() as usize).sum();
            let spill = of % 32 != 0 && words().next_back().is_some_and(|word| word >> (of % 32) != 0);
            if count != set || spill {
                return Err(mismatch(format!("`{}` has {count} active positions for {set}", entry.name)));
            }
        }
        found.push(data);
    }
    for (entry, data) in entries.iter().zip(found) {
        machine.write(entry.slice, data);
    }
    Ok(progress)
}
