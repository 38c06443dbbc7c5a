//! A run's state in one `safetensors` file, layout in `docs/run-folder.md`.
//!
//! Per parameter `value.NAME` and `momentum.NAME` (F32; of a sparse layer its active weights in flat order); per sparse layer
//! the bitsets `active.NAME`, `explored.NAME`, `reliable.NAME`, `initial.NAME` (U32 words, lowest bit first) and `ages.NAME`
//! (U32 words of four bytes, lowest first, one byte an active weight); per norm `running.NAME` (F32:
//! means, then variances). The metadata's `itop` is [`Progress`] as JSON. The index is rebuilt from the bitsets.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::gpu::{Executor, GpuError, Slice};
use crate::model::Graph;
use crate::plan::{LayerPlan, Plan};
use crate::sparsity::PruneRate;
use crate::sparsity::expected::Explored;
use crate::train::run_folder::{FolderError, SCHEMA, read_up_to, write_whole};
use crate::words::number_of;

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
    /// The adapter that did the last step.
    #[serde(default)]
    pub adapter: String,
    /// What the run depends on, by key ([`Config::kept`](crate::train::Config::kept)); empty in checkpoints of older programs.
    #[serde(default)]
    pub run: BTreeMap<String, String>,
    /// The schedule of topology updates that the run has followed; none in checkpoints of older programs.
    #[serde(default)]
    pub updates_by: Option<UpdateSchedule>,
    /// What was explored when the run was last given another schedule of updates; none: it never was.
    #[serde(default)]
    pub explored: Option<Explored>,
}

/// When a run's set moves, and how far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateSchedule {
    pub total_steps: usize,
    pub delta_t: usize,
    #[serde(rename = "death_rate")]
    pub prune_rate: PruneRate,
}

impl Progress {
    /// Goes on by `schedule`. Where that is another one than before, what is `explored` now is what expectations count from.
    pub fn go_by(&mut self, schedule: UpdateSchedule, explored: Vec<f64>) {
        if self.updates_by.as_ref().is_some_and(|before| *before != schedule) {
            self.explored = Some(Explored { step: self.step, layers: explored });
        }
        self.updates_by = Some(schedule);
    }
}

/// A checkpoint that cannot be read or does not fit the run.
#[derive(Debug, Error)]
pub enum CheckpointError {
    #[error("cannot read checkpoint `{}`: {message}", .path.display())]
    Read { path: PathBuf, message: String },
    #[error("checkpoint `{}` does not fit the run: {message}; was its config.toml edited?", .path.display())]
    Mismatch { path: PathBuf, message: String },
    #[error("checkpoint `{}` belongs to another run: `{key}` was {was}, and config.toml says {now}; undo the change, or start another run", .path.display())]
    AnotherRun { path: PathBuf, key: String, was: String, now: String },
    #[error(
        "`{}` is of {}, more than the {} of {} that the run is to have: ask for {least} or more, or start another run",
        .path.display(), number_of(*.done, "step"), number_of(*.epochs, "epoch"), number_of(*.per_epoch, "step")
    )]
    TooFar { path: PathBuf, done: usize, epochs: usize, per_epoch: usize, least: usize },
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// Bytes that a file of `entries` may have beside its tensors: [`Progress`] as JSON, and a name, a type, a length and two
/// offsets each. A header is read into a tree of twenty times its length and more.
fn most_header(entries: &[Entry]) -> u64 {
    16384 + entries.iter().map(|entry| entry.name.len() as u64 + 128).sum::<u64>()
}

/// Bytes that a file of `entries` may have.
fn most_bytes(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| *entry.bytes.end()).sum::<u64>() + most_header(entries)
}

/// A tensor of the file and its place on the GPU.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub dtype: Dtype,
    pub slice: Slice,
    /// How many bytes the file may have of it: of a list as many as there were active weights, or room for them.
    pub bytes: RangeInclusive<u64>,
    pub bits: Option<Bits>,
    /// Of a list: the name of the set whose positions it has, and bytes a position.
    pub list_of: Option<(String, u64)>,
}

