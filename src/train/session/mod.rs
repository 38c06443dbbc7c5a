//! The life of one run, for all who train: its folder is opened or made, it goes on from its checkpoint, trains, and is tested.
//!
//! [`Opening`] is a run before it has a device: it looks at the folder, takes it for this process, and loads the data. The
//! caller chooses the device and the kernels, and may stop there (a dry run). [`Session`] is the run from then on.

mod changes;
mod outcome;
mod run_data;
pub mod trained;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data;
use crate::gpu::{Gpu, GpuError};
use crate::sparsity::expected::Explored;
use crate::train::checkpoint;
use crate::train::config_builder::ConfigBuilder;
use crate::train::first_set::{self, FirstSet};
use crate::train::run_folder::{self, Memory, RunFolder, Summary};
use crate::train::trainer::LAST;
use crate::train::{Config, ConfigError, End, Listener, RunPlan, Trainer};
pub use outcome::{Outcome, SessionError};
pub use run_data::RunData;

#[cfg(not(target_arch = "wasm32"))]
use crate::train::claim::Claim;

/// A browser's memory is nobody else's.
#[cfg(target_arch = "wasm32")]
enum Claim {}

/// Where a new run is kept.
pub enum Target {
    /// A folder that holds no run yet.
    Folder(PathBuf),
    /// The first free folder below this one that is named after the run.
    Below(PathBuf),
    /// In memory, where there is no disk.
    Memory(Memory),
}

/// Who keeps other processes out of the run folder.
#[derive(Clone, Copy)]
pub enum Hold {
    /// The session; the function is called (on another thread) when another process took the folder over.
    Session(fn()),
    /// The caller, who has the claim already.
    Caller,
    /// Nobody: nothing will be written (a dry run), or no other process knows the folder.
    Nobody,
}

enum Place {
    New(Target),
    Old {
        folder: PathBuf,
        /// The command that says where the data is now, if it was moved.
        elsewhere: String,
    },
}

/// A run that is asked for.
pub struct Opening {
    pub config: Config,
    place: Place,
    hold: Hold,
    claim: Option<Claim>,
    /// The configuration that the run had until now, where it is to go on by another one.
    before: Option<Config>,
}

impl Opening {
    /// A run that begins. Nothing is written before [`Session::start`].
    ///
    /// # Errors
    /// When the folder holds a run.
    pub fn new_run(config: Config, target: Target, hold: Hold) -> Result<Self, SessionError> {
        if let (Target::Folder(folder), Hold::Session(_) | Hold::Caller) = (&target, hold) {
            RunFolder::check_free(folder)?;
        }
        let config = match &target {
            Target::Memory(_) => config,
            Target::Folder(folder) | Target::Below(folder) => {
                // The run's folder may be opened from anywhere.
                let config = with_absolute_paths(config);
                data::check_outside(&config.source(), folder)?;
                config
            }
        };
        Ok(Self { config, place: Place::New(target), hold, claim: None, before: None })
    }

    /// The run in `folder`, to go on with; `change` lays on top of its configuration what is to be different.
    ///
    /// # Errors
    /// When there is no run, another process trains in it, or what is to be different cannot be.
    pub fn resume(
        folder: &Path,
        hold: Hold,
        listener: &mut dyn Listener,
        change: impl FnOnce(ConfigBuilder) -> Result<Config, ConfigError>,
    ) -> Result<Self, SessionError> {
        // Before the configuration is read, which the process before this one may have changed; a claim would make a folder.
        let claim = match hold {
            Hold::Session(lost) if RunFolder::occupied(folder) => take(folder, lost, listener)?,
            Hold::Session(_) | Hold::Caller | Hold::Nobody => None,
        };
        let mut layers = ConfigBuilder::default();
        layers.run(folder)?;
        let before = layers.clone().finish()?;
        let config = with_absolute_paths(change(layers)?);
        before.check_resume(&config)?;
        let (done, epochs) = (RunFolder::epochs_done(folder)?, config.total_epochs());
        if done > epochs {
            let least = done.div_ceil(config.epoch_multiplier);
            return Err(SessionError::TooFar { run: folder.into(), done, epochs, least });
        }
        let before = Some(before).filter(|before| *before != config);
        let elsewhere = run_folder::resume(folder, &["--data".into(), "PATH".into()]);
        Ok(Self { config, place: Place::Old { folder: folder.into(), elsewhere }, hold, claim, before })
    }

