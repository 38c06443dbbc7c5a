//! Whether an adapter computes what the CPU twins compute: every kernel and every candidate on small fixed shapes, then ten
//! training steps. `itop verify` shows it to people; the tests run the same cases on random shapes.

mod augment;
mod bench;
mod comparison;
mod conv;
mod network;
mod pointwise;
mod simple;
mod topology;
mod topology_map;
mod twin;

pub use augment::AugmentCase;
pub use bench::{Bench, Place, Ran};
pub use comparison::Comparison;
pub use conv::ConvCase;
pub use network::{LOSSES, training};
pub use pointwise::PointwiseCase;
pub use simple::{FlattenCase, KNOWN_ANSWERS, LossCase, PoolCase, SgdCase, philox};
pub use topology::{After, Before, LAYER, TopologyCase, to_mask};
pub use topology_map::MapCase;
pub use twin::Twin;

use crate::gpu::{Gpu, GpuError};
use crate::ops::Storage;
use crate::ops::augment::Padding;
use crate::ops::philox::{Purpose, unit, word};
use crate::ops::pool::PoolKind;
use crate::ops::topology_map::Grid;

/// How many cases [`all`] runs on `gpu`.
pub fn cases(gpu: &Gpu) -> usize {
    // Random numbers, two updates, a map, two more convolutions, the optimiser, the training steps; six of each storage.
    8 + 6 * storages(gpu).count()
}

fn storages(gpu: &Gpu) -> impl Iterator<Item = Storage> {
    let f16 = gpu.f16;
    Storage::ALL.into_iter().filter(move |&storage| storage != Storage::F16 || f16)
}

/// Everything, the parts before what is made of them; `heard` gets the comparisons of each case when it is done.
pub async fn all(place: &Place, mut heard: impl FnMut(&[Comparison])) -> Result<Vec<Comparison>, GpuError> {
    let mut all = Vec::new();
    let mut done = |comparisons: Vec<Comparison>| {
        heard(&comparisons);
        all.extend(comparisons);
    };
    done(philox(place).await?);
    for random in [true, false] {
        let shape = [24, 20, 3];
        let case = TopologyCase { shape, stride: 2, density: 0.2, rate: 0.3, coarse: !random, random, seed: 3 };
        done(Before::random(&case).compare(place).await?);
    }
    // Cells of several channels, the last ones of fewer.
    let grid = Grid { outputs: 70, inputs: 130, taps: 9 };
    done(MapCase { grid, density: 0.4, stream: 1 }.compare(place).await?);
    for (number, storage) in storages(&place.gpu).enumerate() {
        // Three bindings of images, two, one.
        let how = [None, Some(Padding::Zero), Some(Padding::Reflect)][number];
        done(AugmentCase { how, per_chunk: [8, 12, 23][number], storage }.compare(place).await?);
        let case = ConvCase {
            images: if storage == Storage::F32 { 8 } else { 16 },
            // Every candidate in full precision; one of each kind where only loads and stores differ.
            pick: (storage != Storage::F32).then_some(number),
            storage,
            ..ConvCase::SMALL
        };
        done(case.compare(place).await?);
        if number == 0 {
            // A strided layer, and a shortcut of a batch that fills no vector.
            let strided = ConvCase { stride: 2, accumulate: false, pick: Some(1), ..case };
            done(strided.compare(place).await?);
            done(ConvCase { images: 5, kernel: 1, padding: 0, pick: Some(0), ..strided }.compare(place).await?);
        }
        let node = PointwiseCase {
            images: 37,
            short: 2,
            shape: [9, 4, 5],
            norm: true,
            residual: true,
            relu: true,
            accumulate: true,
            residual_accumulate: false,
            storage,
        };
        done(node.compare(place).await?);
        let kind = if storage == Storage::F16 { PoolKind::Average } else { PoolKind::Max };
        done(PoolCase { kind, images: 6, shape: [3, 7, 6], size: 2, ties: true, storage }.compare(place).await?);
        done(FlattenCase { images: 6, shape: [5, 3, 2], halo: 1, storage }.compare(place).await?);
        done(
            LossCase { images: 37, short: 2, classes: 11, smoothing: 0.1, scale: 20.0, storage }.compare(place).await?,
        );
    }
    done(
        SgdCase { vectors: 77, lr: 0.1, momentum: 0.9, decay: 5e-4, nesterov: true, storage: Storage::F16 }
            .compare(place)
            .await?,
    );
    done(training(place).await?);
    Ok(all)
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
