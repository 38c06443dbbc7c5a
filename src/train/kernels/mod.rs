//! Which kernels a run takes: measured on the adapter at hand, remembered, and what became of the attempt.

pub mod autotune;
pub mod kernel_choice;
mod tuning_cache;
pub mod tuning_journal;
