//! `itop train`: one run, or with `--dry-run` its plan.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::flags::{All, KeyFlags};
use super::progress::{Plain, Progress};
use super::recipe::{self, Origin};
use super::text::percent;
use super::tuning::TuningArgs;
use super::{Exit, Failure, GpuArgs, methods};
use crate::gpu::{Gpu, GpuOptions};
use crate::train::config_builder::ConfigBuilder;
use crate::train::presets::preset;
use crate::train::run_folder::{self, Summary, read_config};
use crate::train::{Config, ConfigError, Hold, Opening, Outcome, RunData, RunPlan, Session, Target};

#[derive(Args)]
pub struct TrainArgs {
    /// A named recipe (default: `quick`, unless --model or --data is given); --dry-run prints it
    #[arg(long, conflicts_with = "config", value_name = "NAME")]
    preset: Option<String>,
    /// A TOML file with a configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key of the configuration, such as `lr_schedule.gamma=0.2`; may be repeated; flags override it
    #[arg(long = "set", value_name = "KEY=VALUE")]
    assignments: Vec<String>,
    /// Folder of the run [default: runs/NAME, numbered if taken]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Resume the run in --out
    #[arg(long, requires = "out", conflicts_with_all = ["preset", "config"])]
    resume: bool,
    /// Also write TensorBoard event files into the run folder
    #[arg(long)]
    tensorboard: bool,
    /// The same as --finite-check false
    #[arg(long)]
    no_finite_check: bool,
    /// Do not write report.html at the end
    #[arg(long)]
    no_report: bool,
    /// Print the recipe, the plan and the cost of the run, without training
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    keys: KeyFlags<All>,
    #[command(flatten)]
    tuning: TuningArgs,
    #[command(flatten)]
    gpu: GpuArgs,
}

impl TrainArgs {
    /// Whether it only prints.
    pub fn only_prints(&self) -> bool {
        self.dry_run || self.keys.asks("method")
    }

    /// The run that is asked for, and where its configuration comes from: defaults, then preset or file (or the run's own), then
    /// `--set`, then flags.
    fn opening(&self) -> Result<(Opening, Origin), Failure> {
        let hold = if self.dry_run { Hold::Nobody } else { Hold::Session(lost) };
        if let (true, Some(out)) = (self.resume, &self.out) {
            let opening = Opening::resume(out, hold, &mut Plain, |layers| self.lay_on(layers))?;
            return Ok((opening, Origin::Named("the run's own".into())));
        }
        let mut layers = ConfigBuilder::default();
        let mut origin = Origin::Defaults;
        if let Some(path) = &self.config {
            let text = read_config(path).with_context(|| format!("cannot read `{}`", path.display()));
            layers.text(&path.display().to_string(), &text.map_err(Failure::input)?).map_err(Failure::input)?;
            origin = Origin::Named(path.display().to_string());
        } else if let Some(name) = self.preset_name() {
            layers = preset(name).map_err(Failure::input)?;
            origin = Origin::Preset(name.into());
        }
        let config = self.lay_on(layers).map_err(Failure::input)?;
        let target = self.out.clone().map_or_else(|| Target::Below("runs".into()), Target::Folder);
        Ok((Opening::new_run(config, target, hold)?, origin))
    }

    /// `layers` with `--set` and flags on top.
    fn lay_on(&self, mut layers: ConfigBuilder) -> Result<Config, ConfigError> {
        for assignment in &self.assignments {
            layers.assign(assignment)?;
        }
        if self.no_finite_check {
            layers.set("finite_check", false);
        }
        self.keys.lay(&mut layers);
        layers.finish()
    }

    /// The preset that was asked for, or `quick` if nothing says what to train.
    fn preset_name(&self) -> Option<&str> {
        let nothing = !self.keys.has("model") && !self.keys.has("data");
        self.preset.as_deref().or(nothing.then_some("quick"))
    }
}

pub fn run(args: &TrainArgs) -> Result<(), Failure> {
    if args.keys.asks("method") {
        print!("{}", methods::list());
        return Ok(());
    }
    let (opening, origin) = args.opening()?;
    let job = Job {
        opening,
        origin,
        beside: None,
        tensorboard: args.tensorboard,
        report: !args.no_report,
        end_by_input: false,
        tuning: &args.tuning,
        gpu: &args.gpu,
    };
    if args.dry_run { dry_run(&job) } else { Failure::of(&train(job)?) }
}

