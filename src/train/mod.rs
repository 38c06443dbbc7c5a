//! One run of training: configuration, run plan, trainer, checkpoint, run folder.

#[cfg(not(target_arch = "wasm32"))]
mod alive;
#[cfg(not(target_arch = "wasm32"))]
pub mod autotune;
mod changes;
pub mod checkpoint;
#[cfg(not(target_arch = "wasm32"))]
pub mod claim;
pub mod config;
pub mod config_builder;
mod effect;
pub mod frames;
#[cfg(not(target_arch = "wasm32"))]
pub mod kernel_choice;
pub mod keys;
pub mod kinds;
pub mod lr;
pub mod names;
mod outcome;
pub mod pass_times;
pub mod presets;
mod run_data;
pub mod run_folder;
mod run_plan;
pub mod session;
mod store;
pub mod tensorboard;
pub mod trained;
mod trainer;
#[cfg(not(target_arch = "wasm32"))]
pub mod tuning_journal;
mod warnings;

pub use crate::sparsity::Method;
pub use config::{Augment, Config, ConfigError};
pub use outcome::{Outcome, SessionError};
pub use run_data::RunData;
pub use run_plan::{Initial, RunPlan, RunPlanError};
pub use session::{Hold, Opening, Session, Target};
pub use trainer::{End, Listener, Score, TrainError, Trainer};
pub use warnings::LOW_ITOP_RATE;
