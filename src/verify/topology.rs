//! One topology update of one layer, compared with its reference bit for bit: sets, values, momentum, counters, both index orders.

use super::comparison::Comparison;
use super::harness::{Device, Harness};
use super::{bits, noise};
use crate::gpu::{Command, GpuError, Label, Slice};
use crate::ops::philox::key;
use crate::ops::topology::{Goes, RuleParams, Scratch, UpdateCounts, UpdateStats};
use crate::ops::{Conv, Layout, SparseTensor, StepParams, reference};
use crate::sparsity::growth::{Growth, Observed, Site};
use crate::sparsity::prune::{Prune, Weights};
use crate::sparsity::{Structure, Update};

/// A layer with a random set and random numbers.
#[derive(Clone, Debug)]
pub struct TopologyCase {
    /// `[k, c, kernel]`
    pub shape: [usize; 3],
    pub stride: usize,
    pub density: f32,
    /// Share of the active weights that is pruned, and of as many that is grown.
    pub rate: f64,
    pub regrow: f64,
    /// Values full of ties and zeros.
    pub coarse: bool,
    pub rule: &'static Prune,
    pub growth: &'static Growth,
    pub structure: Structure,
    pub seed: u64,
}

/// Weight `[k, c, kernel, kernel]` before an update. Sets and ages are of its positions.
#[derive(Clone, Debug)]
pub struct BeforeUpdate {
    pub shape: [usize; 3],
    pub stride: usize,
    /// One that the weight has.
    pub structure: Structure,
    /// For each position those of its block; 0 where it is inactive.
    pub weight: Vec<f32>,
    pub momentum: Vec<f32>,
    pub active: Vec<bool>,
    pub explored: Vec<bool>,
    pub reliable: Vec<bool>,
    pub initial: Vec<bool>,
    pub ages: Vec<u8>,
    /// How many active positions go, and how many are then activated, where the host counts.
    pub prune: usize,
    pub grow: usize,
    pub rule: &'static Prune,
    pub growth: &'static Growth,
    /// What the two are told.
    pub rules: RuleParams,
    /// The gradient of all weights (in dense order), and what the growth rule kept of earlier ones; empty where the rule needs none.
    pub gradient: Vec<f32>,
    pub state: Vec<f32>,
    pub seed: u64,
    pub update: u32,
}

/// The same after it, dense.
#[derive(Clone, Debug, PartialEq)]
pub struct AfterUpdate {
    pub active: Vec<bool>,
    pub explored: Vec<bool>,
    pub reliable: Vec<bool>,
    /// 0 where inactive.
    pub ages: Vec<u8>,
    pub weight: Vec<u32>,
    pub momentum: Vec<u32>,
    /// Largest bits of what lies behind the lists of values and momentum: zero.
    pub behind: u32,
    pub update_stats: UpdateStats,
    pub index: reference::topology::Index,
}

/// A bitset over the flat index as one flag a position.
pub fn to_mask(bits: &[u32], numel: usize) -> Vec<bool> {
    (0..numel).map(|i| bits[i / 32] >> (i % 32) & 1 == 1).collect()
}

/// The layer's number: any, the same for device and reference.
pub const LAYER: usize = 2;

/// SGD's momentum.
const MOMENTUM: f32 = 0.9;

/// Powers of two, so that a product added to a number is the same on processors that do both at once.
pub const RULES: RuleParams = RuleParams { rate: 0.25, threshold: 0.25, lambda: 0.5, mix: 0.5 };

