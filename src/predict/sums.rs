//! What the workgroups of weight gradients read, as [`super::trace`] has it of gathers.

use super::gpus::SUBGROUP;
use super::trace::{APART, Constants, Rows, Workgroup, merged, unfold};
use crate::gpu::Kernel;

/// Where a weight gradient reads: x and dy, as of `sparse_sums.wgsl` and `dense_strips.wgsl`, in vectors.
#[derive(Clone, Copy)]
struct Pictures {
    blocks: u64,
    height: u64,
    width: u64,
    /// Vectors a pixel, and bytes a vector.
    lanes: u64,
    vector: u64,
    split: u64,
    x: [u64; 4],
    dy: [u64; 4],
}

impl Pictures {
    fn of(of: &Constants) -> Self {
        let [blocks, height, width, lanes, split] =
            ["BLOCKS", "OUT_H", "OUT_W", "LANES", "SPLIT"].map(|name| of.get(name));
        let x = ["IN_BLOCK", "IN_ORIGIN", "IN_STEP_Y", "IN_STEP_X"].map(|name| of.get(name));
        let dy = ["OUT_BLOCK", "OUT_ORIGIN", "OUT_ROW", "OUT_PLANE"].map(|name| of.get(name));
        Self { blocks, height, width, lanes, vector: of.vector(), split, x, dy }
    }

    /// The first tap of what pixel `column` of row `row` (counted through all blocks of images) multiplies.
    fn x(&self, row: u64, column: u64) -> u64 {
        let [block, origin, step_y, step_x] = self.x;
        row / self.height * block + origin + row % self.height * step_y + column * step_x
    }

    /// The first pixel of output channel `channel` in row `row`.
    fn dy(&self, channel: u64, row: u64) -> u64 {
        let [block, origin, line, plane] = self.dy;
        row / self.height * block + channel * plane + origin + row % self.height * line
    }

    /// Reads `pixels` pixels of output channel `channel` from pixel `column` of row `row` on.
    fn read_dy(&self, read: &mut dyn FnMut(u64, u64), channel: u64, [row, column]: [u64; 2], pixels: u64) {
        let first = self.dy(channel, row) + column * self.lanes;
        read(APART + first * self.vector, pixels * self.lanes * self.vector);
    }

    /// The pieces of x that a row of pixels multiplies at the first tap: all in one where it has no stride.
    fn row_of_x(&self, row: u64) -> Vec<(u64, u64)> {
        merged((0..self.width).map(|column| (self.x(row, column), self.lanes)).collect())
    }

    /// Reads `vectors` vectors of the input from vector `first` on.
    fn read_x(&self, read: &mut dyn FnMut(u64, u64), first: u64, vectors: u64) {
        read(first * self.vector, vectors * self.vector);
    }

    /// Of `each` items for each row of the pixels, those of part `part`.
    fn part(&self, part: u64, each: u64) -> (u64, u64) {
        let all = self.blocks * self.height * each;
        (all * part / self.split, all * (part + 1) / self.split)
    }
}

/// Of `all`, the `each` that belong to workgroup `x`, `y` of a grid that is folded.
fn share<T: Clone>(all: &[T], [x, y]: [u64; 2], each: u64) -> Vec<T> {
    let first = ((x + y * 65535) * each) as usize;
    all.iter().skip(first).take(each as usize).cloned().collect()
}

