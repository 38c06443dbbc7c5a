//! What a run is: every choice that changes its result, in one flat file. Bad values die here, before anything is written.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::lr::{LrError, LrSchedule, RunLength};
use super::run_folder::read_config;
use crate::data::{MOST_TEST, Source};
use crate::ops::Storage;
use crate::ops::augment::Padding;
use crate::plan::Growth;
use crate::sparsity::{DeathRate, Distribution, ScheduleError};

/// How the active set is chosen and moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Every weight active.
    Dense,
    /// A random sparse set that never moves.
    Static,
    /// Magnitude prune, random growth (Mocanu et al. 2018).
    Set,
    /// Magnitude prune, gradient growth (Evci et al. 2020).
    #[default]
    Rigl,
}

impl Method {
    pub const NAMES: [&str; 4] = ["dense", "static", "set", "rigl"];

    pub fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Static => "static",
            Self::Set => "set",
            Self::Rigl => "rigl",
        }
    }

    /// How updates grow, if there are any.
    pub fn growth(self) -> Option<Growth> {
        match self {
            Self::Dense | Self::Static => None,
            Self::Set => Some(Growth::Random),
            Self::Rigl => Some(Growth::Gradient),
        }
    }
}

/// What training images go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augment {
    None,
    /// Random crop with 4 black pixels around, random flip.
    Zero,
    /// Random crop of the image mirrored at its edges, random flip.
    Reflect,
}

impl Augment {
    pub fn padding(self) -> Option<Padding> {
        match self {
            Self::None => None,
            Self::Zero => Some(Padding::Zero),
            Self::Reflect => Some(Padding::Reflect),
        }
    }
}

/// A run. The defaults are the recipe for CIFAR of the ITOP paper's code (Liu et al., ICML 2021) with RigL at 90 %, but for a
/// tenth of the training images that is held out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub model: String,
    /// `sample`, `cifar10`, `cifar100`, or a path.
    pub data: String,
    pub method: Method,
    /// Share of the maskable weights that is not there.
    pub sparsity: f64,
    pub distribution: Distribution,
    pub epochs: usize,
    /// Extended training: stretches the run and its schedules to this many times `epochs`.
    pub multiplier: usize,
    pub batch_size: usize,
    pub seed: u64,
    /// Base (one-cycle: highest) learning rate.
    pub lr: f64,
    pub momentum: f64,
    pub nesterov: bool,
    /// On every parameter, as in the ITOP code.
    pub weight_decay: f64,
    pub label_smoothing: f64,
    /// Steps between topology updates.
    pub delta_t: usize,
    pub augment: Augment,
    /// How activations and their gradients are kept in GPU memory; weights and arithmetic are `f32`.
    pub storage: Storage,
    /// Share of the training images held out to choose the best epoch.
    pub validation: f64,
    /// Share of each class of the training images that becomes the test set, where the data has none.
    pub test: f64,
    /// Look for where numbers go bad, when they do.
    pub finite_check: bool,
    /// Minutes of training after which a checkpoint is kept within an epoch too; 0: after epochs only.
    pub checkpoint_minutes: f64,
    pub lr_schedule: LrSchedule,
    pub death_rate: DeathRate,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model: "resnet34".into(),
            data: "cifar100".into(),
            method: Method::Rigl,
            sparsity: 0.9,
            distribution: Distribution::Erk,
            epochs: 250,
            multiplier: 1,
            batch_size: 128,
            seed: 17,
            lr: 0.1,
            momentum: 0.9,
            nesterov: true,
            weight_decay: 5e-4,
            label_smoothing: 0.0,
            delta_t: 100,
            augment: Augment::Zero,
            storage: Storage::F32,
            validation: 0.1,
            test: 0.0,
            finite_check: true,
            checkpoint_minutes: 10.0,
            lr_schedule: LrSchedule::default(),
            death_rate: DeathRate::default(),
        }
    }
}

