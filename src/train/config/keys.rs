//! Every key of a configuration in one table: its name, its flag, the values it accepts, and its description. Files, `--set`,
//! flags, their messages and `docs/configuration.md` all come from here.

use std::fmt::Write as _;
use std::ops::Bound::Included;

use toml::Value;

use crate::data::MOST_TEST;
use crate::model;
use crate::sparsity::{InitChoice, Method, Structure, growth, prune};
use crate::train::Config;
use crate::train::kinds::{BELOW_ONE, Kind, LARGEST, NOT_NEGATIVE, POSITIVE, UNIT};

/// A key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// As in TOML, with dots.
    pub name: &'static str,
    /// As on the command line, without the dashes.
    pub flag: &'static str,
    pub kind: Kind,
    pub help: &'static str,
    /// Another name by which it is known in this field.
    pub also: Option<&'static str>,
    /// The kind of learning-rate schedule that has the key.
    pub of: Option<&'static str>,
}

/// A key that stands at the top, or is the first of its group.
const fn key(name: &'static str, flag: &'static str, kind: Kind, help: &'static str) -> Key {
    Key { name, flag, kind, help, also: None, of: None }
}

impl Key {
    const fn or(self, also: &'static str) -> Self {
        Self { also: Some(also), ..self }
    }

    const fn of(self, schedule: &'static str) -> Self {
        Self { of: Some(schedule), ..self }
    }

    /// Whether the key is what its group's name alone means.
    pub fn leads(&self) -> bool {
        self.name.split_once('.').is_some_and(|(group, _)| same(group, self.flag))
    }
}

