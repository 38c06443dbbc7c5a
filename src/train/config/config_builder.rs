//! Builds a configuration from defaults, files, presets, `--set` and flags; later ones override earlier ones.

use std::collections::BTreeSet;
use std::path::Path;

use toml::Value;

use crate::train::config::{Config, ConfigError};
use crate::train::keys::{self, KEYS, Key};
use crate::train::kinds::Kind;
use crate::train::lr::LrSchedule;
use crate::train::run_folder::read_config;

/// A configuration in the making: TOML tables laid over each other, the later the stronger. Dotted keys and their values; names
/// that are known stand as [`keys::KEYS`] spells them, whatever case they came in.
#[derive(Clone, Debug, Default)]
pub struct ConfigBuilder(toml::Table);

impl ConfigBuilder {
    /// Lays the TOML text of `origin` (a file, a preset) on top.
    pub fn text(&mut self, origin: &str, text: &str) -> Result<(), ConfigError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| 1 + text.as_bytes()[..span.start].iter().filter(|&&b| b == b'\n').count());
            ConfigError::Toml { origin: format!("{origin}, line {line}"), message: error.message().trim().into() }
        })?;
        // Now, so that a mistake is reported with the name of where it stands.
        let within = |source| ConfigError::In { origin: origin.into(), source: Box::new(source) };
        self.table(table).and_then(|()| self.read().map(|_| ())).map_err(within)
    }

    /// Lays the configuration of the run in `folder` on top.
    pub fn run(&mut self, folder: &Path) -> Result<(), ConfigError> {
        let path = folder.join("config.toml");
        let text = read_config(&path).map_err(|source| ConfigError::NoRun { folder: folder.into(), source })?;
        self.text(&path.display().to_string(), &text)
    }

    /// Lays one value on top; `key` may be dotted, and is taken in any case.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        let name = keys::find(key).map_or(key, |key| key.name);
        // Another kind of schedule keeps no keys of the last one.
        if let ("lr_schedule.kind", Value::String(kind)) = (name, &value) {
            let foreign = |name: &str| keys::find(name).and_then(|key| key.of).is_some_and(|of| !keys::same(of, kind));
            self.0.retain(|name, _| !foreign(name));
        }
        self.0.insert(name.to_string(), value);
    }

    /// Lays a `key=value` of the command line on top; the value is TOML, or else text.
    pub fn assign(&mut self, assignment: &str) -> Result<(), ConfigError> {
        let (key, value) = assignment.split_once('=').ok_or_else(|| ConfigError::Assignment(assignment.to_string()))?;
        let value = keys::find(key.trim()).map_or_else(|| Value::String(value.into()), |key| key.kind.text(value));
        self.set(key.trim(), value);
        Ok(())
    }

    /// The configuration, checked.
    pub fn finish(self) -> Result<Config, ConfigError> {
        let config = self.read()?;
        config.validate_together()?;
        Ok(config)
    }

    /// Lays `table` on top.
    pub(in crate::train) fn table(&mut self, table: toml::Table) -> Result<(), ConfigError> {
        let mut found = Vec::new();
        leaves("", table, &mut found);
        // The kind of a schedule before the keys that it has.
        found.sort_by_key(|(name, _)| keys::find(name).is_none_or(|key| key.name != "lr_schedule.kind"));
        let mut seen = BTreeSet::new();
        for (name, value) in found {
            if !seen.insert(keys::find(&name).map_or(name.clone(), |key| key.name.into())) {
                return Err(ConfigError::Twice(name));
            }
            self.set(&name, value);
        }
        Ok(())
    }

    /// The configuration, each value on its own what its key takes.
    pub(in crate::train) fn read(&self) -> Result<Config, ConfigError> {
        let mut config = toml::Table::new();
        let default = || Value::String(LrSchedule::default().kind().into());
        let mut flat = self.0.clone();
        // A key of a schedule alone is one of the default schedule.
        if flat.keys().any(|name| name.starts_with("lr_schedule.")) {
            flat.entry("lr_schedule.kind").or_insert_with(default);
        }
        let kind = flat.get("lr_schedule.kind").and_then(Value::as_str).unwrap_or_default().to_string();
        for (name, value) in flat {
            let Some(key) = KEYS.iter().find(|key| key.name == name) else {
                let known = KEYS.iter().flat_map(|key| [Some(key.name), Some(key.flag), key.also]);
                let tip = keys::tip(&name, known.flatten());
                return Err(ConfigError::Key { key: name, tip });
            };
            if let Some(of) = key.of.filter(|of| !keys::same(of, &kind)) {
                return Err(ConfigError::OtherSchedule { key: key.name, of, kind });
            }
            let value = key.kind.read(&value).ok_or_else(|| self.wrong(key, &value))?;
            match key.name.split_once('.') {
                None => drop(config.insert(name, value)),
                Some((group, part)) => {
                    let inner = config.entry(group).or_insert_with(|| Value::Table(toml::Table::new()));
                    inner.as_table_mut().map(|inner| inner.insert(part.into(), value));
                }
            }
        }
        let unread = |error: toml::de::Error| ConfigError::Toml {
            origin: "configuration".into(),
            message: error.message().trim().into(),
        };
        config.try_into().map_err(unread)
    }

    /// Why `value` is not what `key` takes.
    fn wrong(&self, key: &Key, value: &Value) -> ConfigError {
        let mut what = key.kind.refusal(value);
        // PyTorch's milestones are epochs.
        let late = |value: &Value| value.as_float().or(value.as_integer().map(|n| n as f64)).filter(|&n| n > 1.0);
        let numbers = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        if let (Kind::Shares, Some(epoch)) = (key.kind, numbers.iter().find_map(late)) {
            let epochs =
                self.0.get("epochs").and_then(Value::as_integer).map_or(Config::default().epochs as f64, |n| n as f64);
            what += &format!(": epoch {epoch} of {epochs} is {}", (1e4 * epoch / epochs).round() / 1e4);
        }
        // A number in quotes is a string: the quotes are what is wrong.
        let quoted = value.as_str().is_some_and(|text| text.trim().parse::<f64>().is_ok());
        // A network is many lines: its first says what it is.
        let shown = |text: &str| text.lines().next().unwrap_or_default().to_string();
        let value = value.as_str().filter(|_| !quoted).map_or_else(|| value.to_string(), shown);
        ConfigError::Takes { key: key.name, value, what }
    }
}

