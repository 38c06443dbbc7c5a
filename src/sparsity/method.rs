//! What a method does with the set of active weights: a table.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::growth::{self, Growth, Site};
use super::init::Init;
use super::prune::{self, Prune};
use crate::gpu::Command;
use crate::ops::Tuning;
use crate::ops::topology::{Goes, Redistribution};

/// A method: how its active set starts, and how updates move it. How many weights each layer gets is a
/// [`super::Distribution`], when and how far the set moves a [`super::PruneRate`]: both are settings of their own.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// As in configurations.
    pub name: &'static str,
    /// As in tables and charts.
    pub title: &'static str,
    /// One line, with its source.
    pub about: &'static str,
    pub init: Init,
    /// Whether the set starts larger than the run's sparsity says, and shrinks to it ([`super::Shrink`]).
    pub shrinks: bool,
    /// How updates move the set; none: it never moves.
    pub update: Option<Update>,
}

/// How updates move a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// What an update removes.
    pub prune: &'static Prune,
    /// How it chooses what to activate; none: the set only shrinks.
    pub growth: Option<&'static Growth>,
    /// What decides how much of all that grows a layer gets; none: each grows as many as it loses.
    pub redistribution: Option<Redistribution>,
    /// Weights keep the sign that they began with ([`crate::ops::sgd::Form::signed`]).
    pub signed: bool,
}

impl Update {
    /// An update that grows in each layer as many as it prunes.
    pub const fn new(prune: &'static Prune, growth: &'static Growth) -> Self {
        Self { prune, growth: Some(growth), redistribution: None, signed: false }
    }

    /// Whether the GPU counts how many weights go and grow; else the host does.
    pub fn counts_on_gpu(&self) -> bool {
        self.redistribution.is_some() || self.prune.goes != Goes::Share
    }

    /// Counts how many weights of the layer at `site` the next update keeps and grows, if that is the GPU's to do.
    pub fn count(&self, site: &Site) -> Option<Command> {
        let count = || site.tensor.count(site.label, site.scratch, self.prune.goes, self.redistribution);
        self.counts_on_gpu().then(count)
    }

    /// The commands of an update of the layer at `site`, after the optimiser's step and the counting.
    pub fn commands(&self, site: &Site, tuning: &Tuning) -> Vec<Command> {
        let scores = self.growth.map(|growth| ((growth.score)(site), growth.of_weights));
        let (first, keys) = (self.prune.keys)(site);
        let prune = (first, keys, self.prune.goes == Goes::ShareOfEachSign);
        let mut commands = site.tensor.update(site.label, tuning, site.scratch, prune, scores);
        commands.extend(self.signed.then(|| site.tensor.give_signs(site.label, site.scratch, site.run)));
        commands
    }

    /// Whether a step needs the gradient of all weights; `update`: it ends with an update.
    pub fn needs_dense_gradient(&self, update: bool) -> bool {
        self.growth.is_some_and(|growth| growth.needs_dense_gradient(update))
    }

    /// Bytes that are kept from step to step for a weight of `numel` positions.
    pub fn state_bytes(&self, numel: usize) -> u64 {
        self.growth.map_or(0, |growth| growth.state_bytes(numel))
    }
}

impl Method {
    pub const DENSE: Self = Self {
        name: "dense",
        title: "dense",
        about: "every weight is active",
        init: Init::Dense,
        shrinks: false,
        update: None,
    };

    pub const STATIC: Self = Self {
        name: "static",
        title: "static",
        about: "a random sparse set that never moves",
        init: Init::Random,
        shrinks: false,
        update: None,
    };

    pub const SET: Self = Self {
        name: "set",
        title: "SET",
        about: "magnitude prune, random growth (Mocanu et al. 2018)",
        init: Init::Random,
        shrinks: false,
        update: Some(Update::new(&prune::MAGNITUDE, &growth::RANDOM)),
    };

    pub const RIGL: Self = Self {
        name: "rigl",
        title: "RigL",
        about: "magnitude prune, growth by the gradient (Evci et al. 2020)",
        init: Init::Random,
        shrinks: false,
        update: Some(Update::new(&prune::MAGNITUDE, &growth::GRADIENT)),
    };

    pub const MOMENTUM: Self = Self {
        name: "momentum",
        title: "momentum",
        about: "magnitude prune, growth by the gradients' momentum (Dettmers and Zettlemoyer 2019, without their \
                redistribution between layers)",
        init: Init::Random,
        shrinks: false,
        update: Some(Update::new(&prune::MAGNITUDE, &growth::MOMENTUM)),
    };

    pub const SNFS: Self = Self {
        name: "snfs",
        title: "SNFS",
        about: "momentum growth, shared out between layers by their momentum (Dettmers and Zettlemoyer 2019)",
        init: Init::Random,
        shrinks: false,
        update: Some(Update {
            redistribution: Some(Redistribution::Momentum),
            ..Update::new(&prune::MAGNITUDE, &growth::MOMENTUM)
        }),
    };

