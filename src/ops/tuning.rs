//! Which kernel candidate each convolution runs, and with what tile. What helps one driver hurts another (three versions of
//! one software driver had three winners), so the choices are data: a table of defaults here, or `train::autotune`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::choice::{Choice, ForwardKernel, Scope, Strip, Tile, WeightGradKernel};
use super::{Conv, Registers, Storage};
use crate::gpu::{Family, Gpu, Matrices};

/// The most numbers of sums that a lane keeps where matrices are multiplied.
const SUMS_MOST: u32 = 128;

/// Sums that fit in a workgroup's memory of 15 KiB.
pub(super) const GROUP_CELLS: u32 = 15 * 1024 / 4;

/// The most parts of a weight gradient: their sums take that many times the weights' memory.
const SPLIT_MOST: usize = 16;

/// Sizes of workgroups and tiles on one adapter, and its choices of candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// Invocations of a gather (a power of two, at most 256).
    pub gather: u32,
    /// Invocations of a channel's statistics in a block of images (likewise).
    pub reduce: u32,
    /// Invocations of a workgroup that shares a sum of a weight gradient (likewise).
    pub weight_team: u32,
    /// Vectors of four images that an invocation of a pointwise pass handles.
    pub pointwise: u32,
    /// Active weights of one output channel that the sparse weight gradient computes at once.
    pub weight_group: u32,
    /// Who sums a weight gradient where nothing was measured: that of the active weights, of all weights.
    pub team: Scope,
    pub dense_team: Scope,
    /// Lanes that can hand values round; 0 without subgroups.
    pub lanes: u32,
    /// The fewest invocations of a workgroup.
    pub least_group: u32,
    /// What an invocation of a dense kernel may keep.
    pub registers: Registers,
    /// Cooperative matrices.
    pub matrices: Matrices,
    /// Whether there are 64-bit integers, and whether loads by them are the default.
    pub wide: bool,
    pub prefer_load64: bool,
    /// The most FLOPs of a convolution in one dispatch. Drivers reset a GPU whose dispatch runs for seconds, and the desktop
    /// freezes while it does.
    pub dispatch_flops: u64,
    /// Invocations that fill the adapter: weight gradients of fewer are split.
    pub occupancy_target: usize,
    /// Measured choices, by [`Tuning::key`].
    pub measured: Arc<BTreeMap<String, Choice>>,
}

/// For a GPU of which nothing is known.
impl Default for Tuning {
    fn default() -> Self {
        Self::of(Family::Unknown, 0, false)
    }
}

impl Tuning {
    /// The defaults for an adapter: on a processor one vector is the widest thing there is, and barriers are dear.
    pub fn for_gpu(gpu: &Gpu) -> Self {
        let usual = Self::of(gpu.summary.family, gpu.shuffle_lanes, gpu.int64);
        let usual = Self { matrices: gpu.matrices, ..usual.in_groups_of(gpu.least_group) };
        match (gpu.summary.kind, gpu.summary.backend) {
            // A tenth of a second at 250 GFLOP/s; a thousand invocations for each of 128 processors. Metal calls what shares
            // its memory with the processor integrated, which is all that Apple makes.
            ("discrete" | "virtual", _) | ("integrated", "metal") => {
                Self { dispatch_flops: 25_000_000_000, occupancy_target: 1 << 17, ..usual }
            }
            // A browser does not say what it is.
            ("other", "webgpu") => Self { dispatch_flops: 10_000_000_000, occupancy_target: 1 << 16, ..usual },
            _ => usual,
        }
    }

    /// The same from what counts of an adapter: its maker, the lanes that can hand values round (0: none), and whether there
    /// are 64-bit integers.
    pub fn of(family: Family, lanes: u32, wide: bool) -> Self {
        let software = family == Family::Software;
        // On a GPU the lanes of a subgroup would spend as long on handing sums round as on loading; a processor's loads are slow.
        let team = match (software, lanes) {
            (true, 8..) => Scope::Subgroup,
            (true, _) => Scope::Invocation,
            (false, _) => Scope::Workgroup,
        };
        let dense_team = match (software, lanes) {
            (true, 8..) => Scope::Shuffle,
            (false, 8..) => Scope::Subgroup,
            _ => team,
        };
        Self {
            gather: 64,
            reduce: if software { 8 } else { 256 },
            weight_team: if software { 8 } else { 64 },
            pointwise: if software { 8 } else { 1 },
            weight_group: 8,
            team,
            dense_team,
            lanes,
            least_group: 1,
            registers: Registers::of(family),
            matrices: Matrices::default(),
            wide,
            prefer_load64: software,
            // A tenth of a second at 25 GFLOP/s.
            dispatch_flops: 2_500_000_000,
            occupancy_target: if software { 1 } else { 1 << 14 },
            measured: Arc::default(),
        }
    }

