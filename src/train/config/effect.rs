//! Which keys of a configuration have no effect on a run, so that equal runs are recognised.

use crate::data;
use crate::ops::topology::Goes;
use crate::sparsity::{Decay, Init};
use crate::train::Config;
use crate::train::lr::LrSchedule;

impl Config {
    /// The keys that have no effect on this run's result, each with the circumstance that takes it away. Dotted where nested;
    /// a table's name stands for all of its keys.
    pub fn without_effect(&self) -> Vec<(&'static str, &'static str)> {
        let mut keys = vec![("finite_check", "on a result"), ("checkpoint_minutes", "on a result")];
        let init = self.init();
        if init == Init::Dense {
            let of_sets = ["init", "mask", "sparsity", "distribution", "structure"];
            keys.extend(of_sets.map(|key| (key, "with method = dense")));
        } else if init == Init::Mask {
            keys.extend(["init", "sparsity", "distribution"].map(|key| (key, "with a mask")));
        } else if init.is_found() {
            keys.push(("distribution", "where the whole network's scores choose the first set"));
        }
        if init != Init::Lottery {
            keys.push(("lottery", "where the first set is no lottery ticket"));
        }
        if self.update().is_none() {
            let still = match self.method.init {
                Init::Dense => "with method = dense",
                Init::Random => "with method = static",
                _ => "with a method that never moves the set",
            };
            keys.extend(["delta_t", "prune_rate", "prune", "growth"].map(|key| (key, still)));
        } else if self.prune_rate.decay == Decay::Constant {
            keys.push(("prune_rate.min", "with prune_rate.decay = constant"));
        }
        if !self.method.shrinks {
            keys.push(("shrink", "with a set that does not shrink"));
        } else if self.method.update.is_some_and(|update| update.growth.is_none()) {
            keys.push(("prune_rate", "without growth"));
        }
        let update = self.update();
        if update.is_some_and(|update| update.prune.goes == Goes::Below) {
            let why = "with a prune rule that removes what is below a threshold";
            keys.extend(["prune_rate.initial", "prune_rate.min", "prune_rate.decay"].map(|key| (key, why)));
        }
        let prunes = |names: &[&str]| update.is_some_and(|update| names.contains(&update.prune.name));
        let used = [
            ("prune_lambda", prunes(&["mest"]), "without prune = mest"),
            ("prune_threshold", prunes(&["threshold", "adaptive-threshold"]), "without a threshold"),
            ("growth_mix", self.growth().is_some_and(|growth| growth.name == "mixed"), "without growth = mixed"),
            ("growth_limit", update.is_some_and(|update| update.redistribution.is_some()), "without redistribution"),
            ("l1", update.is_some_and(|update| update.signed), "without method = deepr"),
            ("temperature", update.is_some_and(|update| update.signed), "without method = deepr"),
        ];
        keys.extend(used.into_iter().filter(|(_, used, _)| !used).map(|(key, _, why)| (key, why)));
        if matches!(&self.lr_schedule, LrSchedule::MultiStep { milestones, .. } if milestones.is_empty()) {
            keys.push(("lr_schedule.gamma", "without milestones"));
        }
        keys
    }

    /// Whether another value of `key` (dotted where nested) would make another run.
    pub fn has_effect(&self, key: &str) -> bool {
        self.why_without_effect(key).is_none()
    }

