//! What people look at after a run: one page for one or more runs, or a summary in the terminal.
//!
//! [`read`] takes what a run folder has, [`chart`] and [`maps`] draw, [`page`] puts it together.

pub(crate) mod chart;
mod maps;
mod page;
mod read;
mod text;

pub use maps::pictures;
pub use page::page;
pub(crate) use page::{document, html_table};
pub use read::{Run, read};
pub use text::text;
