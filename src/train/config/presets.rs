//! Named configurations, embedded from `assets/presets`.

use crate::train::{Config, ConfigError, config_builder::ConfigBuilder, keys};

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        /// Every preset: `(name, TOML)`.
        pub const PRESETS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../assets/presets/", $name, ".toml")))),*];
    };
}

presets!["quick", "itop-set", "itop-rigl", "rigl", "static", "dense"];

/// The layers of preset `name`: a recipe, and for all but `quick` optionally `-cifar10` or `-cifar100` (default) and
/// `-90` (default), `-95` or `-98` for the sparsity, as in `rigl-cifar10-95`.
pub fn preset(name: &str) -> Result<ConfigBuilder, ConfigError> {
    let mut layers = ConfigBuilder::default();
    let unknown = || {
        let known = names();
        let tip = keys::tip(name, known.iter().map(String::as_str));
        ConfigError::Preset { name: name.into(), tip, known: known.join(", ") }
    };
    let name = &name.to_lowercase().replace('_', "-");
    // The longest recipe that begins the name: `itop-rigl` is not `itop` with a suffix.
    let (recipe, text) = PRESETS
        .iter()
        .filter(|(recipe, _)| name == *recipe || name.strip_prefix(recipe).is_some_and(|rest| rest.starts_with('-')))
        .max_by_key(|(recipe, _)| recipe.len())
        .ok_or_else(unknown)?;
    layers.text(&format!("preset {recipe}"), text)?;
    let suffixes = name[recipe.len()..].split('-').skip(1);
    for suffix in suffixes {
        match suffix {
            // The ITOP code mirrors CIFAR-10's edges and blackens CIFAR-100's.
            "cifar10" if *recipe != "quick" => {
                layers.set("data", "cifar10");
                layers.set("augment", "reflect");
            }
            "cifar100" if *recipe != "quick" => {}
            "90" | "95" | "98" if !["quick", "dense"].contains(recipe) => {
                layers.set("sparsity", suffix.parse::<f64>().unwrap_or(90.0) / 100.0);
            }
            _ => return Err(unknown()),
        }
    }
    Ok(layers)
}

/// The names of all presets.
pub fn names() -> Vec<String> {
    let mut names = Vec::new();
    for (recipe, _) in PRESETS {
        names.push((*recipe).to_string());
        for data in ["cifar10", "cifar100"] {
            match *recipe {
                "quick" => {}
                "dense" => names.push(format!("{recipe}-{data}")),
                _ => names.extend([90, 95, 98].map(|sparsity| format!("{recipe}-{data}-{sparsity}"))),
            }
        }
    }
    names
}

/// The table of `docs/configuration.md`: what the presets set differently.
pub fn markdown() -> String {
    let configs: Vec<_> =
        PRESETS.iter().filter_map(|(name, _)| Some((name, preset(name).ok()?.finish().ok()?))).collect();
    let text =
        |config: &Config, key: &keys::Key| keys::value(config, key).map_or("–".into(), |value| format!("`{value}`"));
    let differs = |key: &&keys::Key| {
        let mut values = configs.iter().map(|(_, config)| text(config, key));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let names: Vec<String> = configs.iter().map(|(name, _)| format!("`{name}`")).collect();
    let mut table = line([vec!["key".into()], names].concat());
    table += &line(vec!["---".into(); configs.len() + 1]);
    for key in keys::KEYS.iter().filter(differs) {
        let values = configs.iter().map(|(_, config)| text(config, key)).collect();
        table += &line([vec![format!("`{}`", key.name)], values].concat());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documentation has the table as it is.
    #[test]
    fn every_preset_is_documented() {
        let doc = include_str!("../../../docs/configuration.md");
        assert!(doc.contains(&markdown()), "docs/configuration.md must have this table:\n{}", markdown());
    }

    #[test]
    fn names_are_taken_in_any_case() {
        assert_eq!(preset("ITOP_Set-CIFAR10-95").unwrap().finish().unwrap().sparsity, 0.95);
        assert!(preset("quik").unwrap_err().to_string().contains("did you mean `quick`?"));
    }
    use crate::train::{Augment, Method};

    #[test]
    fn every_name_gives_a_configuration() {
        for name in names() {
            let config = preset(&name).unwrap().finish().unwrap();
            for (part, sparsity) in [("-90", 0.9), ("-95", 0.95), ("-98", 0.98)] {
                assert!(!name.ends_with(part) || config.sparsity == sparsity, "{name}");
            }
            assert_eq!(name.starts_with("dense"), config.method == Method::DENSE, "{name}");
            assert_eq!(name.contains("cifar10-") || name.ends_with("cifar10"), config.augment == Augment::Reflect);
        }
        let rigl = preset("itop-rigl-cifar10-98").unwrap().finish().unwrap();
        assert_eq!((rigl.method, rigl.delta_t, rigl.data.as_str()), (Method::RIGL, 4000, "cifar10"));
        for name in ["itop", "quick-90", "dense-90", "rigl-cifar11", "rigl-", ""] {
            assert!(preset(name).is_err(), "{name}");
        }
    }
}
