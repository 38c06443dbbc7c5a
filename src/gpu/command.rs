//! The vocabulary of a plan: buffers, slices of them, and commands. Pure data; [`super::Executor`] runs it.

use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

use super::Kernel;

/// Index into [`BufferPlan::buffers`].
pub type BufferId = usize;

/// A buffer to allocate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferSpec {
    /// What it is for, together with all buffers of the same group.
    pub group: &'static str,
    /// Which of its group; empty where the group has but one.
    pub name: String,
    pub bytes: u64,
    pub uniform: bool,
}

impl BufferSpec {
    /// What it is called in errors.
    pub fn label(&self) -> String {
        [self.group, &self.name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
    }
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
    pub fn storage(&mut self, group: &'static str, name: impl Into<String>, bytes: u64) -> Slice {
        self.add(group, name.into(), bytes, false)
    }

    /// Adds a uniform buffer.
    pub fn uniform(&mut self, group: &'static str, name: impl Into<String>, bytes: u64) -> Slice {
        self.add(group, name.into(), bytes, true)
    }

    fn add(&mut self, group: &'static str, name: String, bytes: u64, uniform: bool) -> Slice {
        let bytes = bytes.max(4).next_multiple_of(16);
        self.buffers.push(BufferSpec { group, name, bytes, uniform });
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

/// What a command is for: set where it is made, and what times of commands are added up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Convolutions and linear layers, forward.
    Forward,
    GradInput,
    GradWeight,
    /// Normalisation, residual addition and ReLU, both ways.
    Pointwise,
    /// The optimiser's step.
    Optimiser,
    /// A topology update without its dense gradient.
    Topology,
    /// Images, pooling, loss, and all that is no part of a step.
    Other,
}

impl Kind {
    /// Every kind, with its name for readers.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Forward, "forward"),
        (Self::GradInput, "input gradient"),
        (Self::GradWeight, "weight gradient"),
        (Self::Pointwise, "normalisation, ReLU, addition"),
        (Self::Optimiser, "optimiser"),
        (Self::Topology, "topology update"),
        (Self::Other, "images, pooling, loss"),
    ];
}

/// What a command is called in timings and errors.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    pub kind: Kind,
    /// The node of the network, or what else it belongs to.
    pub node: String,
    /// Which of the node's commands; empty where it has but one.
    pub part: &'static str,
}

impl Label {
    pub fn new(kind: Kind, node: impl Into<String>, part: &'static str) -> Self {
        Self { kind, node: node.into(), part }
    }

    /// Of a command that is no part of a step.
    pub fn other(name: &str) -> Self {
        Self::new(Kind::Other, name, "")
    }

    /// What commands of all nodes are added up by, finer than by their kind.
    pub fn operation(&self) -> String {
        match (self.kind, self.part) {
            (_, "") => self.node.clone(),
            (Kind::Pointwise, part) => format!("pointwise {part}"),
            (_, part) => part.to_string(),
        }
    }
}

impl Display for Label {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.node)?;
        if self.part.is_empty() { Ok(()) } else { write!(f, ": {}", self.part) }
    }
}

/// One thing the GPU does.
#[derive(Clone, Debug)]
pub enum Command {
    /// Runs a kernel; `bindings` in the order of its binding numbers.
    Dispatch { label: Label, kernel: Kernel, bindings: Vec<Slice>, workgroups: [u32; 3] },
    /// Copies `from` to `to`; both have the same size.
    Copy { label: Label, from: Slice, to: Slice },
    /// Fills with zeros.
    Clear { label: Label, slice: Slice },
}

impl Command {
    pub fn dispatch(label: Label, kernel: Kernel, bindings: &[Slice], workgroups: [u32; 3]) -> Self {
        Command::Dispatch { label, kernel, bindings: bindings.to_vec(), workgroups }
    }

    pub fn copy(label: Label, from: Slice, to: Slice) -> Self {
        debug_assert_eq!(from.bytes, to.bytes);
        Command::Copy { label, from, to }
    }

    /// The kernel that it runs, if it runs one.
    pub fn kernel(&self) -> Option<&Kernel> {
        match self {
            Command::Dispatch { kernel, .. } => Some(kernel),
            Command::Copy { .. } | Command::Clear { .. } => None,
        }
    }

    /// What the command is called, and what it is for.
    pub fn label(&self) -> &Label {
        match self {
            Command::Dispatch { label, .. } | Command::Copy { label, .. } | Command::Clear { label, .. } => label,
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
