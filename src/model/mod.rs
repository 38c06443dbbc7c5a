//! Networks as data: the graph, the models of the ITOP paper and CIFAR ResNets, and what they cost.

pub mod graph;

pub use graph::{Graph, Node, Norm, Op, Param, ParamId, ParamKind, Shape, TensorId};