/// The workgroups of `conv_sparse_grad_weight_*`: of each group of consecutive weights of a row, dy's row once and x's row for
/// each weight. A round is as many rows of pixels as the invocations take at once.
pub fn sparse_sums<'a>(kernel: &'a Kernel, grid: [u32; 3], rows: &'a Rows) -> impl Fn(u64) -> Workgroup<'a> {
    let of = Constants(kernel);
    let (pictures, groups) = (Pictures::of(&of), groups_of(rows, of.get("GROUP") as usize));
    // Alone, an invocation takes a group.
    let each = if kernel.shader.ends_with("_invocation") { of.get("WG") } else { 1 };
    let (together, block) = (of.find("TOGETHER").unwrap_or(1), of.find("BLOCK").unwrap_or(1));
    move |number| {
        let [x, y, z] = unfold(number, grid);
        let mine = share(&groups, [x, y], each);
        let (mut at, end) = pictures.part(z, 1);
        Box::new(move |read| {
            if at >= end || mine.is_empty() {
                return false;
            }
            for row in at..(at + together).min(end) {
                let pieces = pictures.row_of_x(row);
                for (index, weights) in &mine {
                    for channel in index * block..(index + 1) * block {
                        pictures.read_dy(read, channel, [row, 0], pictures.width);
                    }
                    for shift in &rows.shift[weights.clone()] {
                        for &(first, vectors) in &pieces {
                            pictures.read_x(read, first + shift, vectors);
                        }
                    }
                }
            }
            at += together;
            true
        })
    }
}

/// The workgroups of `conv_sparse_grad_weight_pixels`: of each tile of pixels all groups of weights, as many a round as there
/// are teams.
pub fn sparse_pixels<'a>(kernel: &'a Kernel, grid: [u32; 3], rows: &'a Rows) -> impl Fn(u64) -> Workgroup<'a> {
    let of = Constants(kernel);
    let [group, count, tiles, pixels] = ["GROUP", "GROUPS", "TILES_W", "PIXELS"].map(|name| of.get(name));
    let teams = (of.get("WG") / of.get("TEAM")) as usize;
    let (pictures, groups) = (Pictures::of(&of), groups_of(rows, group as usize));
    let block = of.get("BLOCK");
    move |number| {
        let [x, y, z] = unfold(number, grid);
        let mine = share(&groups, [x, y], count);
        let (mut tile, end) = pictures.part(z, tiles);
        let mut done = 0;
        Box::new(move |read| {
            if tile >= end || mine.is_empty() {
                return false;
            }
            let (row, column) = (tile / tiles, tile % tiles * pixels);
            for (index, weights) in &mine[done..mine.len().min(done + teams)] {
                read(2 * APART + 4 * weights.start as u64, 4 * group);
                for pixel in column..column + pixels {
                    for channel in index * block..(index + 1) * block {
                        pictures.read_dy(read, channel, [row, pixel], 1);
                    }
                    for shift in &rows.shift[weights.clone()] {
                        pictures.read_x(read, pictures.x(row, pixel) + shift, pictures.lanes);
                    }
                }
            }
            done += teams;
            if done >= mine.len() {
                (done, tile) = (0, tile + 1);
            }
            true
        })
    }
}

/// Groups of at most `group` consecutive weights of one row: the row and the weights.
fn groups_of(rows: &Rows, group: usize) -> Vec<(u64, std::ops::Range<usize>)> {
    let of = |(row, ends): (usize, &[usize])| {
        let end = ends[1];
        (ends[0]..end)
            .step_by(group)
            .map(move |first| (row as u64, first..(first + group).min(end)))
            .collect::<Vec<_>>()
    };
    rows.start.windows(2).enumerate().flat_map(of).collect()
}

/// An invocation of a dense weight gradient: its output channels begin with `first`, its strips with number `start` of its part.
struct Lane {
    first: u64,
    input: u64,
    start: u64,
}

/// The invocations of workgroup `number` of `conv_dense_grad_weight_*`, and how far apart the strips of each are.
fn lanes_of(kernel: &Kernel, number: u64) -> (Vec<Lane>, u64) {
    let of = Constants(kernel);
    let [size, tile, count, inputs] = ["WG", "TILE", "TILES", "IN_CHANNELS"].map(|name| of.get(name));
    let lane = |own: u64| match kernel.shader {
        "conv_dense_grad_weight_invocation" => {
            let index = number * size + own;
            (index < count).then(|| Lane { first: index / inputs * tile, input: index % inputs, start: 0 })
        }
        "conv_dense_grad_weight_shuffle" => {
            let columns = inputs.div_ceil(size);
            let input = (number % columns * size + own).min(inputs - 1);
            Some(Lane { first: number / columns * tile, input, start: 0 })
        }
        _ => {
            let [team, across, down] = ["TEAM", "ACROSS", "DOWN"].map(|name| of.get(name));
            let (mine, columns) = (own / team, inputs / across);
            let first = (number / columns * down + mine / across) * tile;
            Some(Lane { first, input: number % columns * across + mine % across, start: own % team })
        }
    };
    let alone = kernel.shader.ends_with("_invocation");
    let lanes = if alone || number < count { (0..size).filter_map(lane).collect() } else { Vec::new() };
    (lanes, of.find("TEAM").unwrap_or(1))
}

