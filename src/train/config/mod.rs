//! The configuration of a run: every choice that changes its result, in one flat file. Bad values are refused here, before
//! anything is written.

pub mod config_builder;
mod effect;
mod kept;
pub mod keys;
pub mod kinds;
pub mod lr;
pub mod names;
pub mod presets;
mod rules;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use config_builder::ConfigBuilder;
use lr::{LrSchedule, RunLength};

use crate::data::{self, Source};
use crate::model;
use crate::ops::Storage;
use crate::ops::augment::Padding;
use crate::sparsity::{
    Distribution, Growth, Init, InitChoice, Lottery, Method, Override, Prune, PruneRate, ScheduleError, Shrink,
    Structure,
};

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
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Zero => "zero",
            Self::Reflect => "reflect",
        }
    }

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
    /// The name of a model, or the text of a network of somebody's own ([`model::resolve`] reads it from a file).
    pub model: String,
    /// `sample`, `cifar10`, `cifar100`, or a path.
    pub data: String,
    pub method: Method,
    /// How the first set is chosen.
    pub init: InitChoice,
    /// The file that has the first set; empty: none has.
    pub mask: String,
    /// Rules in place of the method's own, where it has some.
    pub prune: Override<Prune>,
    pub growth: Override<Growth>,
    /// Below which magnitude weights go, of the prune rule `threshold`; of `adaptive-threshold` at the start.
    pub prune_threshold: f64,
    /// What a gradient's magnitude counts beside a weight's, of the prune rule `mest`.
    pub prune_lambda: f64,
    /// Share of what grows that the gradient chooses, of the growth rule `mixed`.
    pub growth_mix: f64,
    /// How many times its first size a layer may have, of methods that move weights between layers.
    pub growth_limit: f64,
    /// What pulls weights to 0, and the temperature of the noise, of the method `deepr`.
    pub l1: f64,
    pub temperature: f64,
    /// Share of the prunable weights that is not there.
    pub sparsity: f64,
    pub distribution: Distribution,
    pub structure: Structure,
    pub epochs: usize,
    /// Extended training: stretches the run and its schedules to this many times `epochs`.
    #[serde(alias = "multiplier")]
    pub epoch_multiplier: usize,
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
    pub lottery: Lottery,
    pub lr_schedule: LrSchedule,
    #[serde(alias = "death_rate")]
    pub prune_rate: PruneRate,
    /// Of methods whose set shrinks.
    pub shrink: Shrink,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model: "resnet34".into(),
            data: "cifar100".into(),
            method: Method::RIGL,
            init: InitChoice::Method,
            mask: String::new(),
            prune: Override::default(),
            growth: Override::default(),
            prune_threshold: 1e-3,
            prune_lambda: 0.5,
            growth_mix: 0.5,
            growth_limit: 2.0,
            l1: 1e-5,
            temperature: 2.5e-11,
            sparsity: 0.9,
            distribution: Distribution::Erk,
            structure: Structure::Unstructured,
            epochs: 250,
            epoch_multiplier: 1,
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
            lottery: Lottery::default(),
            lr_schedule: LrSchedule::default(),
            prune_rate: PruneRate::default(),
            shrink: Shrink::default(),
        }
    }
}