impl BeforeUpdate {
    /// The layer that `case` describes.
    pub fn random(case: &TopologyCase) -> Self {
        let &TopologyCase { shape, stride, density, rate, regrow, coarse, rule, growth, structure, seed } = case;
        // Blocks and rows are pruned by counts of the host.
        let of_host = rule.goes == Goes::Share;
        let structure = if of_host { structure.of_layer(shape[0]) } else { Structure::Unstructured };
        let block = structure.block();
        // Weights, and their positions.
        let weights = shape[0] * shape[1] * shape[2] * shape[2];
        let numel = weights / block;
        let stream = seed as u32;
        let mut active: Vec<bool> = noise(stream, numel).iter().map(|v| (v + 1.0) / 2.0 < density).collect();
        if !active.contains(&true) {
            active[numel - 1] = true;
        }
        let rows = if structure == Structure::FanIn { shape[0] } else { 1 };
        if rows > 1 {
            let of_row = ((f64::from(density) * (numel / rows) as f64) as usize).clamp(1, numel / rows);
            active = reference::topology::init_fan_in_mask(seed, LAYER as u32, [rows, numel], rows * of_row);
        }
        let round = |v: f32| if coarse { (v * 3.0).round() / 3.0 } else { v };
        let values = |stream| noise(stream, weights).into_iter().map(round).collect::<Vec<f32>>();
        let of_active = |(at, w): (usize, f32)| if active[at / block] { w } else { 0.0 };
        let weight: Vec<f32> = values(stream + 1).into_iter().enumerate().map(of_active).collect();
        let explored = noise(stream + 2, numel).iter().zip(&active).map(|(&v, &a)| a || v > 0.5).collect();
        let reliable = noise(stream + 3, numel).iter().map(|&v| v > 0.8).collect();
        let entries = active.iter().filter(|&&a| a).count();
        let prune = if of_host { rows * crate::sparsity::prune_count(rate, entries / rows) } else { 0 };
        // Many of age 0, some at the end of what a byte holds.
        let age = |v: f32| if v < -0.4 { 0 } else { ((v + 0.4) * 200.0).min(255.0) as u8 };
        let ages = noise(stream + 7, numel).iter().zip(&active).map(|(&v, &a)| if a { age(v) } else { 0 }).collect();
        Self {
            shape,
            stride,
            structure,
            momentum: values(stream + 4),
            prune,
            // Rules that may grow more than they prune are bounded by what is free.
            grow: ((regrow * prune as f64) as usize).min(numel - entries + prune) / rows * rows,
            rule,
            growth,
            rules: RuleParams { rate: rate as f32, ..RULES },
            gradient: values(stream + 5),
            state: if growth.state { values(stream + 8) } else { Vec::new() },
            weight,
            active,
            explored,
            reliable,
            initial: noise(stream + 6, numel).iter().map(|&v| v > 0.3).collect(),
            ages,
            seed,
            update: stream % 7,
        }
    }

    fn conv(&self) -> Conv {
        let [k, c, kernel] = self.shape;
        let padding = kernel / 2;
        let out = (8 + 2 * padding - kernel) / self.stride + 1;
        Conv {
            input: Layout::new(c, 8, 8, padding, 4),
            output: Layout::new(k, out, out, Conv::output_halo(8, out, kernel, self.stride, padding), 4),
            kernel,
            stride: self.stride,
            padding,
            block: self.structure.block(),
        }
    }

