//! One run of training.

pub mod lr;
