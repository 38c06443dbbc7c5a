//! The kernels that a convolution can run: candidates for each pass, and the choice of one for each.

use serde::{Deserialize, Serialize};

use super::Conv;

/// How the forward pass or the input gradient of a convolution runs. All candidates but matrices sum in the order of the weight,
/// and so give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardKernel {
    /// One weight, one pixel at a time: the simplest, which all others must equal to the bit.
    Naive,
    /// Active weights one by one.
    Sparse(Strip),
    /// Every weight; those of a sparse layer are scattered into a scratch first.
    Dense(Tile),
    /// The same by cooperative matrices: `channels` of the result and `row` neighbouring pixels of it at a time.
    Matrices { channels: u32, row: u32 },
}

/// What an invocation of a sparse gather computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Strip {
    /// Neighbouring pixels of the result: a loaded weight serves all of them.
    pub row: u32,
    /// Weights that are loaded, with all that they multiply, before the first of them is used: 1, or an even number.
    #[serde(default = "one")]
    pub unroll: u32,
    /// Rows of the weight that share a workgroup, and with it what they load of the same pixels.
    #[serde(default = "one")]
    pub group: u32,
    /// Weights that the lanes of a subgroup load at once and hand round; 0: every invocation loads each.
    pub chunk: u32,
    /// Vectors of four 64-bit words instead of 32-bit ones: twice the images.
    #[serde(rename = "wide")]
    pub load64: bool,
}

/// What a choice has that was written before there were more.
fn one() -> u32 {
    1
}

/// What an invocation of a dense gather computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tile {
    /// Channels of the result.
    pub channels: u32,
    /// Neighbouring pixels of the result.
    pub row: u32,
    /// Lanes load one channel's weights each and hand them round.
    pub shuffle: bool,
    /// As of [`Strip`].
    #[serde(rename = "wide")]
    pub load64: bool,
}

impl ForwardKernel {
    /// Bytes of the weight as matrices; 0 where there are none.
    pub fn workspace_bytes(&self, conv: &Conv) -> u64 {
        if matches!(self, ForwardKernel::Matrices { .. }) { conv.matrices_bytes() } else { 0 }
    }

    /// The tile that a dense gather takes: one channel of one pixel, if this one was not made for it.
    pub(super) fn tile(&self) -> Tile {
        match *self {
            ForwardKernel::Dense(tile) => tile,
            ForwardKernel::Sparse(strip) => Tile { channels: 1, row: 1, shuffle: false, load64: strip.load64 },
            ForwardKernel::Naive | ForwardKernel::Matrices { .. } => {
                Tile { channels: 1, row: 1, shuffle: false, load64: false }
            }
        }
    }
}

/// Who carries out one sum of a weight gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One invocation alone.
    Invocation,
    /// One invocation alone, but the lanes of a subgroup load what all of them need for each other (dense only).
    Shuffle,
    /// The lanes of a subgroup share the images and pixels.
    Subgroup,
    /// A workgroup shares them, and meets at a barrier.
    Workgroup,
    /// A workgroup takes many weights at a few pixels, which its first cache then holds (sparse only).
    Pixels,
    /// A subgroup, by cooperative matrices (dense only).
    Matrices,
}

/// How the weight gradient of a convolution runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WeightGradKernel {
    /// Output channels that are summed at once, for every weight (those of a sparse layer go to a scratch, and the active ones
    /// are collected from it); `None`: active weights only.
    pub tile: Option<u32>,
    #[serde(rename = "team")]
    pub scope: Scope,
    /// Tiles that share a workgroup, and with it what they load of the same pixels (of all weights, by subgroups or workgroups).
    #[serde(default = "one")]
    pub group: u32,
    #[serde(rename = "wide")]
    pub load64: bool,
    /// Parts of the images and pixels that are summed apart and added up at last (split-K): where there are few weights,
    /// one subgroup or workgroup for each does not fill a GPU.
    pub split: u32,
}