    /// The folder of a run that was there before.
    pub fn resumed(&self) -> Option<&Path> {
        match &self.place {
            Place::Old { folder, .. } => Some(folder),
            Place::New(_) => None,
        }
    }

    /// What the run has explored, if it goes on by another schedule of updates than it began with; `run_plan` is by the new one.
    ///
    /// # Errors
    /// When its last checkpoint cannot be read, or is not of this run.
    pub fn explored(&self, run_plan: &RunPlan) -> Result<Option<Explored>, SessionError> {
        let Some(last) = self.resumed().map(|folder| folder.join(LAST)).filter(|last| last.exists()) else {
            return Ok(None);
        };
        let (plan, schedule) = (&run_plan.plan, run_plan.update_schedule());
        let explored = checkpoint::explored_before(&last, plan, &run_plan.graph, schedule);
        explored.map_err(|error| SessionError::Start(error.into()))
    }

    /// The run's first set, where that is more than a draw: the one that its folder keeps, or else found on `gpu`.
    ///
    /// # Errors
    /// When the kept one cannot be read, or none is found.
    pub async fn first_set(
        &self,
        data: &RunData,
        gpu: &Gpu,
        listener: &mut dyn Listener,
    ) -> Result<Option<Arc<FirstSet>>, SessionError> {
        let (config, dataset) = (&self.config, &data.dataset);
        if let Some(folder) = self.resumed() {
            return first_set::kept(folder, config, dataset).map_err(SessionError::Start);
        }
        first_set::find(config, dataset, gpu, listener).await.map_err(SessionError::Start)
    }

    /// Loads the run's data: the very images that it began with, if it did.
    ///
    /// # Errors
    /// When it cannot be read, or is not what the run began with.
    pub fn load(&self, listener: &mut dyn Listener) -> Result<RunData, SessionError> {
        match &self.place {
            Place::Old { folder, elsewhere } => RunData::load_again(folder, &self.config, elsewhere, listener),
            Place::New(_) => Ok(RunData::load(&self.config)?),
        }
    }
}

fn with_absolute_paths(config: Config) -> Config {
    let mask = match config.mask.is_empty() {
        true => String::new(),
        false => data::absolute(&config.mask),
    };
    Config { data: data::absolute(&config.data), mask, ..config }
}

/// Takes the run folder `run` for this process.
#[cfg(not(target_arch = "wasm32"))]
fn take(run: &Path, lost: fn(), listener: &mut dyn Listener) -> Result<Option<Claim>, SessionError> {
    use crate::train::claim::{self, Taken};
    if let Some(why) = claim::doubt(run) {
        listener.watching(&why, claim::STALE);
    }
    match Claim::take(run, claim::STALE, lost)? {
        Taken::Mine(claim) => Ok(Some(claim)),
        Taken::Busy(owner) => Err(SessionError::Busy { run: run.into(), owner }),
    }
}

#[cfg(target_arch = "wasm32")]
fn take(_run: &Path, _lost: fn(), _listener: &mut dyn Listener) -> Result<Option<Claim>, SessionError> {
    Ok(None)
}

/// A run on a device, with its folder.
pub struct Session<'a> {
    pub trainer: Trainer<'a>,
    folder: RunFolder,
    claim: Option<Claim>,
}

impl<'a> Session<'a> {
    /// Puts the run of `opening` on `gpu`, by `run_plan`: at its last checkpoint, or at its start. The folder is made where
    /// there was none.
    ///
    /// # Errors
    /// When the device or the folder does not do, or the checkpoint is not of this run.
    pub async fn start(
        opening: Opening,
        gpu: Gpu,
        run_plan: &'a RunPlan,
        data: &'a RunData,
        listener: &mut dyn Listener,
    ) -> Result<Self, SessionError> {
        let Opening { place, hold, claim, before, .. } = opening;
        let mut trainer = Trainer::new(gpu, run_plan, &data.dataset, listener).await.map_err(SessionError::Start)?;
        match place {
            Place::Old { folder, .. } => {
                let folder = go_on(&mut trainer, &folder, before.as_ref(), listener)?;
                Ok(Self { trainer, folder, claim })
            }
            Place::New(target) => {
                trainer.initialise();
                let (folder, claim) = Self::create(&trainer, target, hold, data, listener).await?;
                Ok(Self { trainer, folder, claim })
            }
        }
    }

