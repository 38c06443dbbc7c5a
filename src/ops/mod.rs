//! One file (convolutions: one folder) per operation: the host side of a kernel, named as its shader (`shaders/`) and its CPU
//! reference ([`reference`]). Which candidate of it runs is said by [`Tuning`], and measured by [`trial`].

pub mod augment;
mod conv;
pub mod flatten;
mod layout;
pub mod loss;
pub mod philox;
pub mod pointwise;
pub mod pool;
pub mod reference;
pub mod sgd;
pub mod sparse_tensor;
mod step;
pub mod topology;
mod tuning;

pub use conv::{Choice, Conv, ConvLayer, ForwardKernel, Scope, SparseWeight, Tile, WeightGradKernel, trial};
pub use layout::{BLOCK, Layout, Storage};
pub use sparse_tensor::SparseTensor;
pub use step::StepParams;
pub use tuning::{MeasuredChoices, Registers, SHUFFLE_LEAST, Tuning};