/// The workgroups of `conv_dense_grad_weight_*`, pixel by pixel as `dense_strips.wgsl` goes along strips. A round is what all
/// invocations load for a pixel: what the lanes of a subgroup read of one place, they read once.
pub fn dense_sums<'a>(kernel: &'a Kernel, grid: [u32; 3]) -> impl Fn(u64) -> Workgroup<'a> {
    let of = Constants(kernel);
    let [tile, taps, kept, outputs] = ["TILE", "KERNEL", "KEPT", "OUT_CHANNELS"].map(|name| of.get(name));
    let [plane, line] = ["IN_PLANE", "IN_ROW"].map(|name| of.get(name));
    let pictures = Pictures::of(&of);
    let Pictures { width, lanes, vector, x: [.., step_x], .. } = pictures;
    move |number| {
        let [x, y, z] = unfold(number, grid);
        let (mine, step) = lanes_of(kernel, x + y * 65535);
        let (begin, end) = pictures.part(z, lanes);
        // Of each subgroup at the first pixel of its strips: what it reads of dy, and of x at the first tap.
        let at_strip = move |done: u64| {
            let subgroups = mine.chunks(SUBGROUP).map(|mine| {
                let strip = |lane: &Lane| Some(begin + lane.start + done * step).filter(|&strip| strip < end);
                let mine: Vec<_> = mine.iter().filter_map(|lane| Some((lane, strip(lane)?))).collect();
                let of_dy = |t: u64| {
                    let first = |&(lane, strip): &(&Lane, u64)| {
                        (pictures.dy((lane.first + t).min(outputs - 1), strip / lanes) + strip % lanes, 1)
                    };
                    merged(mine.iter().map(first).collect())
                };
                let of_x = |&(lane, strip): &(&Lane, u64)| {
                    (pictures.x(strip / lanes, 0) + lane.input * plane + strip % lanes, 1)
                };
                [(0..tile).flat_map(of_dy).collect(), merged(mine.iter().map(of_x).collect())]
            });
            subgroups.collect::<Vec<[Vec<(u64, u64)>; 2]>>()
        };
        let (mut done, mut column, mut subgroups) = (0, 0, at_strip(0));
        Box::new(move |read| {
            if subgroups.iter().all(|[dy, _]| dy.is_empty()) {
                return false;
            }
            for [dy, x] in &subgroups {
                for &(first, vectors) in dy {
                    read(APART + (first + column * lanes) * vector, vectors * vector);
                }
                // The columns that the pixel before needed too are in registers.
                let columns = if column == 0 { 0 } else { kept }..taps;
                for tap in (0..taps).flat_map(|r| columns.clone().map(move |s| r * line + s * lanes)) {
                    for &(first, vectors) in x {
                        read((first + column * step_x + tap) * vector, vectors * vector);
                    }
                }
            }
            column += 1;
            if column == width {
                (done, column) = (done + 1, 0);
                subgroups = at_strip(done);
            }
            true
        })
    }
}

/// Numbers that an invocation of `kernel` keeps, as far as is known: in a dense weight gradient its sums and what it loads for a
/// pixel.
pub fn registers(kernel: &Kernel) -> Option<usize> {
    let of = Constants(kernel);
    if !kernel.shader.starts_with("conv_dense_grad_weight") {
        return None;
    }
    let [tile, taps, quads] = ["TILE", "TAPS", "QUADS"].map(|name| of.get(name));
    let chains = if of.find("CHAIN").is_some() { 1 } else { 2 };
    let numbers = chains * tile * taps + 4 * quads * (taps + tile);
    Some(numbers as usize)
}

