//! A layer's convolution, whatever its weight: the three passes by any candidate.

use super::conv_sparse::SparseWeight;
use super::{Conv, Gather, Tuning, WeightSum};
use crate::gpu::{Pass, Slice};

/// A convolution of a plan.
#[derive(Clone, Copy, Debug)]
pub struct ConvLayer<'a> {
    pub label: &'a str,
    pub conv: &'a Conv,
    pub tuning: &'a Tuning,
    /// Where the active weights lie; `None`: the weight is dense.
    pub sparse: Option<SparseWeight>,
}

impl ConvLayer<'_> {
    /// y = conv(x) (+ bias).
    pub fn forward(&self, how: Gather, [x, weight, y]: [Slice; 3], bias: Option<Slice>) -> Vec<Pass> {
        match (how, self.sparse) {
            (Gather::Sparse { chunk, wide }, Some(sparse)) => {
                vec![self.sparse_forward(&sparse, (chunk, wide), [x, weight, y], bias)]
            }
            (_, Some(sparse)) => {
                let dense = self.dense_forward(how.tile(), [x, sparse.dense(self.conv), y], bias);
                vec![self.spread(&sparse, weight), dense]
            }
            (_, None) => vec![self.dense_forward(how.tile(), [x, weight, y], bias)],
        }
    }

    /// dx (+)= conv'(dy).
    pub fn grad_input(&self, how: Gather, [dy, weight, dx]: [Slice; 3], accumulate: bool) -> Vec<Pass> {
        match (how, self.sparse) {
            (Gather::Sparse { chunk, wide }, Some(sparse)) => {
                vec![self.sparse_grad_input(&sparse, (chunk, wide), [dy, weight, dx], accumulate)]
            }
            (_, Some(sparse)) => {
                let dense = self.dense_grad_input(how.tile(), [dy, sparse.dense(self.conv), dx], accumulate);
                vec![self.spread(&sparse, weight), dense]
            }
            (_, None) => vec![self.dense_grad_input(how.tile(), [dy, weight, dx], accumulate)],
        }
    }

    /// Gradient of the weight: of a sparse one's active values, in their order.
    pub fn grad_weight(&self, how: WeightSum, [x, dy, weight_grad]: [Slice; 3]) -> Vec<Pass> {
        match (how, self.sparse) {
            (WeightSum::Sparse { team, wide }, Some(sparse)) => {
                vec![self.sparse_grad_weight(&sparse, (team, wide), [x, dy, weight_grad])]
            }
            (_, Some(sparse)) => {
                let dense = self.dense_grad_weight(how, [x, dy, sparse.dense(self.conv)]);
                vec![dense, self.collect(&sparse, weight_grad)]
            }
            (_, None) => vec![self.dense_grad_weight(how, [x, dy, weight_grad])],
        }
    }
}
