//! The rules of a run's updates: the method's own, or those that the configuration names in their place.

use super::{Config, ConfigError};
use crate::ops::topology::{Goes, RuleParams};
use crate::sparsity::{DenseGradient, Growth, Structure, Update, prune};

impl Config {
    /// How updates move the sets: the method's way, with the rules that take the place of its own.
    pub fn update(&self) -> Option<Update> {
        let own = self.method.update?;
        let growth = own.growth.map(|growth| self.growth.0.unwrap_or(growth));
        Some(Update { prune: self.prune.0.unwrap_or(own.prune), growth, ..own })
    }

    /// How updates grow, if they do.
    pub fn growth(&self) -> Option<&'static Growth> {
        self.update().and_then(|update| update.growth)
    }

    /// What the rules are told where `rate` of the active weights goes.
    pub fn rule_params(&self, rate: f64) -> RuleParams {
        // What has crossed 0 is 0, and nothing else is below the least number.
        let crossed = self.update().is_some_and(|update| update.prune == &prune::CROSSED);
        let threshold = if crossed { f32::MIN_POSITIVE.into() } else { self.prune_threshold };
        let numbers = [rate, threshold, self.prune_lambda, self.growth_mix].map(|number| number as f32);
        let [rate, threshold, lambda, mix] = numbers;
        RuleParams { rate, threshold, lambda, mix }
    }

    /// Checks that a rule stands where the method has one.
    pub(super) fn validate_rules(&self) -> Result<(), ConfigError> {
        let own = self.method.update;
        let refused = |key, value: &str, must| Err(ConfigError::Value { key, value: value.into(), must });
        match (self.prune.0, self.growth.0) {
            (Some(prune), _) if own.is_none() => {
                refused("prune", prune.name, "`method`: the set of this method never moves")
            }
            (_, Some(growth)) if own.is_none_or(|own| own.growth.is_none()) => {
                refused("growth", growth.name, "`method`: the set of this method never grows")
            }
            _ => self.validate_update(),
        }
    }

    /// Checks that the parts of an update fit together.
    fn validate_update(&self) -> Result<(), ConfigError> {
        let Some(update) = self.update() else { return Ok(()) };
        let shares = update.redistribution.is_some();
        let refused = |key, value: String, must| Err(ConfigError::Value { key, value, must });
        if update.counts_on_gpu() && self.structure != Structure::Unstructured {
            let must = "`unstructured` with the methods snfs, dsr and deepr, and with the prune rules set, threshold, adaptive-threshold and crossed: only the GPU knows how many weights go";
            return refused("structure", self.structure.to_string(), must);
        }
        if update.prune.goes != Goes::Share && self.method.shrinks {
            let must =
                "a rule that prunes a given share where the set shrinks (gmp, granet): magnitude, taylor or mest";
            return refused("prune", update.prune.name.into(), must);
        }
        if update.prune == &prune::ADAPTIVE && !shares {
            let must = "another rule: this one is for methods that move weights between layers (snfs, dsr)";
            return refused("prune", update.prune.name.into(), must);
        }
        if (update.prune == &prune::CROSSED) != update.signed {
            let must = "`crossed` with the method deepr, and another rule with other methods";
            return refused("prune", update.prune.name.into(), must);
        }
        let at_updates = |growth: &Growth| growth.dense_gradient == DenseGradient::AtUpdates;
        match update.growth.filter(|growth| shares && at_updates(growth)) {
            Some(growth) => refused(
                "growth",
                growth.name.into(),
                "random, unfired-first or momentum where weights move between layers: the gradients of all layers are not kept at once",
            ),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparsity::{Method, Override, growth};

    fn refusal(config: Config) -> String {
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn rules_stand_where_they_make_sense() {
        let base = Config::default();
        let prunes = |method, rule| Config { method, prune: Override(Some(rule)), ..base.clone() };
        let grows = |method, rule| Config { method, growth: Override(Some(rule)), ..base.clone() };
        for (config, words) in [
            (prunes(Method::STATIC, &prune::TAYLOR), "`prune` = taylor must be `method`"),
            (grows(Method::DENSE, &growth::RANDOM), "`growth` = random must be `method`"),
            (prunes(Method::RIGL, &prune::ADAPTIVE), "`prune` = adaptive-threshold must be another rule"),
            (prunes(Method::RIGL, &prune::CROSSED), "`prune` = crossed must be"),
            (prunes(Method::DEEPR, &prune::MAGNITUDE), "`prune` = magnitude must be `crossed`"),
            (grows(Method::SNFS, &growth::GRADIENT), "`growth` = gradient must be random"),
            (Config { structure: Structure::FanIn, ..prunes(Method::SET, &prune::SET) }, "`structure` = fan-in"),
            (Config { method: Method::DSR, structure: Structure::Block(4), ..base.clone() }, "`structure` = block:4x1"),
        ] {
            let message = refusal(config);
            assert!(message.starts_with(words), "{message}");
        }
        for config in [
            prunes(Method::RIGL, &prune::SET),
            prunes(Method::SNFS, &prune::ADAPTIVE),
            grows(Method::DSR, &growth::MOMENTUM),
            grows(Method::SET, &growth::MIXED),
        ] {
            config.validate().unwrap();
        }
        assert_eq!(grows(Method::SET, &growth::MIXED).growth(), Some(&growth::MIXED));
        assert_eq!(base.growth(), Some(&growth::GRADIENT));
    }
}
