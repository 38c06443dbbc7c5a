//! A sweep's specification: which values of which keys, and the rows that follow from them.
//!
//! Every row is the base with a row of the list, a random draw and a point of the grid laid over it: the rows are the product
//! of the three, the list outermost, the grid's keys in alphabetical order with the last one fastest.

use std::fmt::Display;

use serde::Deserialize;
use thiserror::Error;
use toml::{Table, Value};

use crate::ops::philox::{self, Purpose};
use crate::train::config::{Config, ConfigError, Layers};
use crate::train::presets::preset;

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
    #[error("{origin}: `{key}` is set in [{first}] and in [{second}]; leave it in one of them")]
    Twice { origin: String, key: String, first: &'static str, second: &'static str },
    #[error("{origin}: [base]: {source}")]
    Base { origin: String, source: ConfigError },
    #[error("{origin}: row {row} ({label}): {source}")]
    Row { origin: String, row: usize, label: String, source: ConfigError },
    #[error("{origin}: the rows {first} and {second} are the same run ({label}); change `seed` or take one out")]
    Equal { origin: String, first: usize, second: usize, label: String },
    #[error("{origin} gives more than {most} rows; make the grid smaller")]
    TooMany { origin: String, most: usize },
}

/// A row: what sets it apart, and the whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct SpecRow {
    pub varied: Vec<(String, Value)>,
    pub config: Config,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    #[serde(default)]
    base: Base,
    #[serde(default)]
    grid: Table,
    #[serde(default)]
    list: Vec<Table>,
    random: Option<RandomFile>,
}

/// The name of a preset, or keys with an optional `preset`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Base {
    Preset(String),
    Keys(Table),
}

impl Default for Base {
    fn default() -> Self {
        Self::Keys(Table::new())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RandomFile {
    count: usize,
    #[serde(default)]
    seed: u32,
    keys: Table,
}

/// How a random key is drawn. Between whole bounds, whole numbers are drawn, both bounds included.
enum Draw {
    Uniform { low: f64, high: f64, whole: bool },
    LogUniform { low: f64, high: f64, whole: bool },
    Choice(Vec<Value>),
}

type Assignments = Vec<(String, Value)>;

/// The rows of the specification `text` of `origin` (a file name, for messages), all of them checked.
pub fn rows(origin: &str, text: &str) -> Result<Vec<SpecRow>, SpecError> {
    let toml = |error: toml::de::Error| SpecError::Toml { origin: origin.into(), message: error.to_string() };
    let file: SpecFile = toml::from_str(text).map_err(toml)?;
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
    let mut rows: Vec<SpecRow> = Vec::with_capacity(total);
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
                SpecError::Row { origin: origin.into(), row, label, source }
            })?;
            rows.push(SpecRow { varied, config });
        }
    }
    check_different(origin, &rows)?;
    Ok(rows)
}

/// `method = "set", delta_t = 100`
pub fn label<'a, V: Display + 'a>(varied: impl Iterator<Item = (&'a String, &'a V)>) -> String {
    let pairs: Vec<String> = varied.map(|(key, value)| format!("{key} = {value}")).collect();
    if pairs.is_empty() { "the base".into() } else { pairs.join(", ") }
}

/// For [`label`].
pub fn pairs(varied: &[(String, Value)]) -> impl Iterator<Item = (&String, &Value)> {
    varied.iter().map(|(key, value)| (key, value))
}

fn or<'a>(rows: &'a [Assignments], one: &'a [Assignments]) -> &'a [Assignments] {
    if rows.is_empty() { one } else { rows }
}

fn base(origin: &str, base: Base) -> Result<Layers, SpecError> {
    let wrong = |source| SpecError::Base { origin: origin.into(), source };
    let mut keys = match base {
        Base::Preset(name) => return preset(&name).map_err(wrong),
        Base::Keys(keys) => keys,
    };
    let mut layers = match keys.remove("preset") {
        Some(Value::String(name)) => preset(&name).map_err(wrong)?,
        Some(_) => return Err(key_error(origin, "base", "preset", "must be a preset's name")),
        None => Layers::default(),
    };
    layers.text("keys", &keys.to_string()).map_err(wrong)?;
    Ok(layers)
}

fn key_error(origin: &str, section: &'static str, key: &str, must: impl Into<String>) -> SpecError {
    SpecError::Key { origin: origin.into(), section, key: key.into(), must: must.into() }
}

/// What a nested table assigns, with dotted keys.
fn leaves(table: &Table) -> Assignments {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                found.extend(leaves(inner).into_iter().map(|(rest, value)| (format!("{key}.{rest}"), value)));
            }
            value => found.push((key.clone(), value.clone())),
        }
    }
    found
}

