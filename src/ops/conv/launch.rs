//! Workgroups and grids of the convolution kernels: how much of a layer an invocation does, and who shares a sum.

use super::{Conv, Scope, WeightGradKernel};
use crate::gpu::{Kernel, fold};
use crate::ops::tuning::{GROUP_CELLS, ROW_SLOTS, Tuning};

/// Invocations that share a tile of a dense weight gradient, where several tiles share a workgroup: a vector of four images each of
/// 32. They lie in a subgroup, and add up in few steps.
pub(in crate::ops) const TEAM: u32 = 8;

/// What the invocations of a gather share.
#[derive(Clone, Copy, Debug)]
pub(super) struct GatherShape {
    /// Neighbouring pixels of an invocation.
    pub row: u32,
    pub load64: bool,
    /// Neighbouring invocations that hand weights round.
    pub lanes: u32,
    /// Result rows of a workgroup: a power of two.
    pub group: u32,
}

impl GatherShape {
    /// One pixel of one row, for one vector of images.
    pub const NAIVE: Self = Self { row: 1, load64: false, lanes: 1, group: 1 };
}

impl Conv {
    /// A gather's kernel with its defines, and its work: workgroups of its `rows` result rows, to y or (backward) to one parity
    /// class of x; invocations for each; groups of blocks of images.
    pub(super) fn gather_kernel(
        &self,
        tuning: &Tuning,
        shader: &'static str,
        (rows, backward): (usize, bool),
        GatherShape { row, load64, lanes, group }: GatherShape,
    ) -> (Kernel, [usize; 3]) {
        let pixels = if backward {
            self.input.height.div_ceil(self.stride) * self.input.width.div_ceil(self.stride)
        } else {
            self.output.pixels()
        };
        let strips = pixels.div_ceil(row as usize);
        let (block, blocks) = (strips * self.input.vectors(load64).lanes(), self.input.blocks());
        // Blocks of images that share a workgroup, where one does not fill it and a dispatch may do as much.
        let flops = 2 * self.numel() as u64 * (self.output.pixels() * self.input.block_images()) as u64;
        // Invocations of a row.
        let slots = if group > 1 { (tuning.launch.row_group / group).max(ROW_SLOTS) } else { tuning.launch.gather };
        let most = (u64::from(slots) / block as u64).min(tuning.device.dispatch_flops / flops);
        let together = 1 << most.max(1).ilog2().min(blocks.trailing_zeros());
        let slots = slots.min((block * together).next_power_of_two() as u32).max(lanes);
        let size = (group * slots).max(tuning.device.least_group);
        let mut kernel = Kernel::new(shader).define("WG", size).define("ROW", row);
        if together > 1 {
            kernel = kernel.define("TOGETHER", together as u32).define("STRIPS", strips as u32);
        }
        (kernel, [rows / group as usize, group as usize * block * together, blocks / together])
    }

    /// Workgroups of [`Scope::Pixels`] for `groups` groups of weights, whose sums each keeps in its memory.
    pub(in crate::ops) fn pixels_workgroups(&self, tuning: &Tuning, groups: usize) -> usize {
        groups.div_ceil((GROUP_CELLS / (self.weight_group(tuning) * self.block as u32)) as usize).max(1)
    }

    /// Entries of a row that the sparse weight gradient works on at once: active weights, or blocks of them.
    pub(in crate::ops) fn weight_group(&self, tuning: &Tuning) -> u32 {
        match self.block {
            1 => tuning.launch.weight_group,
            block => (tuning.launch.block_sums / block as u32).max(1),
        }
    }

    /// Workgroup size of a sum over all pixels.
    pub(super) fn reduce_size(&self, tuning: &Tuning) -> u32 {
        let size = tuning.launch.reduce.min(self.output.vectors(false).plane_lanes().next_power_of_two() as u32);
        size.max(tuning.device.least_group)
    }

    /// Vectors of a row of y that each lane of a subgroup takes at once in a sparse weight gradient: two, unless that would
    /// leave more lanes idle than one at a time.
    pub(super) fn weight_row(&self, tuning: &Tuning, load64: bool) -> u32 {
        let rounds = self.row_vectors(load64).div_ceil(tuning.device.subgroup_size.max(1) as usize);
        if rounds.is_multiple_of(2) { 2 } else { 1 }
    }