/// The keys, in the order in which people read them. The first of a group (`prune_rate.…`) is what the group's name alone means.
pub const KEYS: &[Key] = &[
    key("model", "model", Kind::Model, "the network; `docs/models.md` says how to describe one's own"),
    key("data", "data", Kind::Data, "`sample`, `cifar10`, `cifar100`, a folder, or a `.tar.gz`").or("dataset"),
    key(
        "method",
        "method",
        Kind::OneOf(&Method::NAMES),
        "how the set of active weights starts and moves; `--method help` lists source, cost and memory of each",
    ),
    key(
        "prune",
        "prune",
        Kind::OneOf(&prune::NAMES),
        "which weights an update removes: `method` (as the method does), or a rule in its place (`docs/methods.md`)",
    ),
    key(
        "growth",
        "growth",
        Kind::OneOf(&growth::NAMES),
        "which weights an update activates: `method` (as the method does), or a rule in its place (`docs/methods.md`)",
    ),
    key(
        "prune_threshold",
        "prune-threshold",
        Kind::Number(POSITIVE),
        "magnitude below which weights go, of the prune rule `threshold`; of `adaptive-threshold` at the start",
    ),
    key(
        "prune_lambda",
        "prune-lambda",
        Kind::Number(NOT_NEGATIVE),
        "λ of the prune rule `mest`, by which a gradient counts beside its weight",
    ),
    key(
        "growth_mix",
        "growth-mix",
        Kind::Share(UNIT),
        "share of what grows that the gradient chooses, of the growth rule `mixed`; the rest is random",
    ),
    key(
        "growth_limit",
        "growth-limit",
        Kind::Number((Included(1.0), Included(1e6))),
        "how many times its first size a layer may have, of methods that move weights between layers (`snfs`, `dsr`)",
    ),
    key("l1", "l1", Kind::Number(NOT_NEGATIVE), "`deepr`: what pulls every weight to 0, times the learning rate"),
    key(
        "temperature",
        "temperature",
        Kind::Number(NOT_NEGATIVE),
        "`deepr`: T of its noise, of deviation √(2 · lr · T)",
    ),
    key(
        "init",
        "init",
        Kind::OneOf(&InitChoice::NAMES),
        "how the first active set is chosen: `method` (as the method does), or one that any method may begin with; \
         `docs/methods.md` describes them",
    ),
    key(
        "mask",
        "mask",
        Kind::File,
        "a `.safetensors` or `.npz` file with the first active set, which then needs no `init`; `docs/methods.md` says what it holds",
    ),
    key(
        "lottery.rounds",
        "lottery-rounds",
        Kind::Whole(1, 100),
        "of a lottery ticket: how often it is trained and pruned before the run; of n, each leaves `density^(1/n)` of the weights",
    ),
    key(
        "lottery.rewind",
        "lottery-rewind",
        Kind::Whole(0, 1_000_000),
        "of a lottery ticket: the epoch of the dense training that its weights go back to; 0: to the first ones",
    ),
    key("sparsity", "sparsity", Kind::Share(BELOW_ONE), "fraction of weights that are zero (no effect for `dense`)"),
    key(
        "distribution",
        "distribution",
        Kind::OneOf(&["erk", "uniform"]),
        "how layers share the active weights: `erk`, or `uniform` (the same density everywhere)",
    ),
    key(
        "structure",
        "structure",
        Kind::OneOf(&Structure::NAMES),
        "what is active together: single weights, blocks of output channels (faster), or as many weights for each output channel",
    ),
    key("epochs", "epochs", Kind::Whole(1, 1_000_000), "passes over the training images"),
    key(
        "epoch_multiplier",
        "epoch-multiplier",
        Kind::Whole(1, 1000),
        "extended training: the run and its schedules, this many times as long",
    ),
    key(
        "batch_size",
        "batch-size",
        Kind::Whole(1, 65_536),
        "images per step; the last step of an epoch may have fewer",
    )
    .or("batch"),
    key(
        "seed",
        "seed",
        Kind::Whole(0, i64::MAX as u64),
        "seed of weights, first active set, random growth, order and augmentation; not of the held-out split",
    ),
    key("lr", "lr", Kind::Number(POSITIVE), "base learning rate (of `one-cycle` the highest)").or("learning_rate"),
    key("momentum", "momentum", Kind::Number(BELOW_ONE), "momentum of SGD; 0 needs `nesterov = false`"),
    key("nesterov", "nesterov", Kind::Switch, "Nesterov's form of momentum"),
    key(
        "weight_decay",
        "weight-decay",
        Kind::Number(NOT_NEGATIVE),
        "L2 penalty, on every parameter as in the ITOP code",
    )
    .or("wd"),
    key(
        "label_smoothing",
        "label-smoothing",
        Kind::Share(UNIT),
        "share of the target that is spread evenly over all classes",
    ),
    key("delta_t", "delta-t", Kind::Whole(1, LARGEST), "steps between topology updates (ΔT)"),
    key(
        "augment",
        "augment",
        Kind::OneOf(&["zero", "reflect", "none"]),
        "random crop with a border of 4 and flip: border black (`zero`) or mirrored (`reflect`); or `none`",
    ),
    key(
        "storage",
        "storage",
        Kind::OneOf(&["f32", "f16", "bf16"]),
        "activations and their gradients in GPU memory; 16 bits halve memory and traffic, arithmetic stays f32",
    ),
    key(
        "validation",
        "validation",
        Kind::Share((Included(0.0), Included(0.9))),
        "share of each class that is held out to choose the best epoch; 0: the last epoch counts",
    ),
    key(
        "test",
        "test",
        Kind::Share((Included(0.0), Included(MOST_TEST))),
        "share of each class of the training images that becomes the test set, if the data have none",
    ),
    key(
        "finite_check",
        "finite-check",
        Kind::Switch,
        "if the loss becomes infinite or NaN, find the layer where it began",
    ),
    key(
        "checkpoint_minutes",
        "checkpoint-minutes",
        Kind::Number((Included(0.0), Included(1e6))),
        "minutes of training after which a checkpoint is kept within an epoch too; 0: after epochs only",
    ),
    key(
        "lr_schedule.kind",
        "lr-schedule",
        Kind::OneOf(&["multi-step", "cosine", "one-cycle", "constant"]),
        "learning rate over the run; each kind has its own keys, which follow",
    ),
    key(
        "lr_schedule.milestones",
        "lr-schedule-milestones",
        Kind::Shares,
        "shares of the epochs, rounded down to whole epochs, at which the rate is multiplied by `gamma`",
    )
    .of("multi-step"),
    key("lr_schedule.gamma", "lr-schedule-gamma", Kind::Number(NOT_NEGATIVE), "factor at each milestone")
        .of("multi-step"),
    key("lr_schedule.min", "lr-schedule-min", Kind::Number(NOT_NEGATIVE), "rate at the end").of("cosine"),
    key("lr_schedule.pct_start", "lr-schedule-pct-start", Kind::Share(UNIT), "share of the steps that rise")
        .of("one-cycle"),
    key("lr_schedule.div_factor", "lr-schedule-div-factor", Kind::Number(POSITIVE), "the first rate is `lr` by this")
        .of("one-cycle"),
    key(
        "lr_schedule.final_div_factor",
        "lr-schedule-final-div-factor",
        Kind::Number(POSITIVE),
        "the last rate is the first by this",
    )
    .of("one-cycle"),
    key(
        "prune_rate.initial",
        "prune-rate",
        Kind::Share(UNIT),
        "share of a layer's active weights that updates prune at the start",
    ),
    key("prune_rate.min", "prune-rate-min", Kind::Share(UNIT), "the same at the end"),
    key(
        "prune_rate.decay",
        "prune-rate-decay",
        Kind::OneOf(&["cosine", "constant"]),
        "the way there: `cosine`, or `constant` (the first rate throughout)",
    ),
    key(
        "prune_rate.stop_at",
        "prune-rate-stop-at",
        Kind::Share(UNIT),
        "share of the training after which the set no longer moves",
    ),
    key(
        "shrink.initial_sparsity",
        "initial-sparsity",
        Kind::Share(BELOW_ONE),
        "of `gmp` and `granet`: fraction of weights that are zero at the start",
    ),
    key("shrink.start_at", "shrink-start-at", Kind::Share(UNIT), "share of the training before which they keep that"),
    key(
        "shrink.stop_at",
        "shrink-stop-at",
        Kind::Share(UNIT),
        "share of the training after which they have `sparsity`; in between the difference falls with its cube",
    ),
];

