//! The kinds of values of a configuration: how a value is read, and the message for a bad one.

use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::ops::RangeBounds;

use toml::Value;

use crate::model::{self, ModelError};
use crate::train::keys::{plain, same, tip};
use crate::words::count;

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
    /// The path of a file, or nothing.
    File,
    /// The name of a model, or a network of somebody's own: the path of its file, or its text.
    Model,
}

pub(in crate::train) const POSITIVE: Range = (Excluded(0.0), Unbounded);
pub(in crate::train) const NOT_NEGATIVE: Range = (Included(0.0), Unbounded);
pub(in crate::train) const UNIT: Range = (Included(0.0), Included(1.0));
pub(in crate::train) const BELOW_ONE: Range = (Included(0.0), Excluded(1.0));

/// The largest whole number that both TOML and this machine hold.
pub(in crate::train) const LARGEST: u64 = if usize::BITS < 64 { u32::MAX as u64 } else { i64::MAX as u64 };

impl Kind {
    /// What the key takes, in words: `a whole number from 1 to 65,536`.
    pub fn words(self) -> String {
        match self {
            Self::Whole(low, high) if high >= LARGEST.min(i64::MAX as u64) => {
                format!("a whole number of at least {low}")
            }
            Self::Whole(low, high) => format!("a whole number from {} to {}", count(low), count(high)),
            Self::Number(range) => format!("a number {}", bounds(range)),
            Self::Share(range) => format!("a share {}", bounds(range)),
            Self::Shares => "a list of shares from 0 to 1, as [0.5, 0.75]".into(),
            Self::Switch => "true or false".into(),
            Self::OneOf(names) => format!("one of {}", names.join(", ")),
            Self::Data => "the name of a data set, or a path".into(),
            Self::File => "the path of a file, or nothing".into(),
            Self::Model => format!("one of {}, or the path of a network's .toml file", model::NAMES.join(", ")),
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
            Self::File => "FILE",
            Self::Model => "NAME|FILE",
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
            Self::OneOf(_) | Self::Model => toml().filter(Value::is_str).unwrap_or_else(string),
            // The name of a folder may begin and end with a space.
            Self::Data | Self::File => toml().filter(Value::is_str).unwrap_or_else(|| Value::String(text.to_string())),
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
            Self::Model => {
                let text = value.as_str()?;
                let known = Self::OneOf(model::NAMES).read(value);
                known.or_else(|| model::resolve(text).ok().map(Value::String))
            }
            Self::File => value.as_str().map(|text| Value::String(text.into())),
            Self::Data => value.as_str().filter(|text| !text.is_empty()).map(|text| Value::String(data(text))),
        }
    }

    /// Why `value` is not what the key takes: words that follow it.
    pub fn refusal(self, value: &Value) -> String {
        let number = value.as_float().or(value.as_integer().map(|whole| whole as f64));
        let more = match (self, number, value) {
            (Self::Share(range), Some(percent), _) if percent > 1.0 => {
                let meant = share(&format!("{percent}%")).filter(|share| range.contains(share));
                if let Some(share) = meant {
                    return format!("is no share: did you mean {share} or {percent}%?");
                }
                String::new()
            }
            (Self::Whole(..), Some(number), _) if number >= i64::MAX as f64 => {
                format!(" and at most {}", count(i64::MAX))
            }
            (Self::OneOf(names), _, Value::String(name)) => tip(name, names.iter().copied()),
            (Self::Model, _, Value::String(text)) => match model::resolve(text) {
                Err(ModelError::Unknown(name)) => tip(&name, model::NAMES.iter().copied()),
                Err(error) => return format!("describes no network: {error}"),
                Ok(_) => String::new(),
            },
            _ => String::new(),
        };
        format!("must be {}{more}", self.words())
    }
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

/// `from 0 to below 1`
fn bounds(range: Range) -> String {
    let text = |bound: f64| if bound < 1e3 { bound.to_string() } else { count(bound as u64) };
    let range = (range.0.map(text), range.1.map(text));
    match range {
        (Included(low), Included(high)) => format!("from {low} to {high}"),
        (Included(low), Excluded(high)) => format!("from {low} to below {high}"),
        (Included(low), Unbounded) => format!("of at least {low}"),
        (Excluded(low), Unbounded) => format!("above {low}"),
        (low, high) => format!("{low:?} to {high:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
