//! One run of training: configuration, run plan, trainer, checkpoint, run folder.

#[cfg(not(target_arch = "wasm32"))]
mod alive;
#[cfg(not(target_arch = "wasm32"))]
pub mod autotune;
mod bad_numbers;
pub mod checkpoint;
#[cfg(not(target_arch = "wasm32"))]
pub mod claim;
pub mod config;
pub mod config_builder;
mod effect;
mod exploration;
mod finish;
pub mod frames;
pub mod keys;
pub mod kinds;
pub mod lr;
pub mod names;
pub mod pass_times;
pub mod presets;
mod receive;
pub mod recover;
pub mod run_folder;
mod run_plan;
mod speed;
mod state;
mod store;
pub mod tensorboard;
mod timing;
mod trainer;
#[cfg(not(target_arch = "wasm32"))]
pub mod tuning_journal;
mod warnings;

pub use crate::sparsity::Method;
pub use config::{Augment, Config, ConfigError};
pub use run_plan::{Initial, RunPlan, RunPlanError};
pub use trainer::{End, Listener, Score, TrainError, Trainer};
pub use warnings::LOW_ITOP_RATE;
