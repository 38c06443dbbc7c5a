//! Every kernel against its CPU reference on random shapes: batches that fill no vector, single images, odd sizes, short
//! batches, densities from one active weight to all of them, empty rows. The comparisons are those of `itop verify`.

mod common;

use std::collections::BTreeSet;

use common::{Harness, agree, device};
use itop::gpu::{Family, shader};
use itop::ops::augment::Padding;
use itop::ops::pool::{Pool, PoolKind};
use itop::ops::{Layout, Storage, Tuning, flatten};
use itop::verify::{
    AugmentCase, ConvCase, Device, FlattenCase, LossCase, Pick, PointwiseCase, PoolCase, SgdCase, noise,
};
use proptest::prelude::*;

fn storage() -> impl Strategy<Value = Storage> {
    prop_oneof![Just(Storage::F32), Just(Storage::F16), Just(Storage::Bf16)]
}

fn conv_case() -> impl Strategy<Value = ConvCase> {
    let images = prop_oneof![Just(1usize), 2usize..9, Just(32), 33usize..70];
    let shape = (1usize..12, 1usize..20, 3usize..10, 3usize..10);
    let kind = prop_oneof![Just((3, 1)), Just((3, 0)), Just((1, 0)), Just((1, 1)), Just((5, 1)), Just((7, 3))];
    let density = prop_oneof![Just(0.0f32), Just(0.005), 0.02f32..0.5, Just(1.0)];
    let block = prop_oneof![2 => Just(1usize), 1 => Just(4), 1 => Just(8)];
    let rest = (1usize..3, (density, block), any::<bool>(), 0usize..1000, storage());
    (images, shape, kind, rest).prop_map(
        |(images, (c, k, h, w), (kernel, padding), (stride, (density, block), accumulate, pick, storage))| {
            let pick = Pick::One(pick);
            let k = if block > 1 { block * k.div_ceil(4) } else { k };
            ConvCase { images, c, k, h, w, kernel, stride, padding, density, block, accumulate, pick, storage }
        },
    )
}

/// Where a dispatch does as little as can be.
fn device_of_parts() -> Device {
    let mut device = device();
    device.tuning.device.dispatch_flops = 1;
    device
}

/// With the sizes of workgroups that a GPU gets.
fn device_of_a_gpu() -> Device {
    let mut device = device();
    let mut gpu = Tuning::of(Family::Unknown, device.gpu.shuffle_lanes, device.gpu.int64);
    gpu.device.occupancy_target = device.tuning.device.occupancy_target;
    device.tuning = gpu;
    device
}

/// Long passes are several dispatches: over blocks of images, output channels, groups of active weights.
#[test]
fn passes_in_parts() {
    let case = ConvCase { images: 65, c: 16, k: 32, density: 0.6, pick: Pick::One(0), ..ConvCase::SMALL };
    agree(case.compare(&device_of_parts()));
}

proptest! {
    #![proptest_config(common::cases())]

    #[test]
    fn convolutions(case in conv_case(), at in 0..3usize) {
        let devices: [fn() -> Device; 3] = [device, device_of_parts, device_of_a_gpu];
        agree(case.compare(&devices[at]()));
    }

    #[test]
    fn pointwise_nodes(
        images in prop_oneof![Just(1usize), 2usize..9, 33usize..70],
        short in 0usize..3,
        shape in (1usize..70, 1usize..7, 1usize..7),
        (norm, residual, relu) in any::<(bool, bool, bool)>(),
        (accumulate, residual_accumulate) in any::<(bool, bool)>(),
        storage in storage(),
        of_a_gpu: bool,
    ) {
        let shape = shape.into();
        let case = PointwiseCase { images, short, shape, norm, residual, relu, accumulate, residual_accumulate, storage };
        agree(case.compare(&if of_a_gpu { device_of_a_gpu() } else { device() }));
    }

    #[test]
    fn pools(
        images in 1usize..40,
        (c, h, w, size) in (1usize..6, 2usize..10, 2usize..10, 1usize..5),
        (stride, padding) in (1usize..5, 0usize..3),
        max: bool,
        ties: bool,
        storage in storage(),
    ) {
        let kind = if max { PoolKind::Max } else { PoolKind::Average };
        let size = size.min(h).min(w);
        let pool = Pool { kind, size, stride, padding: padding.min(size / 2) };
        agree(PoolCase { pool, images, shape: [c, h, w], ties, storage }.compare(&device()));
    }

    #[test]
    fn losses(
        images in 1usize..70,
        short in 0usize..3,
        classes in 1usize..120,
        smoothing in 0.0f32..1.0,
        scale in 0.1f32..60.0,
        offset in prop_oneof![Just(0.0f32), -3e4f32..3e4],
        storage in storage(),
    ) {
        agree(LossCase { images, short, classes, smoothing, scale, offset, storage }.compare(&device()));
    }

    #[test]
    fn optimiser(
        vectors in 1usize..300,
        lr in 0.001f32..1.0,
        momentum in 0.0f32..0.99,
        decay in 0.0f32..0.1,
        nesterov: bool,
        // The deviation of the noise in a step that keeps signs.
        noise in prop::option::of((0.0f32..0.1, 0.0f32..0.1)),
        storage in storage(),
    ) {
        agree(SgdCase { vectors, lr, momentum, decay, nesterov, noise, storage }.compare(&device()));
    }

    #[test]
    fn flattening(
        images in 1usize..40,
        shape in (1usize..6, 1usize..5, 1usize..5),
        halo in 0usize..2,
        storage in storage(),
    ) {
        agree(FlattenCase { images, shape: shape.into(), halo, storage }.compare(&device()));
    }
}

