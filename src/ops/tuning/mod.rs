//! Which kernel candidate each convolution runs, and with what tile. What helps one driver hurts another (three versions of
//! one software driver had three winners), so the choices are data: a model of costs here, or `train::autotune`'s
//! measurements.

mod candidates;
mod costs;
mod device;
mod launch;
mod measured;
mod registers;

use std::sync::Arc;

pub use costs::{CostModel, SHUFFLE_LEAST};
pub use device::DeviceProfile;
pub(super) use device::GROUP_CELLS;
pub use launch::LaunchSizes;
pub(super) use launch::ROW_SLOTS;
pub use measured::MeasuredChoices;
pub use registers::Registers;

use crate::gpu::{Family, Gpu};

/// What is known of one adapter, and its choices of candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// What the adapter is.
    pub device: DeviceProfile,
    /// How large launches are on it.
    pub launch: LaunchSizes,
    /// What decides between candidates where nothing was measured.
    pub costs: CostModel,
    /// What was measured.
    pub measured: Arc<MeasuredChoices>,
}

/// For a GPU of which nothing is known.
impl Default for Tuning {
    fn default() -> Self {
        Self::of(Family::Unknown, 0, false)
    }
}

impl Tuning {
    /// The defaults for an adapter.
    pub fn for_gpu(gpu: &Gpu) -> Self {
        let usual = Self::of(gpu.summary.family, gpu.shuffle_lanes, gpu.int64);
        Self { device: DeviceProfile::for_gpu(gpu), ..usual.in_groups_of(gpu.least_group) }
    }

    /// The same from what counts of an adapter: its maker, the invocations of a subgroup that can hand values round (0: none),
    /// and whether there are 64-bit integers.
    pub fn of(family: Family, subgroup_size: u32, load64: bool) -> Self {
        Self {
            device: DeviceProfile::of(family, subgroup_size, load64),
            launch: LaunchSizes::of(family),
            costs: CostModel::of(family, subgroup_size),
            measured: Arc::default(),
        }
    }

    /// With no workgroup of fewer invocations, and so without kernels whose workgroup is one subgroup.
    pub fn in_groups_of(self, least: u32) -> Self {
        let costs = self.costs.in_groups_of(least, self.device.subgroup_size);
        Self { device: DeviceProfile { least_group: least, ..self.device }, costs, ..self }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::gpu::Matrices;
    use crate::ops::conv::{Strip, Tile};
    use crate::ops::{Choice, Conv, ForwardKernel, Layout, Scope, Storage, WeightGradKernel};

    pub(in crate::ops) fn tuning() -> Tuning {
        let mut tuning = Tuning::of(Family::Software, 8, true);
        tuning.costs.scope = Scope::Invocation;
        tuning.device.dispatch_flops = 1 << 40;
        tuning
    }

    #[test]
    fn defaults_are_candidates_and_measurements_must_be() {
        let scopes = [(Scope::Invocation, 1), (Scope::Subgroup, 1 << 17)];
        let cases = [1, 3, 5, 64].into_iter().flat_map(|channels| scopes.map(|scope| (channels, scope)));
        for ((channels, (scope, busy)), family) in cases.flat_map(|case| Family::ALL.map(|family| (case, family))) {
            let mut tuning = tuning();
            (tuning.costs.scope, tuning.costs.dense_scope) = (scope, scope);
            (tuning.device.occupancy_target, tuning.device.registers) = (busy, Registers::of(family));
            for density in [0.01, 0.3, 0.5, 1.0] {
                let side = |halo| Layout::new(channels, 8, 8, halo, 32);
                let conv = Conv { input: side(1), output: side(1), kernel: 3, stride: 1, padding: 1, block: 1 };
                tuning.measured = Arc::default();
                let usual = tuning.choice(&conv, density);
                assert!(tuning.offers(&conv, density, &usual), "{channels} {density} {usual:?}");
                assert_eq!(usual.grad_weight.split > 1, busy > 1);
                let tile = Tile { channels: 0, row: 3, shuffle: true, load64: true };
                let [forward, sums] = [
                    ForwardKernel::Dense(tile),
                    ForwardKernel::Sparse(Strip { row: 3, unroll: 1, group: 1, chunk: 1000, load64: false }),
                ];
                for hostile in [
                    Choice { forward, ..usual },
                    Choice { grad_input: sums, ..usual },
                    Choice {
                        grad_weight: WeightGradKernel {
                            tile: Some(u32::MAX),
                            scope: Scope::Workgroup,
                            group: 1,
                            load64: false,
                            split: 1,
                        },
                        ..usual
                    },
                    Choice { forward: ForwardKernel::Matrices { channels: 0, row: 0 }, ..usual },
                    Choice { grad_input: ForwardKernel::Matrices { channels: 8, row: 1 }, ..usual },
                    Choice { grad_weight: WeightGradKernel { split: 0, ..usual.grad_weight }, ..usual },
                    Choice { grad_weight: WeightGradKernel { split: u32::MAX, ..usual.grad_weight }, ..usual },
                ] {
                    tuning.measured = Arc::new(BTreeMap::from([(Tuning::key(&conv, density), hostile)]));
                    assert!(tuning.refuses(&conv, density));
                    assert_eq!(tuning.choice(&conv, density), usual);
                }
            }
        }
    }

    /// Matrices are offered where channels and images make whole ones, and never run by default.
    #[test]
    fn matrices_are_offered_where_they_fit() {
        let matrices = Matrices { f16: 16, f32: 8, most_lanes: 32, least_lanes: 32 };
        let mut tuning = tuning();
        tuning.device.matrices = matrices;
        let offered = |storage: Storage, [c, k, images, stride]: [usize; 4]| {
            let [input, output] = [c, k].map(|channels| Layout::new(channels, 8, 8, 1, images).stored(storage));
            let conv = Conv { input, output, kernel: 3, stride, padding: 1, block: 1 };
            for density in [0.02, 0.5, 1.0] {
                let choice = tuning.choice(&conv, density);
                let by_matrices = |gather: ForwardKernel| matches!(gather, ForwardKernel::Matrices { .. });
                assert!(!by_matrices(choice.forward) && !by_matrices(choice.grad_input));
                assert_ne!(choice.grad_weight.scope, Scope::Matrices);
            }
            let sums = tuning.weight_grad_kernels(&conv, None).into_iter().filter(|sum| sum.scope == Scope::Matrices);
            [tuning.matrix_kernels(&conv, false).len(), tuning.matrix_kernels(&conv, true).len(), sums.count()]
        };
        assert_eq!(offered(Storage::F16, [64, 64, 128, 1]), [6, 6, 3]);
        assert_eq!(offered(Storage::F16, [64, 128, 128, 2]), [6, 0, 3]);
        assert_eq!(offered(Storage::F32, [8, 24, 8, 1]), [2, 2, 1]);
        for none in [(Storage::F16, [3, 64, 128, 1]), (Storage::F16, [64, 40, 128, 1]), (Storage::F16, [64, 64, 40, 1])]
        {
            assert_eq!(offered(none.0, none.1), [0, 0, 0]);
        }
        assert_eq!(offered(Storage::Bf16, [64, 64, 128, 1]), [0, 0, 0]);
    }
}
