//! A specification as it is written: sections, tables, values.

use serde::Deserialize;
use toml::{Table, Value};

use super::random::RandomFile;
use super::spec::{Assignments, SpecError, key_error};
use crate::train::config_builder::ConfigBuilder;
use crate::train::keys;
use crate::train::presets::preset;

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpecFile {
    #[serde(default)]
    pub base: Base,
    #[serde(default)]
    pub grid: Table,
    #[serde(default)]
    pub list: Vec<Table>,
    pub random: Option<RandomFile>,
    pub baseline: Option<Table>,
}

/// The name of a preset, or keys with an optional `preset`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Base {
    Preset(String),
    Keys(Table),
}

impl Base {
    pub fn preset(&self) -> Option<String> {
        match self {
            Self::Preset(name) => Some(name.clone()),
            Self::Keys(keys) => keys.get("preset")?.as_str().map(str::to_string),
        }
    }
}

impl Default for Base {
    fn default() -> Self {
        Self::Keys(Table::new())
    }
}

pub(super) fn parse(origin: &str, text: &str) -> Result<SpecFile, SpecError> {
    toml::from_str(text).map_err(|error| SpecError::Toml { origin: origin.into(), message: error.to_string() })
}

pub(super) fn base(origin: &str, base: Base) -> Result<ConfigBuilder, SpecError> {
    let wrong = |source| SpecError::Base { origin: origin.into(), source: Box::new(source) };
    let mut keys = match base {
        Base::Preset(name) => return preset(&name).map_err(wrong),
        Base::Keys(keys) => keys,
    };
    let mut layers = match keys.remove("preset") {
        Some(Value::String(name)) => preset(&name).map_err(wrong)?,
        Some(_) => return Err(key_error(origin, "base", "preset", "must be a preset's name")),
        None => ConfigBuilder::default(),
    };
    layers.text("keys", &keys.to_string()).map_err(wrong)?;
    Ok(layers)
}

/// What a nested table assigns, with dotted keys as the configuration spells them.
pub(super) fn leaves(table: &Table) -> Assignments {
    let name = |key: String| keys::find(&key).map_or(key, |key| key.name.into());
    nested(table).into_iter().map(|(key, value)| (name(key), value)).collect()
}

fn nested(table: &Table) -> Assignments {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                found.extend(nested(inner).into_iter().map(|(rest, value)| (format!("{key}.{rest}"), value)));
            }
            value => found.push((key.clone(), value.clone())),
        }
    }
    found
}

pub(super) fn grid(origin: &str, table: &Table) -> Result<Vec<(String, Vec<Value>)>, SpecError> {
    let values = |(key, value): (String, Value)| match value {
        Value::Array(values) if !values.is_empty() => Ok((key, values)),
        value => Err(key_error(origin, "grid", &key, format!("= {value} must be a list of one value or more"))),
    };
    leaves(table).into_iter().map(values).collect()
}