/// A run that cannot be.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("{origin}: {message}")]
    Toml { origin: String, message: String },
    #[error("{origin}: {source}")]
    In { origin: String, source: Box<ConfigError> },
    #[error("`{}` holds no run: cannot read its config.toml: {source}", .folder.display())]
    NoRun { folder: PathBuf, source: std::io::Error },
    #[error("`--set {0}` is not of the form key=value")]
    Assignment(String),
    #[error("no preset `{name}`{tip}; there are: {known}")]
    Preset { name: String, tip: String, known: String },
    #[error("unknown key `{key}`{tip}; docs/configuration.md lists the keys, and so does itop train --help")]
    Key { key: String, tip: String },
    #[error("`{0}` is given twice; keep one")]
    Twice(String),
    #[error(
        "`{key}` is for the schedule `{of}`, and this one is `{kind}`: set --lr-schedule {of} too (in a file lr_schedule.kind), or remove the key"
    )]
    OtherSchedule { key: &'static str, of: &'static str, kind: String },
    /// Not what the key takes.
    #[error("`{key}` = {value} {what}")]
    Takes { key: &'static str, value: String, what: String },
    /// What the key takes, but not with the rest.
    #[error("`{key}` = {value} must be {must}")]
    Value { key: &'static str, value: String, must: &'static str },
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

impl Config {
    /// That of the run in `folder`.
    pub fn of_run(folder: &Path) -> Result<Self, ConfigError> {
        let mut layers = ConfigBuilder::default();
        layers.run(folder)?;
        layers.finish()
    }

    /// Where the run's data is.
    pub fn source(&self) -> Source<'_> {
        Source { test: self.test, ..Source::new(&self.data) }
    }

    /// Whether the run of `other` is on the same data set, however its path is spelled.
    pub fn shares_data(&self, other: &Self) -> bool {
        self.test == other.test && data::place(&self.data) == data::place(&other.data)
    }

    /// As TOML text; reading it gives the same configuration.
    ///
    /// # Errors
    /// When a number is beyond TOML's; [`Config::validate`] lets none of these pass.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self)
            .map_err(|error| ConfigError::Toml { origin: "configuration".into(), message: error.to_string() })
    }

    /// How the first active set is chosen.
    pub fn init(&self) -> Init {
        match self.init.of(self.method.init) {
            Init::Dense => Init::Dense,
            _ if !self.mask.is_empty() => Init::Mask,
            init => init,
        }
    }

    /// Target share of active weights.
    pub fn density(&self) -> f64 {
        if self.method == Method::DENSE { 1.0 } else { 1.0 - self.sparsity }
    }

    /// Epochs of the whole run.
    pub fn total_epochs(&self) -> usize {
        self.epochs * self.epoch_multiplier
    }

    /// How long a run trains within an epoch without keeping a checkpoint.
    pub fn checkpoint_interval(&self) -> Duration {
        match self.checkpoint_minutes {
            0.0 => Duration::MAX,
            minutes => Duration::try_from_secs_f64(60.0 * minutes).unwrap_or(Duration::MAX),
        }
    }

    /// The run's length, for schedules.
    pub fn length(&self, steps_per_epoch: usize) -> RunLength {
        RunLength { epochs: self.epochs, multiplier: self.epoch_multiplier, steps_per_epoch }
    }

    /// What to call the model: of a network of somebody's own its name.
    pub fn model_name(&self) -> String {
        model::name_of(&self.model)
    }

    /// What to call the data: of a path the last component.
    pub fn data_name(&self) -> String {
        Path::new(&self.data).file_name().map_or("data".into(), |name| name.to_string_lossy().into_owned())
    }

    /// A name for a run folder.
    pub fn run_name(&self) -> String {
        let data = self.data_name();
        let mut name = format!("{}-{data}-{}", self.model_name(), self.method.name);
        if self.init() != self.method.init {
            name += &format!("-{}", self.init().name());
        }
        let rules = [self.prune.0.map(|rule| rule.name), self.growth.0.map(|rule| rule.name)];
        rules.into_iter().flatten().for_each(|rule| name += &format!("-{rule}"));
        if self.method != Method::DENSE {
            name += &format!("-{}", self.sparsity);
            if self.structure != Structure::Unstructured {
                // No system minds these characters in the name of a folder.
                name += &format!("-{}", self.structure).replace(':', "");
            }
        }
        name + &format!("-seed{}", self.seed)
    }

    /// Checks every value, as [`ConfigBuilder::finish`] does; a data set is looked for by who loads it.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut layers = ConfigBuilder::default();
        let mut table = toml::Table::try_from(self).map_err(|_| ConfigError::Takes {
            key: "seed",
            value: self.seed.to_string(),
            what: "must be a whole number below 2^63".into(),
        })?;
        // A program may have a method of its own, whose name no table knows.
        table.remove("method");
        layers.table(table)?;
        layers.read()?;
        self.validate_together()
    }

    /// Checks what must fit together.
    pub(in crate::train) fn validate_together(&self) -> Result<(), ConfigError> {
        if self.nesterov && self.momentum == 0.0 {
            let must = "false where `momentum` is 0: --nesterov false";
            return Err(ConfigError::Value { key: "nesterov", value: "true".into(), must });
        }
        if self.init() == Init::Lottery && self.lottery.rewind > self.total_epochs() {
            let (value, must) =
                (self.lottery.rewind.to_string(), "at most the epochs of the run, for which it trains dense");
            return Err(ConfigError::Value { key: "lottery.rewind", value, must });
        }
        if self.method.shrinks {
            if self.init() != Init::Random {
                let must = "random, and `mask` empty, where the set shrinks (gmp, granet)";
                return Err(ConfigError::Value { key: "init", value: self.init().name().into(), must });
            }
            self.shrink.validate(self.sparsity)?;
        }
        self.validate_rules()?;
        Ok(self.prune_rate.validate()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Configurations that code makes are checked as those that people write.
    #[test]
    fn what_code_makes_is_checked_too() {
        Config { delta_t: usize::MAX >> 1, ..Config::default() }.validate().unwrap();
        for (config, words) in [
            (Config { lr: f64::NAN, ..Config::default() }, "`lr`"),
            (Config { seed: u64::MAX, ..Config::default() }, "`seed`"),
            (Config { model: "resnet33".into(), ..Config::default() }, "did you mean"),
            (Config { batch_size: 0, ..Config::default() }, "`batch_size`"),
        ] {
            let message = config.validate().unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn toml_gives_the_same_back() {
        let config = Config { seed: 5, method: Method::SET, sparsity: 0.98, ..Config::default() };
        let mut layers = ConfigBuilder::default();
        layers.text("config.toml", &config.to_toml().unwrap()).unwrap();
        assert_eq!(layers.finish().unwrap(), config);
    }
}
