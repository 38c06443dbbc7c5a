//! What a step would take on GPUs that are not here: the loads of each kernel, from plan, index and the order of the workgroups,
//! go through caches of the GPU's sizes, and the slowest of its resources gives the time. All of it is **predicted**.
//!
//! Left out are launches, stores' detours, conflicts of banks, registers beyond those of the model's number of resident
//! invocations, and the compilers' code (`cargo xtask isa` has that).

mod cache;
mod gpus;
mod trace;

use std::collections::HashMap;

use crate::gpu::{Command, Kernel, Kind, Label, Slice};
use crate::model::{Graph, Op};
use crate::ops::Conv;
use crate::ops::reference::topology::{Index, index};
use crate::plan::{LayerPlan, Plan};
use crate::sparsity::init::random_set;

pub use cache::Cache;
pub use gpus::{GPUS, GpuModel};
pub use trace::Workgroup;

/// What a kernel asks of each resource.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Bytes that invocations load, and those of them that come from the cache that all share, and from memory; stores are in
    /// the last two.
    pub asked: f64,
    pub from_l2: f64,
    pub from_memory: f64,
    /// Multiply-adds in `f32`.
    pub multiply_adds: f64,
    /// Bytes that the busiest processor's invocations load, and clocks that its workgroups wait for, one after the other.
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
            (Bound::MultiplyAdds, self.multiply_adds / (gpu.processors as f64 * gpu.multiply_adds * gpu.clock)),
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
/// once and take turns.
pub fn simulate<'a>(gpu: &GpuModel, count: u64, size: usize, open: impl Fn(u64) -> Workgroup<'a>) -> Work {
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
    let mut asked = vec![0u64; gpu.processors];
    let mut waits = vec![0.0; gpu.processors];
    let (mut from_l2, mut from_memory) = (0, 0);
    while places.iter().any(|on| !on.is_empty()) {
        for (processor, on) in places.iter_mut().enumerate() {
            let mut at = 0;
            let mut longest: f64 = 0.0;
            while at < on.len() {
                let mut missed = false;
                let goes_on = on[at](&mut |address, bytes| {
                    asked[processor] += bytes;
                    l1[processor].read(address, bytes, |address, bytes| {
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
        asked: asked.iter().sum::<u64>() as f64,
        from_l2: from_l2 as f64,
        from_memory: from_memory as f64,
        multiply_adds: 0.0,
        busiest: asked.iter().max().copied().unwrap_or(0) as f64,
        waits: waits.into_iter().fold(0.0, f64::max),
    }
}

/// A layer with an active set.
struct Layer<'a> {
    plan: &'a LayerPlan,
    index: Index,
    /// `(out, in, r, s)` of each active weight.
    weights: Vec<[usize; 4]>,
}

impl<'a> Layer<'a> {
    /// With as many active weights as `plan` says, at random.
    fn new(plan: &'a LayerPlan, number: usize) -> Self {
        let Conv { input, output, kernel, stride, padding } = plan.conv;
        let bits = match plan.sparse {
            Some(_) => random_set(1, number, plan.numel, plan.active),
            None => vec![u32::MAX; plan.numel.div_ceil(32)],
        };
        let active: Vec<bool> = (0..plan.numel).map(|at| bits[at / 32] >> (at % 32) & 1 == 1).collect();
        let place = |at: usize| {
            let (channel, tap) = (at / (kernel * kernel), at % (kernel * kernel));
            [channel / input.channels, channel % input.channels, tap / kernel, tap % kernel]
        };
        let weights = (0..plan.numel).filter(|&at| active[at]).map(place).collect();
        Self { plan, index: index(&active, output.channels, input.channels, kernel, stride, padding), weights }
    }

    fn rows(&self, kernel: &Kernel, transposed: bool) -> trace::Rows {
        let conv = &self.plan.conv;
        let transposed = transposed.then(|| [conv.stride, conv.padding, conv.lead()]);
        trace::Rows::of(kernel, transposed, &self.index, &self.weights)
    }

    /// Multiply-adds of a pass that multiplies by `weights` weights.
    fn multiply_adds(&self, weights: usize) -> f64 {
        (weights * self.plan.conv.output.pixels() * self.plan.conv.output.images) as f64
    }
}

/// What each dispatch of `commands`, a step of `plan`, asks of `gpu`. Layers that are alike are looked at once.
pub fn predict(graph: &Graph, plan: &Plan, commands: &[Command], gpu: &GpuModel) -> Vec<Prediction> {
    let weight_of = |node: &str| match graph.nodes.iter().find(|one| one.name == node)?.op {
        Op::Conv { weight, .. } => plan.layers.iter().position(|layer| layer.param == weight),
        _ => None,
    };
    let layers: Vec<Layer> = plan.layers.iter().enumerate().map(|(number, layer)| Layer::new(layer, number)).collect();
    let mut known: HashMap<String, Work> = HashMap::new();
    let mut all = Vec::new();
    for command in commands {
        let (label, kernel, bindings, grid) = match command {
            Command::Dispatch { label, kernel, bindings, workgroups } => (label, kernel, bindings, *workgroups),
            Command::Copy { .. } | Command::Clear { .. } => continue,
        };
        let layer = weight_of(&label.node).map(|layer| &layers[layer]);
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
    let count = grid.iter().map(|&size| u64::from(size)).product();
    let size = kernel.workgroup_size() as usize;
    // The last binding that is no bias is written.
    let written = |at: usize| bindings.get(at).map_or(0, |slice| slice.bytes) as f64;
    let (mut work, multiply_adds, stored) = match (layer, kernel.shader) {
        (Some(layer), "conv_sparse_gather") => {
            let rows = layer.rows(kernel, label.kind == Kind::GradInput);
            let work = simulate(gpu, count, size, trace::sparse_gather(kernel, grid, &rows));
            (work, layer.multiply_adds(layer.plan.active), written(3))
        }
        (Some(layer), "conv_dense_gather") => {
            let work = simulate(gpu, count, size, trace::dense_gather(kernel, grid));
            (work, layer.multiply_adds(layer.plan.numel), written(2))
        }
        (Some(layer), shader) if shader.starts_with("conv_sparse_grad_weight") => {
            let rows = layer.rows(kernel, false);
            let work = match shader {
                "conv_sparse_grad_weight_pixels" => {
                    simulate(gpu, count, size, trace::sparse_pixels(kernel, grid, &rows))
                }
                _ => simulate(gpu, count, size, trace::sparse_sums(kernel, grid, &rows)),
            };
            (work, layer.multiply_adds(layer.plan.active), written(5))
        }
        (Some(layer), shader) if shader.starts_with("conv_dense_grad_weight") => {
            let work = simulate(gpu, count, size, trace::dense_sums(kernel, grid));
            (work, layer.multiply_adds(layer.plan.numel), written(2))
        }
        // Each number that is bound is read or written once.
        _ => {
            let bytes = bindings.iter().map(|slice| slice.bytes).sum::<u64>() as f64;
            let busiest = bytes / gpu.processors as f64;
            (Work { asked: bytes, from_l2: bytes, from_memory: bytes, busiest, ..Work::default() }, 0.0, 0.0)
        }
    };
    work.multiply_adds = multiply_adds;
    work.from_l2 += stored;
    work.from_memory += stored;
    work
}