    /// With no workgroup of fewer invocations, and so without kernels whose workgroup is one subgroup.
    pub fn in_groups_of(self, least: u32) -> Self {
        let team = |team| if self.lanes < least && team != Scope::Invocation { Scope::Workgroup } else { team };
        Self { least_group: least, team: team(self.team), dense_team: team(self.dense_team), ..self }
    }

    /// What a measured choice holds for: a geometry and a density (in steps of a quarter of its binary logarithm; a
    /// dense layer is its own step).
    pub fn key(conv: &Conv, density: f64) -> String {
        let step = (4.0 * density.log2()).round();
        let (x, y) = (&conv.input, &conv.output);
        format!(
            "{}x{}x{} to {} k{} s{} p{} n{} {} {}",
            x.channels,
            x.height,
            x.width,
            y.channels,
            conv.kernel,
            conv.stride,
            conv.padding,
            x.images,
            x.storage.name(),
            if density < 1.0 { format!("d{step}") } else { "dense".into() },
        )
    }

    /// What a layer of `density` (1: dense) runs: as measured, or the default. Measurements come from files, so what is not
    /// a candidate here does not count.
    pub fn choice(&self, conv: &Conv, density: f64) -> Choice {
        let measured = self.measured.get(&Self::key(conv, density)).copied();
        let measured = measured.filter(|choice| self.offers(conv, density, choice));
        measured.unwrap_or_else(|| self.default_choice(conv, density))
    }

    /// Whether the measured choice for a layer cannot run here.
    pub fn refuses(&self, conv: &Conv, density: f64) -> bool {
        let measured = self.measured.get(&Self::key(conv, density));
        measured.is_some_and(|choice| !self.offers(conv, density, choice))
    }

    /// Whether `choice` is made of candidates for a layer of `density`: a file may say anything, and kernels are built of it.
    pub fn offers(&self, conv: &Conv, density: f64, choice: &Choice) -> bool {
        let (sparse, sum) = (density < 1.0, choice.grad_weight);
        // A key stands for densities that differ by less than a fifth.
        let active = (0.8 * density * conv.numel() as f64) as usize;
        self.forward_kernels(conv, sparse, false).contains(&choice.forward)
            && self.forward_kernels(conv, sparse, true).contains(&choice.grad_input)
            && self.weight_grad_kernels(conv, sparse.then_some(0)).contains(&WeightGradKernel { split: 1, ..sum })
            && (1..=self.split(conv, active, &sum)).contains(&sum.split)
    }

    /// What runs where nothing was measured. The densities at which all weights cost less than the active ones are those of
    /// a software driver (`docs/speed.md`), where a load costs as much as twenty multiplications; a tile of eight channels
    /// needs an eighth of the loads.
    fn default_choice(&self, conv: &Conv, density: f64) -> Choice {
        let (wide, shuffle) = (self.prefer_load64 && self.load64_fits(conv), self.lanes >= 8);
        // A sparse load brings twice the images in 16 bits, a dense tile has no registers for them.
        let [all_gathered, all_summed] = match (shuffle, conv.input.storage) {
            (true, Storage::F32) => [0.19, 0.2],
            (true, _) => [0.29, 0.34],
            (false, _) => [0.46, 0.24],
        };
        let gather = |backward: bool| {
            let channels = if backward { conv.input.channels } else { conv.output.channels } as u32;
            if density > all_gathered {
                // A longer row saves loads only where the taps of a kernel row reach overlapping pixels, and pays where
                // weights are loaded by every invocation.
                let overlap = conv.kernel > 1 && !(backward && conv.stride > 1);
                let most = if overlap && !shuffle { 4 } else { 2 };
                let row = row_that_fits(conv, backward, most / conv.input.quads(false) as u32);
                let tile = Tile { channels: channels.min(8), row, shuffle, wide: false };
                ForwardKernel::Dense(self.registers.gather(conv, backward, tile))
            } else {
                let row = row_that_fits(conv, backward, 4 / conv.input.quads(wide) as u32);
                ForwardKernel::Sparse(Strip { row, chunk: self.lanes, wide })
            }
        };
        let sparse = WeightGradKernel { tile: None, team: self.team, wide, split: 1 };
        let grad_weight = if density > all_summed {
            self.dense(conv, sparse)
        } else {
            let active = (density * conv.numel() as f64) as usize;
            WeightGradKernel { split: self.split(conv, active, &sparse), ..sparse }
        };
        Choice { forward: gather(false), grad_input: gather(true), grad_weight }
    }

