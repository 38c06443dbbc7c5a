//! What an update removes: the active weights of least key. The selection is the same for all rules (`ops::topology`); its CPU
//! reference is `ops::reference::topology::keep`.
//!
//! A rule is a line in [`ALL`]; its shader, if it has one, is `shaders/prune_NAME.wgsl`.

use super::growth::Site;
use super::overrides::{METHOD, Rule};
use crate::gpu::{Command, Kernel, Kind, Label, Slice};
use crate::ops::topology::Goes;

/// Every rule.
pub const ALL: [&Prune; 7] = [&MAGNITUDE, &TAYLOR, &MEST, &SET, &THRESHOLD, &ADAPTIVE, &CROSSED];

/// Their names, and that which leaves the choice to the method.
pub const NAMES: [&str; 8] =
    [METHOD, "magnitude", "taylor", "mest", "set", "threshold", "adaptive-threshold", "crossed"];

/// A prune rule.
pub struct Prune {
    pub name: &'static str,
    /// Its own shader, if it has one.
    pub shader: Option<&'static str>,
    /// How many go.
    pub goes: Goes,
    /// The commands that leave a float for each active weight, and where; those of least magnitude are removed (of equals the higher
    /// position). They run after the optimiser's step, while the active weights' gradient of this step is still there.
    pub keys: fn(&Site) -> (Vec<Command>, Slice),
    /// The same as the CPU reference computes them.
    pub reference: fn(&Weights) -> Vec<f32>,
}

/// What the CPU reference of a rule may look at: of each weight, 0 where it is not active.
pub struct Weights<'a> {
    pub weight: &'a [f32],
    pub gradient: &'a [f32],
    pub lambda: f32,
}

/// The smallest magnitude.
pub const MAGNITUDE: Prune = Prune {
    name: "magnitude",
    shader: None,
    goes: Goes::Share,
    keys: |site| (Vec::new(), site.tensor.value),
    reference: |of| of.weight.to_vec(),
};

/// The smallest |w · g|: the least change of the loss, to first order, if the weight were 0 (Molchanov et al. 2017).
pub const TAYLOR: Prune = Prune {
    name: "taylor",
    shader: Some("prune_gradient"),
    goes: Goes::Share,
    keys: |site| by_gradient(site, true),
    reference: |of| of.weight.iter().zip(of.gradient).map(|(w, g)| w * g).collect(),
};

/// Of the positive weights a share, those nearest to 0, and as large a share of the negative ones (SET, Mocanu et al. 2018).
pub const SET: Prune = Prune { name: "set", goes: Goes::ShareOfEachSign, ..MAGNITUDE };

/// All whose magnitude is below a threshold, and where all are, all but the largest.
pub const THRESHOLD: Prune = Prune { name: "threshold", goes: Goes::Below, ..MAGNITUDE };

/// The same with a threshold for all layers that updates double or halve, so that about a share of all goes (Mostafa and Wang 2019).
pub const ADAPTIVE: Prune = Prune { name: "adaptive-threshold", goes: Goes::BelowAdaptive, ..MAGNITUDE };

/// All that are 0: where the optimiser leaves what crosses it (DeepR, Bellec et al. 2018).
pub const CROSSED: Prune = Prune { name: "crossed", ..THRESHOLD };

/// The smallest |w| + λ · |g| (MEST, Yuan et al. 2021).
pub const MEST: Prune = Prune {
    name: "mest",
    shader: Some("prune_gradient"),
    goes: Goes::Share,
    keys: |site| by_gradient(site, false),
    reference: |of| of.weight.iter().zip(of.gradient).map(|(w, g)| w.abs() + of.lambda * g.abs()).collect(),
};

impl PartialEq for Prune {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Prune {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Rule for Prune {
    const ALL: &'static [&'static Self] = &ALL;

    fn name(&self) -> &'static str {
        self.name
    }
}

fn by_gradient(site: &Site, taylor: bool) -> (Vec<Command>, Slice) {
    let (tensor, count) = (site.tensor, site.tensor.most_weights());
    let kernel = Kernel::new("prune_gradient").define_if(taylor, "TAYLOR").set("COUNT", count);
    let keys = site.scratch.keys(count);
    let mut bindings = vec![tensor.value, tensor.grad, keys, site.run];
    bindings.extend((!taylor).then(|| tensor.own(site.scratch.update_counts)));
    let (grid, label) = (kernel.cover(count, 1), Label::new(Kind::Topology, site.label, "prune keys"));
    (vec![Command::dispatch(label, kernel, &bindings, grid)], keys)
}
