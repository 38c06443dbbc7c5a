//! Whether an adapter computes what the CPU references compute: every kernel and every candidate on small fixed shapes, then ten
//! training steps. `itop verify` shows it to people; the tests run the same cases on random shapes.

mod augment;
mod comparison;
mod conv;
mod grid;
mod harness;
mod network;
mod pointwise;
mod reference;
mod simple;
mod topology;
mod topology_map;
mod topology_shares;

pub use augment::AugmentCase;
pub use comparison::Comparison;
pub use conv::{ConvCase, Pick};
pub use grid::GridCase;
pub use harness::{Device, Harness, Outputs};
pub use network::{Input, training};
pub use pointwise::PointwiseCase;
pub use reference::Reference;
pub use simple::{FlattenCase, KNOWN_ANSWERS, LossCase, PoolCase, SgdCase, philox};
pub use topology::{AfterUpdate, BeforeUpdate, LAYER, TopologyCase, to_mask};
pub use topology_map::MapCase;
pub use topology_shares::{ListCase, SharesCase};

use crate::gpu::{Gpu, GpuError};
use crate::ops::Storage;
use crate::ops::augment::Padding;
use crate::ops::philox::{Purpose, unit, word};
use crate::ops::pool::{Pool, PoolKind};
use crate::ops::topology::map::Grid;
use crate::sparsity::{Structure, growth, prune};

/// Something to run beside its reference.
#[derive(Clone, Debug)]
pub enum Case {
    Philox,
    Grid(GridCase),
    Topology(TopologyCase),
    Map(MapCase),
    Shares(SharesCase),
    List(ListCase),
    Augment(AugmentCase),
    Conv(ConvCase),
    Pointwise(PointwiseCase),
    Pool(PoolCase),
    Flatten(FlattenCase),
    Loss(LossCase),
    Sgd(SgdCase),
    Training(Input),
}

impl Case {
    pub async fn compare(&self, device: &Device) -> Result<Vec<Comparison>, GpuError> {
        match self {
            Self::Philox => philox(device).await,
            Self::Grid(case) => case.compare(device).await,
            Self::Topology(case) => BeforeUpdate::random(case).compare(device).await,
            Self::Map(case) => case.compare(device).await,
            Self::Shares(case) => case.compare(device).await,
            Self::List(case) => case.compare(device).await,
            Self::Augment(case) => case.compare(device).await,
            Self::Conv(case) => case.compare(device).await,
            Self::Pointwise(case) => case.compare(device).await,
            Self::Pool(case) => case.compare(device).await,
            Self::Flatten(case) => case.compare(device).await,
            Self::Loss(case) => case.compare(device).await,
            Self::Sgd(case) => case.compare(device).await,
            Self::Training(of) => training(device, *of).await,
        }
    }
}

/// In how many cases the candidates of the one convolution that has all of them are compared.
const SHARES: usize = 6;

