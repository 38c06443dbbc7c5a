//! When the active set moves and what share of it is pruned.

use serde::{Deserialize, Serialize};

/// The shape of the way from [`PruneRate::initial`] to [`PruneRate::min`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    #[default]
    Cosine,
    /// `initial` throughout.
    Constant,
}

/// The share of a layer's active weights that an update prunes, over the course of training.
///
/// The default is ITOP's: 0.5 → 0.005, cosine, to the last step. RigL's is [`PruneRate::RIGL`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PruneRate {
    pub initial: f64,
    pub min: f64,
    pub decay: Decay,
    /// The share of training after which the set no longer moves; the decay ends there too.
    pub stop_at: f64,
}

/// A schedule that makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    #[error("prune rate `{field}` = {value} is outside [0, 1]")]
    OutOfRange { field: &'static str, value: f64 },
    #[error("prune rate `min` = {min} exceeds `initial` = {initial}: lower `min` or raise `initial`")]
    Rising { initial: f64, min: f64 },
    #[error("shrink `{field}` = {value} is outside [0, 1]")]
    Shrink { field: &'static str, value: f64 },
    #[error(
        "shrink `initial_sparsity` = {initial_sparsity} exceeds `sparsity` = {sparsity}: the set would have to grow; lower \
         the first or raise the second"
    )]
    Grows { initial_sparsity: f64, sparsity: f64 },
    #[error("shrink `start_at` = {start_at} is after `stop_at` = {stop_at}: lower the first or raise the second")]
    Backwards { start_at: f64, stop_at: f64 },
}

impl Default for PruneRate {
    fn default() -> Self {
        Self { initial: 0.5, min: 0.005, decay: Decay::Cosine, stop_at: 1.0 }
    }
}

impl PruneRate {
    /// α = 0.3 → 0, cosine, until three quarters of training (Evci et al. 2020).
    pub const RIGL: Self = Self { initial: 0.3, min: 0.0, decay: Decay::Cosine, stop_at: 0.75 };

    /// Checks that the rates and `stop_at` lie in [0, 1] and that the rate does not rise.
    pub fn validate(&self) -> Result<(), ScheduleError> {
        for (field, value) in [("initial", self.initial), ("min", self.min), ("stop_at", self.stop_at)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(ScheduleError::OutOfRange { field, value });
            }
        }
        let Self { initial, min, .. } = *self;
        if self.decay == Decay::Cosine && min > initial { Err(ScheduleError::Rising { initial, min }) } else { Ok(()) }
    }

    /// The rate after `step` of `total_steps` steps, in closed form. The update that ends step t (from 1) uses `at(t)`:
    /// the ITOP code advances its decay after every optimiser step and before the update.
    pub fn at(&self, step: usize, total_steps: usize) -> f64 {
        match self.decay {
            Decay::Constant => self.initial,
            Decay::Cosine => {
                let progress = (step as f64 / self.end(total_steps).max(1) as f64).min(1.0);
                cosine(self.initial, self.min, progress)
            }
        }
    }

    /// The last step that may end with an update.
    pub fn end(&self, total_steps: usize) -> usize {
        (self.stop_at * total_steps as f64).floor() as usize
    }

    /// Whether step `step` (from 1) ends with an update. ΔT = 0 means never.
    pub fn updates_after(&self, step: usize, delta_t: usize, total_steps: usize) -> bool {
        step > 0 && step <= self.end(total_steps) && step.checked_rem(delta_t) == Some(0)
    }

    /// The steps (from 1) that end with an update, in order.
    pub fn updates(&self, delta_t: usize, total_steps: usize) -> impl Iterator<Item = usize> + use<> {
        let count = self.end(total_steps).checked_div(delta_t).unwrap_or(0);
        (1..=count).map(move |update| update * delta_t)
    }
}

/// How many of `nnz` active weights to prune: `ceil(rate · nnz)` in f64, as the ITOP code.
pub fn prune_count(rate: f64, nnz: usize) -> usize {
    ((rate * nnz as f64).ceil() as usize).min(nnz)
}

/// From `start` at `progress` 0 to `end` at 1 along half a cosine.
pub(crate) fn cosine(start: f64, end: f64, progress: f64) -> f64 {
    end + (start - end) * (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_start_and_end_where_they_should() {
        let itop = PruneRate::default();
        assert_eq!((itop.at(0, 100), itop.at(100, 100)), (0.5, 0.005));
        assert!((itop.at(50, 100) - 0.2525).abs() < 1e-15);
        assert_eq!(
            (PruneRate::RIGL.at(0, 100), PruneRate::RIGL.at(75, 100), PruneRate::RIGL.at(99, 100)),
            (0.3, 0.0, 0.0)
        );
        let constant = PruneRate { decay: Decay::Constant, ..itop };
        assert_eq!((constant.at(0, 100), constant.at(100, 100), itop.at(0, 0)), (0.5, 0.5, 0.5));
    }

    #[test]
    fn updates_stop_at_the_end() {
        assert_eq!(PruneRate::default().updates(30, 90).collect::<Vec<_>>(), [30, 60, 90]);
        for (schedule, delta_t) in [(PruneRate::default(), 7), (PruneRate::RIGL, 10), (PruneRate::RIGL, 0)] {
            let listed: Vec<_> = schedule.updates(delta_t, 100).collect();
            let asked: Vec<_> = (0..=100).filter(|&step| schedule.updates_after(step, delta_t, 100)).collect();
            assert_eq!(listed, asked);
        }
        assert_eq!(PruneRate::RIGL.updates(10, 100).last(), Some(70));
    }

    #[test]
    fn bad_rates_are_refused() {
        assert_eq!(PruneRate::RIGL.validate(), Ok(()));
        let wrong = PruneRate { initial: 1.5, ..PruneRate::default() };
        assert!(wrong.validate().unwrap_err().to_string().contains("`initial` = 1.5"));
        assert!(PruneRate { stop_at: f64::NAN, ..PruneRate::default() }.validate().is_err());
        assert!(PruneRate { initial: 0.1, min: 0.2, ..PruneRate::default() }.validate().is_err());
    }
}
