//! What the workgroups of convolution kernels read, round by round: from the kernel's own constants, its grid and the index of
//! the active weights. Here: gathers; weight gradients are in [`super::sums`]. Host of the kernels: [`crate::ops::conv`].

use super::sums::{dense_sums, sparse_pixels, sparse_sums};
use crate::gpu::Kernel;
use crate::ops::reference::topology::Index;

/// One workgroup at work: each call is a round of loads that wait for nothing but the round before, and gives address and
/// number of bytes of each piece that is read. False: it has ended.
pub type Workgroup<'a> = Box<dyn FnMut(&mut dyn FnMut(u64, u64)) -> bool + 'a>;

/// Apart from each other in the addresses: the input, the gradient of the output, the weights.
pub const APART: u64 = 1 << 40;

/// The entries of a layer's index as a gather in one direction reads them.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// First entries, as of [`Index::rows`].
    pub start: Vec<usize>,
    /// How far on what each entry multiplies lies (of the input gradient of a block: its first channel), in vectors.
    pub shift: Vec<u64>,
}

/// The constants and defines of a kernel.
pub(super) struct Constants<'a>(pub(super) &'a Kernel);

impl Constants<'_> {
    /// A constant or a define that is always there.
    pub(super) fn get(&self, name: &str) -> u64 {
        self.find(name).unwrap_or_else(|| panic!("{} has no {name}", self.0.shader))
    }

    pub(super) fn find(&self, name: &str) -> Option<u64> {
        let all = self.0.constants.iter().chain(&self.0.defines);
        all.filter(|(known, _)| *known == name).map(|&(_, value)| u64::from(value)).next()
    }

    /// Bytes of a vector.
    pub(super) fn vector(&self) -> u64 {
        if self.find("WIDE").is_some() { 32 } else { 16 }
    }
}

impl Rows {
    /// The rows of a gather by `kernel`: of the forward pass, or (`transposed`) of the input gradient. `weights` has the position
    /// `(row, in, r, s)` of each entry in flat order.
    pub fn of(kernel: &Kernel, transposed: Option<[usize; 3]>, index: &Index, weights: &[[usize; 4]]) -> Self {
        let of = Constants(kernel);
        let [plane, row, lanes] = ["IN_PLANE", "IN_ROW", "LANES"].map(|name| of.get(name));
        let at = |[channel, y, x]: [usize; 3]| channel as u64 * plane + y as u64 * row + x as u64 * lanes;
        match transposed {
            None => {
                Self { start: index.rows.clone(), shift: weights.iter().map(|&[_, c, r, s]| at([c, r, s])).collect() }
            }
            Some([stride, padding, lead]) => {
                let back = |tap: usize| ((tap + padding) % stride + padding + lead * stride - tap) / stride;
                let block = of.find("BLOCK").unwrap_or(1) as usize;
                let shift = |&entry: &usize| {
                    let [row, _, r, s] = weights[entry];
                    at([row * block, back(r), back(s)])
                };
                Self { start: index.columns.clone(), shift: index.entries.iter().map(shift).collect() }
            }
        }
    }
}

/// Pieces of `(first vector, vectors)`, those that touch made one.
pub(super) fn merged(mut pieces: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    pieces.sort_unstable();
    let mut all: Vec<(u64, u64)> = Vec::new();
    for (first, count) in pieces {
        match all.last_mut() {
            Some((begin, length)) if *begin + *length >= first => *length = (*length).max(first + count - *begin),
            _ => all.push((first, count)),
        }
    }
    all
}

/// What invocations `ids` of a result row read for a weight that lies at no shift, for each of the $ROW pixels: as `place_of` of
/// `conv_gather.wgsl`.
fn places(of: &Constants, first_block: u64, ids: std::ops::Range<u64>) -> Vec<(u64, u64)> {
    let [lanes, row, grid, out_step] = ["LANES", "ROW", "GRID_W", "OUT_STEP"].map(|name| of.get(name));
    let [block, origin, step_y, step_x] = ["IN_BLOCK", "IN_ORIGIN", "IN_STEP_Y", "IN_STEP_X"].map(|name| of.get(name));
    let together = of.find("TOGETHER").map(|together| (together, of.get("STRIPS")));
    let rows = of.get("OUT_H").div_ceil(out_step);
    let mut pieces = Vec::new();
    for id in ids {
        let (n, mut strip, mut images) = (id % lanes, id / lanes, first_block);
        if let Some((together, strips)) = together {
            if strip >= strips * together {
                continue;
            }
            images = images * together + strip / strips;
            strip %= strips;
        }
        let pixel = strip * row;
        if pixel / grid >= rows {
            continue;
        }
        let base = images * block + origin + pixel / grid * step_y + pixel % grid * step_x + n;
        pieces.extend((0..row).map(|p| (base + p * step_x, 1)));
    }
    merged(pieces)
}

