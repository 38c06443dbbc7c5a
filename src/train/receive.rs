//! Read-backs from the GPU during training (losses, statistics, maps), and the end of an epoch.

use web_time::Instant;

use super::run_folder::{MetricLine, RunFolder};
use super::trainer::{BEST, LAST, Listener, TrainError, Trainer};
use super::{exploration, frames};
use crate::gpu::ReadBack;
use crate::ops::topology::UpdateStats;

/// A step that was submitted.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub step: usize,
    pub epoch: usize,
    pub lr: f64,
}

/// A read-back under way.
pub(super) struct Waiting {
    pub read: ReadBack,
    pub asked: Asked,
}

/// What was read.
pub(super) enum Asked {
    Losses(Vec<Step>),
    UpdateStats { update: usize, step: usize, epoch: usize, death_rate: f64 },
    Frame { update: usize, step: usize, epoch: usize },
}

impl Trainer<'_> {
    pub(super) fn ask_losses(&mut self) {
        let metrics = self.run_plan.plan.metrics.part(0, 16 * self.unread.len() as u64);
        let read = self.executor.read_slices(&[metrics]);
        self.executor.write(metrics, &vec![0.0f32; 4 * self.unread.len()]);
        let asked = Asked::Losses(std::mem::take(&mut self.unread));
        self.waiting.push_back(Waiting { read, asked });
    }

    /// Whether the oldest read-back is here.
    pub(super) fn has_arrived(&self) -> bool {
        self.waiting.front().is_some_and(|waiting| self.executor.has_arrived(&waiting.read))
    }

    /// Waits for the oldest read-back, takes with it all that have arrived meanwhile, and writes their lines.
    pub(super) async fn receive(
        &mut self,
        folder: &mut RunFolder,
        listener: &mut dyn Listener,
    ) -> Result<(), TrainError> {
        let mut arrived = Vec::new();
        while arrived.is_empty() || self.has_arrived() {
            let Some(Waiting { read, asked }) = self.waiting.pop_front() else { break };
            arrived.push((asked, self.executor.finish(read).await?));
        }
        let images_per_second = self.measure(&arrived);
        for (asked, bytes) in arrived {
            match asked {
                Asked::Losses(steps) => {
                    self.losses_of(&steps, &bytemuck::pod_collect_to_vec(&bytes), images_per_second, folder, listener)?;
                }
                Asked::UpdateStats { update, step, epoch, death_rate } => {
                    let counters: Vec<UpdateStats> = bytemuck::pod_collect_to_vec(&bytes);
                    let line = exploration::line(self.run_plan, (update, step, epoch), death_rate, &counters);
                    self.progress.itop_rate = line.itop_rate;
                    self.progress.reliable_itop_rate = line.reliable_itop_rate;
                    folder.exploration(&line)?;
                    listener.exploration(&line);
                }
                Asked::Frame { update, step, epoch } => {
                    let words: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes);
                    let line = frames::line(self.run_plan, (update, step, epoch), &words);
                    folder.frame(&line)?;
                    listener.frame(&line);
                }
            }
        }
        Ok(())
    }

    /// Images a second of the steps whose losses have `arrived`, all together.
    fn measure(&mut self, arrived: &[(Asked, Vec<u8>)]) -> f64 {
        let (mut steps, mut images) = (0, 0.0);
        for (asked, bytes) in arrived {
            if let Asked::Losses(of) = asked {
                steps += of.len();
                let slots: Vec<[f32; 4]> = bytemuck::pod_collect_to_vec(bytes);
                images += slots.iter().map(|slot| f64::from(slot[2])).sum::<f64>();
            }
        }
        if steps == 0 {
            return 0.0;
        }
        let (seconds, images_per_second) = self.speed.arrive(Instant::now(), steps, images);
        self.progress.epoch_seconds += seconds;
        images_per_second
    }

    /// Writes the lines of `steps`, which have `slots`: sum of losses, right answers, images.
    fn losses_of(
        &mut self,
        steps: &[Step],
        slots: &[[f32; 4]],
        images_per_second: f64,
        folder: &mut RunFolder,
        listener: &mut dyn Listener,
    ) -> Result<(), TrainError> {
        for (step, slot) in steps.iter().zip(slots) {
            let [loss, correct, count, _] = slot.map(f64::from);
            self.progress.epoch_loss += loss;
            self.progress.epoch_correct += correct;
            self.progress.epoch_images += count;
            let line = MetricLine::Step {
                step: step.step,
                epoch: step.epoch,
                loss: loss / count,
                accuracy: correct / count,
                lr: step.lr,
                images_per_second,
            };
            if !loss.is_finite() {
                let what = format!("the loss of step {} is {}", step.step, loss / count);
                return Err(TrainError::Diverged { step: step.step, what, cause: String::new() });
            }
            if let Some(median) = self.losses.spike(loss / count) {
                let (step, loss) = (step.step, loss / count);
                let text = format!("the loss of step {step} is {loss:.4}, and the median before it {median:.4}");
                listener.warning(&text);
            }
            folder.metric(&line)?;
            listener.metric(&line, self.progress.itop_rate);
        }
        Ok(())
    }

    pub(super) async fn drain(
        &mut self,
        folder: &mut RunFolder,
        listener: &mut dyn Listener,
    ) -> Result<(), TrainError> {
        if !self.unread.is_empty() {
            self.ask_losses();
        }
        while !self.waiting.is_empty() {
            self.receive(folder, listener).await?;
        }
        Ok(())
    }

    pub(super) fn count_seconds(&mut self) {
        self.progress.seconds_training += self.clock.elapsed().as_secs_f64();
        self.clock = Instant::now();
    }

    /// Validates, keeps the checkpoints, writes the epoch's line.
    pub(super) async fn end_epoch(
        &mut self,
        folder: &mut RunFolder,
        listener: &mut dyn Listener,
    ) -> Result<(), TrainError> {
        self.count_seconds();
        let epoch = self.progress.step / self.run_plan.steps_per_epoch();
        let val = if self.run_plan.split.val.is_empty() {
            None
        } else {
            Some(self.evaluate(&self.run_plan.split.val).await?)
        };
        let progress = &mut self.progress;
        let lr = self.run_plan.config.lr_schedule.at(
            self.run_plan.config.lr,
            progress.step - 1,
            self.run_plan.config.length(self.run_plan.steps_per_epoch()),
        );
        let line = MetricLine::Epoch {
            step: progress.step,
            epoch,
            loss: progress.epoch_loss / progress.epoch_images,
            accuracy: progress.epoch_correct / progress.epoch_images,
            lr,
            images_per_second: progress.epoch_images / progress.epoch_seconds.max(1e-9),
            val_loss: val.map(|score| score.loss),
            val_accuracy: val.map(|score| score.accuracy),
            itop_rate: progress.itop_rate,
            expected_itop_rate: self.run_plan.expected_itop_rate_after(progress.step, progress.explored.as_ref()),
        };
        (progress.epoch_loss, progress.epoch_correct, progress.epoch_images, progress.epoch_seconds) =
            Default::default();
        // Without validation the last epoch is the one that counts; of equals the later, which has learnt longer.
        let accuracy = val.map(|score| score.accuracy);
        let better = accuracy.is_none() || accuracy >= progress.best_val_accuracy;
        if better {
            progress.best_epoch = epoch;
            progress.best_val_accuracy = accuracy;
        }
        let bytes = self.capture_good().await?;
        if better {
            folder.write(BEST, &bytes)?;
        }
        folder.metric(&line)?;
        folder.sync()?;
        folder.write(LAST, &bytes)?;
        listener.metric(&line, self.progress.itop_rate);
        self.begin_steps();
        Ok(())
    }
}
