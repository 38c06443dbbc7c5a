//! How many weights each layer gets, how many move at an update, and how far that explores.

pub mod distribution;
pub mod expected;
pub mod schedule;

pub use distribution::{Distribution, DistributionError, exact_nnz};
pub use schedule::{Decay, PruneRate, ScheduleError, prune_count};
