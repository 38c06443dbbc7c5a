//! What an update removes: the active weights of least key. The selection is the same for all rules (`ops::topology`); its CPU
//! reference is `ops::reference::topology::prune`.

use crate::gpu::Slice;
use crate::ops::SparseTensor;

/// A prune rule.
pub struct Prune {
    pub name: &'static str,
    /// A float for each active weight; those of least magnitude are removed (of equals the higher position).
    pub keys: fn(&SparseTensor) -> Slice,
}

/// The smallest magnitude.
pub static MAGNITUDE: Prune = Prune { name: "magnitude", keys: |tensor| tensor.value };

impl std::fmt::Debug for Prune {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
