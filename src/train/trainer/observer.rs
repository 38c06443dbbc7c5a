//! What comes back from the GPU while it trains (losses, counters, maps), and the lines that it becomes.

use std::collections::VecDeque;

use web_time::Instant;

use super::bad_numbers::Losses;
use super::network::Network;
use super::speed::Speed;
use super::{Listener, Score, TrainError, exploration};
use crate::gpu::ReadBack;
use crate::ops::topology::UpdateStats;
use crate::plan::METRIC_SLOTS;
use crate::train::checkpoint::Progress;
use crate::train::run_folder::{MetricLine, RunFolder};
use crate::train::{RunPlan, frames};

/// A training step that was submitted: what its line says of it.
#[derive(Clone, Copy)]
pub(super) struct StepLine {
    pub step: usize,
    pub epoch: usize,
    pub lr: f64,
}

/// A read-back under way.
struct Question {
    read: ReadBack,
    asked: Asked,
}

/// What is read.
enum Asked {
    Losses(Vec<StepLine>),
    UpdateStats { update: usize, step: usize, epoch: usize },
    Frame { update: usize, step: usize, epoch: usize },
}

/// Asks the GPU, and writes what it answers.
pub(super) struct Observer<'a> {
    run_plan: &'a RunPlan,
    /// Steps whose losses nobody has asked for yet.
    to_ask: Vec<StepLine>,
    /// The oldest first.
    questions: VecDeque<Question>,
    recent_losses: Losses,
    pub speed: Speed,
}

impl<'a> Observer<'a> {
    pub fn new(run_plan: &'a RunPlan, now: Instant) -> Self {
        let (to_ask, questions, recent_losses) = Default::default();
        Self { run_plan, to_ask, questions, recent_losses, speed: Speed::new(now) }
    }

    /// Drops what nobody will ask for any more, and what is under way.
    pub fn drop_questions(&mut self) {
        self.questions.clear();
        self.to_ask.clear();
    }

    /// Takes note of a step that was submitted.
    pub fn submitted(&mut self, step: StepLine) {
        self.to_ask.push(step);
    }

    /// How many steps have losses that nobody has asked for yet.
    pub fn steps_to_ask(&self) -> usize {
        self.to_ask.len()
    }

    /// Whether losses are to be asked for: about every half a second.
    pub fn wants_losses(&self) -> bool {
        let steps = |seconds: f64| ((0.5 / seconds.max(1e-4)) as usize).clamp(1, METRIC_SLOTS);
        self.to_ask.len() >= self.speed.seconds_per_step.map_or(1, steps)
    }

    pub fn ask_losses(&mut self, network: &Network) {
        let metrics = network.plan.metrics.part(0, 16 * self.to_ask.len() as u64);
        let read = network.executor.read_slices(&[metrics]);
        network.executor.write(metrics, &vec![0.0f32; 4 * self.to_ask.len()]);
        let asked = Asked::Losses(std::mem::take(&mut self.to_ask));
        self.questions.push_back(Question { read, asked });
    }

    /// Asks what the last update of `progress`, in `epoch`, did.
    pub fn ask_update(&mut self, network: &Network, progress: &Progress, epoch: usize) {
        let read = network.executor.read_slices(&[network.plan.update_stats]);
        let asked = Asked::UpdateStats { update: progress.updates, step: progress.step, epoch };
        self.questions.push_back(Question { read, asked });
    }

    /// Asks where the active weights are after the last update of `progress`.
    pub fn ask_frame(&mut self, network: &Network, progress: &Progress, epoch: usize) {
        let asked = Asked::Frame { update: progress.updates, step: progress.step, epoch };
        self.questions.extend(network.read_map().map(|read| Question { read, asked }));
    }

    /// Takes the answers that have come, and waits where too much is under way: at most one read-back of steps while the next
    /// ones are recorded.
    pub async fn receive_in_time(
        &mut self,
        network: &Network<'_>,
        progress: &mut Progress,
        folder: &mut RunFolder,
        listener: &mut dyn Listener,
    ) -> Result<(), TrainError> {
        while self.questions.len() > 2 || self.has_arrived(network) {
            self.receive(network, progress, folder, listener).await?;
        }
        Ok(())
    }

