//! Whether kernels are autotuned, and where the measurements are kept.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::data::Dataset;
use crate::gpu::Gpu;
use crate::train::autotune::Measured;
use crate::train::first_set::FirstSet;
use crate::train::kernel_choice::{self, Autotune, Kernels};
use crate::train::{Config, Listener, RunPlan};
use crate::words::number_of;

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

    fn wish(&self) -> Autotune {
        match (self.autotune, self.no_autotune) {
            (true, _) => Autotune::Always,
            (false, true) => Autotune::Never,
            (false, false) => Autotune::Gpus,
        }
    }

    /// Plans the run of `config` on an adapter that computes right, with the kernels of the run in `resumed` if it goes on.
    /// `measure`: what is not known of this adapter yet may be measured.
    pub fn run_plan(
        &self,
        config: Config,
        first: Option<Arc<FirstSet>>,
        dataset: &Dataset,
        gpu: &Gpu,
        resumed: Option<&Path>,
        measure: bool,
    ) -> Result<RunPlan, Failure> {
        self.measured_run_plan(config, first, dataset, gpu, resumed, measure).map(|(run_plan, _)| run_plan)
    }

    /// The same, with what was measured for it, if anything was.
    pub fn measured_run_plan(
        &self,
        config: Config,
        first: Option<Arc<FirstSet>>,
        dataset: &Dataset,
        gpu: &Gpu,
        resumed: Option<&Path>,
        measure: bool,
    ) -> Result<(RunPlan, Option<Measured>), Failure> {
        if measure && !self.no_verify {
            super::first_contact::check(gpu, config.storage)?;
        }
        let cache = super::cache::folder().join("tuning.json");
        let kernels = Kernels::of(resumed, self.wish(), gpu, &cache, measure);
        let mut bar = Bar::default();
        let run_plan = pollster::block_on(kernel_choice::plan(config, first, dataset, gpu, kernels, &mut bar))?;
        Ok((run_plan, bar.measured.take()))
    }
}

/// Shows how far the measurement is.
#[derive(Default)]
struct Bar {
    bar: Option<ProgressBar>,
    measured: Option<Measured>,
}

impl Listener for Bar {
    fn measuring(&mut self, layer: &str, number: usize, total: usize) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("measuring kernels [{bar:24}] {pos}/{len} {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        bar.set_length(total as u64);
        bar.set_position(number as u64);
        bar.set_message(layer.to_string());
    }

    fn measured(&mut self, what: &Measured) {
        self.measured = Some(what.clone());
        let Measured { shapes, candidates, left, seconds, .. } = what;
        let [shapes, candidates] =
            [(*shapes, "layer shape"), (*candidates, "candidate")].map(|(n, what)| number_of(n, what));
        let say = || match left {
            0 => message!("measured {candidates} of {shapes} in {seconds:.1} s"),
            _ => message!("measured {candidates} of {shapes} in {seconds:.1} s; {left} are left for the next start"),
        };
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }

    fn warning(&mut self, text: &str) {
        let say = || message!("warning: {text}");
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