#[cfg(test)]
mod tests {
    use super::super::{GPUS, GpuModel, simulate};
    use super::*;

    /// Two processors, whose first caches hold everything.
    const LARGE: GpuModel = GpuModel { processors: 2, resident: 64, ..GPUS[0] };

    /// A 3×3 convolution of two rows of two pixels of 32 images. Teams of eight lanes, each for an input channel and a tile of two
    /// output channels, `across` by `down` of them in a workgroup, of two input channels and four output channels.
    fn sums([across, down]: [u32; 2]) -> (Kernel, [u32; 3]) {
        let size = 8 * across * down;
        let defines = [("WG", size), ("TEAM", 8), ("ACROSS", across), ("DOWN", down), ("TILE", 2), ("QUADS", 1)];
        let more = [("LANES", 8), ("KERNEL", 3), ("TAPS", 9), ("STEP", 1), ("KEPT", 2)];
        let kernel = Kernel::new("conv_dense_grad_weight_subgroup");
        let kernel = defines.into_iter().chain(more).fold(kernel, |k, (name, value)| k.define(name, value));
        let workgroups = 2 / across * 2 / down;
        let x = [("IN_BLOCK", 256), ("IN_ORIGIN", 0), ("IN_PLANE", 128), ("IN_ROW", 32)];
        let dy = [("OUT_BLOCK", 128), ("OUT_ORIGIN", 0), ("OUT_PLANE", 32), ("OUT_ROW", 16)];
        let sizes = [("BLOCKS", 1), ("OUT_H", 2), ("OUT_W", 2), ("SPLIT", 1), ("OUT_CHANNELS", 4), ("IN_CHANNELS", 2)];
        let steps = [("IN_STEP_Y", 32), ("IN_STEP_X", 8), ("TILES", workgroups as usize)];
        let all = x.into_iter().chain(dy).chain(sizes).chain(steps);
        (all.fold(kernel, |k, (name, value)| k.set(name, value)), [workgroups, 1, 1])
    }

    #[test]
    fn dense_sums_are_as_counted_by_hand() {
        let of = |teams: [u32; 2]| {
            let (kernel, grid) = sums(teams);
            let size = kernel.workgroup_size() as usize;
            simulate(&LARGE, grid[0].into(), size, dense_sums(&kernel, grid), |_, _| ())
        };
        // A pixel of a channel has 128 bytes. A row of two pixels of dy, and of the four of x that three taps meet, row by row.
        let (dy, x) = (128.0 * 2.0, 128.0 * 4.0 * 3.0);
        // Alone, each of four teams reads two channels of dy and one of x, for both rows. Two on each processor share a first
        // cache; one has both tiles of the first input channel, and the other of the second. Two of x's four rows are met twice.
        let alone = of([1, 1]);
        assert_eq!(alone.asked, 4.0 * 2.0 * (2.0 * dy + x));
        assert_eq!(alone.from_l2, 2.0 * (4.0 * 2.0 * dy + x / 3.0 * 4.0));
        assert_eq!(alone.from_memory, 4.0 * 2.0 * dy + 2.0 * x / 3.0 * 4.0);
        // Four teams in one workgroup, which is a subgroup: what several read of a place is one load.
        let together = of([2, 2]);
        assert_eq!(together.asked, 2.0 * (4.0 * dy + 2.0 * x));
        assert_eq!((together.from_l2, together.from_memory), (alone.from_memory, alone.from_memory));
        // Four pixels, each a round that misses, for its dy is new; then the end.
        assert_eq!(together.waits, 4.0 * super::super::CHAIN * LARGE.l2_latency);
        assert_eq!(together.busiest, together.asked);
    }

    #[test]
    fn sums_take_registers() {
        let (kernel, _) = sums([1, 1]);
        // Two sums for each tap of two channels, nine vectors of x and two of dy.
        assert_eq!(registers(&kernel), Some(36 + 36 + 8));
        assert_eq!(registers(&Kernel::new("conv_sparse_gather")), None);
    }
}
