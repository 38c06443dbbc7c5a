//! What a step would take on GPUs that are not here: the loads of each kernel, from plan, index and the order of the workgroups,
//! go through caches of the GPU's sizes, and the slowest of its resources gives the time. All of it is **predicted**.
//!
//! Left out are launches, stores' detours, conflicts of banks, registers beyond those of the model's number of resident
//! invocations (but of dense weight gradients, which keep many sums), and the compilers' code (`cargo xtask isa` has that).

mod cache;
mod gpus;
mod processor;
mod ranks;
mod replay;
mod sums;
mod trace;

use std::collections::HashMap;

use crate::gpu::{Command, Kernel, Kind, Label, Slice};
use crate::model::{Graph, Op};
use crate::ops::Conv;
use crate::ops::reference::topology::{Index, index};
use crate::plan::{LayerPlan, Plan};
use crate::sparsity::init::random_set;

pub use gpus::{GPUS, GpuModel, model_of};
pub use processor::{Processor, ProcessorError};
pub use ranks::rank_correlation;
pub use replay::{Loads, Recorded, Times, record, take_turns};

use cache::Cache;
use trace::Workgroup;

/// What a kernel asks of each resource.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Bytes that invocations load, and those of them that come from the cache that all share, and from memory; stores are in
    /// the last two.
    pub asked: f64,
    pub from_l2: f64,
    pub from_memory: f64,
    /// Multiply-adds in `f32`, and how many of them are done at once: few invocations, or subgroups with idle lanes, leave a part
    /// of a GPU idle.
    pub multiply_adds: f64,
    pub lanes: f64,
    /// Bytes of the sectors that the busiest processor's first cache delivers (of each load all that it touches), and clocks that
    /// its workgroups wait for, one after the other.
    pub busiest: f64,
    pub waits: f64,
}

/// What bounds a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    MultiplyAdds,
    L1,
    L2,
    Memory,
    /// Too few workgroups to hide how long a load takes.
    Latency,
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Bound::MultiplyAdds => "multiply-adds",
            Bound::L1 => "L1",
            Bound::L2 => "L2",
            Bound::Memory => "memory",
            Bound::Latency => "latency",
        })
    }
}

impl Work {
    /// Seconds that each resource of `gpu` takes.
    pub fn seconds(&self, gpu: &GpuModel) -> [(Bound, f64); 5] {
        [
            (Bound::MultiplyAdds, self.multiply_adds / (self.lanes.max(1.0) * gpu.clock)),
            (Bound::L1, self.busiest / (gpu.l1_bandwidth * gpu.clock)),
            (Bound::L2, self.from_l2 / gpu.l2_bandwidth),
            (Bound::Memory, self.from_memory / gpu.memory_bandwidth),
            (Bound::Latency, self.waits / gpu.clock),
        ]
    }

    /// What takes longest, and how long.
    pub fn bound(&self, gpu: &GpuModel) -> (Bound, f64) {
        let all = self.seconds(gpu);
        all.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).expect("there are five")
    }
}

/// A dispatch of a step.
#[derive(Clone, Debug)]
pub struct Prediction {
    pub label: Label,
    pub kernel: Kernel,
    pub work: Work,
}

/// Loads that a round of a kernel waits for one after the other: the weight and its place, then what it multiplies.
const CHAIN: f64 = 2.0;

