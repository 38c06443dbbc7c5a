//! What an adapter is, as far as kernels care.

use super::registers::Registers;
use crate::gpu::{Family, Gpu, Matrices};
use crate::ops::Conv;

/// Sums that fit in a workgroup's memory of 15 KiB.
pub(in crate::ops) const GROUP_CELLS: u32 = 15 * 1024 / 4;

/// What an adapter can do, and how much of it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceProfile {
    /// Invocations of a subgroup, which can hand values round; 0 without subgroups.
    pub subgroup_size: u32,
    /// The fewest invocations of a workgroup.
    pub least_group: u32,
    /// The most.
    pub most_group: u32,
    /// What an invocation of a dense kernel may keep.
    pub registers: Registers,
    /// Cooperative matrices.
    pub matrices: Matrices,
    /// Whether there are 64-bit integers, to load twice the images at once by.
    pub load64: bool,
    /// The most FLOPs of a convolution that one dispatch does. Drivers take a device that is at one for seconds for hung,
    /// and the desktop stands still meanwhile.
    pub dispatch_flops: u64,
    /// Invocations that fill the adapter: weight gradients of fewer are split.
    pub occupancy_target: usize,
}

impl DeviceProfile {
    /// As this crate finds an adapter.
    pub(super) fn for_gpu(gpu: &Gpu) -> Self {
        let usual = Self::of(gpu.summary.family, gpu.shuffle_lanes, gpu.int64);
        let (least_group, most_group) = (gpu.least_group, crate::gpu::prev_power_of_two(gpu.most_group));
        let usual = Self { matrices: gpu.matrices, least_group, most_group, ..usual };
        match (gpu.summary.kind, gpu.summary.backend) {
            // Metal calls what shares its memory with the processor integrated, which is all that Apple makes.
            ("discrete" | "virtual", _) | ("integrated", "metal") => usual.of_a_card(),
            // A browser does not say what it is.
            ("other", "webgpu") => Self { dispatch_flops: 10_000_000_000, occupancy_target: 1 << 16, ..usual },
            _ => usual,
        }
    }

    /// The same of a graphics card: a tenth of a second at 250 GFLOP/s, a thousand invocations for each of 128 processors.
    pub fn of_a_card(self) -> Self {
        Self { dispatch_flops: 25_000_000_000, occupancy_target: 1 << 17, ..self }
    }

    /// From an adapter's maker, the invocations of a subgroup (0: no subgroups), and whether there are 64-bit integers.
    pub(super) fn of(family: Family, subgroup_size: u32, load64: bool) -> Self {
        Self {
            subgroup_size,
            least_group: 1,
            most_group: 256,
            registers: Registers::of(family),
            matrices: Matrices::default(),
            load64,
            // A tenth of a second at 25 GFLOP/s.
            dispatch_flops: 2_500_000_000,
            occupancy_target: if family == Family::Software { 1 } else { 1 << 14 },
        }
    }

    /// Whether vectors of 64-bit words can be loaded, and the images of a pixel fill them.
    pub fn load64_fits(&self, conv: &Conv) -> bool {
        self.load64 && conv.input.fits_load64()
    }

    /// A side of the matrices that a convolution can be cut into; 0: of none.
    pub fn matrix(&self, conv: &Conv) -> u32 {
        let size = conv.input.storage.matrix(self.matrices);
        let whole = |count: usize| size > 0 && count.is_multiple_of(size as usize);
        let (x, y) = (&conv.input, &conv.output);
        if whole(x.channels) && whole(y.channels) && whole(x.block_images()) { size } else { 0 }
    }

    /// The largest tile of a dense weight gradient, which sums in one chain or not; one channel where even that does not fit. None of
    /// 64-bit loads that do not.
    pub(super) fn weight_tile(&self, conv: &Conv, load64: bool, chain: bool) -> Option<u32> {
        self.registers.weight_tile(conv, load64, chain).or((!load64).then_some(1))
    }
}
