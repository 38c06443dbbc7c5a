//! What the workgroups of convolution kernels read, round by round: from the kernel's own constants, its grid and the index of
//! the active weights. Host of the kernels: [`crate::ops::conv`].

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
struct Constants<'a>(&'a Kernel);

impl Constants<'_> {
    /// A constant or a define that is always there.
    fn get(&self, name: &str) -> u64 {
        self.find(name).unwrap_or_else(|| panic!("{} has no {name}", self.0.shader))
    }

    fn find(&self, name: &str) -> Option<u64> {
        let all = self.0.constants.iter().chain(&self.0.defines);
        all.filter(|(known, _)| *known == name).map(|&(_, value)| u64::from(value)).next()
    }

    /// Bytes of a vector.
    fn vector(&self) -> u64 {
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
fn merged(mut pieces: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
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
fn unfold(number: u64, grid: [u32; 3]) -> [u64; 3] {
    let [x, y, _] = grid.map(u64::from);
    [number % x, number / x % y, number / (x * y)]
}

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

    /// Reads `pixels` pixels of output channel `channel` from pixel `column` of row `row` on.
    fn read_dy(&self, read: &mut dyn FnMut(u64, u64), channel: u64, [row, column]: [u64; 2], pixels: u64) {
        let [block, origin, line, plane] = self.dy;
        let first = row / self.height * block + channel * plane + origin + row % self.height * line;
        read(APART + (first + column * self.lanes) * self.vector, pixels * self.lanes * self.vector);
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

/// The workgroups of `conv_dense_grad_weight_*`: of each tile of output channels and each input channel, rows of dy and of x.
pub fn dense_sums<'a>(kernel: &'a Kernel, grid: [u32; 3]) -> impl Fn(u64) -> Workgroup<'a> {
    let of = Constants(kernel);
    let [tile, taps, tiles, inputs, plane, row_step] =
        ["TILE", "KERNEL", "TILES", "IN_CHANNELS", "IN_PLANE", "IN_ROW"].map(|name| of.get(name));
    let pictures = Pictures::of(&of);
    let [.., step_x] = pictures.x;
    // Alone, an invocation takes a tile; those that shuffle take neighbouring input channels of one.
    let size = of.get("WG");
    let (each, channels) = match kernel.shader {
        "conv_dense_grad_weight_invocation" => (size, 1),
        "conv_dense_grad_weight_shuffle" => (1, size),
        _ => (1, 1),
    };
    let (all, columns) = ((0..tiles).collect::<Vec<_>>(), inputs.div_ceil(channels));
    move |number| {
        let [x, y, z] = unfold(number, grid);
        let mine = share(&all, [x, y], each);
        let (mut row, end) = pictures.part(z, 1);
        Box::new(move |read| {
            if row >= end || mine.is_empty() {
                return false;
            }
            for index in &mine {
                let (k, first) = (index / columns * tile, index % columns * channels);
                (k..k + tile).for_each(|channel| pictures.read_dy(read, channel, [row, 0], pictures.width));
                for (c, r) in (first..inputs.min(first + channels)).flat_map(|c| (0..taps).map(move |r| (c, r))) {
                    let first = pictures.x(row, 0) + c * plane + r * row_step;
                    pictures.read_x(read, first, pictures.width * step_x + (taps - 1) * pictures.lanes);
                }
            }
            row += 1;
            true
        })
    }
}