/// Everything that `gpu` must do, the parts before what is made of them.
pub fn cases(gpu: &Gpu) -> Vec<Case> {
    let mut cases = vec![Case::Philox];
    // The most workgroups of a dimension, one fewer and one more.
    cases.extend([65_534, 65_535, 65_536].map(|workgroups| Case::Grid(GridCase { workgroups })));
    for (number, growth) in growth::ALL.into_iter().enumerate() {
        let rule = prune::ALL[number % 3];
        // Output channels in one piece of a column, and in two.
        let random = *growth == growth::RANDOM;
        let shape = if random { [24, 20, 3] } else { [70, 10, 3] };
        // A set that stays as large as it is, and one that shrinks.
        let regrow = if growth.state { 0.5 } else { 1.0 };
        let (density, rate, coarse) = (0.2, 0.3, !random);
        for structure in Structure::ALL {
            cases.push(Case::Topology(TopologyCase {
                // Whole blocks.
                shape: [shape[0] / structure.block() * structure.block(), shape[1], shape[2]],
                stride: 2,
                density,
                rate,
                regrow,
                coarse,
                rule,
                growth,
                structure,
                seed: 3,
            }));
        }
    }
    // The prune rules that the rules of growth have not met.
    for (number, rule) in prune::ALL.into_iter().enumerate().skip(3) {
        let (rate, regrow, structure) = (0.3, 1.0, Structure::Unstructured);
        let (shape, growth) = ([24, 20, 3], &growth::RANDOM);
        let (stride, density, coarse, seed) = (1, 0.2, number % 2 == 0, 5);
        let case = TopologyCase { shape, stride, density, rate, regrow, coarse, rule, growth, structure, seed };
        cases.push(Case::Topology(case));
    }
    cases.push(Case::Shares(SharesCase { layers: 37, limit: 1.5, coarse: false, adaptive: true, stream: 1 }));
    cases.push(Case::List(ListCase { active: 1000, stream: 1 }));
    // Cells of several channels, the last ones of fewer.
    let grid = Grid { outputs: 70, inputs: 130, taps: 9 };
    cases.push(Case::Map(MapCase { grid, density: 0.4, stream: 1 }));
    for (number, storage) in Storage::ALL.into_iter().filter(|&storage| storage != Storage::F16 || gpu.f16).enumerate()
    {
        // Three bindings of images, two, one.
        let how = [None, Some(Padding::Zero), Some(Padding::Reflect)][number];
        cases.push(Case::Augment(AugmentCase { how, per_chunk: [8, 12, 23][number], storage }));
        if storage == Storage::F32 {
            let share = |from| Case::Conv(ConvCase { pick: Pick::Share { from, of: SHARES }, ..ConvCase::SMALL });
            cases.extend((0..SHARES).map(share));
            // A strided layer, and a shortcut of a batch that fills no vector.
            let strided = ConvCase { stride: 2, accumulate: false, pick: Pick::One(1), ..ConvCase::SMALL };
            cases.push(Case::Conv(strided.clone()));
            // Blocks of output channels.
            let blocks = |block| ConvCase { block, k: 40, pick: Pick::Active, ..ConvCase::SMALL };
            cases.extend([4, 8].map(|block| Case::Conv(blocks(block))));
            cases.push(Case::Conv(ConvCase {
                pick: Pick::Default,
                ..ConvCase { stride: 2, accumulate: false, ..blocks(4) }
            }));
            cases.push(Case::Conv(ConvCase { images: 5, kernel: 1, padding: 0, pick: Pick::One(1), ..strided }));
            // Channels that make no whole vectors of weights, in a few candidates of each kind.
            let odd = ConvCase { c: 35, k: 43, ..ConvCase::SMALL };
            cases.extend([0, 3].map(|one| Case::Conv(ConvCase { pick: Pick::One(one), ..odd.clone() })));
            // A linear layer, of which blocks of images share a workgroup.
            let linear = ConvCase { images: 128, h: 1, w: 1, kernel: 1, padding: 0, ..ConvCase::SMALL };
            cases.push(Case::Conv(ConvCase { pick: Pick::One(1), ..linear }));
        } else {
            // One candidate of each kind where only loads and stores differ; those of f16 are long code, so its simplest but one.
            let pick = Pick::One(if storage == Storage::F16 { 1 } else { number });
            cases.push(Case::Conv(ConvCase { images: 16, pick, storage, ..ConvCase::SMALL }));
        }
        if storage.matrix(gpu.matrices) > 0 {
            let case = ConvCase { images: 64, c: 32, k: 64, storage, pick: Pick::Matrices, ..ConvCase::SMALL };
            cases.push(Case::Conv(ConvCase { stride: 2, accumulate: false, ..case.clone() }));
            cases.push(Case::Conv(case));
        }
        cases.push(Case::Pointwise(PointwiseCase {
            images: 37,
            short: 2,
            shape: [9, 4, 5],
            norm: true,
            residual: storage != Storage::Bf16,
            relu: true,
            accumulate: true,
            residual_accumulate: false,
            storage,
        }));
        // The 16-bit ones side by side, the others as in a ResNet for large images.
        let pool = match storage {
            Storage::F32 => Pool { kind: PoolKind::Max, size: 3, stride: 2, padding: 1 },
            Storage::F16 => Pool::tiles(PoolKind::Average, 2),
            Storage::Bf16 => Pool::tiles(PoolKind::Max, 2),
        };
        cases.push(Case::Pool(PoolCase { pool, images: 6, shape: [3, 7, 6], ties: true, storage }));
        cases.push(Case::Flatten(FlattenCase { images: 6, shape: [5, 3, 2], halo: 1, storage }));
        let loss = LossCase { images: 37, short: 2, classes: 37, smoothing: 0.1, scale: 20.0, offset: 0.0, storage };
        cases.extend([loss.clone(), LossCase { offset: 3e4, ..loss }].map(Case::Loss));
    }
    let (lr, momentum, decay) = (0.1, 0.9, 5e-4);
    let step = SgdCase { vectors: 77, lr, momentum, decay, nesterov: true, noise: None, storage: Storage::F16 };
    cases.extend([step.clone(), SgdCase { noise: Some((0.05, 0.02)), ..step }].map(Case::Sgd));
    cases.extend([Input::Noise, Input::Images].map(Case::Training));
    cases
}

