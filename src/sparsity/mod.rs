//! Which weights are active: how many a layer gets ([`distribution`]), which ones at first ([`init`], [`choose`]), what an update removes
//! ([`prune`]) and activates ([`growth`]), what is active together ([`Structure`]), when and how many ([`schedule`]), and how far
//! that explores ([`expected`]). [`Method`] is the table of what goes together.

mod choose;
pub mod distribution;
pub mod expected;
pub mod growth;
pub mod init;
mod method;
mod overrides;
pub mod prune;
pub mod schedule;
mod shrink;
mod structure;

pub use choose::{Scored, choose};
pub use distribution::{Distribution, DistributionError, dense_ends, exact_nnz};
pub use growth::{DenseGradient, Growth};
pub use init::{Init, InitChoice, Lottery};
pub use method::{Method, Update};
pub use overrides::{METHOD, Override, Rule};
pub use prune::Prune;
pub use schedule::{Decay, PruneRate, ScheduleError, prune_count};
pub use shrink::Shrink;
pub use structure::Structure;