    /// Asks for what nobody has asked for yet, and waits for all answers.
    pub async fn receive_all(
        &mut self,
        network: &Network<'_>,
        progress: &mut Progress,
        folder: &mut RunFolder,
        listener: &mut dyn Listener,
    ) -> Result<(), TrainError> {
        if !self.to_ask.is_empty() {
            self.ask_losses(network);
        }
        while !self.questions.is_empty() {
            self.receive(network, progress, folder, listener).await?;
        }
        Ok(())
    }

    /// Whether the oldest answer is here.
    fn has_arrived(&self, network: &Network) -> bool {
        self.questions.front().is_some_and(|question| network.executor.has_arrived(&question.read))
    }

    /// Waits for the oldest answer, takes with it all that have arrived meanwhile, and writes their lines.
    async fn receive(
        &mut self,
        network: &Network<'_>,
        progress: &mut Progress,
        folder: &mut RunFolder,
        listener: &mut dyn Listener,
    ) -> Result<(), TrainError> {
        let mut arrived = Vec::new();
        while arrived.is_empty() || self.has_arrived(network) {
            let Some(Question { read, asked }) = self.questions.pop_front() else { break };
            arrived.push((asked, network.executor.finish(read).await?));
        }
        let images_per_second = self.measure(progress, &arrived);
        for (asked, bytes) in arrived {
            match asked {
                Asked::Losses(steps) => {
                    let slots: Vec<[f32; 4]> = bytemuck::pod_collect_to_vec(&bytes);
                    self.losses_of(progress, &steps, &slots, images_per_second, folder, listener)?;
                }
                Asked::UpdateStats { update, step, epoch } => {
                    let counters: Vec<UpdateStats> = bytemuck::pod_collect_to_vec(&bytes);
                    let prune_rate = self.run_plan.prune_rate(step);
                    let line = exploration::line(self.run_plan, (update, step, epoch), prune_rate, &counters);
                    progress.itop_rate = line.itop_rate;
                    progress.reliable_itop_rate = line.reliable_itop_rate;
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
    fn measure(&mut self, progress: &mut Progress, arrived: &[(Asked, Vec<u8>)]) -> f64 {
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
        progress.epoch_seconds += seconds;
        images_per_second
    }

    /// Writes the lines of `steps`, which have `slots`: sum of losses, right answers, images.
    fn losses_of(
        &mut self,
        progress: &mut Progress,
        steps: &[StepLine],
        slots: &[[f32; 4]],
        images_per_second: f64,
        folder: &mut RunFolder,
        listener: &mut dyn Listener,
    ) -> Result<(), TrainError> {
        for (step, slot) in steps.iter().zip(slots) {
            let [loss, correct, count, _] = slot.map(f64::from);
            progress.epoch_loss += loss;
            progress.epoch_correct += correct;
            progress.epoch_images += count;
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
            if let Some(median) = self.recent_losses.spike(loss / count) {
                let (step, loss) = (step.step, loss / count);
                let text = format!("the loss of step {step} is {loss:.4}, and the median before it {median:.4}");
                listener.warning(&text);
            }
            folder.metric(&line)?;
            listener.metric(&line, progress.itop_rate);
        }
        Ok(())
    }
}

/// The line of the epoch that ended with the last step of `progress`, whose sums begin anew.
pub(super) fn epoch_line(run_plan: &RunPlan, progress: &mut Progress, val: Option<Score>) -> MetricLine {
    let line = MetricLine::Epoch {
        step: progress.step,
        epoch: progress.step / run_plan.steps_per_epoch(),
        loss: progress.epoch_loss / progress.epoch_images,
        accuracy: progress.epoch_correct / progress.epoch_images,
        lr: run_plan.lr_of_step(progress.step),
        images_per_second: progress.epoch_images / progress.epoch_seconds.max(1e-9),
        val_loss: val.map(|score| score.loss),
        val_accuracy: val.map(|score| score.accuracy),
        itop_rate: progress.itop_rate,
        expected_itop_rate: run_plan.expected_itop_rate_after(progress.step, progress.explored.as_ref()),
    };
    (progress.epoch_loss, progress.epoch_correct, progress.epoch_images, progress.epoch_seconds) = Default::default();
    line
}
