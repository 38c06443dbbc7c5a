//! Prune, grow and index in their plainest form. (Kernels: `select_*`, `topology_*`, `index_*`, `grow_random`.)

use crate::ops::philox::{Purpose, unit, word};
use crate::ops::topology::{AGE_BINS, UpdateStats, age_bin};

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

/// The first active set: the `nnz` positions of highest random key, 31 bits each (of equals the lower index).
pub fn init_mask(seed: u64, layer: u32, numel: usize, nnz: usize) -> Vec<bool> {
    let keys: Vec<u32> = (0..numel).map(|i| word(seed, Purpose::InitMask, layer, 0, i) >> 1).collect();
    mask_of(numel, &select(|i| keys[i], 0..numel, nnz))
}

/// The first weights of parameter `param`, dense: PyTorch's default U(−1/√fan_in, 1/√fan_in).
pub fn init_weight(seed: u64, param: u32, fan_in: usize, numel: usize) -> Vec<f32> {
    let bound = 1.0 / (fan_in as f32).sqrt();
    (0..numel).map(|i| (2.0 * unit(word(seed, Purpose::InitWeight, param, 0, i)) - 1.0) * bound).collect()
}

/// The same where every one of `rows` rows has as many: `nnz / rows`, those of highest key of the row.
pub fn init_fan_in_mask(seed: u64, layer: u32, [rows, numel]: [usize; 2], nnz: usize) -> Vec<bool> {
    let keys: Vec<u32> = (0..numel).map(|i| word(seed, Purpose::InitMask, layer, 0, i) >> 1).collect();
    let length = numel / rows;
    let row = |row: usize| select(|i| keys[i], row * length..(row + 1) * length, nnz / rows);
    mask_of(numel, &(0..rows).flat_map(row).collect::<Vec<_>>())
}

/// The sum of the magnitudes of each `block` numbers that lie side by side.
pub fn block_magnitudes(values: &[f32], block: usize) -> Vec<f32> {
    values.chunks(block).map(|block| block.iter().fold(0.0, |sum, value| sum + value.abs())).collect()
}

/// A number for every weight `[outputs, inputs, taps]`, where `length` is `inputs · taps`, in the order of the lists: the weights
/// of a block of `block` outputs side by side.
pub fn in_blocks<T: Copy>(dense: &[T], length: usize, block: usize) -> Vec<T> {
    let rows = dense.chunks(length * block);
    rows.flat_map(|row| (0..length).flat_map(move |at| (0..block).map(move |i| row[i * length + at]))).collect()
}

/// What stays when the `k` active weights of least magnitude go (of equals the higher index); all go if there are fewer.
pub fn prune(weight: &[f32], active: &[bool], k: usize) -> Vec<bool> {
    let positions: Vec<usize> = (0..active.len()).filter(|&i| active[i]).collect();
    let keep = positions.len().saturating_sub(k);
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

/// A layer as an update finds and leaves it; every list is dense, over the positions of the weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The rows of the index (output channels, or blocks of them), and the input channels.
    pub outputs: usize,
    pub inputs: usize,
    /// Weights of a position.
    pub block: usize,
    /// Whether each row is pruned and grown on its own, all by as much.
    pub fan_in: bool,
    pub active: Vec<bool>,
    /// Active at any time so far.
    pub explored: Vec<bool>,
    /// Survived a prune so far, after an interval in which they were active.
    pub reliable: Vec<bool>,
    /// The first set.
    pub initial: Vec<bool>,
    /// Updates survived since the position was grown, at most 255; 0 where inactive.
    pub ages: Vec<u8>,
    /// `block` a position; 0 where inactive, as the momentum.
    pub weight: Vec<f32>,
    pub momentum: Vec<f32>,
}

impl Layer {
    /// In how many parts its positions are pruned and grown on their own, and of how many positions each is.
    fn parts(&self) -> (usize, usize) {
        let parts = if self.fan_in { self.outputs } else { 1 };
        (parts, (self.active.len() / parts).max(1))
    }
}

/// Prunes `removed` positions, those of the least sum of magnitudes, and grows `added`. What is pruned and regrown at once keeps weight and momentum; what is new
/// starts both at 0 (the ITOP code's and RigL's behaviour).
pub fn update(layer: &mut Layer, score: &[u32], removed: usize, added: usize) -> UpdateStats {
    let keys = block_magnitudes(&layer.weight, layer.block);
    let kept = keep(layer, &keys, removed);
    update_to(layer, (&keys, &kept), score, added)
}

