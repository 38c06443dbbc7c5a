//! Whether kernels are autotuned, and where the measurements are kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::data::Dataset;
use crate::gpu::{Gpu, GpuError};
use crate::ops::Tuning;
use crate::train::autotune::TuningCache;
use crate::train::run_folder::RunFolder;
use crate::train::tuning_journal::Journal;
use crate::train::{Config, RunPlan};

#[derive(Args, Clone)]
pub struct TuningArgs {
    /// Measure which kernels are fastest on this adapter, once per layer shape (default on GPUs; takes minutes on software
    /// adapters)
    #[arg(long, conflicts_with = "no_autotune")]
    autotune: bool,
    /// Use the default kernels
    #[arg(long)]
    no_autotune: bool,
    /// Skip the check before the first run on an adapter
    #[arg(long)]
    no_verify: bool,
}

impl TuningArgs {
    /// The same as arguments of another process.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let flags =
            [("--autotune", self.autotune), ("--no-autotune", self.no_autotune), ("--no-verify", self.no_verify)];
        flags.into_iter().filter_map(|(flag, given)| given.then_some(flag))
    }

    /// The planned run, on an adapter that computes right: with the kernels of the run in `resumed`, or measured ones, or the defaults. `measure`: what is not
    /// known of this adapter yet may be measured.
    pub fn run_plan(
        &self,
        config: Config,
        dataset: &Dataset,
        gpu: &Gpu,
        resumed: Option<&PathBuf>,
        measure: bool,
    ) -> Result<RunPlan, Failure> {
        if measure && !self.no_verify {
            super::first_contact::check(gpu, config.storage)?;
        }
        let mut tuning = Tuning::for_gpu(gpu);
        if let Some(folder) = resumed {
            tuning.measured = Arc::new(RunFolder::read_tuning(folder).map_err(Failure::input)?);
            let run_plan = RunPlan::with_tuning(config, dataset, gpu, tuning).map_err(Failure::input)?;
            let layers = &run_plan.plan.layers;
            let refused = layers.iter().filter(|layer| run_plan.tuning.refuses(&layer.conv, layer.density())).count();
            if refused > 0 {
                eprintln!(
                    "warning: {refused} layers of `{}` were tuned for another adapter or version; they use the default kernels",
                    folder.display()
                );
            }
            return Ok(run_plan);
        }
        let run_plan = RunPlan::with_tuning(config, dataset, gpu, tuning.clone()).map_err(Failure::input)?;
        if self.no_autotune || (gpu.summary.is_software() && !self.autotune) {
            return Ok(run_plan);
        }
        let path = super::cache::folder().join("tuning.json");
        let (mut cache, why) = TuningCache::read(&path);
        if let Some(why) = why {
            eprintln!("warning: {why}");
        }
        let (mut journal, left) = Journal::open(path.parent().unwrap_or(Path::new(".")));
        for attempt in &left {
            eprintln!("warning: {}", cache.learn(attempt));
        }
        if !left.is_empty() {
            keep(&cache, &path);
        }
        if !measure {
            let tuning = cache.apply(gpu, &tuning);
            return RunPlan::with_tuning(run_plan.config, dataset, gpu, tuning).map_err(Failure::input);
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("measuring kernels [{bar:24}] {pos}/{len} {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        let progress = |layer: &str, number: usize, total: usize| {
            bar.set_length(total as u64);
            bar.set_position(number as u64);
            bar.set_message(layer.to_string());
        };
        let measured = pollster::block_on(cache.measure(gpu, &tuning, &run_plan.plan, &mut journal, progress));
        bar.finish_and_clear();
        let measured = measured.map_err(|error| {
            keep(&cache, &path);
            let what = match error {
                GpuError::Lost { .. } => {
                    "measuring kernels lost the GPU; the kernel that ran is left out from now on: start again, \
                     or use the default kernels with --no-autotune"
                }
                _ => "measuring kernels failed (--no-autotune uses the default ones)",
            };
            Failure::run(anyhow::Error::new(error).context(what))
        })?;
        for failed in &measured.failed {
            eprintln!("warning: a kernel that this driver refuses or gets wrong is left out: {failed}");
        }
        if measured.layers > 0 {
            keep(&cache, &path);
        }
        let tuning = cache.apply(gpu, &tuning);
        RunPlan::with_tuning(run_plan.config, dataset, gpu, tuning).map_err(Failure::input)
    }
}

/// The measurements serve this run even where they cannot be kept.
fn keep(cache: &TuningCache, path: &Path) {
    if let Err(error) = cache.write(path) {
        eprintln!("warning: {error}; the kernels will be measured again next time");
    }
}
