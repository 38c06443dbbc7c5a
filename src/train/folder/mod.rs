//! The files of a run: its folder on the disk or in memory, what stands in them, and which process may write them.

#[cfg(not(target_arch = "wasm32"))]
mod alive;
pub mod checkpoint;
#[cfg(not(target_arch = "wasm32"))]
pub mod claim;
pub mod frames;
mod lines;
pub mod run_folder;
mod store;
pub mod tensorboard;
