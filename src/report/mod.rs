//! Reports: one page for one or more runs, pictures, or a summary in the terminal.
//!
//! [`read`] reads a run folder. [`setting`] and [`sets`] group runs and give them names and colours. [`curves`] decides which charts
//! there are, [`chart`] describes one. [`draw`], [`maps`], [`film`] and [`times`] draw. [`page`] and [`pictures`] put it together.

pub(crate) mod chart;
pub(crate) mod colours;
mod curves;
mod draw;
#[cfg(not(target_arch = "wasm32"))]
mod figure;
#[cfg(not(target_arch = "wasm32"))]
mod film;
mod font;
mod maps;
mod overview;
mod page;
#[cfg(not(target_arch = "wasm32"))]
mod pdf;
#[cfg(not(target_arch = "wasm32"))]
mod pictures;
mod player;
pub mod plot;
mod read;
mod sets;
pub(crate) mod setting;
mod table;
mod text;
mod ticks;
mod times;

pub use chart::{Y, escape};
pub use maps::Film;
pub(crate) use page::{charts, document};
pub use page::{is_page_of, page};
#[cfg(not(target_arch = "wasm32"))]
pub use pictures::pictures;
pub use read::{Run, read};
#[cfg(all(feature = "sweep", not(target_arch = "wasm32")))]
pub(crate) use table::facts;
pub(crate) use table::html_table;
pub use text::text;
pub use times::flops;