/// What stays when the `removed` active positions of least key go, of each part that is pruned on its own as many.
pub fn keep(layer: &Layer, keys: &[f32], removed: usize) -> Vec<bool> {
    let (parts, part) = layer.parts();
    let parts_of = keys.chunks(part).zip(layer.active.chunks(part));
    parts_of.flat_map(|(keys, active)| prune(keys, active, removed / parts)).collect()
}

/// The same when a prune by `keys` has left `kept`.
pub fn update_to(layer: &mut Layer, (keys, kept): (&[f32], &[bool]), score: &[u32], added: usize) -> UpdateStats {
    let (parts, part) = layer.parts();
    let after: Vec<bool> =
        score.chunks(part).zip(kept.chunks(part)).flat_map(|(score, kept)| grow(score, kept, added / parts)).collect();
    let (magnitudes, row) = (block_magnitudes(&layer.weight, layer.block), layer.active.len() / layer.outputs);
    let count = |is: &dyn Fn(usize) -> bool| (0..after.len()).filter(|&i| is(i)).count() as u32;
    let least_kept = (0..kept.len()).filter(|&i| kept[i]).map(|i| magnitude(keys[i])).min();
    let row = row.max(1);
    let taps = (row / layer.inputs).max(1);
    let input_lives = |c: usize| (0..after.len()).any(|i| after[i] && i / taps % layer.inputs == c);
    let young = |i: usize| layer.active[i] && layer.ages[i] == 0;
    let older = |i: usize| if kept[i] { layer.ages[i].saturating_add(1) } else { 0 };
    let mut ages = [0; AGE_BINS];
    (0..after.len()).filter(|&i| after[i]).for_each(|i| ages[age_bin(older(i).into())] += 1);
    let young_magnitude: f64 = (0..after.len()).filter(|&i| young(i)).map(|i| f64::from(magnitudes[i])).sum();
    let counters = UpdateStats {
        active: count(&|i| after[i]),
        pruned: count(&|i| layer.active[i] && !kept[i]),
        grown: count(&|i| after[i] && !kept[i]),
        regrown: count(&|i| layer.active[i] && !kept[i] && after[i]),
        newly_explored: count(&|i| after[i] && !layer.explored[i]),
        explored: count(&|i| after[i] || layer.explored[i]),
        reliable: count(&|i| kept[i] || layer.reliable[i]),
        // Nothing kept: the largest key.
        threshold: least_kept.unwrap_or(u32::MAX),
        dead_outputs: after.chunks(row).filter(|row| !row.contains(&true)).count() as u32,
        initial_kept: count(&|i| after[i] && layer.initial[i]),
        young: count(&young),
        young_kept: count(&|i| young(i) && kept[i]),
        young_magnitude: (young_magnitude as f32).to_bits(),
        dead_inputs: (0..layer.inputs).filter(|&c| !input_lives(c)).count() as u32,
        ages,
        ..UpdateStats::default()
    };
    layer.ages = (0..after.len()).map(older).collect();
    for i in 0..after.len() {
        if !(layer.active[i] && after[i]) {
            let weights = i * layer.block..(i + 1) * layer.block;
            layer.weight[weights.clone()].fill(0.0);
            layer.momentum[weights].fill(0.0);
        }
        layer.explored[i] |= after[i];
        layer.reliable[i] |= kept[i];
    }
    layer.active = after;
    counters
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
    fn extreme_counts() {
        let (weight, active) = ([3.0, 0.0, -1.0], [true, false, true]);
        assert_eq!(prune(&weight, &active, 0), active);
        assert_eq!(prune(&weight, &active, 2), [false; 3]);
        assert_eq!(prune(&weight, &active, 9), [false; 3], "more than there are");
        assert_eq!(grow(&[1, 2, 3], &active, 9), [true; 3], "more than there is room for");
        assert_eq!(grow(&gradient_scores(&[0.0, -1e-45, 0.0, 1e-45]), &[false; 4], 2), [false, true, false, true]);
    }

    #[test]
    fn regrown_weights_keep_their_values() {
        let mut layer = Layer {
            outputs: 3,
            inputs: 2,
            block: 1,
            fan_in: false,
            active: vec![true, true, true, false, false, false],
            explored: vec![true, true, true, true, false, false],
            reliable: vec![false, false, false, true, false, false],
            initial: vec![true, true, false, true, false, false],
            ages: vec![0, 0, 255, 0, 0, 0],
            weight: vec![0.5, -0.25, 2.0, 0.0, 0.0, 0.0],
            momentum: vec![1.0, 2.0, 3.0, 0.0, 0.0, 0.0],
        };
        // 0 and 1 go; 1 comes back and 4 is new.
        let counters = update(&mut layer, &[0, 9, 0, 0, 8, 0], 2, 2);
        assert_eq!(layer.active, [false, true, true, false, true, false]);
        assert_eq!(layer.explored, [true, true, true, true, true, false]);
        assert_eq!(layer.reliable, [false, false, true, true, false, false]);
        assert_eq!(layer.weight, [0.0, -0.25, 2.0, 0.0, 0.0, 0.0]);
        assert_eq!(layer.momentum, [0.0, 2.0, 3.0, 0.0, 0.0, 0.0]);
        let expected = UpdateStats {
            active: 3,
            pruned: 2,
            grown: 2,
            regrown: 1,
            newly_explored: 1,
            explored: 5,
            reliable: 2,
            threshold: 2.0f32.to_bits(),
            dead_outputs: 0,
            // Of the first set position 1 is back; both young ones, 0.5 and 0.25, were pruned; 2 stays as old as can be.
            initial_kept: 1,
            young: 2,
            young_kept: 0,
            young_magnitude: 0.75f32.to_bits(),
            dead_inputs: 0,
            ages: [2, 0, 0, 0, 0, 0, 0, 1],
            ..UpdateStats::default()
        };
        assert_eq!(counters, expected);
        assert_eq!(layer.ages, [0, 0, 255, 0, 0, 0]);
        // All go; the highest scores lie in the last rows.
        let counters = update(&mut layer, &[0, 0, 0, 2, 9, 9], 3, 3);
        assert_eq!((counters.threshold, counters.dead_outputs, counters.regrown), (u32::MAX, 1, 1));
        assert_eq!(layer.active, [false, false, false, true, true, true]);
    }

    #[test]
    fn first_sets_and_weights() {
        for (numel, nnz) in [(1, 1), (100, 0), (1000, 37), (64, 64)] {
            let mask = init_mask(3, 1, numel, nnz);
            assert_eq!(mask.iter().filter(|&&set| set).count(), nnz);
        }
        assert_ne!(init_mask(3, 1, 1000, 37), init_mask(3, 2, 1000, 37));
        let weight = init_weight(3, 0, 16, 10_000);
        assert!(weight.iter().all(|w| (-0.25..0.25).contains(w)));
        // U(−b, b) has variance b² / 3; the relative standard error here is 0.9 %.
        let variance = weight.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / 1e4;
        assert!((variance / (0.25 * 0.25 / 3.0) - 1.0).abs() < 0.05, "{variance}");
    }

    /// Every active weight stands once in each order, in the row and column that its position says.
    #[test]
    fn orders_hold_every_weight_once() {
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (3, 2, 0), (1, 2, 0), (1, 1, 1)] {
            let (k, c, taps) = (5, 4, kernel * kernel);
            let active = init_mask(1, 2, k * c * taps, k * c * taps / 3);
            let flat: Vec<usize> = (0..active.len()).filter(|&at| active[at]).collect();
            let index = index(&active, k, c, kernel, stride, padding);
            for row in 0..k {
                let entries = &flat[index.rows[row]..index.rows[row + 1]];
                assert!(entries.iter().all(|at| at / (c * taps) == row));
            }
            for column in 0..c * stride * stride {
                let entries = &index.entries[index.columns[column]..index.columns[column + 1]];
                assert!(entries.is_sorted());
                for &entry in entries {
                    let (channel, tap) = (flat[entry] / taps % c, flat[entry] % taps);
                    let (r, s) = (tap / kernel + padding, tap % kernel + padding);
                    assert_eq!(column, (channel * stride + r % stride) * stride + s % stride);
                }
            }
            let mut entries = index.entries;
            entries.sort_unstable();
            assert!(entries.into_iter().eq(0..flat.len()));
        }
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