/// Runs `count` workgroups of `size` invocations through the caches of `gpu`, in order: as many as fit are on each processor at
/// once and take turns. `seen` is given each piece that is read, address and bytes.
fn simulate<'a>(
    gpu: &GpuModel,
    count: u64,
    size: usize,
    open: impl Fn(u64) -> Workgroup<'a>,
    mut seen: impl FnMut(u64, u64),
) -> Work {
    let resident = (gpu.resident / size).max(1);
    let mut l1: Vec<Cache> = vec![Cache::new(gpu.l1, gpu.line, gpu.sector); gpu.processors];
    let mut l2 = Cache::new(gpu.l2, gpu.line, gpu.sector);
    let mut next = 0..count;
    let mut places: Vec<Vec<Workgroup>> = (0..gpu.processors).map(|_| Vec::new()).collect();
    for _ in 0..resident {
        for on in &mut places {
            on.extend(next.next().map(&open));
        }
    }
    let mut asked = 0;
    let mut delivered = vec![0u64; gpu.processors];
    let mut waits = vec![0.0; gpu.processors];
    let (mut from_l2, mut from_memory) = (0, 0);
    while places.iter().any(|on| !on.is_empty()) {
        for (processor, on) in places.iter_mut().enumerate() {
            let mut at = 0;
            let mut longest: f64 = 0.0;
            while at < on.len() {
                let mut missed = false;
                let goes_on = on[at](&mut |address, bytes| {
                    seen(address, bytes);
                    asked += bytes;
                    delivered[processor] += l1[processor].read(address, bytes, |address, bytes| {
                        missed = true;
                        from_l2 += bytes;
                        l2.read(address, bytes, |_, bytes| from_memory += bytes);
                    });
                });
                if goes_on {
                    longest = longest.max(if missed { gpu.l2_latency } else { gpu.l1_latency });
                    at += 1;
                } else if let Some(number) = next.next() {
                    on[at] = open(number);
                } else {
                    drop(on.swap_remove(at));
                }
            }
            waits[processor] += CHAIN * longest;
        }
    }
    Work {
        asked: asked as f64,
        from_l2: from_l2 as f64,
        from_memory: from_memory as f64,
        multiply_adds: 0.0,
        lanes: gpu.lanes_at_work(count, size),
        busiest: delivered.into_iter().max().unwrap_or(0) as f64,
        waits: waits.into_iter().fold(0.0, f64::max),
    }
}

/// A layer with an active set.
struct Layer<'a> {
    plan: &'a LayerPlan,
    index: Index,
    /// `(row, in, r, s)` of each entry.
    weights: Vec<[usize; 4]>,
}

impl<'a> Layer<'a> {
    /// With as many active weights as `plan` says, at random.
    fn new(plan: &'a LayerPlan, number: usize) -> Self {
        let Conv { input, kernel, stride, padding, .. } = plan.conv;
        let (positions, rows) = (plan.conv.positions(), plan.conv.rows());
        let bits = match plan.sparse {
            Some(_) => random_set(1, number, (positions, 1), plan.entries(plan.active)),
            None => vec![u32::MAX; positions.div_ceil(32)],
        };
        let active: Vec<bool> = (0..positions).map(|at| bits[at / 32] >> (at % 32) & 1 == 1).collect();
        let place = |at: usize| {
            let (channel, tap) = (at / (kernel * kernel), at % (kernel * kernel));
            [channel / input.channels, channel % input.channels, tap / kernel, tap % kernel]
        };
        let weights = (0..positions).filter(|&at| active[at]).map(place).collect();
        Self { plan, index: index(&active, rows, input.channels, kernel, stride, padding), weights }
    }

    /// The rows that `kernel` reads (none, if it is dense), if it is a kernel whose loads are known.
    fn rows(&self, label: &Label, kernel: &Kernel) -> Option<trace::Rows> {
        if !trace::is_known(kernel) {
            return None;
        }
        if !trace::is_sparse(kernel) {
            return Some(trace::Rows::default());
        }
        let conv = &self.plan.conv;
        let transposed = (label.kind == Kind::GradInput).then(|| [conv.stride, conv.padding, conv.lead()]);
        Some(trace::Rows::of(kernel, transposed, &self.index, &self.weights))
    }

    /// Multiply-adds of a pass that multiplies by `weights` weights.
    fn multiply_adds(&self, weights: usize) -> f64 {
        (weights * self.plan.conv.output.pixels() * self.plan.conv.output.images) as f64
    }
}

/// The layer of `plan` whose convolution is `node`.
fn layer_of(graph: &Graph, plan: &Plan, node: &str) -> Option<usize> {
    match graph.nodes.iter().find(|one| one.name == node)?.op {
        Op::Conv { weight, .. } => plan.layers.iter().position(|layer| layer.param == weight),
        _ => None,
    }
}

