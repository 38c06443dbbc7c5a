//! Random values of a specification's keys: the distributions, and drawing from them.

use serde::Deserialize;
use toml::{Table, Value};

use super::spec::{Assignments, MOST_ROWS, SpecError, key_error};
use crate::ops::philox::{self, Purpose};
use crate::train::keys;

/// The section as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RandomFile {
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

/// What is drawn for each of the rows that `random` asks for.
pub(super) fn draws(origin: &str, random: &RandomFile) -> Result<Vec<Assignments>, SpecError> {
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
        found.push((keys::find(&key).map_or(key, |key| key.name.into()), draw));
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

#[cfg(test)]
mod tests {
    use super::super::spec::rows;

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
        let rows = rows("spec.toml", text).unwrap().rows;
        for delta_t in 1..=4 {
            assert!(rows.iter().filter(|row| row.config.delta_t == delta_t).count() > 40, "{delta_t}");
        }
        assert!(rows.iter().all(|row| (1..=4).contains(&row.config.delta_t)));
        let sparsities: Vec<f64> = rows.iter().map(|row| row.config.sparsity).collect();
        assert!(sparsities.iter().all(|s| (0.5..=0.9).contains(s)));
        let mean = sparsities.iter().sum::<f64>() / 400.0;
        assert!((mean - 0.7).abs() < 0.02, "{mean}");
    }
}