    /// Every candidate for a gather, the simplest first.
    pub fn forward_kernels(&self, conv: &Conv, sparse: bool, backward: bool) -> Vec<ForwardKernel> {
        let mut all = Vec::new();
        if sparse {
            for wide in [false, true].into_iter().filter(|wide| !wide || self.load64_fits(conv)) {
                let most = row_that_fits(conv, backward, 8 / conv.input.quads(wide) as u32).min(4);
                for chunk in [0, self.lanes] {
                    let rows = [1, 2, 4].into_iter().filter(|&row| row <= most);
                    all.extend(rows.map(|row| ForwardKernel::Sparse(Strip { row, chunk, wide })));
                }
            }
        }
        let channels = if backward { conv.input.channels } else { conv.output.channels } as u32;
        let tiles = [(8, 1, false), (4, 4, false), (8, 2, false), (8, 4, false), (8, 1, true), (8, 2, true)];
        for (tile, row, wide) in tiles {
            for shuffle in [false, true] {
                let fits = row == row_that_fits(conv, backward, row) && (!wide || self.load64_fits(conv));
                let channels = tile.min(channels);
                if fits && (!shuffle || self.lanes >= channels) {
                    let tile = Tile { channels, row, shuffle, wide };
                    all.push(ForwardKernel::Dense(self.registers.gather(conv, backward, tile)));
                }
            }
        }
        all.extend(self.matrix_kernels(conv, backward));
        all.sort();
        all.dedup();
        all
    }

    /// Every gather by matrices: that of strided input gradients, few, has none.
    fn matrix_kernels(&self, conv: &Conv, backward: bool) -> Vec<ForwardKernel> {
        let size = self.matrix(conv);
        if size == 0 || (backward && conv.stride > 1) {
            return Vec::new();
        }
        let channels = if backward { conv.input.channels } else { conv.output.channels } as u32;
        let columns = conv.input.block_images() as u32 / size;
        let tiles = [1, 2, 4].into_iter().flat_map(|tile| [1, 2].map(|row| (tile, row)));
        let fits = |&(tile, row): &(u32, u32)| {
            row == row_that_fits(conv, backward, row)
                && channels.is_multiple_of(tile * size)
                // A lane holds so many sums of each matrix.
                && tile * row * columns * size * size <= SUMS_MOST * self.matrices.least_lanes
                // What leaves them goes by way of the workgroup's memory, of 15 KiB.
                && self.matrices.subgroups() * 4 * size * row * columns * size <= 15 << 10
        };
        tiles.filter(fits).map(|(tile, row)| ForwardKernel::Matrices { channels: tile * size, row }).collect()
    }

    /// A side of the matrices that a convolution can be cut into; 0: of none.
    pub fn matrix(&self, conv: &Conv) -> u32 {
        let size = conv.input.storage.matrix(self.matrices);
        let whole = |count: usize| size > 0 && count.is_multiple_of(size as usize);
        let (x, y) = (&conv.input, &conv.output);
        if whole(x.channels) && whole(y.channels) && whole(x.block_images()) { size } else { 0 }
    }

