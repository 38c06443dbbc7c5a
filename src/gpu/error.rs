//! What can go wrong on the way to a GPU and on it.

use thiserror::Error;

/// Errors of the GPU room. Validation and out-of-memory errors carry the label of the buffer, kernel or command.
#[derive(Debug, Error)]
pub enum GpuError {
    #[error(
        "no GPU adapter found: install a driver (on Debian or Ubuntu `apt-get install mesa-vulkan-drivers` brings a software one)"
    )]
    NoAdapter,
    #[error("no adapter matches `{wanted}`; `itop adapters` lists these: {available}")]
    NoSuchAdapter { wanted: String, available: String },
    #[error("adapter `{adapter}` offers {limit} = {offered}, and {needed} is needed; choose another with --adapter")]
    Limit { adapter: String, limit: &'static str, needed: u64, offered: u64 },
    #[error("adapter `{adapter}` gave no device: {message}")]
    Device { adapter: String, message: String },
    #[error(
        "adapter `{adapter}` executes nothing: what was submitted left its buffers as they were. It may be a driver without \
         its device, of which only the compiler works; choose another with --adapter"
    )]
    ExecutesNothing { adapter: String },
    #[error("kernel `{kernel}` does not compile: {message}")]
    Kernel { kernel: String, message: String },
    #[error("out of GPU memory at {what}; use a smaller --batch-size")]
    OutOfMemory { what: String },
    #[error("the GPU rejected {what}: {message}")]
    Validation { what: String, message: String },
    #[error("the GPU was lost: {message}")]
    Lost { message: String },
    #[error("reading `{what}` back from the GPU failed: {message}")]
    ReadBack { what: String, message: String },
}