#[test]
fn shapes_of_the_models() {
    // Layers of ResNet-34 and VGG-C at small batch: the stem, a strided 3×3, a shortcut, a classifier, a padded 1×1.
    for (c, k, h, kernel, stride, padding, density) in [
        (3, 64, 32, 3, 1, 1, 0.6),
        (64, 128, 16, 3, 2, 1, 0.05),
        (64, 128, 16, 1, 2, 0, 1.0),
        (512, 100, 1, 1, 1, 0, 0.3),
        (32, 32, 8, 1, 1, 1, 0.1),
    ] {
        let shape = ConvCase { c, k, h, w: h, kernel, stride, padding, ..ConvCase::SMALL };
        agree(ConvCase { images: 5, density, accumulate: false, pick: Pick::One(c), ..shape }.compare(&device()));
    }
}

/// Where blocks of images share a workgroup: a classifier, the last stages of VGG, classes of pixels of unequal size; in groups
/// that fill the workgroup and in some that do not, and with dispatches of two blocks each.
#[test]
fn small_maps_of_many_images() {
    let cases = [(128, 1, 1, 1, 0), (128, 2, 3, 1, 1), (64, 3, 3, 2, 1), (192, 1, 1, 1, 0), (250, 2, 1, 2, 0)];
    for (at, (images, size, kernel, stride, padding)) in cases.into_iter().enumerate() {
        let shape = ConvCase { images, h: size, w: size, kernel, stride, padding, ..ConvCase::SMALL };
        for pick in 0..3 {
            let mut device = device();
            if pick == 1 {
                let numel = shape.c * shape.k * kernel * kernel;
                device.tuning.device.dispatch_flops = 2 * (numel * size.div_ceil(stride).pow(2) * 64) as u64;
            }
            agree(ConvCase { pick: Pick::One(5 * at + 7 * pick), ..shape }.compare(&device));
        }
    }
}

#[test]
fn every_candidate() {
    for (kernel, stride, padding, storage) in
        [(3, 1, 1, Storage::F32), (3, 2, 1, Storage::F32), (1, 2, 0, Storage::F16), (3, 1, 1, Storage::Bf16)]
    {
        let images = if storage == Storage::F32 { 8 } else { 16 };
        agree(ConvCase { images, kernel, stride, padding, storage, ..ConvCase::SMALL }.compare(&device()));
    }
}

/// What GPUs are offered, where rows of the weight share workgroups of every size.
#[test]
fn every_candidate_of_gpus() {
    for (stride, storage, block) in [
        (1, Storage::F32, 1),
        (2, Storage::F32, 1),
        (1, Storage::Bf16, 1),
        (1, Storage::F32, 4),
        (2, Storage::Bf16, 4),
        (1, Storage::F32, 8),
    ] {
        let images = if storage == Storage::F32 { 36 } else { 72 };
        let pick = if block > 1 { Pick::Active } else { Pick::All };
        let case = ConvCase { images, c: 32, k: 64, h: 4, w: 8, stride, storage, block, pick, ..ConvCase::SMALL };
        let device = device_of_a_gpu();
        let compared = pollster::block_on(case.compare(&device)).unwrap_or_else(|error| panic!("{error}"));
        let seen: BTreeSet<&str> = compared.iter().flat_map(|one| one.kernels.clone()).collect();
        let shuffles = device.tuning.device.subgroup_size >= device.tuning.launch.weight_group;
        assert_eq!(seen.contains("conv_sparse_grad_weight_pixels"), shuffles);
        agree(std::future::ready(Ok(compared)));
    }
}

