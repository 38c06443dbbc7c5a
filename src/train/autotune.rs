//! Which candidate is fastest for each layer, by measurement on the adapter at hand; the results are kept on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::run_folder::{MOST_TUNING, SCHEMA, read_up_to, write_whole};
use crate::gpu::{Gpu, GpuError, shader};
use crate::ops::trial::{Candidate, Trial};
use crate::ops::{Conv, Layout, Tuning};
use crate::plan::Plan;

/// Measured choices of all adapters of this machine.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningCache {
    schema: u32,
    /// The kernels' version: other kernels, other winners.
    version: String,
    /// By adapter with its driver.
    adapters: BTreeMap<String, BTreeMap<String, crate::ops::Choice>>,
}

/// Why a tuning cache is not used.
#[derive(Debug, thiserror::Error)]
#[error("the tuning cache `{}` is {what}; it is measured anew", .path.display())]
pub struct CacheError {
    path: PathBuf,
    what: String,
}

/// What [`TuningCache::measure`] did.
#[derive(Debug)]
pub struct Measured {
    /// Layer shapes measured.
    pub layers: usize,
    /// Candidates that this driver refused or got wrong, and why.
    pub failed: Vec<String>,
}

impl TuningCache {
    fn empty() -> Self {
        Self { schema: SCHEMA, version: version(), adapters: BTreeMap::new() }
    }

    /// The cache at `path`; an empty one, and why, if it is of another version or damaged.
    pub fn read(path: &Path) -> (Self, Option<CacheError>) {
        let unusable = |what: String| {
            let error = CacheError { path: path.into(), what };
            (Self::empty(), Some(error))
        };
        let text = match read_up_to(path, MOST_TUNING) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (Self::empty(), None),
            Err(error) => return unusable(format!("unreadable ({error})")),
        };
        match Self::parse(&text) {
            Ok(cache) => (cache, None),
            Err(what) => unusable(what),
        }
    }

    /// The cache in a file's bytes, or why they are of no use.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice::<Self>(text) {
            Ok(cache) if cache.schema == SCHEMA && cache.version == version() => Ok(cache),
            Ok(cache) => Err(format!("of version {}", cache.version)),
            Err(error) => Err(format!("damaged ({error})")),
        }
    }

    /// Writes the whole cache.
    pub fn write(&self, path: &Path) -> Result<(), super::run_folder::FolderError> {
        if let Some(folder) = path.parent() {
            let create = |source| super::run_folder::FolderError::Io { action: "create", path: folder.into(), source };
            std::fs::create_dir_all(folder).map_err(create)?;
        }
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        write_whole(path, text.as_bytes())
    }

    /// `tuning` with what is known of `gpu`.
    pub fn apply(&self, gpu: &Gpu, tuning: &Tuning) -> Tuning {
        let measured = self.adapters.get(&adapter(gpu)).cloned().unwrap_or_default();
        Tuning { measured: Arc::new(measured), ..tuning.clone() }
    }

    /// Measures what `plan` needs and the cache lacks. `progress` hears the layer, its number and how many there are.
    pub async fn measure(
        &mut self,
        gpu: &Gpu,
        tuning: &Tuning,
        plan: &Plan,
        mut progress: impl FnMut(&str, usize, usize),
    ) -> Result<Measured, GpuError> {
        let known = self.adapters.entry(adapter(gpu)).or_default();
        let mut missing: Vec<(String, &str, Conv, f64)> = Vec::new();
        for layer in &plan.layers {
            let density = layer.density();
            let key = Tuning::key(&layer.conv, density);
            let usable = known.get(&key).is_some_and(|choice| tuning.offers(&layer.conv, density, choice));
            if !usable && missing.iter().all(|(seen, ..)| *seen != key) {
                missing.push((key, &layer.name, layer.conv, density));
            }
        }
        let total = missing.len();
        let mut measured = Measured { layers: total, failed: Vec::new() };
        for (number, (key, name, conv, density)) in missing.into_iter().enumerate() {
            progress(name, number + 1, total);
            known.insert(key, best(gpu, tuning, conv, density, &mut measured.failed).await?);
        }
        Ok(measured)
    }
}