/// What a bitset must be.
#[derive(Clone, Debug)]
pub struct Bits {
    /// Positions; no bit may lie behind the last.
    pub of: usize,
    /// How many may be set.
    pub count: RangeInclusive<usize>,
}

/// Everything that a checkpoint of the run holds.
pub fn entries(plan: &Plan, graph: &Graph) -> Vec<Entry> {
    let mut entries = Vec::new();
    let whole = |name: String, dtype, slice: Slice, bits| Entry {
        name,
        dtype,
        slice,
        bytes: slice.bytes..=slice.bytes,
        bits,
        list_of: None,
    };
    // A list of a set that changes its size: of the fewest positions to the most, in words.
    let list = |name: String, dtype, slice: Slice, layer: &LayerPlan, of_position: u64| {
        let [least, most] = [layer.least, layer.active.max(layer.capacity)]
            .map(|count| (layer.entries(count) as u64 * of_position).next_multiple_of(4));
        let list_of = Some((format!("active.{}", layer.name), of_position));
        Entry { name, dtype, slice, bytes: least..=most, bits: None, list_of }
    };
    for (id, (param, slot)) in graph.params.iter().zip(&plan.params).enumerate() {
        let bytes = 4 * slot.len as u64;
        let sparse = plan.layers.iter().find(|layer| layer.param == id && layer.sparse.is_some());
        for (what, slice) in [("value", slot.value.part(0, bytes)), ("momentum", slot.momentum.part(0, bytes))] {
            let name = format!("{what}.{}", param.name);
            entries.push(match sparse {
                Some(layer) => list(name, Dtype::F32, slice, layer, 4 * layer.conv.block as u64),
                None => whole(name, Dtype::F32, slice, None),
            });
        }
    }
    for layer in &plan.layers {
        if let Some(sparse) = &layer.sparse {
            let [first, least, most, positions] =
                [layer.active, layer.least, layer.capacity, layer.numel].map(|count| layer.entries(count));
            let active = least..=most;
            for (set, slice) in sparse.bitsets() {
                let count = match set {
                    "active" => active.clone(),
                    "initial" => first..=first,
                    _ => 0..=positions,
                };
                let bits = Some(Bits { of: positions, count });
                entries.push(whole(format!("{set}.{}", layer.name), Dtype::U32, slice, bits));
            }
            entries.push(list(format!("ages.{}", layer.name), Dtype::U32, sparse.ages, layer, 1));
            if let Some(state) = layer.growth_state {
                entries.push(whole(format!("growth.{}", layer.name), Dtype::F32, state, None));
            }
        }
    }
    if let Some(threshold) = plan.threshold {
        entries.push(whole("prune.threshold".into(), Dtype::F32, threshold, None));
    }
    for (norm, running) in graph.norms().zip(&plan.running) {
        entries.push(whole(format!("running.{}", norm.name), Dtype::F32, *running, None));
    }
    entries
}

/// The whole state as a file's bytes, after everything submitted so far.
pub async fn capture(
    executor: &Executor,
    plan: &Plan,
    graph: &Graph,
    progress: &Progress,
) -> Result<Vec<u8>, GpuError> {
    let failed =
        |error: &dyn std::fmt::Display| GpuError::ReadBack { what: "checkpoint".into(), message: error.to_string() };
    let entries = entries(plan, graph);
    let slices: Vec<Slice> = entries.iter().map(|entry| entry.slice).collect();
    let bytes = executor.finish(executor.read_slices(&slices)).await?;
    let mut rest = bytes.as_slice();
    let mut tensors = Vec::with_capacity(entries.len());
    for entry in &entries {
        let (data, tail) = rest.split_at(entry.slice.bytes as usize);
        rest = tail;
        let view = TensorView::new(entry.dtype, vec![data.len() / 4], data).map_err(|error| failed(&error))?;
        tensors.push((entry.name.as_str(), view));
    }
    let progress = serde_json::to_string(progress).map_err(|error| failed(&error))?;
    let metadata = HashMap::from([("itop".to_string(), progress)]);
    safetensors::serialize(tensors, Some(metadata)).map_err(|error| failed(&error))
}

