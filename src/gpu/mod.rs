//! Adapters, devices, kernels, buffers and timing: everything that touches `wgpu`.

mod adapter;
mod command;
mod command_times;
mod device;
#[cfg(test)]
pub(crate) mod emulated;
mod error;
mod executor;
mod family;
mod finite;
mod grid;
mod kernel;
pub mod lanes;
mod read_back;
pub mod shader;
mod translate;
mod unchecked;

pub use adapter::{AdapterSummary, HlslCompiler, each_once, list, named};
pub use command::{ALIGNMENT, BufferId, BufferPlan, BufferSpec, Command, Kind, Label, Slice, fold};
pub(crate) use device::prev_power_of_two;
pub use device::{Gpu, GpuOptions, LimitChoice, Matrices};
pub use error::GpuError;
pub use executor::{Executor, Program};
pub use family::Family;
pub use finite::Findings;
pub use kernel::Kernel;
use kernel::KernelCache;
#[cfg(test)]
pub(crate) use kernel::broken;
pub use read_back::ReadBack;
pub use translate::{Target, Tier};