#[test]
fn one_active_weight_in_a_thousand() {
    let case = ConvCase { images: 32, c: 40, k: 64, h: 4, w: 4, density: 0.001, accumulate: false, ..ConvCase::SMALL };
    for one in [0, 1] {
        agree(ConvCase { pick: Pick::One(one), ..case.clone() }.compare(&device()));
    }
}

#[test]
fn a_number_that_is_not_finite_is_found_in_every_storage() {
    for storage in Storage::ALL {
        let (map, flat) = (Layout::new(2, 2, 2, 0, 8).stored(storage), Layout::new(8, 1, 1, 0, 8).stored(storage));
        // Both halves of a word, and none.
        for (bad, value) in [(None, 0.0), (Some(0), f32::NAN), (Some(8), f32::INFINITY), (Some(63), f32::NEG_INFINITY)]
        {
            let mut x = noise(1, 64);
            bad.into_iter().for_each(|at| x[at] = value);
            let mut harness = Harness::default();
            let (xs, ys) = (harness.upload("x", &map.pack(&x)), harness.empty("y", flat.bytes()));
            let found = harness.first_bad(&[flatten::forward("flatten", &map, &flat, xs, ys)]);
            assert_eq!(found.as_deref(), bad.map(|_| "flatten: flattening"), "{storage:?}, {bad:?}");
        }
    }
}

#[test]
fn input_images() {
    for (how, storage) in
        [(None, Storage::Bf16), (Some(Padding::Zero), Storage::F16), (Some(Padding::Reflect), Storage::F32)]
    {
        for per_chunk in [8, 12, 23] {
            agree(AugmentCase { how, per_chunk, storage }.compare(&device()));
        }
    }
}

/// What `itop verify` runs leaves no kernel out but those that only measure, or look at others' results, and those that
/// multiply matrices or need subgroups where there are none.
#[test]
fn verification_is_complete() {
    let device = device();
    let cases = itop::verify::cases(&device.gpu);
    let matrices = device.gpu.matrices.any();
    let profile = &device.tuning.device;
    let subgroups = profile.subgroup_size >= profile.least_group.max(device.tuning.launch.weight_group);
    let pixels = device.tuning.launch.pixels && profile.subgroup_size >= device.tuning.launch.weight_group;
    let comparisons = itop::verify::all(&[device], &cases, |_| ()).unwrap();
    if let Some(first) = comparisons.iter().find(|comparison| !comparison.agrees()) {
        panic!("{first}");
    }
    let seen: BTreeSet<&str> = comparisons.iter().flat_map(|comparison| comparison.kernels.clone()).collect();
    let by_subgroups = |name: &str| name.ends_with("_shuffle") || name.ends_with("_subgroup");
    // Software is not offered it: `every_candidate_of_gpus`.
    let expected = |name: &&str| {
        (pixels || !name.ends_with("_pixels"))
            && (matrices || !name.starts_with("conv_matrix"))
            && (subgroups || !by_subgroups(name))
    };
    let missing = shader::KERNELS.iter().map(|(name, _)| *name).filter(expected).filter(|name| !seen.contains(name));
    assert_eq!(missing.collect::<Vec<_>>(), ["finite", "peak_copy", "peak_fma"]);
}

/// Tiles of a dense weight gradient share workgroups also where channels do not fill them.
#[test]
fn ragged_tiles_share_workgroups() {
    let device = device_of_a_gpu();
    // Tiles in a workgroup: two input channels by four tiles, of which the last has half its channels; one by sixteen; eight by two.
    for (c, k, kernel, group) in [(34, 46, 3, 8), (3, 64, 3, 16), (40, 10, 1, 16)] {
        let case = ConvCase { images: 36, c, k, kernel, padding: kernel / 2, pick: Pick::Default, ..ConvCase::SMALL };
        let compared = pollster::block_on(case.compare(&device)).unwrap_or_else(|error| panic!("{error}"));
        let name = format!("dense layer grad_weight, dense {group}x");
        assert!(compared.iter().any(|one| one.what.starts_with(&name)), "{name} in {compared:?}");
        agree(std::future::ready(Ok(compared)));
    }
}
