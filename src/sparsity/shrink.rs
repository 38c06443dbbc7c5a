//! Sets that shrink over the course of training: gradual pruning (Zhu and Gupta 2017).

use serde::{Deserialize, Serialize};

use super::ScheduleError;

/// How the set of a method that shrinks goes from its first sparsity to the run's: the share of weights that are still to go
/// falls with the cube of the time that is left. Shares of the training; sizes change at topology updates only.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shrink {
    /// Share of the prunable weights that is not there at the start.
    pub initial_sparsity: f64,
    /// Before that the set keeps its first size.
    pub start_at: f64,
    /// From there on it has the run's sparsity.
    pub stop_at: f64,
}

impl Default for Shrink {
    /// From a dense network, to seven tenths of the training (110 of 160 epochs in GraNet's code).
    fn default() -> Self {
        Self { initial_sparsity: 0.0, start_at: 0.0, stop_at: 0.7 }
    }
}

impl Shrink {
    /// Checks that the shares are shares, that the set does not have to grow to `sparsity`, and that it has time to shrink.
    pub fn validate(&self, sparsity: f64) -> Result<(), ScheduleError> {
        let Self { initial_sparsity, start_at, stop_at } = *self;
        for (field, value) in [("initial_sparsity", initial_sparsity), ("start_at", start_at), ("stop_at", stop_at)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(ScheduleError::Shrink { field, value });
            }
        }
        if initial_sparsity > sparsity {
            return Err(ScheduleError::Grows { initial_sparsity, sparsity });
        }
        if start_at > stop_at { Err(ScheduleError::Backwards { start_at, stop_at }) } else { Ok(()) }
    }

    /// The updates (from 1, every `delta_t` steps) between which the set shrinks: the first leaves its size, the last gives it
    /// the run's. None: the schedule has no update.
    pub fn updates(&self, delta_t: usize, total_steps: usize) -> Option<(usize, usize)> {
        let at = |share: f64| share * total_steps as f64 / delta_t.max(1) as f64;
        // A product of floats may lie a hair beside the whole number that it means.
        let (first, last) = ((at(self.start_at) - 1e-9).ceil() as usize, (at(self.stop_at) + 1e-9).floor() as usize);
        let last = if delta_t == 0 { 0 } else { last };
        (last >= first.max(1)).then_some((first, last))
    }

    /// The density after update number `update` (0: at the start), of a run at `density`.
    pub fn density(&self, density: f64, update: usize, delta_t: usize, total_steps: usize) -> f64 {
        let start = 1.0 - self.initial_sparsity;
        let Some((first, last)) = self.updates(delta_t, total_steps) else { return start };
        if update >= last {
            return density;
        }
        let done = update.saturating_sub(first) as f64 / (last - first).max(1) as f64;
        density + (start - density) * (1.0 - done).powi(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_shrinks_along_a_cube() {
        let shrink = Shrink { initial_sparsity: 0.5, start_at: 0.1, stop_at: 0.6 };
        // Of 1000 steps the updates 10 to 60.
        assert_eq!(shrink.updates(10, 1000), Some((10, 60)));
        let at = |update| shrink.density(0.1, update, 10, 1000);
        assert_eq!([at(0), at(10), at(60), at(61), at(100)], [0.5, 0.5, 0.1, 0.1, 0.1]);
        assert!((at(35) - (0.1 + 0.4 / 8.0)).abs() < 1e-12);
        assert!((10..60).all(|update| at(update) > at(update + 1)));
    }

    #[test]
    fn a_schedule_may_have_no_update() {
        let all = Shrink::default();
        assert_eq!((all.updates(10, 100), all.updates(70, 100)), (Some((0, 7)), Some((0, 1))));
        assert_eq!((all.updates(71, 100), all.updates(0, 100)), (None, None));
        assert_eq!(all.density(0.1, 1, 70, 100), 0.1, "one update takes all");
        assert_eq!(all.density(0.1, 5, 71, 100), 1.0);
        // 0.3 · 100 is a hair above 30.
        assert_eq!(Shrink { start_at: 0.3, ..all }.updates(10, 100), Some((3, 7)));
    }

    #[test]
    fn bad_schedules_are_refused() {
        let words = |shrink: Shrink| shrink.validate(0.9).unwrap_err().to_string();
        assert_eq!(Shrink::default().validate(0.9), Ok(()));
        assert!(words(Shrink { stop_at: 1.5, ..Shrink::default() }).contains("`stop_at` = 1.5"));
        assert!(words(Shrink { initial_sparsity: 0.95, ..Shrink::default() }).contains("0.95"));
        assert!(words(Shrink { start_at: 0.8, ..Shrink::default() }).contains("`start_at` = 0.8"));
        assert!(Shrink { start_at: f64::NAN, ..Shrink::default() }.validate(0.9).is_err());
    }
}