    /// Every candidate for the weight gradient of a layer with `active` weights (`None`: a dense layer), the simplest first.
    pub fn weight_grad_kernels(&self, conv: &Conv, active: Option<usize>) -> Vec<WeightGradKernel> {
        let mut all = Vec::new();
        for wide in [false, true] {
            for team in [Scope::Invocation, Scope::Shuffle, Scope::Subgroup, Scope::Workgroup] {
                let by_lanes = matches!(team, Scope::Shuffle | Scope::Subgroup);
                if (wide && !self.load64_fits(conv)) || (by_lanes && !self.subgroup_fits()) {
                    continue;
                }
                if active.is_some() && team != Scope::Shuffle {
                    all.push(WeightGradKernel { tile: None, team, wide, split: 1 });
                }
                let Some(most) = self.weight_tile(conv, wide) else { continue };
                // A smaller tile loads more for each sum: one channel is there to be simple, half a tile for want of registers.
                let mut tiles = match team {
                    Scope::Invocation => vec![1, most.div_ceil(2), most],
                    Scope::Subgroup | Scope::Workgroup => vec![most.div_ceil(2), most],
                    _ => vec![most],
                };
                tiles.dedup();
                all.extend(tiles.into_iter().map(|tile| WeightGradKernel { tile: Some(tile), team, wide, split: 1 }));
            }
        }
        let size = self.matrix(conv);
        let fits = |tile: &u32| {
            (conv.output.channels as u32).is_multiple_of(tile * size)
                && tile * conv.kernel as u32 * size * size <= SUMS_MOST * self.matrices.least_lanes
        };
        let tiles = [1, 2, 4].into_iter().filter(|tile| size > 0 && fits(tile));
        all.extend(tiles.map(|tile| WeightGradKernel {
            tile: Some(tile * size),
            team: Scope::Matrices,
            wide: false,
            split: 1,
        }));
        let split = |whole: &WeightGradKernel| WeightGradKernel {
            split: self.split(conv, active.unwrap_or(0), whole),
            ..*whole
        };
        all.extend(all.iter().map(split).filter(|sum| sum.split > 1).collect::<Vec<_>>());
        all
    }

    /// `sum` if it sums for every weight, else the default that does.
    pub fn dense(&self, conv: &Conv, sum: WeightGradKernel) -> WeightGradKernel {
        if sum.tile.is_some() {
            return sum;
        }
        let team = self.dense_team;
        // Twice the numbers do not fit beside all those sums.
        let wide = sum.wide && team != Scope::Shuffle && self.weight_tile(conv, true).is_some();
        let whole = WeightGradKernel { tile: self.weight_tile(conv, wide), team, wide, split: 1 };
        WeightGradKernel { split: self.split(conv, 0, &whole), ..whole }
    }

    /// Bytes that whichever candidate leaves to its next dispatch.
    pub fn workspace_bytes(&self, conv: &Conv, active: Option<usize>) -> u64 {
        let sums = self
            .weight_grad_kernels(conv, active)
            .into_iter()
            .map(|sum| sum.workspace_bytes(conv, active.unwrap_or(0)));
        let gathers = [false, true].map(|backward| self.matrix_kernels(conv, backward));
        sums.chain(gathers.iter().flatten().map(|gather| gather.workspace_bytes(conv))).max().unwrap_or(0)
    }

    /// Parts that make the weight gradient of a layer with `active` weights fill the adapter.
    fn split(&self, conv: &Conv, active: usize, sum: &WeightGradKernel) -> u32 {
        let team = match sum.team {
            Scope::Invocation | Scope::Shuffle => return 1,
            Scope::Subgroup => self.lanes,
            Scope::Workgroup => self.weight_team,
            Scope::Matrices => self.matrices.most_lanes,
        };
        let sums = match (sum.tile, sum.team) {
            (None, _) => active.div_ceil(self.weight_group as usize),
            (Some(tile), Scope::Matrices) => {
                conv.kernel * conv.input.channels * conv.output.channels / (tile * self.matrix(conv).max(1)) as usize
            }
            (Some(tile), _) => conv.input.channels * conv.output.channels.div_ceil(tile as usize),
        };
        let invocations = sums.max(1) * team as usize;
        let rows = conv.output.blocks() * conv.output.height;
        (self.occupancy_target / invocations).min(rows).clamp(1, SPLIT_MOST) as u32
    }