impl std::fmt::Display for ForwardKernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            ForwardKernel::Naive => f.write_str("naive"),
            ForwardKernel::Sparse(Strip { row, unroll, group, chunk, load64 }) => {
                f.write_str("sparse")?;
                if row > 1 || group > 1 {
                    write!(f, " {group}x{row}")?;
                }
                if unroll > 1 {
                    write!(f, " unroll {unroll}")?;
                }
                write!(f, "{}{}", if chunk > 0 { " shuffle" } else { "" }, if load64 { " wide" } else { "" })
            }
            ForwardKernel::Dense(Tile { channels, row, shuffle, load64 }) => {
                let (shuffle, load64) = (if shuffle { " shuffle" } else { "" }, if load64 { " wide" } else { "" });
                write!(f, "dense {channels}x{row}{shuffle}{load64}")
            }
            ForwardKernel::Matrices { channels, row } => write!(f, "matrices {channels}x{row}"),
        }
    }
}

impl std::fmt::Display for WeightGradKernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.tile {
            None => f.write_str("sparse")?,
            Some(tile) if self.group > 1 => write!(f, "dense {}x{tile}", self.group)?,
            Some(tile) => write!(f, "dense {tile}")?,
        }
        let scope = match self.scope {
            Scope::Invocation => " invocation",
            Scope::Shuffle => " shuffle",
            Scope::Subgroup => " subgroup",
            Scope::Workgroup => " workgroup",
            Scope::Pixels => " pixels",
            Scope::Matrices => " matrices",
        };
        write!(f, "{scope}{}", if self.load64 { " wide" } else { "" })?;
        if self.split > 1 { write!(f, " split {}", self.split) } else { Ok(()) }
    }
}

impl WeightGradKernel {
    /// The shader of a candidate that multiplies no matrices: of all weights, or of the active ones.
    pub(super) fn shader(&self) -> &'static str {
        match (self.tile, self.scope) {
            (Some(_), Scope::Invocation) => "conv_dense_grad_weight_invocation",
            (Some(_), Scope::Shuffle) => "conv_dense_grad_weight_shuffle",
            (Some(_), Scope::Subgroup | Scope::Matrices) => "conv_dense_grad_weight_subgroup",
            (Some(_), Scope::Workgroup | Scope::Pixels) => "conv_dense_grad_weight_workgroup",
            (None, Scope::Invocation | Scope::Shuffle) => "conv_sparse_grad_weight_invocation",
            (None, Scope::Subgroup | Scope::Matrices) => "conv_sparse_grad_weight_subgroup",
            (None, Scope::Workgroup) => "conv_sparse_grad_weight_workgroup",
            (None, Scope::Pixels) => "conv_sparse_grad_weight_pixels",
        }
    }

    /// Bytes of the sums of all parts for a layer with `active` weights; 0 where nothing is split.
    pub fn workspace_bytes(&self, conv: &Conv, active: usize) -> u64 {
        let weights = if self.tile.is_some() { conv.numel() } else { active };
        if self.split > 1 { 4 * u64::from(self.split) * weights as u64 } else { 0 }
    }
}

/// The candidates that one layer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub forward: ForwardKernel,
    pub grad_input: ForwardKernel,
    pub grad_weight: WeightGradKernel,
}

impl Choice {
    /// Whether a sparse layer would need the scratch.
    pub fn is_dense(&self) -> bool {
        let all_weights = |gather| matches!(gather, ForwardKernel::Dense(_) | ForwardKernel::Matrices { .. });
        all_weights(self.forward) || all_weights(self.grad_input) || self.grad_weight.tile.is_some()
    }

    /// Bytes that the commands of a layer with `active` weights leave to their next dispatches.
    pub fn workspace_bytes(&self, conv: &Conv, active: usize) -> u64 {
        let gathers = [self.forward, self.grad_input].map(|gather| gather.workspace_bytes(conv));
        gathers.into_iter().chain([self.grad_weight.workspace_bytes(conv, active)]).max().unwrap_or(0)
    }
}