/// A run that cannot be.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("{origin}: {message}")]
    Toml { origin: String, message: String },
    #[error("`{}` holds no run: cannot read its config.toml: {source}", .folder.display())]
    NoRun { folder: PathBuf, source: std::io::Error },
    #[error("`--set {0}` is not of the form key=value")]
    Assignment(String),
    #[error("no preset `{0}`; there are: {1}")]
    Preset(String, String),
    #[error("`{key}` = {value} must be {must}")]
    Value { key: &'static str, value: String, must: &'static str },
    #[error(transparent)]
    Lr(#[from] LrError),
    #[error(transparent)]
    DeathRate(#[from] ScheduleError),
}

/// The most that `checkpoint_minutes` may be: two years.
const MOST_MINUTES: f64 = 1e6;

/// Parts that a dotted key is taken apart into; the deepest real key has two.
const MOST_DEPTH: usize = 4;

/// A configuration in the making: TOML tables laid over each other, the later the stronger.
#[derive(Clone, Debug, Default)]
pub struct Layers(toml::Table);

impl Layers {
    /// Lays the TOML text of `origin` (a file, a preset) on top.
    pub fn text(&mut self, origin: &str, text: &str) -> Result<(), ConfigError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| 1 + text.as_bytes()[..span.start].iter().filter(|&&b| b == b'\n').count());
            ConfigError::Toml { origin: format!("{origin}, line {line}"), message: error.message().trim().into() }
        })?;
        overlay(&mut self.0, table);
        // Now, so that a mistake is reported with the name of where it stands.
        parse(origin, &self.0).map(|_| ())
    }

    /// Lays the configuration of the run in `folder` on top.
    pub fn run(&mut self, folder: &Path) -> Result<(), ConfigError> {
        let path = folder.join("config.toml");
        let text = read_config(&path).map_err(|source| ConfigError::NoRun { folder: folder.into(), source })?;
        self.text(&path.display().to_string(), &text)
    }

    /// Lays one value on top; `key` may be dotted.
    pub fn set(&mut self, key: &str, value: impl Into<toml::Value>) {
        let mut table = toml::Table::new();
        let mut value = value.into();
        let mut parts: Vec<&str> = key.splitn(MOST_DEPTH, '.').collect();
        let last = parts.remove(0);
        for part in parts.into_iter().rev() {
            value = toml::Value::Table(toml::Table::from_iter([(part.to_string(), value)]));
        }
        table.insert(last.to_string(), value);
        overlay(&mut self.0, table);
    }

    /// Lays a `key=value` of the command line on top; the value is TOML, or else a string.
    pub fn assign(&mut self, assignment: &str) -> Result<(), ConfigError> {
        let (key, value) = assignment.split_once('=').ok_or_else(|| ConfigError::Assignment(assignment.to_string()))?;
        let parsed = format!("v = {value}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("v"));
        self.set(key.trim(), parsed.unwrap_or_else(|| toml::Value::String(value.trim().to_string())));
        Ok(())
    }

    /// The configuration, checked.
    pub fn finish(self) -> Result<Config, ConfigError> {
        let config = parse("configuration", &self.0)?;
        config.validate()?;
        Ok(config)
    }
}

/// The configuration in `table`, every value of the right type; a mistake is named by its key.
fn parse(origin: &str, table: &toml::Table) -> Result<Config, ConfigError> {
    serde_path_to_error::deserialize(toml::Value::Table(table.clone())).map_err(|error| {
        let (key, message) = (error.path().to_string(), error.inner().message().trim());
        let message = if key == "." { message.to_string() } else { format!("`{key}`: {message}") };
        ConfigError::Toml { origin: origin.into(), message }
    })
}

