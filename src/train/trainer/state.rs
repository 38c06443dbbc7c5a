//! The state of a run on the GPU: initialisation, checkpoints, resuming.

use std::io;
use std::path::Path;

use super::{BEST, LAST, Network, TrainError, Trainer};
use crate::train::checkpoint::{self, CheckpointError, Progress};
use crate::train::run_folder::{RunFolder, SCHEMA, read_up_to};

impl Network<'_> {
    /// The first state of every tensor that a checkpoint has, and the index of the first sets.
    fn write_first_state(&self) {
        let plan = &self.plan;
        for entry in checkpoint::entries(plan, &self.run_plan.graph) {
            self.executor.write(entry.slice, &vec![0u8; entry.slice.bytes as usize]);
        }
        if let Some(threshold) = plan.threshold {
            self.executor.write(threshold, &[self.run_plan.config.prune_threshold as f32]);
        }
        let initial = self.run_plan.initial();
        for (slot, values) in plan.params.iter().zip(&initial.values) {
            self.executor.write(slot.value, values);
        }
        for (layer, bits) in plan.layers.iter().zip(&initial.active) {
            if let Some(sparse) = &layer.sparse {
                self.executor.write(sparse.active, bits);
                self.executor.write(sparse.explored, bits);
                self.executor.write(sparse.initial, bits);
            }
        }
        for (number, running) in plan.running.iter().enumerate() {
            let channels = running.bytes as usize / 8;
            let fresh = || [vec![0.0f32; channels], vec![1.0; channels]].concat();
            let values = initial.running.as_ref().map_or_else(fresh, |all| all[number].clone());
            self.executor.write(*running, &values);
        }
        self.executor.submit(&self.programs.index);
    }
}

impl Trainer<'_> {
    /// Puts the initial weights and sets on the GPU.
    pub fn initialise(&mut self) {
        self.drop_what_is_under_way();
        self.network.write_first_state();
        let start = self.run_plan.first_active() as f64 / self.run_plan.prunable() as f64;
        self.progress = Progress {
            schema: SCHEMA,
            itop_rate: start,
            reliable_itop_rate: self.run_plan.reliable_without_updates(),
            run: self.run_plan.config.kept(),
            updates_by: Some(self.run_plan.update_schedule()),
            ..Progress::default()
        };
    }

    /// Drops what the run is at: another state will be on the GPU.
    pub(super) fn drop_what_is_under_way(&mut self) {
        self.observer.drop_questions();
        self.network.forget_order();
    }

    /// Goes on with the run in `folder`: at its last checkpoint (true), or at the start if it was stopped before its first.
    pub fn resume(&mut self, folder: &mut RunFolder) -> Result<bool, TrainError> {
        let kept = self.return_to_last(folder)?;
        let epochs = folder.epochs_logged()?;
        // The first checkpoint follows the first epoch's line: with more of them it was there, and has been taken away.
        if !kept && epochs > 1 {
            let message = format!(
                "it is missing, and {epochs} epochs were done; copy {BEST} there to continue from the best epoch"
            );
            return Err(CheckpointError::Read { path: folder.path().join(LAST), message }.into());
        }
        folder.rewind(self.progress.step)?;
        Ok(kept)
    }

    /// Puts the state of the last checkpoint on the GPU, or the first state if there is none (false).
    pub(super) fn return_to_last(&mut self, folder: &RunFolder) -> Result<bool, TrainError> {
        let kept = folder.holds(LAST);
        if kept {
            self.restore_from(folder, LAST)?;
        } else {
            self.initialise();
        }
        Ok(kept)
    }

    /// Puts a checkpoint's state on the GPU.
    pub fn restore(&mut self, path: &Path) -> Result<(), TrainError> {
        self.restore_with(path, |most| read_up_to(path, most))
    }

    /// The same of a checkpoint in a run folder.
    pub(super) fn restore_from(&mut self, folder: &RunFolder, name: &str) -> Result<(), TrainError> {
        self.restore_with(&folder.path().join(name), |most| folder.read(name, most))
    }

    fn restore_with(&mut self, path: &Path, read: impl FnOnce(u64) -> io::Result<Vec<u8>>) -> Result<(), TrainError> {
        self.drop_what_is_under_way();
        let (plan, graph) = (&self.network.plan, &self.run_plan.graph);
        let check = |progress: &Progress| self.check_continues(path, progress);
        let (progress, explored) = checkpoint::restore(&self.network.executor, plan, graph, path, read, check)?;
        self.progress = progress;
        self.progress.go_by(self.run_plan.update_schedule(), explored);
        self.network.executor.submit(&self.network.programs.index);
        Ok(())
    }

    /// Whether `progress` is of this run, and not beyond its end.
    fn check_continues(&self, path: &Path, progress: &Progress) -> Result<(), CheckpointError> {
        let kept = self.run_plan.config.kept();
        if let Some((key, was)) = progress.run.iter().find(|(key, was)| kept.get(*key) != Some(*was)) {
            let now = kept.get(key).cloned().unwrap_or_else(|| "not known to this version".into());
            return Err(CheckpointError::AnotherRun { path: path.into(), key: key.clone(), was: was.clone(), now });
        }
        let (done, per_epoch) = (progress.step, self.run_plan.steps_per_epoch());
        if done > self.run_plan.total_steps() {
            let (path, epochs, least) = (path.into(), self.run_plan.config.total_epochs(), done.div_ceil(per_epoch));
            return Err(CheckpointError::TooFar { path, done, epochs, per_epoch, least });
        }
        Ok(())
    }

    /// The first tensor of captured bytes with a number that is not finite.
    pub(super) fn first_bad_of(&self, bytes: &[u8]) -> Option<String> {
        checkpoint::first_bad(bytes, &checkpoint::entries(&self.network.plan, &self.run_plan.graph))
    }

    /// The whole state as a checkpoint's bytes.
    pub async fn capture(&self) -> Result<Vec<u8>, TrainError> {
        let (plan, graph) = (&self.network.plan, &self.run_plan.graph);
        let progress = Progress { adapter: self.network.executor.gpu.summary.to_string(), ..self.progress.clone() };
        Ok(checkpoint::capture(&self.network.executor, plan, graph, &progress).await?)
    }

    /// The adapter of the checkpoint that was resumed, if it is not this one.
    pub fn other_adapter(&self) -> Option<&str> {
        let before = self.progress.adapter.as_str();
        (!before.is_empty() && before != self.network.executor.gpu.summary.to_string()).then_some(before)
    }

    /// The same, unless a number in it is not finite (a ReLU can hide that from the loss).
    pub(super) async fn capture_good(&self) -> Result<Vec<u8>, TrainError> {
        let bytes = self.capture().await?;
        match self.first_bad_of(&bytes).filter(|_| self.run_plan.config.finite_check) {
            None => Ok(bytes),
            Some(name) => {
                let step = self.progress.step;
                let what = format!("`{name}` has a number that is not finite after step {step}");
                Err(TrainError::Diverged { step, what, cause: String::new() })
            }
        }
    }
}
