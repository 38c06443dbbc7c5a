//! Which positions of a weight are active together.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::exact_nnz;

/// How the active set of each layer is made up. Structure makes kernels faster and leaves less to choose from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Structure {
    /// Every weight on its own.
    #[default]
    Unstructured,
    /// Blocks of so many neighbouring output channels at one (input channel, tap): they are pruned by the sum of their magnitudes,
    /// grown by that of their gradients or at random, and explored as a whole.
    Block(usize),
    /// As many active weights for each output channel of a layer (constant fan-in, as SRigL: Lasby et al. 2023): each channel is
    /// pruned and grown on its own.
    FanIn,
}

impl Structure {
    /// Every structure.
    pub const ALL: [Self; 4] = [Self::Unstructured, Self::Block(4), Self::Block(8), Self::FanIn];

    /// Their names.
    pub const NAMES: [&'static str; 4] = ["unstructured", "block:4x1", "block:8x1", "fan-in"];

    /// What a layer of so many output channels has: blocks need whole ones, where they do not fit its weights are unstructured.
    pub fn of_layer(self, outputs: usize) -> Self {
        match self {
            Self::Block(block) if !outputs.is_multiple_of(block) => Self::Unstructured,
            fits => fits,
        }
    }

    /// Output channels that are active together, of a layer that it fits.
    pub fn block(self) -> usize {
        if let Self::Block(block) = self { block } else { 1 }
    }

    /// Active weights of a layer `shape` (output channels first) at `density`: the nearest number of whole blocks or equal rows,
    /// never none.
    pub fn active(self, density: f64, shape: &[usize]) -> usize {
        let (outputs, numel) = (shape[0], shape.iter().product::<usize>());
        match self.of_layer(outputs) {
            Self::Unstructured => exact_nnz(density, numel),
            Self::Block(block) => block * exact_nnz(density, numel / block),
            Self::FanIn => outputs * exact_nnz(density, numel / outputs),
        }
    }

    /// How many of `active` weights of such a layer an update with `rate` prunes: whole blocks, as many of each row.
    pub fn prune_count(self, rate: f64, active: usize, outputs: usize) -> usize {
        let unit = self.unit(outputs);
        unit * super::prune_count(rate, active / unit)
    }

    /// Weights that are pruned and grown at once, of a layer of so many output channels.
    fn unit(self, outputs: usize) -> usize {
        match self.of_layer(outputs) {
            Self::Unstructured => 1,
            Self::Block(block) => block,
            Self::FanIn => outputs,
        }
    }
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unstructured => f.write_str("unstructured"),
            Self::Block(block) => write!(f, "block:{block}x1"),
            Self::FanIn => f.write_str("fan-in"),
        }
    }
}

impl FromStr for Structure {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|structure| structure.to_string().eq_ignore_ascii_case(name));
        known.ok_or_else(|| format!("unknown structure `{name}`: use one of {}", Self::NAMES.join(", ")))
    }
}

impl Serialize for Structure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Structure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for (structure, name) in Structure::ALL.into_iter().zip(Structure::NAMES) {
            assert_eq!(structure.to_string(), name);
            assert_eq!(name.to_uppercase().parse(), Ok(structure));
            assert_eq!(serde_json::to_value(structure).unwrap(), name);
        }
        assert!("block:3x1".parse::<Structure>().unwrap_err().contains("block:4x1"));
    }

    #[test]
    fn layers_get_whole_blocks_and_equal_rows() {
        let shape = [64, 32, 3, 3];
        assert_eq!(Structure::Unstructured.active(0.1, &shape), 1843);
        assert_eq!(Structure::Block(4).active(0.1, &shape), 4 * 461);
        assert_eq!(Structure::Block(8).active(0.1, &shape), 8 * 230);
        assert_eq!(Structure::FanIn.active(0.1, &shape), 64 * 29);
        // Where blocks do not fit there are none; and of a block and of a row there is always one.
        assert_eq!(Structure::Block(4).active(0.1, &[10, 64]), Structure::Unstructured.active(0.1, &[10, 64]));
        assert_eq!(Structure::Block(8).active(1e-6, &shape), 8);
        assert_eq!(Structure::FanIn.active(1e-6, &shape), 64);
        assert_eq!(Structure::Block(4).prune_count(0.3, 40, 64), 4 * 3);
        assert_eq!(Structure::FanIn.prune_count(0.3, 640, 64), 64 * 3);
        assert_eq!(Structure::Block(4).prune_count(0.3, 64, 10), 20);
    }
}
