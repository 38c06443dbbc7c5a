//! Every kernel permutation that networks run.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use itop::gpu::{Kernel, Tier};
use itop::plan::permutations;

/// Each permutation once, at the lowest tier that has what it uses.
pub fn all() -> &'static [(Tier, Kernel)] {
    static ALL: OnceLock<Vec<(Tier, Kernel)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let kernels = Tier::ALL.into_iter().flat_map(permutations);
        let distinct: BTreeMap<String, Kernel> = kernels.map(|kernel| (kernel.to_string(), kernel)).collect();
        distinct.into_values().map(|kernel| (Tier::of(&kernel), kernel)).collect()
    })
}
