//! What people look at after a run: one page for one or more runs, pictures, or a summary in the terminal.
//!
//! [`read`] takes what a run folder has, [`curves`] says which charts there are, [`chart`], [`maps`], [`film`] and [`times`] draw,
//! [`page`] and [`pictures`] put it together.

pub(crate) mod chart;
mod curves;
#[cfg(not(target_arch = "wasm32"))]
mod film;
mod font;
mod maps;
mod page;
#[cfg(not(target_arch = "wasm32"))]
mod pictures;
mod player;
pub mod plot;
mod read;
mod text;
mod times;

pub use chart::{Y, escape};
pub use maps::Film;
pub use page::page;
pub(crate) use page::{document, html_table};
#[cfg(not(target_arch = "wasm32"))]
pub use pictures::pictures;
pub use read::{Run, read};
pub use text::text;