/// A name without what spellings differ in: case, dashes, underscores, dots.
pub(in crate::train) fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | '.' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Whether two names differ in spelling only.
pub fn same(a: &str, b: &str) -> bool {
    plain(a) == plain(b)
}

/// Names that keys had before, and that files, flags and folders may still have.
const FORMER: [(&str, &str); 2] = [("death_rate", "prune_rate"), ("multiplier", "epoch_multiplier")];

/// What `name` is compared by: without what spellings differ in, and by its name of today.
fn current(name: &str) -> String {
    let name = plain(name);
    let former = FORMER.iter().find_map(|(old, new)| Some(plain(new) + name.strip_prefix(&plain(old))?));
    former.unwrap_or(name)
}

/// The flag that the key had before, if it was called otherwise.
pub fn former_flag(key: &Key) -> Option<&'static str> {
    match key.flag {
        "epoch-multiplier" => Some("multiplier"),
        "prune-rate" => Some("death-rate"),
        "prune-rate-min" => Some("death-rate-min"),
        "prune-rate-decay" => Some("death-rate-decay"),
        "prune-rate-stop-at" => Some("death-rate-stop-at"),
        _ => None,
    }
}

/// Whether `name` is that of a group of keys, as `prune_rate`.
pub fn is_group(name: &str) -> bool {
    let name = &current(name);
    KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(group, _)| same(group, name)))
}

/// The key that `name` means: its dotted name, its flag, or another name of it, in any case, with `-` or `_`. Names that it had
/// before count too.
pub fn find(name: &str) -> Option<&'static Key> {
    let name = current(name);
    let means =
        |key: &&Key| [Some(key.name), Some(key.flag), key.also].into_iter().flatten().any(|own| plain(own) == name);
    KEYS.iter().find(means)
}

/// What the key of this name takes.
pub fn kind(name: &str) -> Kind {
    find(name).map_or(Kind::Data, |key| key.kind)
}

/// The known name that is nearest to `name`, if one is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = plain(name);
    let distance = |own: &str| strsim::damerau_levenshtein(&name, &plain(own));
    let (distance, found) = known.into_iter().map(|own| (distance(own), own)).min_by_key(|found| found.0)?;
    (distance <= (name.chars().count() / 3).max(1)).then_some(found)
}

/// `; did you mean `lr`?`, or nothing.
pub fn tip<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

/// The table of `docs/configuration.md`: a row a key with its flag, its default, what it takes and what it is.
pub fn markdown() -> String {
    let mut text = String::from("| key, flag | default | takes | what it is |\n|---|---|---|---|\n");
    for key in KEYS {
        let default = default(key).map_or(String::new(), |value| format!("`{value}`"));
        let of = key.of.map_or(String::new(), |schedule| format!("{schedule}: "));
        let takes = match key.kind {
            Kind::Model => {
                let names = model::NAMES.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
                format!("{}, or the path of a network's `.toml` file", names.join(", "))
            }
            Kind::OneOf(names) => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            kind => kind.words(),
        };
        writeln!(text, "| `{}`, `--{}` | {default} | {takes} | {of}{} |", key.name, key.flag, key.help).ok();
    }
    text
}

/// What a key is where nothing says otherwise; of a key of a schedule: in that schedule.
pub fn default(key: &Key) -> Option<Value> {
    let mut config = Config::default();
    if let Some(kind) = key.of {
        config.lr_schedule = toml::from_str(&format!("kind = '{kind}'")).ok()?;
    }
    value(&config, key)
}

/// What `key` is in `config`; none of a schedule that it does not have.
pub fn value(config: &Config, key: &Key) -> Option<Value> {
    let mut value = Value::try_from(config).ok()?;
    for part in key.name.split('.') {
        value = value.as_table_mut()?.remove(part)?;
    }
    Some(value)
}

/// The keys that `other` has otherwise than `base`, with its values.
pub fn differences(base: &Config, other: &Config) -> Vec<(&'static Key, Value)> {
    let differs = |key: &'static Key| {
        let own = value(other, key)?;
        (value(base, key) != Some(own.clone())).then_some((key, own))
    };
    KEYS.iter().filter_map(differs).collect()
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
