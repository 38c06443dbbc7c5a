//! Rules that a configuration names in place of its method's.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a configuration says for the method's own rule.
pub const METHOD: &str = "method";

/// A kind of rule, of which there is a table.
pub trait Rule: Sized + 'static {
    const ALL: &'static [&'static Self];

    fn name(&self) -> &'static str;
}

/// A rule in place of the method's own; none: the method's own.
#[derive(Debug)]
pub struct Override<R: 'static>(pub Option<&'static R>);

impl<R: Rule> Override<R> {
    /// As in configurations.
    pub fn name(self) -> &'static str {
        self.0.map_or(METHOD, Rule::name)
    }
}

// Derived, these would ask the same of the rule.
impl<R> Clone for Override<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Override<R> {}

impl<R> Default for Override<R> {
    fn default() -> Self {
        Self(None)
    }
}

impl<R: PartialEq> PartialEq for Override<R> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<R: Rule> Serialize for Override<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de, R: Rule> Deserialize<'de> for Override<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == METHOD {
            return Ok(Self(None));
        }
        let found = R::ALL.iter().find(|rule| rule.name() == name);
        found.map(|rule| Self(Some(*rule))).ok_or_else(|| D::Error::custom(format!("unknown rule `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparsity::{Growth, Prune, growth, prune};

    fn names_read_back<R: Rule + PartialEq + std::fmt::Debug>(names: &[&str]) {
        let table: Vec<&str> = std::iter::once(METHOD).chain(R::ALL.iter().map(|rule| rule.name())).collect();
        assert_eq!(names, table);
        for (at, name) in names.iter().enumerate() {
            let rule: Override<R> = serde_json::from_str(&format!("\"{name}\"")).unwrap();
            assert_eq!(rule.0, at.checked_sub(1).map(|at| R::ALL[at]));
            assert_eq!(serde_json::to_value(rule).unwrap(), *name);
        }
        assert!(serde_json::from_str::<Override<R>>("\"magnitud\"").unwrap_err().to_string().contains("magnitud"));
    }

    #[test]
    fn rules_are_read_and_written_by_name() {
        names_read_back::<Prune>(&prune::NAMES);
        names_read_back::<Growth>(&growth::NAMES);
    }
}
