//! Which kernels a run takes: those that it began with, measured ones, or the defaults.

use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::data::Dataset;
use crate::gpu::{Gpu, GpuError};
use crate::ops::Tuning;
use crate::train::autotune::TuningCache;
use crate::train::first_set::FirstSet;
use crate::train::kernels::tuning_budget::{Budget, GPU_SECONDS};
use crate::train::run_folder::{FolderError, RunFolder};
use crate::train::tuning_journal::Journal;
use crate::train::{Config, Listener, RunPlan, RunPlanError};

/// Where the kernels of a run come from.
#[derive(Clone, Copy, Debug)]
pub enum Kernels<'a> {
    /// The defaults for the adapter.
    Default,
    /// Those of the run in this folder, which goes on with them.
    OfRun(&'a Path),
    /// The fastest ones, as far as they are known.
    Measured {
        /// The file that keeps what was measured.
        cache: &'a Path,
        /// What is not known of this adapter yet is measured now.
        now: bool,
    },
}

/// How the user wants kernels chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Autotune {
    /// Measured on GPUs; on software, where that takes minutes, the defaults.
    #[default]
    Gpus,
    Always,
    Never,
}

impl<'a> Kernels<'a> {
    /// The policy: a run goes on with its own kernels; a new one takes what was measured, or the defaults where measuring takes
    /// longer than it is worth.
    pub fn of(resumed: Option<&'a Path>, wish: Autotune, gpu: &Gpu, cache: &'a Path, now: bool) -> Self {
        match (resumed, wish) {
            (Some(folder), _) => Self::OfRun(folder),
            (None, Autotune::Never) => Self::Default,
            (None, Autotune::Gpus) if gpu.summary.is_software() => Self::Default,
            (None, Autotune::Gpus | Autotune::Always) => Self::Measured { cache, now },
        }
    }
}

/// Kernels that could not be chosen.
#[derive(Debug, Error)]
pub enum ChoiceError {
    #[error(transparent)]
    RunPlan(#[from] RunPlanError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("{}", what(.0))]
    Measuring(#[source] GpuError),
}

fn what(error: &GpuError) -> &'static str {
    match error {
        GpuError::Lost { .. } => {
            "measuring kernels lost the GPU; the kernel that ran is left out from now on: start again, or take the default kernels \
             with --no-autotune"
        }
        _ => "measuring kernels failed (--no-autotune takes the default ones)",
    }
}

/// Plans the run of `config`, which starts with `first` if that is given, with `kernels`. `listener` hears of what is measured, and of what is left out.
///
/// # Errors
/// When there can be no such run, or measuring fails.
pub async fn plan(
    config: Config,
    first: Option<Arc<FirstSet>>,
    dataset: &Dataset,
    gpu: &Gpu,
    kernels: Kernels<'_>,
    listener: &mut dyn Listener,
) -> Result<RunPlan, ChoiceError> {
    let default = Tuning::for_gpu(gpu);
    let planned = |config, tuning| Ok(RunPlan::with(config, first.clone(), dataset, gpu, tuning)?);
    let (path, now) = match kernels {
        Kernels::Default => return planned(config, default),
        Kernels::OfRun(folder) => {
            let measured = Arc::new(RunFolder::read_tuning(folder)?);
            let run_plan = planned(config, Tuning { measured, ..default })?;
            warn_of_refused(&run_plan, folder, listener);
            return Ok(run_plan);
        }
        Kernels::Measured { cache, now } => (cache, now),
    };
    let run_plan = planned(config, default.clone())?;
    let (mut cache, why) = TuningCache::read(path);
    if let Some(why) = why {
        listener.warning(&why.to_string());
    }
    let (mut journal, left) = Journal::open(path.parent().unwrap_or(Path::new(".")));
    for attempt in &left {
        listener.warning(&cache.learn(attempt));
    }
    if !left.is_empty() {
        keep(&cache, path, listener);
    }
    if now {
        let progress = |layer: &str, number: usize, total: usize| listener.measuring(layer, number, total);
        // On software, where somebody asked for it, as long as it takes.
        let budget = if gpu.summary.is_software() { Budget::endless() } else { Budget::seconds(GPU_SECONDS) };
        let measured = cache.measure(gpu, &default, &run_plan.plan, (&mut journal, &budget), progress).await;
        let measured = measured.map_err(|error| {
            keep(&cache, path, listener);
            ChoiceError::Measuring(error)
        })?;
        for failed in &measured.failed {
            listener.warning(&format!("a kernel that this driver refuses or gets wrong is left out: {failed}"));
        }
        if measured.shapes > 0 {
            keep(&cache, path, listener);
            listener.measured(&measured);
        }
    }
    planned(run_plan.config, cache.apply(gpu, &default))
}

/// Says how many layers cannot have the kernels that the run in `folder` began with.
fn warn_of_refused(run_plan: &RunPlan, folder: &Path, listener: &mut dyn Listener) {
    let layers = &run_plan.plan.layers;
    let refused = layers.iter().filter(|layer| run_plan.tuning.refuses(&layer.conv, layer.density())).count();
    if refused > 0 {
        listener.warning(&format!(
            "{refused} layers of `{}` were tuned for another adapter or version; they take the default kernels",
            folder.display()
        ));
    }
}

/// The measurements serve this run even where they cannot be kept.
fn keep(cache: &TuningCache, path: &Path, listener: &mut dyn Listener) {
    if let Err(error) = cache.write(path) {
        listener.warning(&format!("{error}; the kernels will be measured again next time"));
    }
}
