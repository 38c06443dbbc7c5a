//! What people look at after a run: one page for one or more runs, or a summary in the terminal.
//!
//! [`read`] takes what a run folder has, [`chart`] and [`maps`] draw, [`page`] puts it together.

mod chart;
mod maps;
mod page;
pub mod plot;
mod read;
mod text;

pub use chart::{Y, escape};
pub use maps::pictures;
pub use page::{frame, page};
pub use read::{Run, read};
pub use text::text;