/// Whether [`workgroups`] knows what `kernel` reads.
pub fn is_known(kernel: &Kernel) -> bool {
    let gathers = ["conv_sparse_gather", "conv_block_gather", "conv_dense_gather"];
    let sums = ["conv_sparse_grad_weight", "conv_dense_grad_weight"];
    gathers.contains(&kernel.shader) || sums.iter().any(|name| kernel.shader.starts_with(name))
}

/// Whether `kernel` reads an index of active weights.
pub fn is_sparse(kernel: &Kernel) -> bool {
    !kernel.shader.starts_with("conv_dense")
}

/// The workgroups of `kernel`, in the order in which they are launched. Dense kernels have no `rows`.
pub fn workgroups<'a>(kernel: &'a Kernel, grid: [u32; 3], rows: &'a Rows) -> Box<dyn Fn(u64) -> Workgroup<'a> + 'a> {
    match kernel.shader {
        "conv_sparse_gather" | "conv_block_gather" => Box::new(sparse_gather(kernel, grid, rows)),
        "conv_dense_gather" => Box::new(dense_gather(kernel, grid)),
        "conv_sparse_grad_weight_pixels" => Box::new(sparse_pixels(kernel, grid, rows)),
        _ if is_sparse(kernel) => Box::new(sparse_sums(kernel, grid, rows)),
        _ => Box::new(dense_sums(kernel, grid)),
    }
}

/// The workgroups of `conv_sparse_gather` and `conv_block_gather`, in the order in which they are launched.
pub fn sparse_gather<'a>(kernel: &'a Kernel, grid: [u32; 3], rows: &'a Rows) -> impl Fn(u64) -> Workgroup<'a> {
    let of = Constants(kernel);
    let (unroll, size) = (of.find("UNROLL").unwrap_or(1), of.get("WG"));
    let group = of.find("GROUP").unwrap_or(1);
    let (slots, vector) = (size / group, of.vector());
    // Bytes of an entry: its shift and its weights. A block's input gradient reads as many channels.
    let (bytes, channels) = match (of.find("BLOCK"), of.find("TRANSPOSED")) {
        (None, _) => (8, 1),
        (Some(block), None) => (4 + 4 * block, 1),
        (Some(block), Some(_)) => (8 + 4 * block, block),
    };
    let plane = of.get("IN_PLANE");
    move |number| {
        let [x, y, z] = unfold(number, grid);
        let pieces = places(&Constants(kernel), z, y * slots..(y + 1) * slots);
        let mut done = 0;
        Box::new(move |read| {
            let mut any = false;
            for row in (x * group) as usize..((x + 1) * group) as usize {
                let (start, end) = (rows.start[row], rows.start[row + 1]);
                let weights = (start + done).min(end)..(start + done + unroll as usize).min(end);
                if weights.is_empty() {
                    continue;
                }
                any = true;
                read(2 * APART + bytes * weights.start as u64, bytes * unroll);
                let shifts = rows.shift[weights].iter();
                for shift in shifts.flat_map(|shift| (0..channels).map(move |channel| shift + channel * plane)) {
                    for (first, count) in &pieces {
                        read((first + shift) * vector, count * vector);
                    }
                }
            }
            done += unroll as usize;
            any
        })
    }
}

/// The workgroups of `conv_dense_gather`. Strided input gradients are taken for what they are with the taps of one class.
pub fn dense_gather<'a>(kernel: &'a Kernel, grid: [u32; 3]) -> impl Fn(u64) -> Workgroup<'a> {
    let of = Constants(kernel);
    let [tile, terms, plane, row_step, lanes] =
        ["TILE", "TERMS", "IN_PLANE", "IN_ROW", "LANES"].map(|name| of.get(name));
    let (taps, classes) = (of.get("KERNEL"), of.get("OUT_STEP").pow(2));
    let loads = of.find("LOADS").unwrap_or(1);
    let (size, vector) = (of.get("WG"), of.vector());
    // Rows of the kernel that a parity class meets.
    let rounds = terms * taps.div_ceil(of.get("OUT_STEP"));
    move |number| {
        let [x, y, z] = unfold(number, grid);
        let pieces = places(&Constants(kernel), z, y * size..(y + 1) * size);
        let mut done = 0;
        Box::new(move |read| {
            let (term, r) = (done / (rounds / terms), done % (rounds / terms));
            done += 1;
            if term >= terms {
                return false;
            }
            for t in 0..tile {
                let channel = x / classes * tile + t;
                read(2 * APART + 4 * ((channel * terms + term) * taps + r) * taps, 4 * taps);
            }
            for (first, count) in &pieces {
                let more = (loads.saturating_sub(1)) * lanes;
                read((first + term * plane + r * row_step) * vector, (count + more) * vector);
            }
            true
        })
    }
}

/// A number of a workgroup in a grid, the first dimension fastest.
pub(super) fn unfold(number: u64, grid: [u32; 3]) -> [u64; 3] {
    let [x, y, _] = grid.map(u64::from);
    [number % x, number / x % y, number / (x * y)]
}
