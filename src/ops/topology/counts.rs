//! How many weights of a layer an update removes and activates, where only the GPU can know, and how layers share out what grows.
//!
//! Shaders: `topology_counts`, `topology_shares`; reference: [`crate::ops::reference::topology_counts`].

use super::Scratch;
use crate::gpu::{Command, Kernel, Kind, Label};
use crate::ops::SparseTensor;

/// How many active weights a prune removes. One always stays, but where the host counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goes {
    /// A share of all: the host knows how many, as long as no layer changes its size.
    Share,
    /// A share of the positive ones and a share of the negative ones.
    ShareOfEachSign,
    /// Those of a magnitude below [`super::RuleParams::threshold`].
    Below,
    /// Those below a threshold that all layers have in common and that updates move, so that about a share of all goes.
    BelowAdaptive,
}

/// What decides how much of all that grows a layer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redistribution {
    /// The mean magnitude of its momentum, of active weights (sparse momentum, Dettmers and Zettlemoyer 2019).
    Momentum,
    /// How many weights it keeps (Mostafa and Wang 2019).
    Kept,
}

/// Bits of a layer's weight in the sharing-out: so many that `layers` times the square of the largest fits 32 bits.
pub fn share_bits(layers: usize) -> u32 {
    (32 - layers.max(1).next_power_of_two().trailing_zeros()) / 2
}

impl SparseTensor {
    /// Writes to `scratch.update_counts` how many active weights the next update keeps and grows; of a layer that shares with others:
    /// how many it keeps, and what its share is measured by.
    pub fn count(&self, label: &str, scratch: &Scratch, goes: Goes, shares: Option<Redistribution>) -> Command {
        let mut bindings = vec![self.value, self.rows.start, self.own(scratch.update_counts)];
        let mut kernel = Kernel::new("topology_counts")
            .define("WG", 256)
            .define_if(goes == Goes::ShareOfEachSign, "SIGNS")
            .define_if(matches!(goes, Goes::Below | Goes::BelowAdaptive), "BELOW")
            .define_if(shares == Some(Redistribution::Kept), "KEPT")
            .set("ROWS", self.conv.rows());
        let others = [
            ("MOMENTUM", self.momentum, shares == Some(Redistribution::Momentum)),
            ("ADAPTIVE", scratch.threshold, goes == Goes::BelowAdaptive),
        ];
        for (name, slice, _) in others.into_iter().filter(|(.., wanted)| *wanted) {
            kernel = kernel.define(name, bindings.len() as u32);
            bindings.push(slice);
        }
        Command::dispatch(Label::new(Kind::Topology, label, "counts"), kernel, &bindings, [1, 1, 1])
    }

    /// Gives active weights that are 0 a sign.
    pub fn give_signs(&self, label: &str, scratch: &Scratch, run: crate::gpu::Slice) -> Command {
        let kernel = Kernel::new("topology_born").set("ROWS", self.conv.rows());
        let grid = kernel.cover(self.most_weights(), 1);
        let bindings = [self.value, self.rows.start, run, self.own(scratch.update_counts)];
        Command::dispatch(Label::new(Kind::Topology, label, "signs"), kernel, &bindings, grid)
    }
}

impl Scratch {
    /// Shares out among `layers` layers what grows, after [`SparseTensor::count`] of each; `goes` of all.
    pub fn share_out(&self, layers: usize, goes: Goes) -> Command {
        let adaptive = goes == Goes::BelowAdaptive;
        let kernel = Kernel::new("topology_shares")
            .define_if(adaptive, "ADAPTIVE")
            .define("LAYERS", layers as u32)
            .define("BITS", share_bits(layers));
        let mut bindings = vec![self.update_counts];
        bindings.extend(adaptive.then_some(self.threshold));
        Command::dispatch(Label::new(Kind::Topology, "all layers", "shares"), kernel, &bindings, [1, 1, 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fit_32_bits() {
        for layers in [1usize, 2, 3, 20, 64, 65, 155, 1000] {
            let most = (1u64 << share_bits(layers)) - 1;
            assert!(layers as u64 * most * most <= u64::from(u32::MAX) && most > 1000, "{layers}");
        }
    }
}
