//! One topology update of one layer on the GPU.

use itop::gpu::Pass;
use itop::ops::philox::key;
use itop::ops::reference;
use itop::ops::topology::{Counters, Scores, Scratch, SparseLayer, Wanted, age_bytes, bitset_bytes};
use itop::ops::{Conv, Layout, SparseIndex, StepParams};

use super::{Bench, tuning};

/// Weight `[k, c, kernel, kernel]` before an update.
#[derive(Clone, Debug)]
pub struct Before {
    pub shape: [usize; 3],
    pub stride: usize,
    pub weight: Vec<f32>,
    pub momentum: Vec<f32>,
    pub active: Vec<bool>,
    pub explored: Vec<bool>,
    pub reliable: Vec<bool>,
    pub initial: Vec<bool>,
    pub ages: Vec<u8>,
    pub prune: usize,
    /// Scores by magnitude; none: random growth of this layer and update.
    pub score: Option<Vec<f32>>,
    pub seed: u64,
    pub update: u32,
}

/// The same after it, dense.
#[derive(Clone, Debug, PartialEq)]
pub struct After {
    pub active: Vec<bool>,
    pub explored: Vec<bool>,
    pub reliable: Vec<bool>,
    /// 0 where inactive.
    pub ages: Vec<u8>,
    pub weight: Vec<u32>,
    pub momentum: Vec<u32>,
    pub counters: Counters,
    pub index: reference::topology::Index,
}

pub fn to_bits(mask: &[bool]) -> Vec<u32> {
    mask.chunks(32).map(|chunk| chunk.iter().enumerate().map(|(i, &set)| u32::from(set) << i).sum()).collect()
}

pub fn to_mask(bits: &[u32], numel: usize) -> Vec<bool> {
    (0..numel).map(|i| bits[i / 32] >> (i % 32) & 1 == 1).collect()
}

/// The layer's number: any, the same for device and twin.
pub const LAYER: usize = 2;

impl Before {
    fn conv(&self) -> Conv {
        let [k, c, kernel] = self.shape;
        let padding = kernel / 2;
        let out = Conv::output_size(8, kernel, self.stride, padding).unwrap();
        Conv {
            input: Layout::new(c, 8, 8, padding, 4),
            output: Layout::new(k, out, out, Conv::output_halo(8, out, kernel, self.stride, padding), 4),
            kernel,
            stride: self.stride,
            padding,
        }
    }

    /// On the GPU.
    pub fn update(&self) -> After {
        let (conv, tuning, mut bench) = (self.conv(), tuning(), Bench::default());
        let numel = conv.numel();
        let list = |values: &[f32]| -> Vec<f32> {
            values.iter().zip(&self.active).filter(|(_, active)| **active).map(|(&v, _)| v).collect()
        };
        let values = list(&self.weight);
        let parts = SparseIndex::bytes(&conv, values.len(), &tuning);
        let [row_start, shift, column_start, column_entry, column_shift, groups] =
            parts.map(|bytes| bench.empty("index", bytes));
        let entries = values.len();
        let index = SparseIndex { entries, row_start, shift, column_start, column_entry, column_shift, groups };
        let mut ages: Vec<u8> =
            self.ages.iter().zip(&self.active).filter(|(_, set)| **set).map(|(&age, _)| age).collect();
        ages.resize(ages.len().next_multiple_of(16), 0);
        let layer = SparseLayer {
            conv,
            layer: LAYER,
            index,
            value: bench.upload("value", &values),
            momentum: bench.upload("momentum", &list(&self.momentum)),
            active: bench.upload("active", &to_bits(&self.active)),
            explored: bench.upload("explored", &to_bits(&self.explored)),
            reliable: bench.upload("reliable", &to_bits(&self.reliable)),
            initial: bench.upload("initial", &to_bits(&self.initial)),
            ages: bench.upload("ages", &ages).part(0, age_bytes(entries)),
        };
        let mut scratch = Scratch::new(&mut bench.buffers, numel, entries, LAYER + 1, true);
        scratch.wanted = bench.upload("wanted", &[Wanted::new(LAYER, entries, self.prune); LAYER + 1]);
        let scores = match &self.score {
            Some(score) => {
                scratch.score = bench.upload("score", score);
                Scores::Scratch
            }
            None => Scores::Random,
        };
        let run = bench.params(StepParams { seed: key(self.seed), update: self.update, ..StepParams::default() });
        let mut passes: Vec<Pass> = layer.index("layer", &tuning, &scratch);
        // Counters of the first index are not the update's.
        passes.push(Pass::Clear { label: "counters".into(), slice: scratch.counters });
        passes.extend(layer.update("layer", &tuning, &scratch, scores, run));
        let ran = bench.run(&passes);

        let mask = |slice| to_mask(&ran.read(slice), numel);
        let active = mask(layer.active);
        let spread = |slice| {
            let list: Vec<u32> = ran.read(slice);
            let mut entries = list.into_iter();
            active.iter().map(|&set| if set { entries.next().unwrap() } else { 0 }).collect()
        };
        let mut list = ran.read::<u8>(layer.ages).into_iter();
        let ages = active.iter().map(|&set| if set { list.next().unwrap() } else { 0 }).collect();
        let usizes = |slice, count: usize| -> Vec<usize> {
            ran.read::<u32>(slice)[..count].iter().map(|&v| v as usize).collect()
        };
        let counters: Vec<Counters> = ran.read(scratch.counters);
        assert_eq!(ran.read::<u32>(layer.active).len(), (bitset_bytes(numel).next_multiple_of(16) / 4) as usize);
        After {
            weight: spread(layer.value),
            momentum: spread(layer.momentum),
            explored: mask(layer.explored),
            reliable: mask(layer.reliable),
            ages,
            counters: counters[LAYER],
            index: reference::topology::Index {
                rows: usizes(row_start, self.shape[0] + 1),
                columns: usizes(column_start, conv.columns() + 1),
                entries: usizes(column_entry, entries),
            },
            active,
        }
    }

    /// In plain Rust.
    pub fn twin(&self) -> After {
        use reference::topology::{Layer, gradient_scores, index, random_scores, update};
        let [k, c, kernel] = self.shape;
        let score = match &self.score {
            Some(score) => gradient_scores(score),
            None => random_scores(self.seed, LAYER as u32, self.update, self.active.len()),
        };
        let mut layer = Layer {
            outputs: k,
            inputs: c,
            initial: self.initial.clone(),
            ages: self.ages.clone(),
            active: self.active.clone(),
            explored: self.explored.clone(),
            reliable: self.reliable.clone(),
            weight: self.weight.clone(),
            momentum: self.momentum.clone(),
        };
        let counters = update(&mut layer, &score, self.prune);
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect();
        After {
            counters,
            weight: bits(&layer.weight),
            momentum: bits(&layer.momentum),
            index: index(&layer.active, k, c, kernel, self.stride, kernel / 2),
            active: layer.active,
            explored: layer.explored,
            reliable: layer.reliable,
            ages: layer.ages,
        }
    }
}