/// One run: what, where, and on what.
pub struct Job<'a> {
    pub opening: Opening,
    /// Where the configuration comes from.
    pub origin: Origin,
    /// The folder of a run that must have the same images, if one is given.
    pub beside: Option<PathBuf>,
    pub tensorboard: bool,
    pub report: bool,
    /// A line on the standard input is as Ctrl-C.
    pub end_by_input: bool,
    pub tuning: &'a TuningArgs,
    pub gpu: &'a GpuArgs,
}

impl Job<'_> {
    /// Everything that the run needs before it starts. `measure`: kernels may be measured.
    fn prepare(&self, measure: bool) -> Result<(RunData, Gpu, RunPlan), Failure> {
        let data = self.opening.load(&mut Plain)?;
        if let Some(other) = &self.beside {
            data.check_alike(other)?;
        }
        let gpu = self.gpu.open()?;
        let config = self.opening.config.clone();
        let first = match measure || self.opening.resumed().is_some() {
            true => pollster::block_on(self.opening.first_set(&data, &gpu, &mut Plain))?,
            false => None,
        };
        let mut run_plan = self.tuning.run_plan(config, first, &data.dataset, &gpu, self.opening.resumed(), measure)?;
        run_plan.explored = self.opening.explored(&run_plan)?;
        run_plan.warnings().iter().for_each(|warning| message!("warning: {warning}"));
        Ok((data, gpu, run_plan))
    }
}

/// Anything written from here on would be over another process's files.
pub fn lost() {
    eprintln!(
        "error: the run folder is no longer this process's: another one took it (this one may have been silent for long), or it \
         was moved or removed"
    );
    Exit::Busy.now();
}

/// Prints what the run would be.
fn dry_run(job: &Job) -> Result<(), Failure> {
    let (data, gpu, run_plan) = job.prepare(false)?;
    print!("{}", super::dry_run::describe(&run_plan, &data.dataset, &gpu, &job.origin));
    Ok(())
}

/// Trains to the end or an interruption.
pub fn train(job: Job) -> Result<Outcome, Failure> {
    let (data, gpu, run_plan) = job.prepare(true)?;
    let Job { opening, origin, tensorboard, report, end_by_input, gpu: adapter, .. } = job;
    print!("{}", recipe::lines(&run_plan, &data.dataset, &origin));
    let interrupted = super::interruption()?;
    if end_by_input {
        super::interrupt_by_input(interrupted.clone());
    }
    let mut progress = Progress::new(&run_plan, interrupted);
    // The same device once more, should it be lost.
    let options = GpuOptions { unchecked_buffers: gpu.summary.unchecked_buffers, ..adapter.options() };
    let mut session = pollster::block_on(Session::start(opening, gpu, &run_plan, &data, &mut progress))?;
    if tensorboard {
        session.tensorboard()?;
    }
    println!("run folder: {}", session.path().display());

    let reopen = async || Gpu::open(&options).await;
    let outcome = pollster::block_on(session.run_to_end(reopen, &mut progress));
    progress.finish();
    let outcome = outcome?;
    match &outcome {
        Outcome::Interrupted => {
            let mut flags = adapter.flags();
            flags.extend(tensorboard.then(|| "--tensorboard".into()));
            println!("interrupted; resume with: {}", run_folder::resume(session.path(), &flags));
        }
        Outcome::Finished(summary) => {
            finished(summary, session.path());
            if report {
                // The run is done and kept, whatever becomes of its picture.
                match super::report::write(crate::report::read(session.path()), session.path()) {
                    Ok(path) => println!("report: {}", path.display()),
                    Err(error) => message!("warning: no report: {error}"),
                }
            }
        }
    }
    session.close(&outcome);
    Ok(outcome)
}

fn finished(summary: &Summary, folder: &Path) {
    println!(
        "test accuracy {}, test loss {:.4} (epoch {}); ITOP rate {:.4}; {:.0} img/s, {:.0} s of training",
        percent(summary.test_accuracy),
        summary.test_loss,
        summary.best_epoch,
        summary.itop_rate,
        summary.images_per_second,
        summary.seconds_training
    );
    println!("summary: {}", folder.join("summary.json").display());
}
