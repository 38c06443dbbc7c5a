//! What a run stands on: the keys that cannot change when it is resumed.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::{Config, ConfigError, keys};
use crate::model;
use crate::sparsity::Shrink;

impl Config {
    /// Whether a run of this configuration may go on by `other`: what its checkpoint's tensors and its past steps stand on
    /// stays.
    pub fn check_resume(&self, other: &Self) -> Result<(), ConfigError> {
        let (own, others) = (self.kept(), other.kept());
        let Some((key, value)) = own.iter().find(|(key, value)| others.get(*key) != Some(*value)) else {
            return Ok(());
        };
        let name = |value: &str| if key == "model" { model::name_of(value) } else { value.to_string() };
        let (before, mut now) = (name(value), name(others.get(key).map_or("", String::as_str)));
        if before == now {
            now += " (its file has changed)";
        }
        let must = "what it was when the run began; for another start another run";
        Err(ConfigError::Value { key: keys::find(key).map_or("configuration", |key| key.name), value: now, must })
    }

    /// What a run's tensors and its past steps depend on, by key: it cannot change when the run is resumed.
    pub fn kept(&self) -> BTreeMap<String, String> {
        let values: [(&str, &dyn Display); 16] = [
            ("model", &self.model),
            ("method", &self.method.name),
            ("prune", &self.prune.name()),
            ("growth", &self.growth.name()),
            ("growth_limit", &self.growth_limit),
            ("init", &self.init().name()),
            ("mask", &self.mask),
            ("lottery.rounds", &self.lottery.rounds),
            ("lottery.rewind", &self.lottery.rewind),
            ("sparsity", &self.sparsity),
            ("distribution", &self.distribution),
            ("structure", &self.structure),
            ("batch_size", &self.batch_size),
            ("seed", &self.seed),
            ("validation", &self.validation),
            ("test", &self.test),
        ];
        // What sizes the set has had follows from its whole schedule.
        let Shrink { initial_sparsity, start_at, stop_at } = self.shrink;
        let sizes: [(&str, &dyn Display); 6] = [
            ("epochs", &self.epochs),
            ("epoch_multiplier", &self.epoch_multiplier),
            ("delta_t", &self.delta_t),
            ("shrink.initial_sparsity", &initial_sparsity),
            ("shrink.start_at", &start_at),
            ("shrink.stop_at", &stop_at),
        ];
        let sizes = sizes.into_iter().filter(|_| self.method.shrinks);
        values.into_iter().chain(sizes).map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_keeps_what_it_stands_on() {
        let run = Config::default();
        run.check_resume(&Config { epochs: 300, lr: 0.2, delta_t: 7, ..run.clone() }).unwrap();
        let error = run.check_resume(&Config { seed: 5, ..run.clone() }).unwrap_err().to_string();
        assert!(error.contains("`seed` = 5 must be what it was"), "{error}");
    }
}