/// Writes captured bytes.
pub fn save(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    Ok(write_whole(path, bytes)?)
}

/// The first tensor of captured bytes with a value that is not finite; the checkpoint itself if it cannot be read back.
pub fn first_bad(bytes: &[u8], entries: &[Entry]) -> Option<String> {
    let Ok((_, found)) = parse(bytes, entries) else { return Some("the captured checkpoint".into()) };
    let bad = |word: &[u8]| !f32::from_le_bytes([word[0], word[1], word[2], word[3]]).is_finite();
    let tensors = entries.iter().zip(found).filter(|(entry, _)| entry.dtype == Dtype::F32);
    let names = tensors.filter(|(_, data)| data.chunks_exact(4).any(bad)).map(|(entry, _)| entry.name.as_str());
    // Weights before what follows from them.
    names.min_by_key(|name| (!name.starts_with("value."), *name)).map(ToString::to_string)
}

/// Puts the checkpoint called `path` on the GPU; the caller rebuilds the index. `read` gets its bytes, unless they are more
/// than a number; `check` looks at its progress before anything is put there. Returns the progress, and the share of each
/// prunable parameter that is explored.
pub fn restore(
    executor: &Executor,
    plan: &Plan,
    graph: &Graph,
    path: &Path,
    read: impl FnOnce(u64) -> io::Result<Vec<u8>>,
    check: impl FnOnce(&Progress) -> Result<(), CheckpointError>,
) -> Result<(Progress, Vec<f64>), CheckpointError> {
    let entries = entries(plan, graph);
    let failed = |error: io::Error| CheckpointError::Read { path: path.into(), message: error.to_string() };
    let bytes = read(most_bytes(&entries)).map_err(failed)?;
    let (progress, found) = parse(&bytes, &entries).map_err(|damage| damage.at(path))?;
    check(&progress)?;
    for (entry, data) in entries.iter().zip(&found) {
        // Behind the last active weight of a list are zeros, in the file and on the GPU.
        let room = data.len().min(entry.slice.bytes as usize);
        executor.write(entry.slice.part(0, room as u64), &data[..room]);
        let rest = entry.slice.bytes as usize - room;
        if rest > 0 {
            executor.write(entry.slice.part(room as u64, rest as u64), &vec![0u8; rest]);
        }
    }
    let explored = explored(plan, &entries, &found);
    Ok((progress, explored))
}

/// What an expectation counts from if the run goes on from the checkpoint `path` by `schedule`: see [`Progress::go_by`]. Needs no
/// GPU.
pub fn explored_before(
    path: &Path,
    plan: &Plan,
    graph: &Graph,
    schedule: UpdateSchedule,
) -> Result<Option<Explored>, CheckpointError> {
    let entries = entries(plan, graph);
    let bytes = read_up_to(path, most_bytes(&entries))
        .map_err(|error| CheckpointError::Read { path: path.into(), message: error.to_string() })?;
    let (mut progress, found) = parse(&bytes, &entries).map_err(|damage| damage.at(path))?;
    progress.go_by(schedule, explored(plan, &entries, &found));
    Ok(progress.explored)
}

/// The share of each maskable parameter that is explored by the bits `found`.
fn explored(plan: &Plan, entries: &[Entry], found: &[&[u8]]) -> Vec<f64> {
    let explored = |layer: &LayerPlan| {
        let name = layer.sparse.map(|_| format!("explored.{}", layer.name));
        let data = name.and_then(|name| entries.iter().zip(found).find(|(entry, _)| entry.name == name));
        data.map_or(1.0, |(_, data)| {
            data.iter().map(|byte| f64::from(byte.count_ones())).sum::<f64>() / layer.conv.positions() as f64
        })
    };
    plan.layers.iter().map(explored).collect()
}

