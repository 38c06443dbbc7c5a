//! Settings: what the runs of a page have in common and how they differ, with names and colours that are the same in all charts.
//! Runs that differ only in their seeds, or in keys without effect for their method, have the same setting.

use std::collections::BTreeMap;

use plotters::style::RGBColor;
use serde_json::{Map, Value};

use super::colours::{colour, of_method};
use crate::train::{Config, Method, names};

/// A configuration's values by dotted key, without those that have no effect and without the seed.
type Values = BTreeMap<String, Value>;

/// One setting.
pub struct Setting {
    pub method: Method,
    values: Values,
    /// `SET ΔT 5, learning rate 0.1`: the method, and what sets it apart on this page.
    pub label: String,
}

/// All settings of a page, in the order of their methods and then of their values.
pub struct Settings {
    pub all: Vec<Setting>,
    /// Keys that not all have with the same value.
    varied: Vec<String>,
    colours: BTreeMap<String, RGBColor>,
}

impl Settings {
    /// The settings of `configs`.
    pub fn of<'a>(configs: impl IntoIterator<Item = &'a Config>) -> Self {
        let mut all: Vec<Setting> = Vec::new();
        for config in configs {
            let (method, values) = (config.method, values(config));
            if all.iter().all(|known| (known.method, &known.values) != (method, &values)) {
                all.push(Setting { method, values, label: String::new() });
            }
        }
        let mut varied: Vec<String> = Vec::new();
        for key in all.iter().flat_map(|setting| setting.values.keys()) {
            let mut found = all.iter().filter_map(|setting| setting.values.get(key));
            let first = found.next();
            if found.any(|value| Some(value) != first) && !varied.contains(key) {
                varied.push(key.clone());
            }
        }
        names::sort(&mut varied);
        all.sort_by(|a, b| {
            let methods = a.method.place().cmp(&b.method.place());
            let values = varied.iter().map(|key| compare(a.values.get(key), b.values.get(key)));
            std::iter::once(methods).chain(values).fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        let mut settings = Self { all, varied, colours: BTreeMap::new() };
        let labels: Vec<String> = settings.all.iter().map(|setting| settings.label(setting, None)).collect();
        for (i, mut label) in labels.iter().cloned().enumerate() {
            // Names are short: two folders of data may have one.
            let before = labels[..i].iter().filter(|other| **other == label).count();
            if before > 0 {
                label += &format!(" ({})", before + 1);
            }
            settings.all[i].label = label;
        }
        settings.colours = settings.give_colours();
        settings
    }

    /// Curves through several settings first: they have the colours of their methods.
    fn give_colours(&self) -> BTreeMap<String, RGBColor> {
        let mut labels: Vec<(Method, String)> = Vec::new();
        for key in self.numeric_keys() {
            for setting in &self.all {
                let label = (setting.method, self.curve(setting, key));
                if label.1 != setting.label && !labels.contains(&label) {
                    labels.push(label);
                }
            }
        }
        labels.extend(self.all.iter().map(|setting| (setting.method, setting.label.clone())));
        let one_method = self.all.iter().all(|setting| setting.method == self.all[0].method);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let give = |(method, label): &(Method, String)| {
            let count = counts.entry(method.name).or_default();
            *count += 1;
            let given =
                if one_method && self.all.len() > 1 { colour(*count - 1) } else { of_method(*method, *count - 1) };
            (label.clone(), given)
        };
        labels.iter().map(give).collect()
    }

    /// The number of the setting of `config`, if it is one of these.
    pub fn find(&self, config: &Config) -> Option<usize> {
        let values = values(config);
        self.all.iter().position(|setting| (setting.method, &setting.values) == (config.method, &values))
    }

    /// What the setting is called; without the value of `left_out`, for a curve over that key.
    fn label(&self, setting: &Setting, left_out: Option<&str>) -> String {
        // A ΔT is named even where all have the same: it is what a method with updates stands or falls with.
        let named = |key: &str| key == "delta_t" || self.varied.iter().any(|varied| varied == key);
        let own = setting.values.iter().filter(|(key, _)| named(key) && Some(key.as_str()) != left_out);
        let method = ("method".to_string(), setting.method.name.into());
        names::setting(&own.map(|(key, value)| (key.clone(), value.clone())).chain([method]).collect())
    }

    /// The name of the curve over the numbers of `key` that the setting is on: its own where it is alone.
    pub fn curve(&self, setting: &Setting, key: &str) -> String {
        let label = self.label(setting, Some(key));
        let on_it =
            self.all.iter().filter(|other| other.values.contains_key(key) && self.label(other, Some(key)) == label);
        if setting.values.contains_key(key) && on_it.count() > 1 { label } else { setting.label.clone() }
    }

    /// The colour of a setting or of a curve, by its label.
    pub fn colour(&self, label: &str) -> RGBColor {
        self.colours.get(label).copied().unwrap_or_else(|| colour(0))
    }

    /// Varied keys that are numbers wherever they count.
    pub fn numeric_keys(&self) -> Vec<&str> {
        let numeric = |key: &&String| {
            self.all.iter().filter_map(|setting| setting.values.get(*key)).all(|value| number(value).is_some())
        };
        self.varied.iter().filter(numeric).map(String::as_str).collect()
    }

    /// Names and values of what all settings that have the key agree in, of [`names::RECIPE`]; the method is in their names.
    pub fn common(&self) -> Vec<(String, String)> {
        let of = |key: &&str| {
            let value = self.all.iter().find_map(|setting| setting.values.get(*key))?;
            let agreed = !self.varied.iter().any(|varied| varied == key);
            agreed.then(|| (names::key(key), text(key, value)))
        };
        names::RECIPE.iter().filter_map(of).collect()
    }
}

#[cfg(all(feature = "sweep", not(target_arch = "wasm32")))]
impl Setting {
    /// A number of the setting; none where the key has no effect.
    pub fn number(&self, key: &str) -> Option<f64> {
        number(self.values.get(key)?)
    }

    /// A value as text; none where the key has no effect.
    pub fn text(&self, key: &str) -> Option<String> {
        self.values.get(key).map(|value| text(key, value))
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

/// A value with its unit.
fn text(key: &str, value: &Value) -> String {
    let unit = if names::in_percent(key) { " %" } else { "" };
    names::value(key, value) + unit
}

/// Numbers by size, what is not there first.
fn compare(a: Option<&Value>, b: Option<&Value>) -> std::cmp::Ordering {
    match (a.and_then(number), b.and_then(number)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.map(Value::to_string).cmp(&b.map(Value::to_string)),
    }
}

fn values(config: &Config) -> Values {
    let mut flat = Values::new();
    if let Ok(Value::Object(table)) = serde_json::to_value(config) {
        flatten("", table, &mut flat);
    }
    flat.retain(|key, _| !["seed", "method"].contains(&key.as_str()) && config.has_effect(key));
    flat
}

fn flatten(prefix: &str, table: Map<String, Value>, flat: &mut Values) {
    for (key, value) in table {
        match value {
            Value::Object(inner) => flatten(&format!("{prefix}{key}."), inner, flat),
            value => drop(flat.insert(format!("{prefix}{key}"), value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(method: Method, delta_t: usize, seed: u64) -> Config {
        Config { method, delta_t, seed, ..Config::default() }
    }

    fn labels(settings: &Settings) -> Vec<&str> {
        settings.all.iter().map(|setting| setting.label.as_str()).collect()
    }

    #[test]
    fn runs_that_cannot_differ_are_of_one_setting() {
        let configs: Vec<Config> = [Method::RIGL, Method::SET, Method::STATIC, Method::DENSE]
            .into_iter()
            .flat_map(|method| [20, 5].map(|delta_t| config(method, delta_t, delta_t as u64)))
            .collect();
        let settings = Settings::of(&configs);
        assert_eq!(labels(&settings), ["dense", "static", "SET ΔT 5", "SET ΔT 20", "RigL ΔT 5", "RigL ΔT 20"]);
        assert_eq!(settings.find(&configs[4]), settings.find(&configs[5]));
        assert_ne!(settings.find(&configs[0]), settings.find(&configs[1]));
        assert_eq!(settings.numeric_keys(), ["delta_t"]);
        assert_eq!(settings.curve(&settings.all[3], "delta_t"), "SET");
        assert_eq!(settings.curve(&settings.all[1], "delta_t"), "static");
        let one = Settings::of(&configs[..3]);
        assert_eq!(
            one.all.iter().map(|setting| one.curve(setting, "delta_t")).collect::<Vec<_>>(),
            ["SET ΔT 20", "RigL", "RigL"]
        );
        // A seed alone is no setting, nor is what a dense run does not look at.
        let dense = |sparsity| Config { sparsity, ..config(Method::DENSE, 1, 1) };
        assert_eq!(Settings::of(&[dense(0.5), dense(0.9)]).all.len(), 1);
    }

    #[test]
    fn labels_name_what_sets_runs_apart() {
        let base = config(Method::SET, 5, 1);
        let configs = [base.clone(), Config { lr: 0.05, sparsity: 0.95, ..base.clone() }];
        assert_eq!(
            labels(&Settings::of(&configs)),
            ["SET ΔT 5, sparsity 90 %, learning rate 0.1", "SET ΔT 5, sparsity 95 %, learning rate 0.05"]
        );
        assert_eq!(labels(&Settings::of(std::slice::from_ref(&base))), ["SET ΔT 5"]);
        let models = [base.clone(), Config { model: "vgg_c".into(), ..base }];
        assert_eq!(labels(&Settings::of(&models)), ["SET ΔT 5, ResNet-34", "SET ΔT 5, VGG-C"]);
        let places = ["a/flowers", "b/flowers"].map(|data| Config { data: data.into(), ..config(Method::DENSE, 1, 1) });
        let settings = Settings::of(&places);
        assert_eq!(labels(&settings), ["dense, flowers", "dense, flowers (2)"]);
        assert_ne!(settings.colour("dense, flowers"), settings.colour("dense, flowers (2)"));
    }

    #[test]
    fn a_colour_is_one_setting_on_every_page_of_the_same_settings() {
        let configs: Vec<Config> = [Method::STATIC, Method::SET, Method::RIGL]
            .into_iter()
            .flat_map(|method| [5, 20].map(|delta_t| config(method, delta_t, 1)))
            .collect();
        let (settings, turned) = (Settings::of(&configs), Settings::of(configs.iter().rev()));
        let all: Vec<RGBColor> = settings.all.iter().map(|setting| settings.colour(&setting.label)).collect();
        assert_eq!(all, turned.all.iter().map(|setting| turned.colour(&setting.label)).collect::<Vec<_>>());
        // A method keeps its colour where other methods are.
        let two = Settings::of(&configs[..4]);
        assert_eq!(two.colour("static"), settings.colour("static"));
        // Curves through several settings have colours of their own.
        let mut seen: Vec<RGBColor> =
            all.iter().copied().chain(["SET", "RigL"].map(|label| settings.colour(label))).collect();
        seen.sort_by_key(|&RGBColor(r, g, b)| (r, g, b));
        seen.dedup();
        assert_eq!(seen.len(), 7);
    }
}
