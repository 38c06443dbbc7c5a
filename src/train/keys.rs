//! Every key of a configuration in one table: its name, its flag, what it takes and what it is. Files, `--set`, flags, their
//! messages and `docs/configuration.md` all come from here.

use std::fmt::Write as _;
use std::ops::{Bound, RangeBounds};

use toml::Value;

use super::Config;
use crate::data::MOST_TEST;
use crate::model;

/// The least and the most, each included, excluded or absent.
pub type Range = (Bound<f64>, Bound<f64>);

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number, both bounds included.
    Whole(u64, u64),
    Number(Range),
    /// A number from 0 to at most 1, or a percentage: `0.9`, `"90%"`.
    Share(Range),
    /// A list of shares from 0 to 1.
    Shares,
    Switch,
    OneOf(&'static [&'static str]),
    /// The name of a data set that is known, or a path.
    Data,
}

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

use Bound::{Excluded, Included, Unbounded};

const POSITIVE: Range = (Excluded(0.0), Unbounded);
const NOT_NEGATIVE: Range = (Included(0.0), Unbounded);
const UNIT: Range = (Included(0.0), Included(1.0));
const BELOW_ONE: Range = (Included(0.0), Excluded(1.0));

/// The largest whole number that both TOML and this machine hold.
const LARGEST: u64 = if usize::BITS < 64 { u32::MAX as u64 } else { i64::MAX as u64 };

/// The keys, in the order in which people read them. The first of a group (`death_rate.…`) is what the group's name alone means.
pub const KEYS: &[Key] = &[
    key("model", "model", Kind::OneOf(model::NAMES), "the network"),
    key("data", "data", Kind::Data, "`sample`, `cifar10`, `cifar100`, a folder, or a `.tar.gz`").or("dataset"),
    key(
        "method",
        "method",
        Kind::OneOf(&["rigl", "set", "static", "dense"]),
        "how active weights move: `rigl` grows by gradient, `set` at random, `static` never; `dense`: all are active",
    ),
    key("sparsity", "sparsity", Kind::Share(BELOW_ONE), "share of the weights that is not there (not for `dense`)"),
    key(
        "distribution",
        "distribution",
        Kind::OneOf(&["erk", "uniform"]),
        "how layers share the active weights: `erk`, or `uniform` (the same density everywhere)",
    ),
    key("epochs", "epochs", Kind::Whole(1, 1_000_000), "passes over the training images"),
    key(
        "multiplier",
        "multiplier",
        Kind::Whole(1, 1000),
        "extended training: the run and its schedules, this many times as long",
    ),
    key("batch_size", "batch-size", Kind::Whole(1, 65_536), "images a step; the last step of an epoch may have fewer")
        .or("batch"),
    key(
        "seed",
        "seed",
        Kind::Whole(0, i64::MAX as u64),
        "of weights, first active set, random growth, order and augmentation; not of the held-out split",
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
    key("label_smoothing", "label-smoothing", Kind::Share(UNIT), "share of the target that all classes have in common"),
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
        "share of each class of the training images that becomes the test set, where the data have none",
    ),
    key("finite_check", "finite-check", Kind::Switch, "when the loss goes bad, look for the layer where that began"),
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
        "learning rate over the run; each kind has the keys of its own that follow",
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
        "death_rate.initial",
        "death-rate",
        Kind::Share(UNIT),
        "share of a layer's active weights that updates prune at the start",
    )
    .or("prune_rate"),
    key("death_rate.min", "death-rate-min", Kind::Share(UNIT), "the same at the end"),
    key(
        "death_rate.decay",
        "death-rate-decay",
        Kind::OneOf(&["cosine", "constant"]),
        "the way there: `cosine`, or `constant` (the first rate throughout)",
    ),
    key(
        "death_rate.stop_at",
        "death-rate-stop-at",
        Kind::Share(UNIT),
        "share of the training after which the set no longer moves",
    ),
];

/// A name without what spellings differ in: case, dashes, underscores, dots.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | '.' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Whether two names differ in spelling only.
pub fn same(a: &str, b: &str) -> bool {
    plain(a) == plain(b)
}

/// Whether `name` is that of a group of keys, as `death_rate`.
pub fn is_group(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(group, _)| same(group, name)))
}

/// The key that `name` means: its dotted name, its flag, or another name of it, in any case, with `-` or `_`.
pub fn find(name: &str) -> Option<&'static Key> {
    let name = plain(name);
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

/// A share as people write it: `0.9` or `90%`. The percentage is read digit by digit, so that `99.9%` is 0.999.
pub fn share(text: &str) -> Option<f64> {
    match text.trim().strip_suffix('%') {
        Some(percent) => format!("{}e-2", percent.trim()).parse().ok(),
        None => text.trim().parse().ok(),
    }
}

