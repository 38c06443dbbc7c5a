//! One file per operation: the host side of a kernel, named as its shader (`shaders/`) and its CPU reference ([`reference`]); which
//! candidate of it runs is said by [`Tuning`], and measured by [`trial`].

pub mod augment;
mod choice;
mod conv;
mod conv_dense;
mod conv_layer;
mod conv_matrix;
mod conv_sparse;
pub mod flatten;
mod layout;
pub mod loss;
pub mod philox;
pub mod pointwise;
pub mod pool;
pub mod reference;
mod registers;
pub mod sgd;
pub mod sparse_tensor;
mod step;
pub mod topology;
pub mod trial;
mod tuning;

pub use choice::{Choice, ForwardKernel, Scope, Tile, WeightGradKernel};
pub use conv::Conv;
pub use conv_layer::ConvLayer;
pub use conv_sparse::SparseWeight;
pub use layout::{BLOCK, Layout, Storage};
pub use registers::Registers;
pub use sparse_tensor::SparseTensor;
pub use step::StepParams;
pub use tuning::Tuning;