    /// The largest tile of a dense weight gradient; one channel where even that does not fit. None of wide loads that do not.
    fn weight_tile(&self, conv: &Conv, wide: bool) -> Option<u32> {
        let tile = self.registers.weight_tile(conv, wide).or((!wide).then_some(1))?;
        // A workgroup of the least size has room for so many sums.
        let most = (GROUP_CELLS / self.least_group / (conv.kernel * conv.kernel) as u32).max(1);
        Some(tile.min(1 << most.ilog2()))
    }

    /// A lane keeps the sum of one weight of a group, and a workgroup is one subgroup.
    fn subgroup_fits(&self) -> bool {
        self.lanes >= self.weight_group && self.lanes >= self.least_group
    }

    /// Whether vectors of 64-bit words can be loaded, and the images of a pixel fill them.
    pub fn load64_fits(&self, conv: &Conv) -> bool {
        self.wide && conv.input.fits_wide()
    }
}

/// The largest power of two up to `most` that divides the pixels of a row of the result.
fn row_that_fits(conv: &Conv, backward: bool, most: u32) -> u32 {
    let width = if backward { conv.input.width } else { conv.output.width };
    let step = if backward { conv.stride } else { 1 };
    if width % step != 0 {
        return 1;
    }
    let mut row = most;
    while (width / step) % row as usize != 0 {
        row /= 2;
    }
    row
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ops::Layout;

    pub(in crate::ops) fn tuning() -> Tuning {
        Tuning {
            gather: 64,
            reduce: 8,
            weight_team: 8,
            pointwise: 8,
            weight_group: 8,
            team: Scope::Invocation,
            dense_team: Scope::Shuffle,
            lanes: 8,
            least_group: 1,
            registers: Registers::of(Family::Software),
            matrices: Matrices::default(),
            wide: true,
            prefer_load64: true,
            dispatch_flops: 1 << 40,
            occupancy_target: 1,
            measured: Arc::default(),
        }
    }

    #[test]
    fn defaults_are_candidates_and_measurements_must_be() {
        let teams = [(Scope::Invocation, 1), (Scope::Subgroup, 1 << 17)];
        let cases = [1, 3, 5, 64].into_iter().flat_map(|channels| teams.map(|team| (channels, team)));
        for ((channels, (team, busy)), family) in cases.flat_map(|case| Family::ALL.map(|family| (case, family))) {
            let registers = Registers::of(family);
            let mut tuning = Tuning { team, dense_team: team, occupancy_target: busy, registers, ..tuning() };
            for density in [0.01, 0.3, 0.5, 1.0] {
                let side = |halo| Layout::new(channels, 8, 8, halo, 32);
                let conv = Conv { input: side(1), output: side(1), kernel: 3, stride: 1, padding: 1 };
                tuning.measured = Arc::default();
                let usual = tuning.choice(&conv, density);
                assert!(tuning.offers(&conv, density, &usual), "{channels} {density} {usual:?}");
                assert_eq!(usual.grad_weight.split > 1, busy > 1);
                let tile = Tile { channels: 0, row: 3, shuffle: true, wide: true };
                let [forward, sums] =
                    [ForwardKernel::Dense(tile), ForwardKernel::Sparse(Strip { row: 3, chunk: 1000, wide: false })];
                for hostile in [
                    Choice { forward, ..usual },
                    Choice { grad_input: sums, ..usual },
                    Choice {
                        grad_weight: WeightGradKernel {
                            tile: Some(u32::MAX),
                            team: Scope::Workgroup,
                            wide: false,
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
        let tuning = Tuning { matrices, ..tuning() };
        let offered = |storage: Storage, [c, k, images, stride]: [usize; 4]| {
            let [input, output] = [c, k].map(|channels| Layout::new(channels, 8, 8, 1, images).stored(storage));
            let conv = Conv { input, output, kernel: 3, stride, padding: 1 };
            for density in [0.02, 0.5, 1.0] {
                let choice = tuning.choice(&conv, density);
                let by_matrices = |gather: ForwardKernel| matches!(gather, ForwardKernel::Matrices { .. });
                assert!(!by_matrices(choice.forward) && !by_matrices(choice.grad_input));
                assert_ne!(choice.grad_weight.team, Scope::Matrices);
            }
            let sums = tuning.weight_grad_kernels(&conv, None).into_iter().filter(|sum| sum.team == Scope::Matrices);
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