/// What a run on `gpu` stands on, in seconds: random numbers, a topology update, and ten steps through each kind of kernel that
/// a run takes by default, and of its storage.
pub fn short(gpu: &Gpu, storage: Storage) -> Vec<Case> {
    let wanted = |case: &Case| match case {
        Case::Philox | Case::Training(_) => true,
        Case::Topology(case) => *case.growth == growth::GRADIENT,
        Case::Augment(case) => case.storage == storage,
        Case::Pointwise(case) => case.storage == storage && storage != Storage::F32,
        _ => false,
    };
    let mut cases = cases(gpu);
    cases.retain(wanted);
    // So few weights that a sparse layer runs sparse kernels.
    cases.push(Case::Conv(ConvCase { images: 16, density: 0.05, pick: Pick::Default, storage, ..ConvCase::SMALL }));
    cases
}

/// Runs `cases`, each at one of `devices`, which work side by side: a driver that compiles a kernel when it is first run does
/// so on one thread a device. `heard` gets the comparisons of each case when it is done; the result has them in order.
#[cfg(not(target_arch = "wasm32"))]
pub fn all(
    devices: &[Device],
    cases: &[Case],
    mut heard: impl FnMut(&[Comparison]),
) -> Result<Vec<Comparison>, GpuError> {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let next = AtomicUsize::new(0);
    let (send, receive) = std::sync::mpsc::channel();
    let mut done: Vec<Vec<Comparison>> = vec![Vec::new(); cases.len()];
    #[cfg(test)]
    let edit = crate::gpu::broken::get();
    std::thread::scope(|scope| {
        for device in devices {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                #[cfg(test)]
                crate::gpu::broken::set(edit);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(number) else { break };
                    let compared = pollster::block_on(case.compare(device));
                    if send.send((number, compared)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        for (number, comparisons) in receive {
            done[number] = comparisons?;
            heard(&done[number]);
        }
        Ok(())
    })?;
    Ok(done.into_iter().flatten().collect())
}

/// Numbers in [-1, 1).
pub fn noise(stream: u32, count: usize) -> Vec<f32> {
    (0..count).map(|i| 2.0 * unit(word(3, Purpose::Split, stream, 1, i)) - 1.0).collect()
}

/// What `storage` keeps of `values`.
pub fn rounded(storage: Storage, values: Vec<f32>) -> Vec<f32> {
    values.into_iter().map(|v| storage.numbers(&storage.words(&[v, 0.0]))[0]).collect()
}

/// A mask as a bitset.
pub fn bits(mask: &[bool]) -> Vec<u32> {
    mask.chunks(32).map(|chunk| chunk.iter().enumerate().map(|(i, &set)| u32::from(set) << i).sum()).collect()
}

fn f64s(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

fn magnitudes(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v.abs())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{GpuOptions, broken};

    /// One of each family of kernels that computes something else is named by the first comparison that disagrees.
    #[test]
    fn a_broken_kernel_of_each_family_is_named() {
        let adapter = std::env::var("ITOP_TEST_ADAPTER").unwrap_or("auto".into());
        let open = || pollster::block_on(Gpu::open(&GpuOptions { adapter: adapter.clone(), ..Default::default() }));
        let usual = open().unwrap();
        let small = ConvCase { images: 8, c: 6, k: 10, h: 4, w: 4, ..ConvCase::SMALL };
        let conv = |density, pick| Case::Conv(ConvCase { density, pick, ..small.clone() });
        let naive = || conv(0.05, Pick::One(0));
        let sparse = || conv(0.05, Pick::Default);
        // So many weights that all of them are gathered and summed.
        let dense = || conv(0.9, Pick::Default);
        let of = |wanted: fn(&Case) -> bool| cases(&usual).into_iter().find(wanted).unwrap();
        let topology = |random: bool| match random {
            true => of(|case| matches!(case, Case::Topology(case) if *case.growth == growth::RANDOM)),
            false => of(|case| matches!(case, Case::Topology(case) if *case.growth == growth::GRADIENT)),
        };
        let is_of_blocks = |case: &Case| matches!(case, Case::Topology(case) if case.structure.block() > 1);
        let is_of_rows = |case: &Case| matches!(case, Case::Topology(case) if case.structure == Structure::FanIn);
        let topology_by = |name: &str| {
            let by = |case: &Case| matches!(case, Case::Topology(case) if case.rule.name == name);
            cases(&usual).into_iter().find(by).unwrap()
        };
        let topology_with = |name: &str| {
            let with = |case: &Case| matches!(case, Case::Topology(case) if case.growth.name == name);
            cases(&usual).into_iter().find(with).unwrap()
        };
        let shares = || of(|case| matches!(case, Case::Shares(_)));
        let lists = || of(|case| matches!(case, Case::List(_)));
        let signed = || of(|case| matches!(case, Case::Sgd(case) if case.noise.is_some()));
        let blocks = || Case::Conv(ConvCase { block: 4, k: 8, density: 0.05, pick: Pick::Default, ..small.clone() });
        let pointwise = || of(|case| matches!(case, Case::Pointwise(_)));
        let kept_dz = || {
            of(|case| match case {
                Case::Pointwise(case) => case.norm && case.residual && case.relu && !case.residual_accumulate,
                _ => false,
            })
        };
        let families = [
            ("philox_test", "philox4x32(keys[wid.x]", "philox4x32(keys[0]", Case::Philox),
            ("lanes", "seen[at] = 1u", "seen[at] = u32(wid.y == 0u)", Case::Grid(GridCase { workgroups: 65_536 })),
            ("augment", "labels[position] = ", "labels[position] = 1u + ", of(|case| matches!(case, Case::Augment(_)))),
            ("conv_sparse_gather", "all_of(bias[channel])", "all_of(bias[0])", sparse()),
            ("conv_sparse_pack", "weight[", "0.5 * weight[", sparse()),
            ("conv_sparse_naive", "let end = row_start[row + 1u];", "let end = row_start[row];", naive()),
            ("conv_dense_naive", "var term = 0u; term <", "var term = 1u; term <", naive()),
            ("conv_sparse_grad_weight_invocation", "product(dy", "0.0 * product(dy", naive()),
            ("conv_sparse_scatter", "LENGTH] = value", "LENGTH] = 0.5 * value", dense()),
            ("conv_dense_gather", "var term = 0u; term <", "var term = 1u; term <", dense()),
            ("conv_dense_grad_weight_invocation", "var at = 0u; at <", "var at = 1u; at <", naive()),
            ("conv_grad_weight_finish", "total += parts", "total -= parts", conv(0.05, Pick::Last)),
            ("conv_bias_grad", "product(sum, all_of(1.0))", "product(sum, all_of(0.5))", sparse()),
            ("index_entries", "shift[entry] = ", "shift[entry] = 1u + ", sparse()),
            ("pointwise_forward", "max(v.v", "min(v.v", pointwise()),
            ("pointwise_backward", "f.x * dz", "2.0 * f.x * dz", pointwise()),
            ("pointwise_grad_stats", "[kept] = packed(dz)", "[kept] = packed(plus(dz, dz))", kept_dz()),
            (
                "pool_forward",
                "max(v.v",
                "min(v.v",
                of(|case| matches!(case, Case::Pool(case) if case.pool.kind == PoolKind::Max)),
            ),
            // Windows that lie over each other, of which only the first counts.
            (
                "pool_backward",
                "oy < down.y; oy += 1u",
                "oy < min(down.y, down.x + 1u); oy += 1u",
                of(|case| matches!(case, Case::Pool(case) if case.pool.padding > 0)),
            ),
            ("flatten", "= input[map]", "= input[0u * map]", of(|case| matches!(case, Case::Flatten(_)))),
            ("loss", "exp(v.v", "exp(0.5 * v.v", of(|case| matches!(case, Case::Loss(_)))),
            ("sgd", "run.weight_decay", "0.0 * run.weight_decay", of(|case| matches!(case, Case::Sgd(_)))),
            ("grow_random", "words[i] >> 1u", "words[0] >> 1u", topology(true)),
            ("block_magnitudes", "first + i * step", "first", of(is_of_blocks)),
            ("select_rows", "key > threshold)", "key > 2u * threshold)", of(is_of_rows)),
            ("conv_block_gather", "e = row_start[row]; e <", "e = row_start[row] + 1u; e <", blocks()),
            ("topology_stats", "countOneBits(", "1u + countOneBits(", topology(false)),
            ("topology_ages", "min(age + 1u, 255u)", "min(age + 2u, 255u)", topology(false)),
            ("topology_move", "+ i] = m;", "+ i] = m + 1u;", topology(false)),
            ("prune_gradient", "* abs(g)", "* g", topology_by("mest")),
            ("grow_mixed", "0x40000000u, chosen", "0u, chosen", topology_with("mixed")),
            ("grow_random", "unfired << 30u", "unfired << 1u", topology_with("unfired-first")),
            ("topology_counts", ">= least", "> 2u * least", topology_by("threshold")),
            ("topology_counts", "staying(count - negative)", "staying(count - negative) / 2u", topology_by("set")),
            ("select_apply", "if other {", "if other || key > threshold {", topology_by("set")),
            ("topology_shares", "remainder[layer] > remainder[most]", "layer > most", shares()),
            ("topology_shares", "2.0 * threshold", "3.0 * threshold", shares()),
            ("topology_counts", "abs(momentum[at])", "momentum[at]", lists()),
            ("topology_born", "words.x >> 31u", "words.y >> 31u", lists()),
            ("sgd", "run.l1 * sign(w)", "run.l1 * w", signed()),
            ("sgd", "* gaussian(at)", "* gaussian(0u)", signed()),
            ("topology_map", "sum.x | (", "(sum.x + 1u) | (", of(|case| matches!(case, Case::Map(_)))),
        ];
        for (shader, from, to, case) in families {
            broken::set(Some((shader, from, to)));
            let gpu = open();
            let compared = gpu.and_then(|gpu| pollster::block_on(case.compare(&Device::new(gpu))));
            broken::set(None);
            let compared = compared.unwrap_or_else(|error| panic!("{shader}: {error}"));
            let wrong = compared.iter().find(|one| !one.agrees());
            let wrong = wrong.unwrap_or_else(|| panic!("nobody noticed that {shader} is broken"));
            assert!(wrong.kernels.contains(&shader), "{shader} is broken, and named is {wrong}");
        }
    }
}