/// What each dispatch of `commands`, a step of `plan`, asks of `gpu`. Layers that are alike are looked at once. The caches see
/// the convolutions alone, and of these neither the naive kernels nor those of matrices: all other kernels are taken to read or
/// write each number that they are given once.
pub fn predict(graph: &Graph, plan: &Plan, commands: &[Command], gpu: &GpuModel) -> Vec<Prediction> {
    let layers: Vec<Layer> = plan.layers.iter().enumerate().map(|(number, layer)| Layer::new(layer, number)).collect();
    let mut known: HashMap<String, Work> = HashMap::new();
    let mut all = Vec::new();
    for command in commands {
        let (label, kernel, bindings, grid) = match command {
            Command::Dispatch { label, kernel, bindings, workgroups } => (label, kernel, bindings, *workgroups),
            Command::Copy { .. } | Command::Clear { .. } => continue,
        };
        let layer = layer_of(graph, plan, &label.node).map(|layer| &layers[layer]);
        let sizes: Vec<u64> = bindings.iter().map(|slice| slice.bytes).collect();
        let key =
            format!("{kernel} {:?} {grid:?} {sizes:?} {:?}", kernel.constants, layer.map(|layer| layer.plan.active));
        let work = *known.entry(key).or_insert_with(|| work(layer, (label, kernel), bindings, grid, gpu));
        all.push(Prediction { label: label.clone(), kernel: kernel.clone(), work });
    }
    all
}

fn work(
    layer: Option<&Layer>,
    (label, kernel): (&Label, &Kernel),
    bindings: &[Slice],
    grid: [u32; 3],
    gpu: &GpuModel,
) -> Work {
    // The last binding that is no bias is written.
    let result = match kernel.shader {
        "conv_block_gather" => 4,
        "conv_sparse_gather" => 3,
        shader if shader.starts_with("conv_sparse") => 5,
        _ => 2,
    };
    let Some((layer, rows)) = layer.and_then(|layer| Some((layer, layer.rows(label, kernel)?))) else {
        // Each number that is bound is read or written once.
        let bytes = bindings.iter().map(|slice| slice.bytes).sum::<u64>() as f64;
        return Work {
            asked: bytes,
            from_l2: bytes,
            from_memory: bytes,
            busiest: bytes / gpu.processors as f64,
            ..Work::default()
        };
    };
    let mut work = simulate_kernel(gpu, kernel, grid, &rows, |_, _| ());
    let stored = bindings.get(result).map_or(0, |slice| slice.bytes) as f64;
    work.multiply_adds =
        layer.multiply_adds(if trace::is_sparse(kernel) { layer.plan.active } else { layer.plan.numel });
    work.from_l2 += stored;
    work.from_memory += stored;
    work
}