    pub const DSR: Self = Self {
        name: "dsr",
        title: "DSR",
        about: "prune below a threshold that adapts, random growth in proportion to what layers keep (Mostafa and Wang 2019)",
        init: Init::Random,
        shrinks: false,
        update: Some(Update {
            redistribution: Some(Redistribution::Kept),
            ..Update::new(&prune::ADAPTIVE, &growth::RANDOM)
        }),
    };

    pub const DEEPR: Self = Self {
        name: "deepr",
        title: "DeepR",
        about: "weights keep their signs and get noise; those that cross 0 go, random growth (Bellec et al. 2018)",
        init: Init::Random,
        shrinks: false,
        update: Some(Update { signed: true, ..Update::new(&prune::CROSSED, &growth::RANDOM) }),
    };

    pub const MEST: Self = Self {
        name: "mest",
        title: "MEST",
        about: "prune by weight and gradient, random growth (elastic mutation, Yuan et al. 2021)",
        init: Init::Random,
        shrinks: false,
        update: Some(Update::new(&prune::MEST, &growth::RANDOM)),
    };

    pub const GMP: Self = Self {
        name: "gmp",
        title: "GMP",
        about: "gradual magnitude pruning of a dense network (Zhu and Gupta 2017)",
        init: Init::Random,
        shrinks: true,
        update: Some(Update { growth: None, ..Update::new(&prune::MAGNITUDE, &growth::RANDOM) }),
    };

    pub const GRANET: Self = Self {
        name: "granet",
        title: "GraNet",
        about: "gradual pruning, and at each update RigL's prune and growth (Liu et al. 2021)",
        init: Init::Random,
        shrinks: true,
        update: Some(Update::new(&prune::MAGNITUDE, &growth::GRADIENT)),
    };

    pub const SNIP: Self = Self {
        name: "snip",
        title: "SNIP",
        about: "a set that never moves, of the weights with the largest product with their gradient before training (Lee et al. 2019)",
        init: Init::Snip,
        shrinks: false,
        update: None,
    };

    pub const SYNFLOW: Self = Self {
        name: "synflow",
        title: "SynFlow",
        about: "a set that never moves, chosen before training by synaptic flow, without data (Tanaka et al. 2020)",
        init: Init::Synflow,
        shrinks: false,
        update: None,
    };

    pub const LTH: Self = Self {
        name: "lth",
        title: "LTH",
        about: "lottery ticket: trains dense, prunes by magnitude, rewinds, and trains the rest (Frankle and Carbin 2019)",
        init: Init::Lottery,
        shrinks: false,
        update: None,
    };

    /// Every method.
    pub const ALL: [Self; 14] = [
        Self::DENSE,
        Self::STATIC,
        Self::SET,
        Self::RIGL,
        Self::MOMENTUM,
        Self::SNFS,
        Self::DSR,
        Self::DEEPR,
        Self::MEST,
        Self::GMP,
        Self::GRANET,
        Self::SNIP,
        Self::SYNFLOW,
        Self::LTH,
    ];

    /// Their names.
    pub const NAMES: [&'static str; Self::ALL.len()] = {
        let mut names = [""; Self::ALL.len()];
        let mut i = 0;
        while i < names.len() {
            names[i] = Self::ALL[i].name;
            i += 1;
        }
        names
    };

    /// The method called `name`, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name.eq_ignore_ascii_case(name))
    }

    /// Its place in [`Method::ALL`]: the order of tables.
    pub fn place(self) -> usize {
        Self::ALL.iter().take_while(|method| **method != self).count()
    }

    /// Whether the first and the last layer of a convolutional network stay dense, as in the authors' networks for CIFAR.
    pub fn keeps_ends_dense(self) -> bool {
        self == Self::DSR
    }

    /// How updates grow, if they do.
    pub fn growth(self) -> Option<&'static Growth> {
        self.update.and_then(|update| update.growth)
    }
}

impl Default for Method {
    fn default() -> Self {
        Self::RIGL
    }
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Method {}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        // Configurations spell names as the table does; other spellings are made that before.
        let found = Self::ALL.into_iter().find(|method| method.name == name);
        found.ok_or_else(|| D::Error::unknown_variant(&name, &Self::NAMES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names are how a method is chosen and a rule is recognised.
    #[test]
    fn names_are_unique_and_read_back() {
        for (at, method) in Method::ALL.into_iter().enumerate() {
            assert!(Method::ALL[..at].iter().all(|other| other.name != method.name));
            assert_eq!(Method::named(&method.name.to_uppercase()), Some(method));
            let text = serde_json::to_string(&method).unwrap();
            assert_eq!(serde_json::from_str::<Method>(&text).unwrap(), method);
        }
        let error = serde_json::from_str::<Method>("\"riggle\"").unwrap_err().to_string();
        assert!(error.contains("riggle") && error.contains("momentum"), "{error}");
    }
}