fn grid(origin: &str, table: &Table) -> Result<Vec<(String, Vec<Value>)>, SpecError> {
    let values = |(key, value): (String, Value)| match value {
        Value::Array(values) if !values.is_empty() => Ok((key, values)),
        value => Err(key_error(origin, "grid", &key, format!("= {value} must be a list of one value or more"))),
    };
    leaves(table).into_iter().map(values).collect()
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

fn draws(origin: &str, random: &RandomFile) -> Result<Vec<Assignments>, SpecError> {
    if !(1..=MOST_ROWS).contains(&random.count) {
        let must = format!("= {} must be from 1 to {MOST_ROWS}", random.count);
        return Err(key_error(origin, "random", "count", must));
    }
    let mut keys = Vec::new();
    draw_rules(origin, "", &random.keys, &mut keys)?;
    let row = |number: usize| -> Assignments {
        let drawn = keys.iter().map(|(key, rule)| {
            // A stream a key, named by the key: another key more does not change what this one draws.
            let stream = key.bytes().fold(0u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
            let block = philox::philox4x32(
                [random.seed, Purpose::Sweep as u32],
                [number as u32, stream, 0, Purpose::Sweep as u32],
            );
            let unit = f64::from(block[0]) / 4_294_967_296.0;
            (key.clone(), rule.value(unit))
        });
        drawn.collect()
    };
    Ok((0..random.count).map(row).collect())
}

/// Finds the rules: tables whose one key is the name of a distribution.
fn draw_rules(origin: &str, prefix: &str, table: &Table, found: &mut Vec<(String, Draw)>) -> Result<(), SpecError> {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let must = |must: &str| key_error(origin, "random.keys", &key, must);
        let Value::Table(inner) = value else {
            return Err(must("must be { uniform = [LOW, HIGH] }, { log-uniform = [LOW, HIGH] } or { choice = [...] }"));
        };
        let rule = inner.iter().next().filter(|_| inner.len() == 1);
        let draw = match rule.map(|(name, value)| (name.as_str(), value)) {
            Some(("uniform", value)) => {
                let (low, high, whole) = bounds(value).ok_or_else(|| must("uniform takes [LOW, HIGH], LOW < HIGH"))?;
                Draw::Uniform { low, high, whole }
            }
            Some(("log-uniform", value)) => {
                let bounds = bounds(value).filter(|&(low, ..)| low > 0.0);
                let (low, high, whole) = bounds.ok_or_else(|| must("log-uniform takes [LOW, HIGH], 0 < LOW < HIGH"))?;
                Draw::LogUniform { low, high, whole }
            }
            Some(("choice", Value::Array(values))) if !values.is_empty() => Draw::Choice(values.clone()),
            Some(("choice", _)) => return Err(must("choice takes a list of one value or more")),
            _ => {
                draw_rules(origin, &key, inner, found)?;
                continue;
            }
        };
        found.push((key, draw));
    }
    Ok(())
}

/// Two finite numbers in rising order, and whether both are whole.
fn bounds(value: &Value) -> Option<(f64, f64, bool)> {
    let [low, high] = value.as_array()?.as_slice() else { return None };
    let number = |value: &Value| value.as_float().or(value.as_integer().map(|whole| whole as f64));
    let (a, b) = (number(low)?, number(high)?);
    (a.is_finite() && b.is_finite() && a < b).then_some((a, b, low.is_integer() && high.is_integer()))
}

impl Draw {
    /// The value at `unit` in [0, 1).
    fn value(&self, unit: f64) -> Value {
        let number = |value: f64, whole: bool| match whole {
            true => Value::Integer(value.floor() as i64),
            // Six digits are enough, and survive every file format.
            false => Value::Float(format!("{value:.5e}").parse().unwrap_or(value)),
        };
        // One more, so that the upper bound is drawn as often as the others.
        let top = |high: f64, whole: bool| if whole { high + 1.0 } else { high };
        match *self {
            Self::Uniform { low, high, whole } => number(low + unit * (top(high, whole) - low), whole),
            Self::LogUniform { low, high, whole } => {
                number((low.ln() + unit * (top(high, whole).ln() - low.ln())).exp().max(low), whole)
            }
            Self::Choice(ref values) => values[(unit * values.len() as f64) as usize].clone(),
        }
    }
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
        if let Some(first) = seen.insert(row.config.to_toml(), number) {
            let label = label(pairs(&row.varied));
            return Err(SpecError::Equal { origin: origin.into(), first, second: number, label });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        match rows("spec.toml", text) {
            Ok(rows) => panic!("{text} gave {} rows", rows.len()),
            Err(error) => error.to_string(),
        }
    }

    /// The specification in `docs/sweeps.md` is one.
    #[test]
    fn the_documented_specification() {
        let doc = include_str!("../../docs/sweeps.md");
        let text = doc.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        assert_eq!(rows("docs/sweeps.md", text).unwrap().len(), 2 * 10 * 6);
    }

    #[test]
    fn rows_are_the_product_of_list_draws_and_grid() {
        let text = "
            [base]
            preset = 'quick'
            epochs = 2
            [grid]
            death_rate.initial = [0.3, 0.5]
            seed = [1, 2, 3]
            [[list]]
            method = 'set'
            delta_t = 10
            [[list]]
            method = 'static'
            [random]
            count = 2
            [random.keys]
            lr = { log-uniform = [0.01, 1.0] }
            batch_size = { choice = [32, 64] }
            lr_schedule.pct_start = { uniform = [0.1, 0.4] }
        ";
        let rows = rows("spec.toml", text).unwrap();
        assert_eq!(rows.len(), 24);
        let seeds: Vec<u64> = rows.iter().take(4).map(|row| row.config.seed).collect();
        assert_eq!(seeds, [1, 2, 3, 1]);
        assert_eq!((rows[0].config.death_rate.initial, rows[3].config.death_rate.initial), (0.3, 0.5));
        assert_eq!((rows[0].config.method.name(), rows[23].config.method.name()), ("set", "static"));
        assert_eq!((rows[0].config.delta_t, rows[23].config.delta_t, rows[0].config.epochs), (10, 25, 2));
        assert_ne!(rows[0].config.lr, rows[6].config.lr, "another draw");
        assert_eq!(rows[0].config.lr, rows[12].config.lr, "the same draws for every row of the list");
        assert_eq!(rows, super::rows("spec.toml", text).unwrap(), "draws repeat");
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let text = "
            base = 'quick'
            [random]
            count = 400
            seed = 3
            keys.delta_t = { log-uniform = [1, 4] }
            keys.sparsity = { uniform = [0.5, 0.9] }
        ";
        let rows = rows("spec.toml", text).unwrap();
        for delta_t in 1..=4 {
            assert!(rows.iter().filter(|row| row.config.delta_t == delta_t).count() > 40, "{delta_t}");
        }
        assert!(rows.iter().all(|row| (1..=4).contains(&row.config.delta_t)));
        let sparsities: Vec<f64> = rows.iter().map(|row| row.config.sparsity).collect();
        assert!(sparsities.iter().all(|s| (0.5..=0.9).contains(s)));
        let mean = sparsities.iter().sum::<f64>() / 400.0;
        assert!((mean - 0.7).abs() < 0.02, "{mean}");
    }

    #[test]
    fn mistakes_are_named() {
        for (text, words) in [
            ("[gird]\nseed = [1]", "unknown field `gird`"),
            ("[grid]\ndelta_t = 10", "`delta_t` = 10 must be a list"),
            ("[grid]\ndelta_t = []", "must be a list"),
            ("[grid]\ndelta_t = [10, 0]", "row 2 (delta_t = 0): `delta_t` = 0 must be"),
            ("[grid]\ncolour = ['red']", "unknown key `colour`"),
            ("[grid]\ndeath_rate.initial = [0.5, 1.5]", "row 2 (death_rate.initial = 1.5)"),
            ("[[list]]\nmethod = 'riggle'", "row 1 (method = \"riggle\")"),
            ("[base]\nepochz = 3", "epochz"),
            ("base = 'slow'", "no preset `slow`"),
            ("[base]\npreset = 3", "`preset` must be"),
            ("[grid]\nseed = [1, 1]", "rows 1 and 2 are the same run"),
            ("[grid]\nseed = [1]\n[[list]]\nseed = 2", "`seed` is set in [grid] and in [list]"),
            ("[random]\ncount = 0\nkeys.lr = { uniform = [0, 1] }", "`count` = 0"),
            ("[random]\ncount = 1\nkeys.lr = 3", "`lr` must be { uniform"),
            ("[random]\ncount = 1\nkeys.lr = { uniform = [1, 0] }", "LOW < HIGH"),
            ("[random]\ncount = 1\nkeys.lr = { log-uniform = [0, 1] }", "0 < LOW"),
            ("[random]\ncount = 1\nkeys.lr = { uniforn = [0, 1] }", "`lr.uniforn` must be"),
            ("[random]\ncount = 1\nkeys.lr = { choice = [] }", "choice takes"),
            ("not toml", "spec.toml"),
        ] {
            let message = error(text);
            assert!(message.contains(words), "{text}: {message}");
        }
        let many: Vec<String> = (0..400).map(|i| i.to_string()).collect();
        let many = many.join(",");
        assert!(error(&format!("[grid]\nseed = [{many}]\nepochs = [{many}]")).contains("more than 10000 rows"));
    }
}
