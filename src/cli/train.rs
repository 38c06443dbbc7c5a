//! `itop train`: one run, or with `--dry-run` its plan.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;

use super::flags::{All, KeyFlags};
use super::progress::Progress;
use super::recipe::{self, Origin};
use super::text::{number_are, percent};
use super::tuning::TuningArgs;
use super::{Failure, GpuArgs};
use crate::data;
use crate::gpu::Gpu;
use crate::train::claim::{self, Claim, Taken};
use crate::train::config_builder::ConfigBuilder;
use crate::train::presets::preset;
use crate::train::run_folder::{self, RunFolder, read_config};
use crate::train::{Config, End, Trainer};

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
        self.dry_run
    }

    /// The configuration: defaults, then preset or file (or the run's own), then `--set`, then flags.
    fn config(&self) -> Result<(Config, Origin), Failure> {
        let mut layers = ConfigBuilder::default();
        let mut origin = Origin::Defaults;
        if let (true, Some(out)) = (self.resume, &self.out) {
            layers.run(out).map_err(Failure::input)?;
            origin = Origin::Named("the run's own".into());
        } else if let Some(path) = &self.config {
            let text = read_config(path).with_context(|| format!("cannot read `{}`", path.display()));
            layers.text(&path.display().to_string(), &text.map_err(Failure::input)?).map_err(Failure::input)?;
            origin = Origin::Named(path.display().to_string());
        } else if let Some(name) = self.preset_name() {
            layers = preset(name).map_err(Failure::input)?;
            origin = Origin::Preset(name.into());
        }
        for assignment in &self.assignments {
            layers.assign(assignment).map_err(Failure::input)?;
        }
        if self.no_finite_check {
            layers.set("finite_check", false);
        }
        self.keys.lay(&mut layers);
        Ok((layers.finish().map_err(Failure::input)?, origin))
    }

    /// The preset that was asked for, or `quick` if nothing says what to train.
    fn preset_name(&self) -> Option<&str> {
        let nothing = !self.keys.has("model") && !self.keys.has("data");
        self.preset.as_deref().or(nothing.then_some("quick"))
    }
}

pub fn run(args: &TrainArgs) -> Result<(), Failure> {
    let (config, origin) = args.config()?;
    train(Job {
        config,
        origin,
        out: args.out.as_ref(),
        resume: args.resume,
        beside: None,
        dry_run: args.dry_run,
        tensorboard: args.tensorboard,
        report: !args.no_report,
        end_by_input: false,
        claimed: false,
        tuning: &args.tuning,
        gpu: &args.gpu,
    })
}

/// One run: what, where, and on what.
pub struct Job<'a> {
    pub config: Config,
    /// Where the configuration comes from.
    pub origin: Origin,
    /// None: the first free folder under `runs`.
    pub out: Option<&'a PathBuf>,
    /// Go on with the run in `out`.
    pub resume: bool,
    /// The folder of a run that must have the same images, if one is given.
    pub beside: Option<PathBuf>,
    pub dry_run: bool,
    pub tensorboard: bool,
    pub report: bool,
    /// A line on the standard input is as Ctrl-C.
    pub end_by_input: bool,
    /// The caller holds the claim on `out`.
    pub claimed: bool,
    pub tuning: &'a TuningArgs,
    pub gpu: &'a GpuArgs,
}

/// Takes `run` for this process.
fn take(run: &Path) -> Result<Claim, Failure> {
    if let Some(owner) = claim::unknown(run) {
        eprintln!(
            "{owner} was the last to train in `{}`: watching for {} s whether it still does",
            run.display(),
            claim::STALE.as_secs()
        );
    }
    match Claim::take(run, claim::STALE, lost).map_err(Failure::input)? {
        Taken::Mine(claim) => Ok(claim),
        Taken::Busy(owner) => {
            let run = run.display();
            Err(Failure::busy(anyhow!(
                "another process trains in `{run}` ({owner}); wait until it ends, or end it first"
            )))
        }
    }
}

/// Anything written from here on would be over another process's files.
pub fn lost() {
    eprintln!(
        "error: the run folder is no longer this process's: another one took it (this one may have been silent for long), or it \
         was moved or removed"
    );
    std::process::exit(75);
}