    /// The circumstance that takes the effect of `key` (dotted where nested) away, if one does.
    pub fn why_without_effect(&self, key: &str) -> Option<&'static str> {
        let within = |table: &str| key.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.without_effect().into_iter().find(|(table, _)| within(table)).map(|(_, why)| why)
    }

    /// The configuration without what has no effect, its data by one spelling of the path: two of them with the same text are the same run.
    pub fn identity(&self) -> String {
        let data = data::place(&self.data);
        // A number that TOML cannot hold is refused elsewhere; here it must not make all runs equal.
        let Ok(mut table) = toml::Table::try_from(Self { data, ..self.clone() }) else { return format!("{self:?}") };
        for (key, _) in self.without_effect() {
            match key.split_once('.') {
                None => table.remove(key),
                Some((outer, inner)) => table.get_mut(outer).and_then(|table| table.as_table_mut()?.remove(inner)),
            };
        }
        table.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparsity::Method;
    use crate::sparsity::{Distribution, InitChoice, PruneRate, Structure};

    #[test]
    fn a_key_without_effect_makes_no_other_run() {
        let base = Config::default();
        let constant = PruneRate { decay: Decay::Constant, ..PruneRate::default() };
        type Change = fn(&mut Config);
        let changes: [(&str, Change, &[Method]); 8] = [
            ("delta_t", |config| config.delta_t = 7, &[Method::SET, Method::RIGL]),
            ("prune_rate.initial", |config| config.prune_rate.initial = 0.3, &[Method::SET, Method::RIGL]),
            ("prune_rate.stop_at", |config| config.prune_rate.stop_at = 0.3, &[Method::SET, Method::RIGL]),
            ("sparsity", |config| config.sparsity = 0.5, &[Method::STATIC, Method::SET, Method::RIGL]),
            (
                "distribution",
                |config| config.distribution = Distribution::Uniform,
                &[Method::STATIC, Method::SET, Method::RIGL],
            ),
            ("structure", |config| config.structure = Structure::FanIn, &[Method::STATIC, Method::SET, Method::RIGL]),
            ("lr", |config| config.lr = 0.3, &[Method::DENSE, Method::STATIC, Method::SET, Method::RIGL]),
            ("finite_check", |config| config.finite_check = false, &[]),
        ];
        for method in [Method::DENSE, Method::STATIC, Method::SET, Method::RIGL] {
            for (key, change, heard) in changes {
                let before = Config { method, ..base.clone() };
                let mut after = before.clone();
                change(&mut after);
                assert_ne!(before, after);
                let heard = heard.contains(&method);
                assert_eq!(before.has_effect(key), heard, "{key} of {}", method.name);
                assert_eq!(before.identity() != after.identity(), heard, "{key} of {}", method.name);
            }
        }
        let of = |min| Config { prune_rate: PruneRate { min, ..constant }, ..base.clone() };
        assert_eq!(of(0.1).identity(), of(0.2).identity());
        assert!(of(0.1).has_effect("prune_rate.initial") && !of(0.1).has_effect("prune_rate.min"));
        let of =
            |gamma| Config { lr_schedule: LrSchedule::MultiStep { milestones: Vec::new(), gamma }, ..base.clone() };
        assert_eq!(of(0.1).identity(), of(0.2).identity());
    }

    /// Layers share out the active weights by the scores of the whole network, not by a distribution.
    #[test]
    fn a_global_choice_needs_no_distribution() {
        let with = |method, init| Config { method, init, ..Config::default() };
        assert!(with(Method::SET, InitChoice::Random).has_effect("distribution"));
        for config in [with(Method::SET, InitChoice::Snip), with(Method::SYNFLOW, InitChoice::Method)] {
            assert!(!config.has_effect("distribution") && config.has_effect("init") && config.has_effect("sparsity"));
        }
        let masked = Config { mask: "m.npz".into(), ..with(Method::SET, InitChoice::Snip) };
        assert!(["init", "sparsity", "distribution"].iter().all(|key| !masked.has_effect(key)));
        assert!(masked.has_effect("mask") && masked.has_effect("structure"));
        assert!(!with(Method::DENSE, InitChoice::Snip).has_effect("init"));
        assert!(with(Method::SNIP, InitChoice::Random).has_effect("distribution"));
    }

    /// A table's name is no prefix of another key's.
    #[test]
    fn only_whole_names_count() {
        let config = Config { method: Method::STATIC, ..Config::default() };
        assert!(config.has_effect("prune_rates") && config.has_effect("delta") && !config.has_effect("prune_rate"));
    }
}
