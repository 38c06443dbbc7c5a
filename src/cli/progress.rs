//! The display of a run in progress: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text::{bytes as size, fold, number_of, percent};
use crate::train::run_folder::MetricLine;
use crate::train::{Listener, RunPlan, first_set};

/// A [`Listener`] that prints.
pub struct Progress {
    bar: ProgressBar,
    epochs: usize,
    steps: u64,
    preparing: bool,
    interrupted: Arc<AtomicBool>,
}

impl Progress {
    /// For the run of `run_plan`; `interrupted` turns true when somebody wants it to end.
    pub fn new(run_plan: &RunPlan, interrupted: Arc<AtomicBool>) -> Self {
        let target =
            if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let epochs = run_plan.config.total_epochs();
        Self { bar, epochs, steps: run_plan.total_steps() as u64, preparing: false, interrupted }
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }

    /// Prints a line that stays.
    fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            println!("{text}");
        } else {
            self.bar.println(text);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A [`Listener`] that prints while there is no bar.
pub struct Plain;

impl Listener for Plain {
    fn choosing(&mut self, how: &str, progress: &first_set::Progress) {
        let first_set::Progress { unit, done, total, bytes } = progress;
        // The first says what it takes, and ten lines are enough of many.
        if *done == 1 {
            let taken = number_of(*total, unit);
            print!(
                "{}",
                fold(&format!("first set by {how}: {taken} of the dense network, in {} of GPU memory", size(*bytes)))
            );
        } else if *total > 20 && done.is_multiple_of(total.div_ceil(10)) {
            println!("first set by {how}: {unit} {done} of {total}");
        }
    }

    fn warning(&mut self, text: &str) {
        message!("warning: {text}");
    }

    fn note(&mut self, text: &str) {
        print!("{}", fold(text));
    }

    fn watching(&mut self, why: &str, long: Duration) {
        message!("{why}; watching it for {} s, to see whether a process still trains there", long.as_secs());
    }
}

impl Listener for Progress {
    fn preparing(&mut self, done: usize, total: usize) {
        if !self.preparing {
            self.preparing = true;
            self.style("compiling kernels [{bar:30}] {pos}/{len} passes");
            self.bar.set_length(total as u64);
        }
        self.bar.set_position(done as u64);
    }

    fn metric(&mut self, line: &MetricLine, itop_rate: f64) {
        if self.preparing {
            self.preparing = false;
            self.bar.reset();
            self.bar.set_length(self.steps);
            self.style("{msg} [{bar:24}] {pos}/{len} ETA {eta}");
        }
        match line {
            MetricLine::Step { step, epoch, loss, accuracy, images_per_second, .. } => {
                self.bar.set_message(format!(
                    "epoch {}/{}  loss {loss:.3}  acc {}  {images_per_second:.0} img/s  Rs {itop_rate:.3}",
                    epoch + 1,
                    self.epochs,
                    percent(*accuracy),
                ));
                self.bar.set_position(*step as u64);
            }
            MetricLine::Epoch {
                epoch,
                loss,
                accuracy,
                images_per_second,
                val_loss,
                val_accuracy,
                itop_rate,
                expected_itop_rate,
                ..
            } => {
                let mut text =
                    format!("epoch {epoch:>3}/{}  loss {loss:.4}  acc {:>7}", self.epochs, percent(*accuracy));
                if let (Some(val_loss), Some(val_accuracy)) = (val_loss, val_accuracy) {
                    text += &format!("  val loss {val_loss:.4}  val acc {:>7}", percent(*val_accuracy));
                }
                self.line(&format!(
                    "{text}  {images_per_second:>6.1} img/s  Rs {itop_rate:.4} ({expected_itop_rate:.4})"
                ));
            }
        }
    }

    fn warning(&mut self, text: &str) {
        self.bar.suspend(|| Plain.warning(text));
    }

    fn note(&mut self, text: &str) {
        self.bar.suspend(|| Plain.note(text));
    }

    fn watching(&mut self, why: &str, long: Duration) {
        self.bar.suspend(|| Plain.watching(why, long));
    }

    fn trained(&mut self) {
        self.finish();
    }

    fn interrupted(&mut self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}