    /// Rows of y that the invocations of a scope take at once in a sparse weight gradient: as many as fill its lanes.
    pub(super) fn weight_rows(&self, tuning: &Tuning, how: WeightGradKernel) -> u32 {
        let lanes = scope_lanes(tuning, how.scope, self.weight_group(tuning) * self.block as u32);
        let (vectors, rows) = (self.row_vectors(how.load64), self.output.blocks() * self.output.height);
        (lanes / vectors as u32).clamp(1, rows.div_ceil(how.split as usize) as u32)
    }

    /// Vectors in a row of y.
    pub(in crate::ops) fn row_vectors(&self, load64: bool) -> usize {
        self.output.width * self.output.vectors(load64).lanes()
    }

    /// Input channels by tiles of output channels that share a workgroup of a dense weight gradient: at most `group` together, powers
    /// of two. A loaded dy serves eight input channels, about as many as bring as many bytes of x.
    pub(in crate::ops) fn teams(&self, tile: u32, group: u32) -> [u32; 2] {
        let fits = |most: u32, count: usize| most.min(1 << count.trailing_zeros().min(30));
        let across = fits(group.min(8), self.input.channels);
        [across, fits(group / across, self.output.channels.div_ceil(tile as usize))]
    }

    /// A weight gradient's kernel for sums of `cells` numbers each, each of which at most `most` invocations share.
    pub(super) fn weight_kernel(&self, tuning: &Tuning, how: WeightGradKernel, (cells, most): (u32, usize)) -> Kernel {
        let WeightGradKernel { scope, group, load64, split, .. } = how;
        let least = tuning.device.least_group;
        let kernel = self.weight_constants(Kernel::new(how.shader()), load64).set("SPLIT", split as usize);
        match scope {
            Scope::Invocation => kernel.define("WG", least.max(8)),
            Scope::Shuffle => kernel.define("SHUFFLE", 1).define("WG", tuning.device.subgroup_size),
            // A team as large as the smallest subgroup lies in one.
            Scope::Subgroup | Scope::Matrices => {
                let team = if group > 1 { how.team(tuning) } else { tuning.device.subgroup_size };
                kernel.define("WG", group * team).define("TEAM", team)
            }
            // As many teams as there is room for; `cells` is of one of them.
            Scope::Pixels => kernel.define("SHUFFLE", 1).define("WG", tuning.device.most_group).define("CELLS", cells),
            Scope::Workgroup => {
                let alone = scope_lanes(tuning, scope, cells).min(most.next_power_of_two() as u32).max(least);
                let team = if group > 1 { how.team(tuning) } else { alone };
                let kernel = kernel.define("WG", group * team).define("CELLS", group * team * cells);
                if how.tile.is_some() { kernel.define("TEAM", team) } else { kernel }
            }
        }
    }
}

impl WeightGradKernel {
    /// Invocations of each of the tiles that share a workgroup: more where these are few.
    pub(in crate::ops) fn team(&self, tuning: &Tuning) -> u32 {
        TEAM.max(tuning.least_shared() / self.group)
    }

    /// The grid of `kernel`, all of whose defines are set, for `count` sums.
    pub(super) fn grid(&self, kernel: &Kernel, count: usize) -> [u32; 3] {
        let [x, y, _] = if self.scope == Scope::Invocation { kernel.cover(count, 1) } else { fold(count) };
        [x, y, self.split]
    }
}

/// The most invocations that share `cells` sums of a weight gradient.
fn scope_lanes(tuning: &Tuning, scope: Scope, cells: u32) -> u32 {
    match scope {
        Scope::Invocation | Scope::Shuffle | Scope::Pixels => 1,
        Scope::Subgroup | Scope::Matrices => tuning.device.subgroup_size,
        Scope::Workgroup => tuning.launch.weight_workgroup.min(1 << (GROUP_CELLS / cells).max(1).ilog2()),
    }
}