/// Tables merge key by key, except that another `kind` of learning-rate schedule starts afresh.
fn overlay(base: &mut toml::Table, top: toml::Table) {
    for (key, value) in top {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => {
                if new.get("kind").is_some_and(|kind| old.get("kind") != Some(kind)) {
                    old.clear();
                }
                overlay(old, new);
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

impl Config {
    /// That of the run in `folder`.
    pub fn of_run(folder: &Path) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        layers.run(folder)?;
        layers.finish()
    }

    /// Whether a run of this configuration may go on by `other`: what its checkpoint's tensors and its past steps stand on
    /// stays.
    pub fn check_resume(&self, other: &Self) -> Result<(), ConfigError> {
        let kept = |key, own: &dyn Display, others: &dyn Display| match own.to_string() == others.to_string() {
            true => Ok(()),
            false => Err(ConfigError::Value {
                key,
                value: others.to_string(),
                must: "what it was when the run began; for another start another run",
            }),
        };
        kept("model", &self.model, &other.model)?;
        kept("method", &self.method.name(), &other.method.name())?;
        kept("sparsity", &self.sparsity, &other.sparsity)?;
        kept("distribution", &self.distribution, &other.distribution)?;
        kept("batch_size", &self.batch_size, &other.batch_size)?;
        kept("seed", &self.seed, &other.seed)?;
        kept("validation", &self.validation, &other.validation)?;
        kept("test", &self.test, &other.test)
    }

    /// Where the run's data is.
    pub fn source(&self) -> Source<'_> {
        Source { test: self.test, ..Source::new(&self.data) }
    }

    /// As TOML text; reading it gives the same configuration.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// Target share of active weights.
    pub fn density(&self) -> f64 {
        if self.method == Method::Dense { 1.0 } else { 1.0 - self.sparsity }
    }

    /// Epochs of the whole run.
    pub fn total_epochs(&self) -> usize {
        self.epochs * self.multiplier
    }

    /// How long a run goes on within an epoch without keeping a checkpoint.
    pub fn checkpoint_interval(&self) -> Duration {
        match self.checkpoint_minutes {
            0.0 => Duration::MAX,
            minutes => Duration::try_from_secs_f64(60.0 * minutes).unwrap_or(Duration::MAX),
        }
    }

    /// The run's length, for schedules.
    pub fn length(&self, steps_per_epoch: usize) -> RunLength {
        RunLength { epochs: self.epochs, multiplier: self.multiplier, steps_per_epoch }
    }

    /// What to call the data: of a path the last component.
    pub fn data_name(&self) -> String {
        Path::new(&self.data).file_name().map_or("data".into(), |name| name.to_string_lossy().into_owned())
    }

    /// A name for a run folder.
    pub fn run_name(&self) -> String {
        let data = self.data_name();
        let mut name = format!("{}-{data}-{}", self.model, self.method.name());
        if self.method != Method::Dense {
            name += &format!("-{}", self.sparsity);
        }
        name + &format!("-seed{}", self.seed)
    }

    /// Checks every value on its own; names of models and data are checked by those who know them.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |valid: bool, key, value: &dyn Display, must| {
            if valid { Ok(()) } else { Err(ConfigError::Value { key, value: value.to_string(), must }) }
        };
        let finite = |value: f64| value.is_finite() && value >= 0.0;
        check((0.0..1.0).contains(&self.sparsity), "sparsity", &self.sparsity, "at least 0 and below 1")?;
        check((1..=1_000_000).contains(&self.epochs), "epochs", &self.epochs, "from 1 to 1000000")?;
        check((1..=1000).contains(&self.multiplier), "multiplier", &self.multiplier, "from 1 to 1000")?;
        check((1..=65_536).contains(&self.batch_size), "batch_size", &self.batch_size, "from 1 to 65536")?;
        check(self.delta_t > 0, "delta_t", &self.delta_t, "at least 1 step")?;
        check(self.lr.is_finite() && self.lr > 0.0, "lr", &self.lr, "above 0")?;
        check((0.0..1.0).contains(&self.momentum), "momentum", &self.momentum, "at least 0 and below 1")?;
        check(!self.nesterov || self.momentum > 0.0, "nesterov", &self.nesterov, "false where `momentum` is 0")?;
        check(finite(self.weight_decay), "weight_decay", &self.weight_decay, "0 or more")?;
        let smoothing = (0.0..=1.0).contains(&self.label_smoothing);
        check(smoothing, "label_smoothing", &self.label_smoothing, "from 0 to 1")?;
        check((0.0..=0.9).contains(&self.validation), "validation", &self.validation, "from 0 to 0.9")?;
        check((0.0..=MOST_TEST).contains(&self.test), "test", &self.test, "from 0 to 0.9")?;
        check(self.seed <= i64::MAX as u64, "seed", &self.seed, "below 2^63")?;
        let minutes = self.checkpoint_minutes;
        check((0.0..=MOST_MINUTES).contains(&minutes), "checkpoint_minutes", &minutes, "from 0 to 1000000")?;
        self.lr_schedule.validate()?;
        self.death_rate.validate()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(assignment: &str) -> String {
        let mut layers = Layers::default();
        match layers.assign(assignment).and_then(|()| layers.finish()) {
            Ok(config) => panic!("{assignment} gave {config:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn impossible_values_are_named() {
        for (assignment, words) in [
            ("sparsity=1.0", "`sparsity` = 1 must be"),
            ("sparsity=nan", "sparsity"),
            ("batch_size=0", "batch_size"),
            ("delta_t=0", "delta_t"),
            ("epochs=0", "epochs"),
            ("epochs=-1", "invalid value"),
            ("multiplier=0", "multiplier"),
            ("lr=0", "lr"),
            ("momentum=1.0", "momentum"),
            ("momentum=0.0", "nesterov"),
            ("validation=0.95", "validation"),
            ("test=0.95", "`test` = 0.95 must be from 0 to 0.9"),
            ("method=riggle", "unknown variant `riggle`"),
            ("colour=red", "unknown field `colour`"),
            ("lr=abc", "`lr`: invalid type"),
            ("death_rate=0.3", "`death_rate`: invalid type"),
            ("death_rate.initial=true", "`death_rate.initial`: invalid type"),
            ("death_rate.initial=1.5", "initial"),
            ("lr_schedule.kind=steps", "unknown variant"),
            ("epochs", "key=value"),
        ] {
            let message = error(assignment);
            assert!(message.contains(words), "{assignment}: {message}");
        }
    }

    #[test]
    fn layers_lie_over_each_other() {
        let mut layers = Layers::default();
        layers.text("preset", "epochs = 3\n[lr_schedule]\nkind = 'one-cycle'\npct_start = 0.1\n").unwrap();
        layers.assign("death_rate.initial=0.25").unwrap();
        layers.assign("data=some/where").unwrap();
        layers.set("epochs", 4);
        let config = layers.clone().finish().unwrap();
        assert_eq!((config.epochs, config.death_rate.initial, config.data.as_str()), (4, 0.25, "some/where"));
        assert!(matches!(config.lr_schedule, LrSchedule::OneCycle { pct_start, .. } if pct_start == 0.1));
        layers.assign("lr_schedule.kind=cosine").unwrap();
        assert_eq!(layers.finish().unwrap().lr_schedule, LrSchedule::Cosine { min: 0.0 });
        // What only makes sense over what lies below.
        let mut layers = Layers::default();
        layers.text("preset", "[lr_schedule]\nkind = 'one-cycle'\n").unwrap();
        layers.text("my.toml", "lr_schedule.pct_start = 0.2").unwrap();
        assert!(
            matches!(layers.finish().unwrap().lr_schedule, LrSchedule::OneCycle { pct_start, .. } if pct_start == 0.2)
        );
        for (text, words) in [
            ("epochz = 3", "my.toml: "),
            ("epochz = 3", "epochz"),
            ("epochs = '3'", "my.toml: `epochs`: "),
            ("epochs = 3\nlr = 0..1", "my.toml, line 2: "),
        ] {
            let mistake = Layers::default().text("my.toml", text).unwrap_err().to_string();
            assert!(mistake.contains(words), "{text}: {mistake}");
        }
    }

    /// The table of `docs/configuration.md` has every key, and the default that it has.
    #[test]
    fn every_key_is_documented() {
        let doc = include_str!("../../docs/configuration.md");
        let table: toml::Table = Config::default().to_toml().parse().unwrap();
        let mut keys = Vec::new();
        for (key, value) in &table {
            match value {
                toml::Value::Table(inner) => keys.extend(inner.iter().map(|(name, v)| (format!("{key}.{name}"), v))),
                value => keys.push((key.clone(), value)),
            }
        }
        for (key, value) in keys {
            let row = format!("| `{key}` | `{value}` |");
            assert!(doc.contains(&row), "no row {row}");
        }
    }

    #[test]
    fn a_run_keeps_what_it_stands_on() {
        let run = Config::default();
        run.check_resume(&Config { epochs: 300, lr: 0.2, delta_t: 7, ..run.clone() }).unwrap();
        let error = run.check_resume(&Config { seed: 5, ..run.clone() }).unwrap_err().to_string();
        assert!(error.contains("`seed` = 5 must be what it was"), "{error}");
    }

    #[test]
    fn toml_gives_the_same_back() {
        let config = Config { seed: 5, method: Method::Set, sparsity: 0.98, ..Config::default() };
        let mut layers = Layers::default();
        layers.text("config.toml", &config.to_toml()).unwrap();
        assert_eq!(layers.finish().unwrap(), config);
    }
}