    /// Makes the folder of a new run, and takes it for this process.
    async fn create(
        trainer: &Trainer<'_>,
        target: Target,
        hold: Hold,
        data: &RunData,
        listener: &mut dyn Listener,
    ) -> Result<(RunFolder, Option<Claim>), SessionError> {
        let (config, tuning) = (&trainer.run_plan.config, &trainer.run_plan.tuning.measured);
        let (name, text) = (config.run_name(), config.to_toml()?);
        let first =
            trainer.run_plan.first.as_ref().map(|first| first.files(config.init().name(), &trainer.run_plan.graph));
        let first = first.transpose().map_err(|error| SessionError::FirstSet(error.to_string()))?.unwrap_or_default();
        let path = match target {
            Target::Folder(path) => path,
            Target::Below(runs) => RunFolder::make_free(&runs.join(name))?,
            Target::Memory(memory) => {
                let folder = RunFolder::in_memory(&name, memory, &text, (&data.record, first.as_slice()), tuning)?;
                // Taken as it is now, the folder can be gone on with.
                folder.write(LAST, &trainer.capture().await.map_err(SessionError::Start)?)?;
                return Ok((folder, None));
            }
        };
        let claim = match hold {
            Hold::Session(lost) => take(&path, lost, listener)?,
            Hold::Caller | Hold::Nobody => None,
        };
        Ok((RunFolder::create(&path, &text, (&data.record, first.as_slice()), tuning)?, claim))
    }

    /// The run's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes TensorBoard event files too, from here on.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn tensorboard(&mut self) -> Result<(), SessionError> {
        Ok(self.folder.tensorboard(self.trainer.progress.step)?)
    }

    /// Trains until the last step is done or `listener` interrupts; after a lost device on one from `open`.
    ///
    /// # Errors
    /// When the run cannot go on; the last checkpoint stays.
    pub async fn run(
        &mut self,
        open: impl AsyncFn() -> Result<Gpu, GpuError>,
        listener: &mut dyn Listener,
    ) -> Result<End, SessionError> {
        let done = self.trainer.run_on(open, &mut self.folder, listener).await;
        done.map_err(|error| SessionError::stopped(&self.folder, error))
    }

    /// Tests the best epoch of a run that is done, and writes its summary.
    ///
    /// # Errors
    /// When the device or the folder fails.
    pub async fn finish(&mut self) -> Result<Summary, SessionError> {
        let done = self.trainer.finish(&self.folder).await;
        done.map_err(|error| SessionError::stopped(&self.folder, error))
    }

    /// [`Session::run`], and [`Session::finish`] if that got to the last step.
    ///
    /// # Errors
    /// As theirs.
    pub async fn run_to_end(
        &mut self,
        open: impl AsyncFn() -> Result<Gpu, GpuError>,
        listener: &mut dyn Listener,
    ) -> Result<Outcome, SessionError> {
        match self.run(open, listener).await? {
            End::Interrupted => Ok(Outcome::Interrupted),
            End::Finished => {
                listener.trained();
                Ok(Outcome::Finished(Box::new(self.finish().await?)))
            }
        }
    }

    /// Gives the folder back, and notes in it how the run ended.
    pub fn close(self, outcome: &Outcome) {
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(claim) = self.claim {
            claim.end(outcome.word());
        }
        #[cfg(target_arch = "wasm32")]
        let _ = (self.claim, outcome);
    }
}

/// Puts the state of the run in `path` on the device, and says what there is to know of that.
fn go_on(
    trainer: &mut Trainer<'_>,
    path: &Path,
    before: Option<&Config>,
    listener: &mut dyn Listener,
) -> Result<RunFolder, SessionError> {
    let mut folder = RunFolder::open(path)?;
    match trainer.resume(&mut folder).map_err(SessionError::Start)? {
        true => {
            let (step, steps) = (trainer.progress.step, trainer.run_plan.total_steps());
            listener.note(&format!("resuming at step {step} of {steps}"));
        }
        false => listener.note("the run ended before its first checkpoint: it starts again at step 0"),
    }
    if let Some(other) = trainer.other_adapter() {
        let text = format!("the run was on {other}; another adapter's results differ in their last digits");
        listener.warning(&text);
    }
    if let Some(before) = before {
        changes::notes(before, trainer).iter().for_each(|note| listener.note(note));
        folder.write("config.toml", trainer.run_plan.config.to_toml()?.as_bytes())?;
    }
    Ok(folder)
}