    /// On the GPU.
    pub async fn update(&self, device: &Device) -> Result<AfterUpdate, GpuError> {
        let (conv, tuning, mut harness) = (self.conv(), &device.tuning, Harness::default());
        let (numel, block) = (conv.positions(), conv.block);
        let list = |values: &[f32]| -> Vec<f32> {
            values
                .chunks(block)
                .zip(&self.active)
                .filter(|(_, active)| **active)
                .flat_map(|(v, _)| v)
                .copied()
                .collect()
        };
        let entries = self.active.iter().filter(|&&set| set).count();
        // More than there will be, so that lists have an end to keep zero.
        let capacity = (entries.max(entries - self.prune + self.grow) + self.seed as usize % 7).min(numel);
        let mut ages: Vec<u8> =
            self.ages.iter().zip(&self.active).filter(|(_, set)| **set).map(|(&age, _)| age).collect();
        ages.resize(ages.len().next_multiple_of(4), 0);
        let mut scratch = Scratch::new(&mut harness.buffers, &[conv], capacity * block, LAYER + 1, true);
        let fan_in = self.structure == Structure::FanIn;
        let tensor = SparseTensor::alone(&mut harness.buffers, conv, (LAYER, capacity, fan_in), tuning);
        harness.write(tensor.value, &list(&self.weight));
        harness.write(tensor.momentum, &list(&self.momentum));
        harness.write(tensor.ages, &ages);
        for (slice, set) in [
            (tensor.active, &self.active),
            (tensor.explored, &self.explored),
            (tensor.reliable, &self.reliable),
            (tensor.initial, &self.initial),
        ] {
            harness.write(slice, &bits(set));
        }
        let counts = UpdateCounts::new(LAYER, entries - self.prune, self.grow);
        let counts = UpdateCounts { rules: self.rules, ..counts };
        scratch.update_counts = harness.upload("update counts", &[counts; LAYER + 1]);
        harness.write(scratch.dense, &self.gradient);
        harness.write(scratch.threshold, &[self.rules.threshold]);
        harness.write(tensor.grad, &list(&self.list_gradient()));
        let state = self.growth.state.then(|| harness.upload("growth state", &self.state));
        let state = state.map(|state| state.part(0, self.growth.state_bytes(conv.numel())));
        let params =
            StepParams { seed: key(self.seed), update: self.update, momentum: MOMENTUM, ..StepParams::default() };
        let site = Site { label: "layer", tensor: &tensor, scratch: &scratch, state, run: harness.params(params) };
        let mut commands: Vec<Command> = tensor.index("layer", tuning, &scratch);
        // What the first index counts is not the update's.
        let threshold = if fan_in { u32::MAX } else { 0 };
        let fresh = UpdateStats { threshold, ..UpdateStats::default() };
        let fresh = harness.upload("fresh counters", &[fresh; LAYER + 1]);
        commands.push(Command::copy(Label::other("update stats"), fresh, scratch.update_stats));
        commands.extend((self.growth.observe)(&site));
        let update = Update::new(self.rule, self.growth);
        commands.extend(update.count(&site));
        commands.extend(update.commands(&site, tuning));
        let ran = harness.run(&device.gpu, &commands).await?;

        let mask = async |slice: Slice| Ok::<_, GpuError>(to_mask(&ran.read(slice).await?, numel));
        let active = mask(tensor.active).await?;
        let left = active.iter().filter(|&&set| set).count();
        let [values, momenta] = [ran.read::<u32>(tensor.value).await?, ran.read::<u32>(tensor.momentum).await?];
        let dense = |list: &[u32]| {
            let mut list = list.iter().copied();
            let of_block = |set: bool| (0..block).map(move |_| set);
            let of_weights = active.iter().flat_map(|&set| of_block(set));
            of_weights.map(|set| if set { list.next().unwrap_or(u32::MAX) } else { 0 }).collect::<Vec<_>>()
        };
        let mut list = ran.read::<u8>(tensor.ages).await?.into_iter();
        let ages = active.iter().map(|&set| if set { list.next().unwrap_or(0) } else { 0 }).collect();
        let usizes = async |slice: Slice, count: usize| {
            let words = ran.read::<u32>(slice).await?;
            Ok::<_, GpuError>(words.iter().take(count).map(|&v| v as usize).collect::<Vec<_>>())
        };
        let update_stats: Vec<UpdateStats> = ran.read(scratch.update_stats).await?;
        Ok(AfterUpdate {
            weight: dense(&values),
            momentum: dense(&momenta),
            behind: values
                .iter()
                .skip(left * block)
                .chain(momenta.iter().skip(left * block))
                .copied()
                .max()
                .unwrap_or(0),
            explored: mask(tensor.explored).await?,
            reliable: mask(tensor.reliable).await?,
            ages,
            update_stats: update_stats[LAYER],
            index: reference::topology::Index {
                rows: usizes(tensor.rows.start, conv.rows() + 1).await?,
                columns: usizes(tensor.columns.start, conv.columns() + 1).await?,
                entries: usizes(tensor.columns.entry, left).await?,
            },
            active,
        })
    }

    /// What the prune leaves by `keys`, and how many then grow.
    fn kept(&self, layer: &reference::topology::Layer, keys: &[f32]) -> (Vec<bool>, usize) {
        use reference::topology::{keep, prune};
        if self.rule.goes == Goes::Share {
            return (keep(layer, keys, self.prune), self.grow);
        }
        let of = |set: &[bool]| (0..set.len()).filter(|&i| set[i]).map(|i| self.weight[i]).collect::<Vec<_>>();
        let counts = reference::topology_counts::keep(self.rule.goes, &of(&self.active), &self.rules);
        let by_sign = self.rule.goes == Goes::ShareOfEachSign;
        let side = |negative: bool, count: usize| {
            let own = |i: usize| self.active[i] && (!by_sign || self.weight[i].is_sign_negative() == negative);
            let own: Vec<bool> = (0..self.active.len()).map(own).collect();
            prune(keys, &own, of(&own).len() - count)
        };
        let positive = side(false, counts[0]);
        let kept = match by_sign {
            true => positive.iter().zip(side(true, counts[1])).map(|(&a, b)| a || b).collect(),
            false => positive,
        };
        (kept, of(&self.active).len() - counts[0] - counts[1])
    }

    /// The gradient in the order of the weights' lists, for all positions.
    fn list_gradient(&self) -> Vec<f32> {
        let [_, c, kernel] = self.shape;
        reference::topology::in_blocks(&self.gradient, c * kernel * kernel, self.structure.block())
    }