/// The data set that `text` means: one that is known in any case, unless a path is called exactly so.
pub fn data(text: &str) -> String {
    let known = ["sample", "cifar10", "cifar100"].into_iter().find(|name| same(name, text));
    let path = known != Some(text) && std::path::Path::new(text).exists();
    known.filter(|_| !path).unwrap_or(text).into()
}

/// `12345` as `12,345`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `from 0 to below 1`
fn bounds(range: Range) -> String {
    let text = |bound: f64| if bound < 1e3 { bound.to_string() } else { grouped(bound as u64) };
    let range = (range.0.map(text), range.1.map(text));
    match range {
        (Included(low), Included(high)) => format!("from {low} to {high}"),
        (Included(low), Excluded(high)) => format!("from {low} to below {high}"),
        (Included(low), Unbounded) => format!("of at least {low}"),
        (Excluded(low), Unbounded) => format!("above {low}"),
        (low, high) => format!("{low:?} to {high:?}"),
    }
}

impl Kind {
    /// What the key takes, in words: `a whole number from 1 to 65,536`.
    pub fn words(self) -> String {
        match self {
            Self::Whole(low, high) if high >= LARGEST.min(i64::MAX as u64) => {
                format!("a whole number of at least {low}")
            }
            Self::Whole(low, high) => format!("a whole number from {} to {}", grouped(low), grouped(high)),
            Self::Number(range) => format!("a number {}", bounds(range)),
            Self::Share(range) => format!("a share {}", bounds(range)),
            Self::Shares => "a list of shares from 0 to 1, as [0.5, 0.75]".into(),
            Self::Switch => "true or false".into(),
            Self::OneOf(names) => format!("one of {}", names.join(", ")),
            Self::Data => "the name of a data set, or a path".into(),
        }
    }

    /// The placeholder in a help text.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Whole(..) => "N",
            Self::Number(_) => "NUMBER",
            Self::Share(_) => "SHARE",
            Self::Shares => "SHARES",
            Self::Switch => "true|false",
            Self::OneOf(_) => "NAME",
            Self::Data => "DATA",
        }
    }

    /// What the text of a command line gives, not yet checked. Names and paths are taken as they stand.
    pub fn text(self, text: &str) -> Value {
        let toml = || {
            let mut table: toml::Table = format!("v = {text}").parse().ok()?;
            (table.len() == 1).then(|| table.remove("v"))?
        };
        let string = || Value::String(text.trim().to_string());
        match self {
            Self::OneOf(_) => toml().filter(Value::is_str).unwrap_or_else(string),
            // The name of a folder may begin and end with a space.
            Self::Data => toml().filter(Value::is_str).unwrap_or_else(|| Value::String(text.to_string())),
            // With or without brackets.
            Self::Shares => {
                let inner = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
                let parts = inner.split(',').map(str::trim).filter(|part| !part.is_empty());
                Value::Array(parts.map(|part| Self::Share(UNIT).text(part.trim_matches(['"', '\'']))).collect())
            }
            // TOML has no `.5`.
            Self::Whole(..) | Self::Number(_) | Self::Share(_) | Self::Switch => {
                toml().or_else(|| text.trim().parse().ok().map(Value::Float)).unwrap_or_else(string)
            }
        }
    }

    /// The value as the configuration has it: `"90%"` is 0.9, `RigL` is rigl. None: it is not what the key takes.
    pub fn read(self, value: &Value) -> Option<Value> {
        let number = || value.as_float().or(value.as_integer().map(|whole| whole as f64));
        match self {
            Self::Whole(low, high) => {
                let whole = value.as_float().filter(|number| number.fract() == 0.0 && number.abs() < 1e15);
                let whole = value.as_integer().or(whole.map(|number| number as i64))?;
                (low..=high).contains(&u64::try_from(whole).ok()?).then_some(Value::Integer(whole))
            }
            Self::Number(range) => {
                let number = number().filter(|number| number.is_finite() && range.contains(number))?;
                Some(Value::Float(number))
            }
            Self::Share(range) => {
                let percent = value.as_str().filter(|text| text.trim().ends_with('%')).and_then(share);
                number().or(percent).filter(|share| range.contains(share)).map(Value::Float)
            }
            Self::Shares => {
                let one = std::slice::from_ref(value);
                let parts = value.as_array().map_or(one, Vec::as_slice).iter().map(|part| Self::Share(UNIT).read(part));
                parts.collect::<Option<_>>().map(Value::Array)
            }
            Self::Switch => match value {
                Value::Boolean(_) => Some(value.clone()),
                _ => Some(Value::Boolean(plain(value.as_str()?).parse().ok()?)),
            },
            Self::OneOf(names) => {
                let asked = plain(value.as_str()?);
                names.iter().find(|name| plain(name) == asked).map(|name| Value::String((*name).into()))
            }
            Self::Data => value.as_str().filter(|text| !text.is_empty()).map(|text| Value::String(data(text))),
        }
    }

    /// Why `value` is not what the key takes: words that follow it.
    pub fn refusal(self, value: &Value) -> String {
        let tip = self.tip(value);
        if tip.starts_with(':') { format!("is no share{tip}") } else { format!("must be {}{tip}", self.words()) }
    }

    /// Where a wrong value was surely meant otherwise, how.
    fn tip(self, value: &Value) -> String {
        let number = value.as_float().or(value.as_integer().map(|whole| whole as f64));
        match (self, number, value) {
            (Self::Share(range), Some(percent), _) if percent > 1.0 => {
                let meant = share(&format!("{percent}%")).filter(|share| range.contains(share));
                meant.map_or(String::new(), |share| format!(": did you mean {share} or {percent}%?"))
            }
            (Self::Whole(..), Some(number), _) if number >= i64::MAX as f64 => {
                format!(" and at most {}", grouped(i64::MAX as u64))
            }
            (Self::OneOf(names), _, Value::String(name)) => tip(name, names.iter().copied()),
            _ => String::new(),
        }
    }
}

