//! The vocabulary of a plan: buffers, slices of them, and passes. Pure data; [`super::Machine`] carries it out.

use super::Kernel;

/// Index into [`BufferPlan::buffers`].
pub type BufferId = usize;

/// A buffer to allocate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferSpec {
    pub label: String,
    pub bytes: u64,
    pub uniform: bool,
}

/// Every buffer of a run, known before anything is allocated.
#[derive(Clone, Debug, Default)]
pub struct BufferPlan {
    pub buffers: Vec<BufferSpec>,
}

/// Binding offsets must be multiples of this many bytes (WebGPU's default limit).
pub const ALIGNMENT: u64 = 256;

impl BufferPlan {
    /// Adds a storage buffer of `bytes` (at least one aligned unit, so that no binding is empty); it starts as zeros.
    pub fn storage(&mut self, label: impl Into<String>, bytes: u64) -> Slice {
        self.add(label.into(), bytes, false)
    }

    /// Adds a uniform buffer.
    pub fn uniform(&mut self, label: impl Into<String>, bytes: u64) -> Slice {
        self.add(label.into(), bytes, true)
    }

    fn add(&mut self, label: String, bytes: u64, uniform: bool) -> Slice {
        let bytes = bytes.max(4).next_multiple_of(16);
        self.buffers.push(BufferSpec { label, bytes, uniform });
        Slice { buffer: self.buffers.len() - 1, offset: 0, bytes }
    }

    /// Sum of all buffers in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.buffers.iter().map(|buffer| buffer.bytes).sum()
    }
}

/// A range of a buffer, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slice {
    pub buffer: BufferId,
    pub offset: u64,
    pub bytes: u64,
}

impl Slice {
    /// `bytes` from `offset` on, both relative to this slice.
    pub fn part(&self, offset: u64, bytes: u64) -> Slice {
        debug_assert!(offset + bytes <= self.bytes);
        Slice { buffer: self.buffer, offset: self.offset + offset, bytes }
    }
}

/// One thing the GPU does.
#[derive(Clone, Debug)]
pub enum Pass {
    /// Runs a kernel; `bindings` in the order of its binding numbers.
    Dispatch { label: String, kernel: Kernel, bindings: Vec<Slice>, workgroups: [u32; 3] },
    /// Copies `from` to `to`; both have the same size.
    Copy { label: String, from: Slice, to: Slice },
    /// Fills with zeros.
    Clear { label: String, slice: Slice },
}

impl Pass {
    pub fn dispatch(label: impl Into<String>, kernel: Kernel, bindings: &[Slice], workgroups: [u32; 3]) -> Self {
        Pass::Dispatch { label: label.into(), kernel, bindings: bindings.to_vec(), workgroups }
    }

    pub fn copy(label: impl Into<String>, from: Slice, to: Slice) -> Self {
        debug_assert_eq!(from.bytes, to.bytes);
        Pass::Copy { label: label.into(), from, to }
    }

    /// The kernel that it runs, if it runs one.
    pub fn kernel(&self) -> Option<&Kernel> {
        match self {
            Pass::Dispatch { kernel, .. } => Some(kernel),
            Pass::Copy { .. } | Pass::Clear { .. } => None,
        }
    }

    /// What the pass is called in timings and errors: `layer: operation`.
    pub fn label(&self) -> &str {
        match self {
            Pass::Dispatch { label, .. } | Pass::Copy { label, .. } | Pass::Clear { label, .. } => label,
        }
    }
}

/// Workgroups for `count` one-dimensional ones, folded into two dimensions where one does not hold them.
/// The shader finds its index with `fold_index` (`shaders/shared/fold.wgsl`) and guards it.
pub fn fold(count: usize) -> [u32; 3] {
    const MOST: usize = 65_535;
    let count = count.max(1);
    if count <= MOST { [count as u32, 1, 1] } else { [MOST as u32, count.div_ceil(MOST) as u32, 1] }
}
