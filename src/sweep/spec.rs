//! A sweep's specification: which values of which keys, and the rows that follow from them.
//!
//! Each row is the base, overlaid with an entry of the list, a random draw and a point of the grid. The rows are the product of
//! these three: the list is outermost, and the keys of the grid are in alphabetical order, the last one fastest. Rows that differ
//! only in keys without effect on them ([`Config::without_effect`]) are one.

use std::collections::HashSet;
use std::fmt::Display;

use serde::Serialize;
use thiserror::Error;
use toml::Value;

use super::baseline;
use super::random::draws;
use super::spec_file::{base, grid, leaves, parse};
use crate::data;
use crate::model;
use crate::train::keys;
use crate::train::{Config, ConfigError};

/// More rows than anybody runs: a slip in the specification.
pub const MOST_ROWS: usize = 10_000;

/// Rows times bytes of the specification: what planning may take of memory grows with it.
const MOST_BYTES: usize = 64 << 20;

/// A specification that gives no plan.
#[derive(Debug, Error)]
pub enum SpecError {
    #[error("{origin}: {message}")]
    Toml { origin: String, message: String },
    #[error("{origin}: [{section}]: `{key}` {must}")]
    Key { origin: String, section: &'static str, key: String, must: String },
    #[error("{origin}: `{key}` is set in [{first}] and in [{second}]; keep it in one of them")]
    Twice { origin: String, key: String, first: &'static str, second: &'static str },
    #[error("{origin}: [base]: {source}")]
    Base { origin: String, source: Box<ConfigError> },
    #[error("{origin}: row {row} ({label}): {source}")]
    Row { origin: String, row: usize, label: String, source: Box<ConfigError> },
    #[error("{origin}: [baseline]: {message}")]
    Baseline { origin: String, message: String },
    #[error("{origin}: the rows {first} and {second} are the same run ({label}); change `seed` or remove one")]
    Equal { origin: String, first: usize, second: usize, label: String },
    #[error("{origin} gives more than {most} rows; make the grid smaller")]
    TooMany { origin: String, most: usize },
}

/// A row: what sets it apart, and the whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct SpecRow {
    /// Keys without effect on this row are left out.
    pub varied: Assignments,
    pub config: Config,
}

/// What a specification comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Specified {
    /// The preset of the base, if it has one.
    pub preset: Option<String>,
    pub rows: Vec<SpecRow>,
    /// Why rows were left out that another row stands for, in sentences.
    pub merged: Vec<String>,
    /// The settings that the others are compared with, if the specification names them.
    pub baseline: Option<Assignments>,
}

/// Keys (dotted where nested) and values.
pub type Assignments = Vec<(String, Value)>;

/// The baseline that the specification `text` of `origin` names, not checked.
pub fn baseline(origin: &str, text: &str) -> Result<Option<Assignments>, SpecError> {
    Ok(parse(origin, text)?.baseline.as_ref().map(leaves))
}

/// The rows of the specification `text` of `origin` (a file name, for messages), all of them checked.
pub fn rows(origin: &str, text: &str) -> Result<Specified, SpecError> {
    let file = parse(origin, text)?;
    let preset = file.base.preset();
    let base = base(origin, file.base)?;
    let grid = grid(origin, &file.grid)?;
    let list: Vec<Assignments> = file.list.iter().map(leaves).collect();
    let random = match &file.random {
        Some(random) => draws(origin, random)?,
        None => Vec::new(),
    };
    check_apart(origin, &grid, &list, random.first())?;

    let most = MOST_ROWS.min(MOST_BYTES / text.len().max(1));
    let points = grid.iter().try_fold(1usize, |points, (_, values)| points.checked_mul(values.len()));
    let total = points.and_then(|n| n.checked_mul(list.len().max(1))?.checked_mul(random.len().max(1)));
    let Some((points, total)) = points.zip(total).filter(|&(_, total)| total <= most) else {
        return Err(SpecError::TooMany { origin: origin.into(), most });
    };
    let one = [Vec::new()];
    let (list, random) = (or(&list, &one), or(&random, &one));
    let mut rows = Vec::with_capacity(total);
    for (listed, drawn) in list.iter().flat_map(|listed| random.iter().map(move |drawn| (listed, drawn))) {
        for point in 0..points {
            let varied = [listed.as_slice(), drawn, &grid_point(&grid, point)].concat();
            let row = rows.len() + 1;
            let mut layers = base.clone();
            for (key, value) in &varied {
                layers.set(key, value.clone());
            }
            let config = layers.finish().map_err(|source| {
                let label = label(pairs(&varied));
                SpecError::Row { origin: origin.into(), row, label, source: Box::new(source) }
            })?;
            // As the configuration has them: `"95%"` is 0.95.
            let read = |(key, value): (String, Value)| match keys::find(&key).and_then(|key| keys::value(&config, key))
            {
                Some(value) => (key, value),
                None => (key, value),
            };
            let varied = varied.into_iter().map(read).collect();
            rows.push(SpecRow { varied, config });
        }
    }
    check_different(origin, &rows)?;
    let (rows, merged) = merge(rows);
    let baseline = file.baseline.as_ref().map(leaves);
    if let Some(baseline) = &baseline {
        let configs: Vec<&Config> = rows.iter().map(|row| &row.config).collect();
        baseline::check(baseline, &configs)
            .map_err(|message| SpecError::Baseline { origin: origin.into(), message })?;
    }
    Ok(Specified { preset, rows, merged, baseline })
}

