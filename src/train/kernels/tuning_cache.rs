//! What was measured on the adapters of this computer, on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::tuning_journal::Attempt;
use crate::gpu::{Gpu, shader};
use crate::ops::trial::Candidate;
use crate::ops::{Choice, Tuning};
use crate::train::run_folder::{FolderError, MOST_TUNING, SCHEMA, io_error, read_up_to, write_whole};

/// What the journal has for the candidates of a direction while they are compiled, some side by side.
pub(super) const COMPILING: &str = "compiling";

/// Measured choices of all adapters of this computer.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningCache {
    pub(super) schema: u32,
    /// The kernels' version: other kernels, other winners.
    pub(super) version: String,
    /// By adapter with its driver.
    pub(super) adapters: BTreeMap<String, BTreeMap<String, Choice>>,
    /// By adapter and shape: seconds of the candidates of layers that there was no time to measure whole. The next start goes on.
    #[serde(default)]
    pub(super) unfinished: BTreeMap<String, BTreeMap<String, BTreeMap<String, f64>>>,
    /// By adapter: candidates that are left out there, and why.
    #[serde(default)]
    pub(super) refused: BTreeMap<String, BTreeMap<String, String>>,
    /// Adapters whose driver ended the program while it compiled several candidates: they are compiled one by one.
    #[serde(default)]
    pub(super) careful: BTreeSet<String>,
}

/// Why a tuning cache is not used.
#[derive(Debug, thiserror::Error)]
#[error("the tuning cache `{}` is {what}; kernels are measured again", .path.display())]
pub struct CacheError {
    path: PathBuf,
    what: String,
}

impl TuningCache {
    pub(super) fn empty() -> Self {
        Self {
            schema: SCHEMA,
            version: version(),
            adapters: BTreeMap::new(),
            unfinished: BTreeMap::new(),
            refused: BTreeMap::new(),
            careful: BTreeSet::new(),
        }
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
    pub fn write(&self, path: &Path) -> Result<(), FolderError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io_error("create", folder))?;
        }
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from);
        let text = text.map_err(io_error("write", path))? + "\n";
        write_whole(path, text.as_bytes())
    }

    /// `tuning` with what is known of `gpu`.
    pub fn apply(&self, gpu: &Gpu, tuning: &Tuning) -> Tuning {
        let mut measured = self.adapters.get(&adapter(gpu)).cloned().unwrap_or_default();
        measured.retain(|_, choice| self.refuses(gpu, choice).is_none());
        Tuning { measured: Arc::new(measured), ..tuning.clone() }
    }

    /// Leaves `candidate` out on `adapter`, for `why`.
    pub(super) fn refuse(&mut self, adapter: &str, candidate: &str, why: &str) {
        self.refused.entry(adapter.into()).or_default().insert(candidate.into(), why.into());
    }

    /// Learns what a program was at when it ended, and says what follows.
    pub fn learn(&mut self, left: &Attempt) -> String {
        let Attempt { adapter, candidate } = left;
        if candidate == COMPILING {
            self.careful.insert(adapter.clone());
            return format!("the program ended while it compiled kernels for {adapter}: they are compiled one by one");
        }
        let why = "the program ended while it ran";
        self.refuse(adapter, candidate, why);
        format!("the kernel `{candidate}` is left out on {adapter}: {why}")
    }

    /// The candidate of `choice` that is left out on `gpu`, and why.
    pub(super) fn refuses(&self, gpu: &Gpu, choice: &Choice) -> Option<(&String, &String)> {
        let refused = self.refused.get(&adapter(gpu))?;
        Candidate::of(choice).iter().find_map(|candidate| refused.get_key_value(&candidate.name()))
    }
}

fn version() -> String {
    format!("{} {:016x}", env!("CARGO_PKG_VERSION"), shader::fingerprint())
}

pub(super) fn adapter(gpu: &Gpu) -> String {
    format!("{}, tier {}", gpu.summary, gpu.tier())
}