/// What is wrong with a checkpoint's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// They are no checkpoint.
    Unreadable(String),
    /// They are one of another run.
    Mismatch(String),
}

impl Damage {
    fn at(self, path: &Path) -> CheckpointError {
        match self {
            Damage::Unreadable(message) => CheckpointError::Read { path: path.into(), message },
            Damage::Mismatch(message) => CheckpointError::Mismatch { path: path.into(), message },
        }
    }
}

/// The progress in a file's bytes, and the data of each of `entries`, checked: the kernels trust them.
pub fn parse<'b>(bytes: &'b [u8], entries: &[Entry]) -> Result<(Progress, Vec<&'b [u8]>), Damage> {
    let unreadable = |error: &dyn std::fmt::Display| Damage::Unreadable(error.to_string());
    let (header, most) = (bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length)), most_header(entries));
    if header > most {
        return Err(Damage::Unreadable(format!("its header claims {header} bytes, and {most} are the most")));
    }
    let (length, header) = SafeTensors::read_metadata(bytes).map_err(|error| unreadable(&error))?;
    let json = header.metadata().as_ref().and_then(|metadata| metadata.get("itop"));
    let json = json.ok_or_else(|| unreadable(&"it has no `itop` metadata"))?;
    let progress: Progress = serde_json::from_str(json).map_err(|error| unreadable(&error))?;
    if progress.schema != SCHEMA {
        let message = format!("its schema is {}, this program writes {SCHEMA}", progress.schema);
        return Err(Damage::Unreadable(message));
    }
    let data = &bytes[8 + length..];
    let found = entries.iter().map(|entry| {
        let tensor =
            header.info(&entry.name).ok_or_else(|| Damage::Mismatch(format!("`{}` is missing", entry.name)))?;
        let (first, last) = tensor.data_offsets;
        let data = data.get(first..last).ok_or_else(|| unreadable(&"a tensor lies outside of the file"))?;
        if tensor.dtype != entry.dtype || !entry.bytes.contains(&(data.len() as u64)) {
            let wanted = entry.bytes.end() / 4;
            return Err(Damage::Mismatch(format!("`{}` has {} values for {wanted}", entry.name, data.len() / 4)));
        }
        if let Some(bits) = &entry.bits {
            bits.check(&entry.name, data)?;
        }
        Ok(data)
    });
    let found = found.collect::<Result<Vec<_>, _>>()?;
    for (entry, data) in entries.iter().zip(&found) {
        let set = entry.list_of.as_ref().and_then(|(set, bytes)| {
            let (_, bits) = entries.iter().zip(&found).find(|(entry, _)| entry.name == *set)?;
            Some(bytes * bits.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>())
        });
        if let Some(wanted) = set.filter(|wanted| *wanted > data.len() as u64) {
            let (name, values) = (&entry.name, data.len() / 4);
            return Err(Damage::Mismatch(format!("`{name}` has {values} values for {}", wanted.div_ceil(4))));
        }
    }
    Ok((progress, found))
}

impl Bits {
    fn check(&self, name: &str, data: &[u8]) -> Result<(), Damage> {
        let words = || data.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        let count: usize = words().map(|word| word.count_ones() as usize).sum();
        if !self.count.contains(&count) {
            let most = self.count.end();
            return Err(Damage::Mismatch(format!("`{name}` has {count} active positions for {most}")));
        }
        let inside = |i: usize| self.of.saturating_sub(32 * i).min(32);
        match words().enumerate().any(|(i, word)| u64::from(word) >> inside(i) != 0) {
            true => Err(Damage::Mismatch(format!("`{name}` has positions behind the last of {}", self.of))),
            false => Ok(()),
        }
    }
}
