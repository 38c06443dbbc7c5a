//! One file per operation: the host side of a kernel, named as its shader (`shaders/`) and its CPU twin ([`reference`]).

pub mod philox;
pub mod reference;