/// The table of `docs/configuration.md`: a row a key with its flag, its default, what it takes and what it is.
pub fn markdown() -> String {
    let mut text = String::from("| key, flag | default | takes | what it is |\n|---|---|---|---|\n");
    for key in KEYS {
        let default = default(key).map_or(String::new(), |value| format!("`{value}`"));
        let of = key.of.map_or(String::new(), |schedule| format!("{schedule}: "));
        let takes = match key.kind {
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
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_the_table_and_no_other() {
        for key in KEYS {
            let default = default(key).unwrap_or_else(|| panic!("{} is no key of the configuration", key.name));
            assert!(key.kind.read(&default).is_some(), "{} = {default}", key.name);
            assert_eq!(find(&key.name.to_uppercase()).map(|found| found.name), Some(key.name));
            assert_eq!(find(key.flag).map(|found| found.name), Some(key.name), "two keys are called {}", key.flag);
        }
        let table: toml::Table = crate::train::Config::default().to_toml().parse().unwrap();
        let known = |name: &str| KEYS.iter().any(|key| key.name == name);
        for (name, value) in &table {
            match value {
                Value::Table(inner) => {
                    inner.keys().for_each(|part| assert!(known(&format!("{name}.{part}")), "{name}"))
                }
                _ => assert!(known(name), "{name}"),
            }
        }
        for name in ["method", "distribution", "augment", "storage", "lr_schedule.kind", "death_rate.decay"] {
            let Kind::OneOf(names) = find(name).unwrap().kind else { panic!("{name}") };
            for value in names {
                let mut layers = crate::train::config::Layers::default();
                layers.assign(&format!("{name}={}", value.to_uppercase())).unwrap();
                layers.finish().unwrap_or_else(|error| panic!("{name} = {value}: {error}"));
            }
        }
    }

    #[test]
    fn shares_are_read_as_people_write_them() {
        for (text, expected) in
            [("90%", 0.9), ("99.9%", 0.999), ("99.99 %", 0.9999), ("0.95", 0.95), (".5", 0.5), ("0%", 0.0)]
        {
            let kind = Kind::Share(BELOW_ONE);
            assert_eq!(kind.read(&kind.text(text)), Some(Value::Float(expected)), "{text}");
        }
        for text in ["100%", "95", "-1%", "nan", "%", "9O%", "1"] {
            let kind = Kind::Share(BELOW_ONE);
            assert_eq!(kind.read(&kind.text(text)), None, "{text}");
        }
        for text in ["[0.5, 0.75]", "0.5,0.75", "50%, 75%", "['50%', \"75%\"]"] {
            let shares = Kind::Shares.read(&Kind::Shares.text(text));
            assert_eq!(shares, Some(Value::Array(vec![Value::Float(0.5), Value::Float(0.75)])), "{text}");
        }
    }

    #[test]
    fn names_of_folders_are_taken_as_they_are() {
        assert_eq!(Kind::Data.text("a b "), Value::String("a b ".into()));
        assert_eq!(Kind::Data.text("'a b '"), Value::String("a b ".into()), "a string as TOML has it");
    }

    #[test]
    fn near_names_are_known() {
        for (name, near) in [("learningrate", None), ("deltat", Some("delta_t")), ("epochz", Some("epochs"))] {
            let names = KEYS.iter().map(|key| key.name);
            assert_eq!(nearest(name, names), near, "{name}");
        }
        assert_eq!(nearest("resnet50x", model::NAMES.iter().copied()), Some("resnet50"));
        assert_eq!(nearest("colour", KEYS.iter().map(|key| key.name)), None);
    }

    /// The documentation has the table as it is.
    #[test]
    fn every_key_is_documented() {
        let doc = include_str!("../../docs/configuration.md");
        assert!(doc.contains(&markdown()), "docs/configuration.md must have this table:\n{}", markdown());
    }
}