fn version() -> String {
    format!("{} {:016x}", env!("CARGO_PKG_VERSION"), shader::fingerprint())
}

fn adapter(gpu: &Gpu) -> String {
    format!("{}, tier {}", gpu.summary, gpu.tier())
}

/// The fastest candidates of a layer. On a software adapter with one block of images, which is all that it works on at once,
/// unless the map is so small that blocks share a workgroup.
async fn best(
    gpu: &Gpu,
    tuning: &Tuning,
    conv: Conv,
    density: f64,
    failed: &mut Vec<String>,
) -> Result<crate::ops::Choice, GpuError> {
    let fewer = |layout: Layout| Layout { images: layout.block_images(), ..layout };
    let fills = conv.output.pixels() * conv.output.lanes() >= tuning.gather as usize;
    let conv = match gpu.summary.is_software() && fills {
        true => Conv { input: fewer(conv.input), output: fewer(conv.output), ..conv },
        false => conv,
    };
    let mut choice = tuning.choice(&conv, density);
    let mut trial = Trial::new(gpu, tuning, conv, density).await?;
    for candidates in Candidate::all(&conv, tuning, (density < 1.0).then_some(trial.active)) {
        let mut fastest = f64::INFINITY;
        let worth =
            |candidate: &Candidate| !gpu.summary.is_software() || worth_timing(tuning, &conv, candidate, density);
        let candidates: Vec<Candidate> = candidates.into_iter().filter(worth).collect();
        // What fails here fails below, by itself.
        trial.compile(&candidates).ok();
        let simplest = candidates.first().copied();
        for candidate in candidates {
            let checked = match simplest {
                Some(simplest) if candidate.by_matrices() => trial.check(candidate, simplest).await,
                _ => Ok(()),
            };
            // A kernel that this driver cannot compile loses.
            let seconds = match checked.and_then(|()| trial.time(candidate, 3, 2e-3, fastest)) {
                Ok(seconds) => seconds,
                Err(error @ GpuError::Lost { .. }) => return Err(error),
                Err(error) => {
                    failed.push(format!("{} {candidate}: {error}", candidate.direction()));
                    continue;
                }
            };
            if seconds < fastest {
                fastest = seconds;
                candidate.put(&mut choice);
            }
        }
    }
    Ok(choice)
}

/// Whether a candidate is worth its compilation on a software adapter, where that takes longer than a step: those that lost by
/// a factor in every layer and on every driver tried are left out (`docs/speed.md`).
fn worth_timing(tuning: &Tuning, conv: &Conv, candidate: &Candidate, density: f64) -> bool {
    use crate::ops::{Gather, Team, WeightSum};
    let shuffles = tuning.lanes >= 8;
    let widest = |wide: bool| wide || !tuning.wide_fits(conv);
    match *candidate {
        Candidate::Forward(how) | Candidate::GradInput(how) => match how {
            Gather::Sparse(strip) => widest(strip.wide) && density < 0.6,
            Gather::Dense(tile) => tile.shuffle == shuffles && tile.channels * tile.row > 8 && density > 0.08,
            Gather::Matrices { .. } => density > 0.08,
        },
        Candidate::GradWeight(how) => match how {
            WeightSum { tile: None, wide, .. } => widest(wide) && density < 0.8,
            WeightSum { team: Team::Matrices, .. } => density > 0.08,
            WeightSum { tile: Some(tile), team, .. } => {
                team == (if shuffles { Team::Shuffle } else { Team::Invocation }) && tile > 1 && density > 0.15
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_cannot_be_used_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("tuning.json");
        assert!(TuningCache::read(&path).1.is_none());
        TuningCache::empty().write(&path).unwrap();
        assert!(TuningCache::read(&path).1.is_none());
        for text in ["", "{", "[]", r#"{"schema":1,"version":"0.0.0","adapters":{}}"#, r#"{"schema":1}"#] {
            std::fs::write(&path, text).unwrap();
            let (cache, why) = TuningCache::read(&path);
            assert!(why.is_some() && cache.adapters.is_empty(), "{text}");
        }
    }
}
