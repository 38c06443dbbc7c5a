//! The arguments of a process that runs one row, whoever starts it.

use std::ffi::OsString;
use std::path::Path;

use crate::cli::tuning::TuningArgs;

/// What `itop sweep run SWEEP --row N` is told.
pub struct WorkerArgs<'a> {
    pub sweep: &'a Path,
    pub adapter: &'a str,
    pub stale_after: Option<u64>,
    pub retry_failed: bool,
    pub tuning: &'a TuningArgs,
    pub gpu_memory: Option<u32>,
    /// Who starts it will ask for its end by a line.
    pub end_by_input: bool,
}

impl WorkerArgs<'_> {
    /// The same as words of a command line, for row `row` (a number, or what a shell puts in its place).
    pub fn words(&self, row: impl ToString) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["sweep".into(), "run".into(), self.sweep.into(), "--row".into()];
        words.extend([row.to_string(), "--adapters".into(), self.adapter.into()].map(OsString::from));
        let stale = self.stale_after.map(|seconds| ["--stale-after".into(), seconds.to_string()]);
        words.extend(stale.into_iter().flatten().map(OsString::from));
        words.extend(self.retry_failed.then(|| "--retry-failed".into()));
        words.extend(self.tuning.flags().map(OsString::from));
        words.extend(self.gpu_memory.map(|mib| format!("--gpu-memory={mib}").into()));
        words.extend(self.end_by_input.then(|| "--end-by-input".into()));
        words
    }
}
