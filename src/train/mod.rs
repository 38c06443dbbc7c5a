//! One run of training: configuration, problem, trainer, checkpoint, run folder.

pub mod autotune;
mod bad_numbers;
pub mod checkpoint;
pub mod config;
pub mod lr;
pub mod presets;
mod problem;
pub mod recover;
pub mod run_folder;
pub mod tensorboard;
mod trainer;

pub use config::{Augment, Config, ConfigError, Method};
pub use problem::{Initial, Problem, ProblemError};
pub use trainer::{End, Listener, Score, TrainError, Trainer};
