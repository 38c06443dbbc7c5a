//! Adapters, devices, kernels, buffers and timing: everything that touches `wgpu`.

mod adapter;
mod device;
#[cfg(test)]
pub(crate) mod emulated;
mod error;
mod family;
mod finite;
mod kernel;
pub mod lanes;
mod machine;
mod pass;
pub mod shader;
mod translate;

pub use adapter::{AdapterSummary, HlslCompiler, each_once, list, named};
pub use device::{Gpu, GpuOptions, LimitChoice, Matrices};
pub use error::GpuError;
pub use family::Family;
pub use finite::Findings;
pub use kernel::Kernel;
use kernel::KernelCache;
#[cfg(test)]
pub(crate) use kernel::broken;
pub use machine::{Machine, Program, ReadBack};
pub use pass::{ALIGNMENT, BufferId, BufferPlan, BufferSpec, Kind, Label, Pass, Slice, fold};
pub use translate::{Target, Tier};