    /// In plain Rust.
    pub fn reference(&self) -> AfterUpdate {
        use reference::topology::{Layer, block_magnitudes, index, update_to};
        let [k, c, kernel] = self.shape;
        let block = self.structure.block();
        let rows = k / block;
        let mut layer = Layer {
            outputs: rows,
            inputs: c,
            block,
            fan_in: self.structure == Structure::FanIn,
            initial: self.initial.clone(),
            ages: self.ages.clone(),
            active: self.active.clone(),
            explored: self.explored.clone(),
            reliable: self.reliable.clone(),
            weight: self.weight.clone(),
            momentum: self.momentum.clone(),
        };
        let of_weights = Weights { weight: &layer.weight, gradient: &self.list_gradient(), lambda: self.rules.lambda };
        let keys = block_magnitudes(&(self.rule.reference)(&of_weights), block);
        let (kept, grow) = self.kept(&layer, &keys);
        let score = (self.growth.reference)(&Observed {
            seed: self.seed,
            layer: LAYER as u32,
            update: self.update,
            gradient: &self.gradient,
            state: &self.state,
            explored: &self.explored,
            kept: &kept,
            grow,
            rows: if layer.fan_in { rows } else { 1 },
            mix: self.rules.mix,
            momentum: MOMENTUM,
            positions: self.active.len(),
            block,
            length: c * kernel * kernel,
        });
        let update_stats = update_to(&mut layer, (&keys, &kept), &score, grow);
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect();
        AfterUpdate {
            update_stats,
            behind: 0,
            weight: bits(&layer.weight),
            momentum: bits(&layer.momentum),
            index: index(&layer.active, rows, c, kernel, self.stride, kernel / 2),
            active: layer.active,
            explored: layer.explored,
            reliable: layer.reliable,
            ages: layer.ages,
        }
    }

    /// The two beside each other.
    pub async fn compare(&self, device: &Device) -> Result<Vec<Comparison>, GpuError> {
        let (got, wanted) = (self.update(device).await?, self.reference());
        let (prune, growth) = (self.rule.name, self.growth.name);
        let mut select = vec!["rank_count", "scan", "rank_write"];
        match self.structure {
            Structure::FanIn => select.push("select_rows"),
            _ => select.extend(["select_histogram", "select_pick", "select_apply"]),
        }
        select.extend((self.structure.block() > 1).then_some("block_magnitudes"));
        select.extend(self.rule.shader.into_iter().chain(self.growth.shader));
        let update = Update::new(self.rule, self.growth);
        select.extend(update.counts_on_gpu().then_some("topology_counts"));
        let exact = |kernels: &[&'static str], what: &str, got: &[u32], wanted: &[u32]| {
            Comparison::exact(
                kernels,
                &format!("{prune} prune, {growth} growth, {}, {what}", self.structure),
                got,
                wanted,
            )
        };
        let set = |mask: &[bool]| bits(mask);
        let index = |part: &[usize]| part.iter().map(|&v| v as u32).collect::<Vec<_>>();
        let ages = |ages: &[u8]| ages.iter().map(|&age| u32::from(age)).collect::<Vec<_>>();
        // The one number that is not an integer is a sum in another order.
        let counters = |c: &UpdateStats| {
            bytemuck::cast_slice::<UpdateStats, u32>(&[UpdateStats { young_magnitude: 0, ..*c }]).to_vec()
        };
        let young = |c: &UpdateStats| f32::from_bits(c.young_magnitude);
        let (g, w) = (&got, &wanted);
        Ok(vec![
            exact(&select, "active set", &set(&g.active), &set(&w.active)),
            exact(&["topology_stats"], "explored", &set(&g.explored), &set(&w.explored)),
            exact(&["topology_stats"], "reliable", &set(&g.reliable), &set(&w.reliable)),
            exact(&["topology_ages"], "ages", &ages(&g.ages), &ages(&w.ages)),
            exact(
                &["topology_stats", "topology_inputs", "index_rows"],
                "counters",
                &counters(&g.update_stats),
                &counters(&w.update_stats),
            ),
            Comparison::close(
                &["topology_growth"],
                &format!("{growth} growth, magnitude of what was grown"),
                &[young(&g.update_stats)],
                &[f64::from(young(&w.update_stats))],
                1e-5,
            ),
            exact(&["topology_move"], "ends of the lists", &[g.behind], &[w.behind]),
            exact(&["topology_move"], "values", &g.weight, &w.weight),
            exact(&["topology_move"], "momentum", &g.momentum, &w.momentum),
            exact(&["index_rows"], "row starts", &index(&g.index.rows), &index(&w.index.rows)),
            exact(&["index_columns", "scan"], "column starts", &index(&g.index.columns), &index(&w.index.columns)),
            exact(&["index_columns"], "column entries", &index(&g.index.entries), &index(&w.index.entries)),
        ])
    }
}
