//! One run of training: what it is, what it does on a device, what it keeps.
//!
//! - `config`: what a run is: keys, values, presets, schedules of the learning rate
//! - [`first_set`]: first active sets that are more than a draw
//! - [`RunPlan`]: a configuration with its network, its split and its memory, before it touches a device
//! - `kernels`: which kernels a run takes, by measurement
//! - `trainer`: the run on a device, step by step
//! - `folder`: the files of a run, and which process may write them
//! - [`session`]: the life of a run from its arguments to its summary

mod config;
pub mod first_set;
mod folder;
mod initial;
#[cfg(not(target_arch = "wasm32"))]
mod kernels;
pub mod pass_times;
mod run_costs;
mod run_plan;
pub mod session;
mod set_sizes;
mod trainer;
mod warnings;

pub use crate::sparsity::Method;
pub use config::{Augment, Config, ConfigError};
pub use config::{config_builder, keys, kinds, lr, names, presets};
#[cfg(not(target_arch = "wasm32"))]
pub use folder::claim;
pub use folder::{checkpoint, frames, run_folder, tensorboard};
pub use initial::Initial;
#[cfg(not(target_arch = "wasm32"))]
pub use kernels::{autotune, kernel_choice, tuning_journal};
pub use run_plan::{RunPlan, RunPlanError};
pub use session::{Hold, Opening, Outcome, RunData, Session, SessionError, Target, trained};
pub use set_sizes::SetSizes;
pub use trainer::{End, Listener, Network, Score, TrainError, Trainer};
pub use warnings::LOW_ITOP_RATE;
