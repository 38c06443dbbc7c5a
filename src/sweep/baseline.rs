//! Which settings the others are compared with.

use super::collect::{Collected, CollectedRow};
use super::spec::{Assignments, label, pairs};
use crate::train::config_builder::ConfigBuilder;
use crate::train::{Config, ConfigError, Method};

/// Whether `config` is one that `baseline` means: laid over it, its values change nothing, and one of them at least has an
/// effect.
pub fn means(baseline: &Assignments, config: &Config) -> Result<bool, ConfigError> {
    let mut layers = ConfigBuilder::default();
    layers.text("baseline", &config.to_toml()?)?;
    baseline.iter().for_each(|(key, value)| layers.set(key, value.clone()));
    let laid_over = layers.finish()?;
    Ok(laid_over.identity() == config.identity() && baseline.iter().any(|(key, _)| config.has_effect(key)))
}

/// Checks that `baseline` names a setting, and that there is one.
pub fn check(baseline: &Assignments, configs: &[&Config]) -> Result<(), String> {
    let label = label(pairs(baseline));
    if baseline.is_empty() {
        return Err("it names no key; write for example method = \"static\"".into());
    }
    if baseline.iter().any(|(key, _)| key == "seed") {
        return Err("`seed` is no setting: runs are compared seed by seed; leave it out".into());
    }
    for config in configs {
        match means(baseline, config) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // Of the key's own, not of how it goes with the rest of a row.
            Err(error @ (ConfigError::Key { .. } | ConfigError::Takes { .. })) => return Err(error.to_string()),
            Err(_) => {}
        }
    }
    Err(format!("no row has {label}; name a setting that the sweep has"))
}

/// What others are compared with where nobody says so: static training if there is a row of it, else dense, else SET; without
/// different methods, the first value of the one key that varies.
pub(super) fn default(collected: &Collected, groups: &[Vec<&CollectedRow>]) -> Option<Assignments> {
    let methods: Vec<Method> = groups.iter().map(|rows| rows[0].config.method).collect();
    let preferred = [Method::STATIC, Method::DENSE, Method::SET].into_iter().find(|method| methods.contains(method));
    if let Some(method) = preferred.filter(|method| methods.iter().any(|other| other != method)) {
        return Some(vec![("method".into(), method.name.into())]);
    }
    let varied: Vec<&String> = collected.keys.iter().filter(|key| *key != "seed").collect();
    let [key] = varied[..] else { return None };
    let value = toml::Value::try_from(collected.groups.first()?.varied.get(key)?).ok()?;
    Some(vec![(key.clone(), value)])
}

#[cfg(test)]
mod tests {
    use super::super::spec::{assignment, rows};
    use super::*;

    #[test]
    fn a_baseline_is_what_its_values_do_not_change() {
        let config = |text: &str| rows("spec.toml", text).unwrap().rows[0].config.clone();
        let fixed = config("[base]\npreset = 'quick'\nmethod = 'static'");
        let moved = config("[base]\npreset = 'quick'\nmethod = 'set'");
        let names = |texts: &[&str]| texts.iter().map(|text| assignment(text).unwrap()).collect::<Assignments>();
        for (texts, of_fixed, of_moved) in [
            (&["method=static"][..], true, false),
            (&["method = \"static\""], true, false),
            (&["method=static", "sparsity=0.9"], true, false),
            (&["method=static", "sparsity=0.95"], false, false),
            // Without effect on static training: it is no setting of it by itself.
            (&["delta_t=25"], false, true),
            (&["method=static", "delta_t=3"], true, false),
            (&["prune_rate.initial=0.5"], false, true),
        ] {
            assert_eq!(means(&names(texts), &fixed).unwrap(), of_fixed, "{texts:?}");
            assert_eq!(means(&names(texts), &moved).unwrap(), of_moved, "{texts:?}");
        }
        assert!(assignment("static").is_none());
    }
}