/// Trains to the end or an interruption.
pub fn train(job: Job) -> Result<(), Failure> {
    let Job {
        mut config,
        origin,
        out,
        resume,
        beside,
        dry_run,
        tensorboard,
        report,
        end_by_input,
        claimed,
        tuning,
        gpu: adapter,
    } = job;
    // The run's folder may be opened from anywhere.
    config.data = data::absolute(&config.data);
    let mut before = None;
    let mut claim = None;
    match out {
        Some(out) if resume => {
            if !claimed && !dry_run {
                claim = Some(take(out)?);
            }
            let run = Config::of_run(out).map_err(Failure::input)?;
            run.check_resume(&config).map_err(Failure::input)?;
            let done = RunFolder::epochs_done(out).map_err(Failure::input)?;
            if done > config.total_epochs() {
                let least = done.div_ceil(config.multiplier);
                return Err(Failure::input(anyhow!(
                    "`{}`: {} done already, and the run is to have {}: ask for {least} or more by --epochs, or start another run",
                    out.display(),
                    number_are(done, "epoch"),
                    config.total_epochs()
                )));
            }
            before = Some(run).filter(|run| *run != config);
        }
        Some(out) if !dry_run => RunFolder::check_free(out).map_err(Failure::input)?,
        _ => {}
    }
    let (dataset, record) = match out {
        Some(out) if resume => {
            let elsewhere = run_folder::resume(out, &["--data".into(), "PATH".into()]);
            super::data::load_again(out, &config, &elsewhere)?
        }
        _ => super::data::load(&config)?,
    };
    if let Some(other) = beside {
        super::data::check_alike(&other, &record)?;
    }
    let gpu = adapter.open()?;
    let run_plan = tuning.run_plan(config, &dataset, &gpu, out.filter(|_| resume), !dry_run)?;
    for warning in run_plan.warnings() {
        eprintln!("warning: {warning}");
    }
    if dry_run {
        print!("{}", super::dry_run::describe(&run_plan, &dataset, &gpu, &origin));
        return Ok(());
    }
    let config = &run_plan.config;
    print!("{}", recipe::lines(&run_plan, &dataset, &origin));
    let interrupted = super::interruption()?;
    if end_by_input {
        super::interrupt_by_input(interrupted.clone());
    }
    let mut progress = Progress::new(&run_plan, interrupted);
    let trainer = pollster::block_on(Trainer::new(gpu, &run_plan, &dataset, &mut progress));
    let mut trainer = trainer.map_err(Failure::start)?;

    let mut folder = match (out, resume) {
        (Some(out), true) => {
            let mut folder = RunFolder::open(out).map_err(Failure::input)?;
            match trainer.resume(&mut folder).map_err(Failure::start)? {
                true => println!("resuming at step {} of {}", trainer.progress.step, run_plan.total_steps()),
                false => println!("the run ended before its first checkpoint: it starts again at step 0"),
            }
            if let Some(other) = trainer.other_adapter() {
                eprintln!("warning: the run was on {other}; another adapter's results differ in their last digits");
            }
            if let Some(before) = &before {
                super::resume::notes(before, &trainer).iter().for_each(|note| println!("{note}"));
                folder.write("config.toml", config.to_toml().as_bytes()).map_err(Failure::input)?;
            }
            folder
        }
        (out, _) => {
            trainer.initialise();
            let path = match out {
                Some(out) => out.clone(),
                None => RunFolder::make_free(&Path::new("runs").join(config.run_name())).map_err(Failure::input)?,
            };
            if !claimed {
                claim = Some(take(&path)?);
            }
            RunFolder::create(&path, &config.to_toml(), &record, &run_plan.tuning.measured).map_err(Failure::input)?
        }
    };
    if tensorboard {
        folder.tensorboard(trainer.progress.step).map_err(Failure::input)?;
    }
    println!("run folder: {}", folder.path().display());

    let reopen = async || Gpu::open(&adapter.options()).await;
    let end = pollster::block_on(trainer.run_on(reopen, &mut folder, &mut progress));
    progress.finish();
    let kept = |error: anyhow::Error| {
        let path = folder.path().join("last.safetensors");
        if !folder.path().is_dir() {
            return Failure::run(error.context(format!("the run's folder `{}` is gone", folder.path().display())));
        }
        Failure::run(match path.exists() {
            true => error.context(format!("the run stopped; its last checkpoint is `{}`", path.display())),
            false => error.context("the run stopped before its first checkpoint"),
        })
    };
    match end.map_err(|error| kept(error.into()))? {
        End::Interrupted => {
            let mut flags = adapter.flags();
            flags.extend(tensorboard.then(|| "--tensorboard".into()));
            println!("interrupted; resume with: {}", run_folder::resume(folder.path(), &flags));
            claim.into_iter().for_each(|claim| claim.end("interrupted"));
            Err(Failure::interrupted())
        }
        End::Finished => {
            let summary = pollster::block_on(trainer.finish(&folder)).map_err(|error| kept(error.into()))?;
            println!(
                "test accuracy {}, test loss {:.4} (epoch {}); ITOP rate {:.4}; {:.0} img/s, {:.0} s of training",
                percent(summary.test_accuracy),
                summary.test_loss,
                summary.best_epoch,
                summary.itop_rate,
                summary.images_per_second,
                summary.seconds_training
            );
            println!("summary: {}", folder.path().join("summary.json").display());
            if report {
                // The run is done and kept, whatever becomes of its picture.
                match super::report::write(crate::report::read(folder.path()), folder.path()) {
                    Ok(path) => println!("report: {}", path.display()),
                    Err(error) => eprintln!("warning: no report: {error}"),
                }
            }
            claim.into_iter().for_each(|claim| claim.end("done"));
            Ok(())
        }
    }
}
