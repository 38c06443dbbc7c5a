//! A run that is looked at: the score of its network.

use std::path::{Path, PathBuf};

use crate::data::Dataset;
use crate::gpu::Gpu;
use crate::ops::Tuning;
use crate::train::trainer::{BEST, LAST};
use crate::train::{Config, Listener, RunPlan, Score, SessionError, TrainError, Trainer};
use crate::train::{RunData, first_set};

/// Which of a run's checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Best,
    Last,
}

impl Which {
    fn file(self) -> &'static str {
        match self {
            Self::Best => BEST,
            Self::Last => LAST,
        }
    }
}

/// Which images that were not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    Validation,
    Test,
}

impl Unseen {
    /// Their numbers.
    fn images(self, run_plan: &RunPlan, dataset: &Dataset) -> Result<Vec<u32>, SessionError> {
        let images = match self {
            Self::Validation => run_plan.split.val.clone(),
            Self::Test => run_plan.test_images(dataset),
        };
        if images.is_empty() { Err(SessionError::EmptySplit) } else { Ok(images) }
    }
}

/// The score of a trained network.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation {
    pub score: Score,
    /// Over how many images.
    pub images: usize,
    /// The step after which the network was as it was scored.
    pub step: usize,
}

/// A run that is only looked at, whoever trains in its folder.
pub struct Trained {
    pub config: Config,
    folder: PathBuf,
    /// The command that says where the data is now, if it was moved.
    elsewhere: String,
}

impl Trained {
    /// The run in `folder`, whose data may have been moved to `data`. `elsewhere` is the command that says so.
    ///
    /// # Errors
    /// When there is no run.
    pub fn open(folder: &Path, data: Option<String>, elsewhere: String) -> Result<Self, SessionError> {
        let run = Config::of_run(folder)?;
        let config = Config { data: data.unwrap_or_else(|| run.data.clone()), ..run };
        Ok(Self { config, folder: folder.into(), elsewhere })
    }

    /// Loads the run's data: the very images that it began with.
    ///
    /// # Errors
    /// When it cannot be read, or is not what the run began with.
    pub fn load(&self, listener: &mut dyn Listener) -> Result<RunData, SessionError> {
        RunData::load_again(&self.folder, &self.config, &self.elsewhere, listener)
    }

    /// The run's plan on `gpu`, with the default kernels and the first set that the run keeps.
    ///
    /// # Errors
    /// When there can be no such run on it, or its first set cannot be read.
    pub fn run_plan(&self, data: &RunData, gpu: &Gpu) -> Result<RunPlan, SessionError> {
        let first = first_set::kept(&self.folder, &self.config, &data.dataset).map_err(SessionError::Start)?;
        Ok(RunPlan::with(self.config.clone(), first, &data.dataset, gpu, Tuning::for_gpu(gpu))?)
    }

    /// Scores the network that `which` checkpoint holds.
    ///
    /// # Errors
    /// When there are no such images, the checkpoint is not of this run, or the device fails.
    pub async fn evaluate(
        &self,
        gpu: Gpu,
        run_plan: &RunPlan,
        data: &RunData,
        (which, unseen): (Which, Unseen),
    ) -> Result<Evaluation, SessionError> {
        let images = unseen.images(run_plan, &data.dataset)?;
        let restored = async {
            let mut trainer = Trainer::new(gpu, run_plan, &data.dataset, &mut ()).await?;
            trainer.restore(&self.folder.join(which.file()))?;
            Ok::<_, TrainError>(trainer)
        };
        let mut trainer = restored.await.map_err(SessionError::Start)?;
        let score = trainer.evaluate(&images).await.map_err(SessionError::Evaluation)?;
        Ok(Evaluation { score, images: images.len(), step: trainer.progress.step })
    }
}