/// The rows without those that only repeat another, and why, in sentences.
fn merge(rows: Vec<SpecRow>) -> (Vec<SpecRow>, Vec<String>) {
    let before = rows.len();
    let mut seen = HashSet::new();
    let mut left_out: Vec<(String, usize)> = Vec::new();
    let mut kept = Vec::with_capacity(before);
    for SpecRow { mut varied, config } in rows {
        let reason = |key: &str| config.why_without_effect(key);
        if !seen.insert(config.identity()) {
            let whys: Vec<(&String, &str)> = varied.iter().filter_map(|(key, _)| Some((key, reason(key)?))).collect();
            let keys: Vec<String> = whys.iter().map(|(key, _)| format!("`{key}`")).collect();
            let verb = if keys.len() == 1 { "has" } else { "have" };
            let mut reasons: Vec<&str> = whys.iter().map(|(_, why)| *why).collect();
            reasons.dedup();
            let why = match keys.is_empty() {
                true => "what sets them apart has no effect".into(),
                false => format!("{} {verb} no effect {}", keys.join(" and "), reasons.join(" and ")),
            };
            match left_out.iter_mut().find(|(known, _)| *known == why) {
                Some((_, count)) => *count += 1,
                None => left_out.push((why, 1)),
            }
            continue;
        }
        varied.retain(|(key, _)| reason(key).is_none());
        kept.push(SpecRow { varied, config });
    }
    let sentence = |(why, count): (String, usize)| match count {
        1 => format!("1 of {before} rows repeats another and is left out: {why}"),
        _ => format!("{count} of {before} rows repeat another and are left out: {why}"),
    };
    (kept, left_out.into_iter().map(sentence).collect())
}

/// A `key=value` of the command line. None without `=`.
pub fn assignment(text: &str) -> Option<(String, Value)> {
    let (key, value) = text.split_once('=')?;
    Some(match keys::find(key.trim()) {
        Some(key) => (key.name.into(), key.kind.text(value)),
        None => (key.trim().into(), Value::String(value.trim().into())),
    })
}

/// `method = "set", delta_t = 100`. Of a network of somebody's own its name.
pub fn label<'a, V: Display + Serialize + 'a>(varied: impl Iterator<Item = (&'a String, &'a V)>) -> String {
    let name = |value: &V| Some(model::name_of(serde_json::to_value(value).ok()?.as_str()?));
    let pair = |(key, value): (&'a String, &'a V)| match name(value).filter(|_| key == "model") {
        Some(name) => format!("{key} = {name:?}"),
        None => format!("{key} = {value}"),
    };
    let pairs: Vec<String> = varied.map(pair).collect();
    if pairs.is_empty() { "the base".into() } else { pairs.join(", ") }
}

/// For [`label`].
pub fn pairs(varied: &[(String, Value)]) -> impl Iterator<Item = (&String, &Value)> {
    varied.iter().map(|(key, value)| (key, value))
}

fn or<'a>(rows: &'a [Assignments], one: &'a [Assignments]) -> &'a [Assignments] {
    if rows.is_empty() { one } else { rows }
}

pub(super) fn key_error(origin: &str, section: &'static str, key: &str, must: impl Into<String>) -> SpecError {
    SpecError::Key { origin: origin.into(), section, key: key.into(), must: must.into() }
}

/// Point `number` of the grid, the last key fastest.
fn grid_point(grid: &[(String, Vec<Value>)], mut number: usize) -> Assignments {
    let mut point: Assignments = Vec::with_capacity(grid.len());
    for (key, values) in grid.iter().rev() {
        point.push((key.clone(), values[number % values.len()].clone()));
        number /= values.len();
    }
    point.reverse();
    point
}

/// A key in two sections would let one of them go unheard.
fn check_apart(
    origin: &str,
    grid: &[(String, Vec<Value>)],
    list: &[Assignments],
    random: Option<&Assignments>,
) -> Result<(), SpecError> {
    let grid = grid.iter().map(|(key, _)| ("grid", key));
    let list = list.iter().flatten().map(|(key, _)| ("list", key));
    let random = random.into_iter().flatten().map(|(key, _)| ("random", key));
    let mut seen: Vec<(&'static str, &String)> = Vec::new();
    for (section, key) in grid.chain(random).chain(list) {
        let (origin, key_name) = (origin.to_string(), key.clone());
        match seen.iter().find(|(_, other)| *other == key) {
            Some(&(first, _)) if (first, section) != ("list", "list") => {
                return Err(SpecError::Twice { origin, key: key_name, first, second: section });
            }
            Some(_) => {}
            None => seen.push((section, key)),
        }
    }
    Ok(())
}

fn check_different(origin: &str, rows: &[SpecRow]) -> Result<(), SpecError> {
    let mut seen = std::collections::HashMap::new();
    for (number, row) in (1..).zip(rows) {
        let label = label(pairs(&row.varied));
        let config = Config { data: data::place(&row.config.data), ..row.config.clone() };
        let text = match config.to_toml() {
            Ok(text) => text,
            Err(source) => {
                let source = Box::new(source);
                return Err(SpecError::Row { origin: origin.into(), row: number, label, source });
            }
        };
        if let Some(first) = seen.insert(text, number) {
            return Err(SpecError::Equal { origin: origin.into(), first, second: number, label });
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