/// What the loads of `kernel`, one that [`Layer::rows`] knows, ask of `gpu`.
fn simulate_kernel(
    gpu: &GpuModel,
    kernel: &Kernel,
    grid: [u32; 3],
    rows: &trace::Rows,
    seen: impl FnMut(u64, u64),
) -> Work {
    let count = grid.iter().map(|&size| u64::from(size)).product();
    let gpu = gpu.with_registers(sums::registers(kernel).unwrap_or(0));
    simulate(&gpu, count, kernel.workgroup_size() as usize, trace::workgroups(kernel, grid, rows), seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::trial::Candidate;
    use crate::plan::PlanInput;
    use crate::sparsity::{Distribution, Structure};

    /// Two processors with a first cache of 16 lines.
    const SMALL: GpuModel = GpuModel { processors: 2, l1: 2048, resident: 64, ..GPUS[0] };

    /// A gather over four pixels of a row of 32 images, in one workgroup of two rows.
    pub(super) fn gather() -> Kernel {
        let defines = [("WG", 64), ("GROUP", 2), ("ROW", 1), ("UNROLL", 2), ("LANES", 8), ("QUADS", 1)];
        let kernel =
            defines.into_iter().fold(Kernel::new("conv_sparse_gather"), |k, (name, value)| k.define(name, value));
        let constants = [("IN_ORIGIN", 0), ("IN_BLOCK", 288), ("IN_PLANE", 144), ("IN_ROW", 48), ("GRID_W", 4)];
        let more = [("IN_STEP_Y", 48), ("IN_STEP_X", 8), ("OUT_STEP", 1), ("OUT_H", 1), ("OUT_W", 4)];
        constants.into_iter().chain(more).fold(kernel, |k, (name, value)| k.set(name, value))
    }

    #[test]
    fn bytes_are_as_counted_by_hand() {
        let kernel = gather();
        // Row 0 multiplies the first pixel of both channels, row 1 the second pixel of the first channel.
        let rows = trace::Rows { start: vec![0, 2, 3], shift: vec![0, 144, 8] };
        let work = simulate(&SMALL, 1, 64, trace::sparse_gather(&kernel, [1, 1, 1], &rows), |_, _| ());
        // Three times four pixels of 128 bytes, and two rounds of two weights. The third reads three pixels of the first again.
        assert_eq!(work.asked, f64::from(3 * 512 + 2 * 16));
        assert_eq!((work.from_l2, work.from_memory), (f64::from(2 * 512 + 128 + 32), f64::from(2 * 512 + 128 + 32)));
        // One round of loads that missed, and one that finds the end.
        assert_eq!(work.waits, CHAIN * SMALL.l2_latency);
    }

    #[test]
    fn what_one_processor_has_another_must_fetch() {
        let kernel = gather();
        let rows = trace::Rows { start: vec![0, 1, 1, 2, 2], shift: vec![0, 0] };
        let work = simulate(&SMALL, 2, 64, trace::sparse_gather(&kernel, [2, 1, 1], &rows), |_, _| ());
        // From the cache that both share the second time; the weights of both lie in one sector.
        assert_eq!((work.from_l2, work.from_memory), (f64::from(2 * (512 + 32)), f64::from(512 + 32)));
        // The weights of each are half a sector.
        assert_eq!(work.busiest, f64::from(512 + 32));
    }

    /// What a layer of 64 channels at 32×32 is predicted to take: rows that share a workgroup need a fraction of the bytes.
    #[test]
    fn grouped_rows_fetch_less() {
        let graph = crate::model::build("resnet8", 10, crate::model::Shape::new(3, 32, 32)).unwrap();
        let gpu = &GPUS[0];
        let densities = Distribution::Erk.densities(&graph, 0.1).unwrap();
        let numels = graph.prunable().map(|(_, param)| param.numel());
        let active: Vec<usize> = densities.iter().zip(numels).map(|(d, numel)| (d * numel as f64) as usize).collect();
        let plan = |tuning| {
            let input = PlanInput {
                graph: &graph,
                batch: 128,
                storage: crate::ops::Storage::F32,
                active: active.clone(),
                least: active.clone(),
                capacity: active.clone(),
                structure: Structure::Unstructured,
                update: None,
                nesterov: false,
                augment: None,
                images: 128,
                tuning,
                max_binding: 1 << 30,
                max_buffer: 1 << 30,
            };
            Plan::compile(&input).unwrap()
        };
        let tuning = gpu.tuning();
        let layer =
            plan(tuning.clone()).layers.into_iter().find(|layer| layer.name.contains("layer1.0.conv1")).unwrap();
        let of = |name: &str| {
            let candidate = Candidate::all(&layer.conv, &tuning, Some(layer.active))
                .concat()
                .into_iter()
                .find(|one| one.name() == name)
                .unwrap_or_else(|| panic!("no {name}"));
            let mut choice = tuning.choice(&layer.conv, layer.density());
            candidate.put(&mut choice);
            let mut tuning = tuning.clone();
            tuning.measured = [(crate::ops::Tuning::key(&layer.conv, layer.density()), choice)]
                .into_iter()
                .collect::<std::collections::BTreeMap<_, _>>()
                .into();
            let plan = plan(tuning);
            let mine = |one: &&Command| one.label().node == "layer1.0.conv1" && one.label().kind == Kind::Forward;
            let commands: Vec<Command> = plan.train.iter().filter(mine).cloned().collect();
            let all = predict(&graph, &plan, &commands, gpu);
            assert_eq!(all.len(), 2, "packing and the gather");
            let gather = all[1].work;
            // Each active weight multiplies each pixel of each image, and loads four bytes to do so.
            let pixels = (layer.conv.output.pixels() * layer.conv.output.images) as f64;
            assert_eq!(gather.multiply_adds, layer.active as f64 * pixels);
            assert!(gather.asked > 4.0 * gather.multiply_adds && gather.asked < 4.6 * gather.multiply_adds);
            gather
        };
        let [alone, grouped] = ["forward sparse 1x2 unroll 4", "forward sparse 16x2 unroll 4"].map(of);
        assert!(alone.from_l2 > 2.0 * grouped.from_l2, "{} and {}", alone.from_l2, grouped.from_l2);
    }
}
