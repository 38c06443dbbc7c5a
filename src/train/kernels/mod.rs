//! Which kernels a run takes: measured on the adapter at hand, remembered, and what became of the attempt.

pub mod autotune;
mod fastest;
pub mod kernel_choice;
pub mod tuning_budget;
mod tuning_cache;
pub mod tuning_journal;