/// Parts that a table is taken apart into; the deepest real key has two.
const MOST_DEPTH: usize = 4;

/// What a nested table assigns, with dotted keys.
fn leaves(prefix: &str, table: toml::Table, found: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let name = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) if !inner.is_empty() && name.split('.').count() < MOST_DEPTH => {
                leaves(&name, inner, found)
            }
            Value::Table(inner) if inner.is_empty() && keys::is_group(&name) => {}
            value => found.push((name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Storage;
    use crate::train::{Augment, Method};

    fn error(assignment: &str) -> String {
        let mut layers = ConfigBuilder::default();
        match layers.assign(assignment).and_then(|()| layers.finish()) {
            Ok(config) => panic!("{assignment} gave {config:?}"),
            Err(error) => error.to_string(),
        }
    }

    /// In words that a user knows, with bounds, and no word of the program's language.
    #[test]
    fn impossible_values_are_named() {
        for (assignment, words) in [
            ("sparsity=1.0", "`sparsity` = 1.0 must be a share from 0 to below 1"),
            ("sparsity=95", "`sparsity` = 95 is no share: did you mean 0.95 or 95%?"),
            ("sparsity=99.5", "`sparsity` = 99.5 is no share: did you mean 0.995 or 99.5%?"),
            ("sparsity=100%", "`sparsity` = 100% must be a share"),
            ("sparsity=nan", "`sparsity` = nan must be a share"),
            ("batch_size=0", "`batch_size` = 0 must be a whole number from 1 to 65,536"),
            ("delta_t=0", "`delta_t` = 0 must be a whole number of at least 1"),
            ("epochs=0", "`epochs` = 0 must be a whole number from 1 to 1,000,000"),
            ("epochs=-1", "`epochs` = -1 must be a whole number"),
            ("epochs=3.5", "`epochs` = 3.5 must be a whole number"),
            ("epochs=99999999999999999999", "`epochs`"),
            ("multiplier=0", "`epoch_multiplier`"),
            ("seed=-1", "`seed` = -1 must be a whole number of at least 0"),
            ("lr=0", "`lr` = 0 must be a number above 0"),
            ("lr=1e999", "`lr`"),
            ("lr=[0.1]", "`lr` = [0.1] must be a number"),
            ("momentum=1.0", "`momentum` = 1.0 must be a number from 0 to below 1"),
            ("momentum=0.0", "`nesterov` = true must be false where `momentum` is 0"),
            ("nesterov=perhaps", "`nesterov` = perhaps must be true or false"),
            ("validation=0.95", "`validation` = 0.95 must be a share from 0 to 0.9"),
            ("validation=10", "`validation` = 10 is no share: did you mean 0.1 or 10%?"),
            ("test=0.95", "`test` = 0.95 must be a share from 0 to 0.9"),
            ("method=riggle", "`method` = riggle must be one of dense, static, set, rigl, momentum, "),
            ("method=riggle", "; did you mean `rigl`?"),
            ("model=resnet50x", "must be one of resnet8, "),
            ("model=resnet50x", "; did you mean `resnet50`?"),
            ("data=", "`data` =  must be the name of a data set, or a path"),
            ("colour=red", "unknown key `colour`; docs/configuration.md"),
            ("epochz=3", "unknown key `epochz`; did you mean `epochs`?"),
            ("learn_rate=3", "did you mean `learning_rate`?"),
            ("lr.x=3", "unknown key `lr.x`"),
            ("lr=abc", "`lr` = abc must be a number above 0"),
            ("prune_rate=1.5", "`prune_rate.initial` = 1.5 is no share: did you mean 0.015 or 1.5%?"),
            ("prune_rate.initial=true", "`prune_rate.initial` = true must be a share from 0 to 1"),
            ("prune_rate.min=0.7", "lower `min`"),
            ("lr_schedule.kind=steps", "`lr_schedule.kind` = steps must be one of multi-step, cosine"),
            ("lr_schedule.pct_start=0.2", "is for the schedule `one-cycle`, and this one is `multi-step`"),
            (
                "lr_schedule.milestones=[60,120]",
                "must be a list of shares from 0 to 1, as [0.5, 0.75]: epoch 60 of 250 is 0.24",
            ),
            ("lr_schedule.milestones=[half]", "must be a list of shares"),
            ("lr_schedule.gamma=-1", "`lr_schedule.gamma` = -1 must be a number of at least 0"),
            ("epochs", "key=value"),
        ] {
            let message = error(assignment);
            assert!(message.contains(words), "{assignment}: {message}");
            for foreign in ["usize", "u64", "f64", "i64", "field", "variant", "invalid type"] {
                assert!(!message.contains(foreign), "{assignment}: {message}");
            }
        }
    }

    #[test]
    fn names_are_taken_in_any_case_and_shares_as_percentages() {
        let config = |assignments: &[&str]| {
            let mut layers = ConfigBuilder::default();
            assignments.iter().for_each(|assignment| layers.assign(assignment).unwrap());
            layers.finish().unwrap_or_else(|error| panic!("{assignments:?}: {error}"))
        };
        let asked = config(&[
            "Method=SET",
            "model=ResNet-34",
            "data=CIFAR-100",
            "storage=BF16",
            "distribution=ERK",
            "Delta-T=7",
            "batch-size=1e2",
            "learning_rate=.5",
            "sparsity=99.9%",
            "NESTEROV=False",
            "augment=None",
        ]);
        let plain = Config {
            method: Method::SET,
            model: "resnet34".into(),
            data: "cifar100".into(),
            storage: Storage::Bf16,
            delta_t: 7,
            batch_size: 100,
            lr: 0.5,
            sparsity: 0.999,
            nesterov: false,
            augment: Augment::None,
            ..Config::default()
        };
        assert_eq!(asked, plain);
        // A group's name means its first key, and a key of the default schedule needs no kind.
        let asked = config(&["prune_rate=30%", "lr_schedule.milestones=[0.3, 60%]"]);
        assert_eq!(asked.prune_rate.initial, 0.3);
        assert_eq!(asked.lr_schedule, LrSchedule::MultiStep { milestones: vec![0.3, 0.6], gamma: 0.1 });
        // The order of kind and key does not matter.
        for order in [
            ["lr_schedule=OneCycle", "lr_schedule.pct_start=0.2"],
            ["lr_schedule.pct_start=0.2", "lr_schedule.kind=one_cycle"],
        ] {
            let schedule = config(&order).lr_schedule;
            assert!(matches!(schedule, LrSchedule::OneCycle { pct_start, .. } if pct_start == 0.2), "{schedule:?}");
        }
        let mut layers = ConfigBuilder::default();
        layers.text("my.toml", "sparsity = '90%'\nLR = 1\n[Death-Rate]\nINITIAL = 0.25").unwrap();
        let config = layers.finish().unwrap();
        assert_eq!((config.sparsity, config.lr, config.prune_rate.initial), (0.9, 1.0, 0.25));
    }

    #[test]
    fn layers_lie_over_each_other() {
        let mut layers = ConfigBuilder::default();
        layers.text("preset", "epochs = 3\n[lr_schedule]\nkind = 'one-cycle'\npct_start = 0.1\n").unwrap();
        layers.assign("prune_rate.initial=0.25").unwrap();
        layers.assign("data=some/where").unwrap();
        layers.set("epochs", 4);
        let config = layers.clone().finish().unwrap();
        assert_eq!((config.epochs, config.prune_rate.initial, config.data.as_str()), (4, 0.25, "some/where"));
        assert!(matches!(config.lr_schedule, LrSchedule::OneCycle { pct_start, .. } if pct_start == 0.1));
        layers.assign("lr_schedule.kind=cosine").unwrap();
        assert_eq!(layers.finish().unwrap().lr_schedule, LrSchedule::Cosine { min: 0.0 });
        // What only makes sense over what lies below.
        let mut layers = ConfigBuilder::default();
        layers.text("preset", "[lr_schedule]\nkind = 'one-cycle'\n").unwrap();
        layers.text("my.toml", "lr_schedule.pct_start = 0.2").unwrap();
        assert!(
            matches!(layers.finish().unwrap().lr_schedule, LrSchedule::OneCycle { pct_start, .. } if pct_start == 0.2)
        );
        for (text, words) in [
            ("epochz = 3", "my.toml: "),
            ("epochz = 3", "epochz"),
            ("epochs = '3'", "my.toml: `epochs` = \"3\" must be a whole number"),
            ("lr = 1\nLR = 2", "my.toml: `lr` is given twice"),
            ("epochs = { a = 1 }", "my.toml: unknown key `epochs.a`"),
            ("prune_rate = [1]", "my.toml: `prune_rate.initial` = [1] must be a share"),
            ("epochs = 3\nlr = 0..1", "my.toml, line 2: "),
        ] {
            let mistake = ConfigBuilder::default().text("my.toml", text).unwrap_err().to_string();
            assert!(mistake.contains(words), "{text}: {mistake}");
        }
    }
}
