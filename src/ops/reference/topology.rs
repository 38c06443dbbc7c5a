//! Prune, grow and index in their plainest form. (Kernels: `select_*`, `topology_*`, `index_*`, `grow_random`.)

use crate::ops::philox::{Purpose, word};

/// Bits by which magnitudes compare as integers: −0 equals 0, and subnormal numbers count.
fn magnitude(value: f32) -> u32 {
    value.to_bits() & 0x7fff_ffff
}

/// The `count` of `candidates` with the largest keys, of equals the lower first.
fn select(keys: impl Fn(usize) -> u32, candidates: impl Iterator<Item = usize>, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = candidates.collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(keys(i)), i));
    order.truncate(count);
    order
}

fn mask_of(numel: usize, positions: &[usize]) -> Vec<bool> {
    let mut mask = vec![false; numel];
    positions.iter().for_each(|&i| mask[i] = true);
    mask
}

/// What stays when the `k` active weights of least magnitude go (of equals the higher index).
pub fn prune(weight: &[f32], active: &[bool], k: usize) -> Vec<bool> {
    let positions: Vec<usize> = (0..active.len()).filter(|&i| active[i]).collect();
    let keep = positions.len() - k;
    mask_of(active.len(), &select(|i| magnitude(weight[i]), positions.into_iter(), keep))
}

/// `kept` and the `k` other positions of highest score (of equals the lower index).
pub fn grow(score: &[u32], kept: &[bool], k: usize) -> Vec<bool> {
    let chosen = select(|i| score[i], (0..kept.len()).filter(|&i| !kept[i]), k);
    let grown = mask_of(kept.len(), &chosen);
    kept.iter().zip(grown).map(|(&kept, grown)| kept || grown).collect()
}

/// Gradient growth's scores.
pub fn gradient_scores(gradient: &[f32]) -> Vec<u32> {
    gradient.iter().map(|&g| magnitude(g)).collect()
}

/// Random growth's scores: 31 bits a position.
pub fn random_scores(seed: u64, layer: u32, update: u32, numel: usize) -> Vec<u32> {
    (0..numel).map(|i| word(seed, Purpose::Grow, layer, update, i) >> 1).collect()
}

/// The active weights in both orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// `k + 1` first entries of the forward order (out channel, in channel, tap).
    pub rows: Vec<usize>,
    /// `c · stride² + 1` first entries of the transposed order.
    pub columns: Vec<usize>,
    /// Per transposed entry its place in the forward order; within a column by (out channel, tap).
    pub entries: Vec<usize>,
}

/// The index of a weight `[k, c, kernel, kernel]`. A column is an input channel and a parity class of its pixels: with
/// stride 2 a tap (r, s) reaches only pixels whose row has the parity of r + padding, and so the columns.
pub fn index(active: &[bool], k: usize, c: usize, kernel: usize, stride: usize, padding: usize) -> Index {
    let taps = kernel * kernel;
    let mut rows = vec![0; k + 1];
    let mut columns = vec![Vec::new(); c * stride * stride];
    let mut entry = 0;
    for at in (0..active.len()).filter(|&at| active[at]) {
        let (out, channel, tap) = (at / (c * taps), at / taps % c, at % taps);
        let parity = |tap: usize| (tap + padding) % stride;
        let class = parity(tap / kernel) * stride + parity(tap % kernel);
        columns[channel * stride * stride + class].push(entry);
        entry += 1;
        rows[out + 1] = entry;
    }
    // Empty rows end where the one before them ends.
    (1..=k).for_each(|row| rows[row] = rows[row].max(rows[row - 1]));
    let starts = columns.iter().scan(0, |end, column| {
        *end += column.len();
        Some(*end)
    });
    Index { rows, columns: std::iter::once(0).chain(starts).collect(), entries: columns.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_cut_by_index() {
        let all = [true; 4];
        assert_eq!(prune(&[1.0, -1.0, 1.0, 2.0], &all, 2), [true, false, false, true]);
        assert_eq!(prune(&[-0.0, 0.0, 1e-45, 0.0], &all, 2), [true, false, true, false]);
        assert_eq!(grow(&[5, 5, 5, 9], &[false, false, false, true], 2), [true, true, false, true]);
        assert_eq!(grow(&[0, 0, 0, 0], &[false, true, false, false], 0), [false, true, false, false]);
    }

    #[test]
    fn both_orders() {
        // Two out channels, one in channel, 3×3; out channel 0 is empty.
        let mut active = vec![false; 18];
        [9, 13, 17].iter().for_each(|&i| active[i] = true);
        let plain = index(&active, 2, 1, 3, 1, 1);
        assert_eq!((plain.rows, plain.columns, plain.entries), (vec![0, 0, 3], vec![0, 3], vec![0, 1, 2]));
        // Stride 2, padding 1: the centre tap (1, 1) reaches even pixels, the corners odd ones.
        let strided = index(&active, 2, 1, 3, 2, 1);
        assert_eq!((strided.columns, strided.entries), (vec![0, 1, 1, 1, 3], vec![1, 0, 2]));
    }
}
