//! Every kernel against its CPU twin on random shapes: batches that fill no vector, single images, odd sizes, short
//! batches, densities from one active weight to all of them, empty rows.

mod common;

use common::{Bench, close, f64s, tuning};
use itop::gpu::Slice;
use itop::ops::augment::{self, AugmentSlices, Padding};
use itop::ops::loss::{self, LossSlices};
use itop::ops::philox::{Purpose, key, unit, word};
use itop::ops::pointwise::{self, BackwardSlices, NormSlices, Pointwise};
use itop::ops::pool::{self, PoolKind};
use itop::ops::reference;
use itop::ops::topology::{Scratch, SparseLayer};
use itop::ops::trial::Candidate;
use itop::ops::{Conv, ConvLayer, Layout, SparseIndex, StepParams, Storage, flatten, sgd};
use proptest::prelude::*;

/// Numbers in [-1, 1).
fn noise(stream: u32, count: usize) -> Vec<f32> {
    (0..count).map(|i| 2.0 * unit(word(3, Purpose::Split, stream, 1, i)) - 1.0).collect()
}

/// Noise as `storage` keeps it.
fn stored_noise(storage: Storage, stream: u32, count: usize) -> Vec<f32> {
    round(storage, noise(stream, count))
}

fn round(storage: Storage, values: Vec<f32>) -> Vec<f32> {
    values.into_iter().map(|v| storage.numbers(&storage.words(&[v, 0.0]))[0]).collect()
}

/// How far a result may lie off, beside the largest one: what storing rounds away, or the rounding of sums.
fn tolerance(storage: Storage, sums: f64) -> f64 {
    match storage {
        Storage::F32 => sums,
        Storage::F16 => sums + 0.5f64.powi(11),
        Storage::Bf16 => sums + 0.5f64.powi(8),
    }
}

fn storage() -> impl Strategy<Value = Storage> {
    prop_oneof![Just(Storage::F32), Just(Storage::F16), Just(Storage::Bf16)]
}

/// Each case compiles its kernels anew, so they are few by default; `ITOP_TEST_CASES` sets another number.
fn cases() -> ProptestConfig {
    let cases = std::env::var("ITOP_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12);
    ProptestConfig { cases, max_shrink_iters: 30, failure_persistence: None, ..ProptestConfig::default() }
}

fn bits(mask: &[bool]) -> Vec<u32> {
    mask.chunks(32).map(|chunk| chunk.iter().enumerate().map(|(i, &set)| u32::from(set) << i).sum()).collect()
}

#[derive(Clone, Debug)]
struct ConvCase {
    images: usize,
    c: usize,
    k: usize,
    h: usize,
    w: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    density: f32,
    accumulate: bool,
    storage: Storage,
    /// Whether a dispatch does as little as can be.
    parts: bool,
}

fn conv_case() -> impl Strategy<Value = ConvCase> {
    let images = prop_oneof![Just(1usize), 2usize..9, Just(32), 33usize..70];
    let shape = (1usize..12, 1usize..20, 3usize..10, 3usize..10);
    let kind = prop_oneof![Just((3, 1)), Just((3, 0)), Just((1, 0)), Just((1, 1))];
    let density = prop_oneof![Just(0.0f32), Just(0.005), 0.02f32..0.5, Just(1.0)];
    (images, shape, kind, 1usize..3, density, any::<(bool, bool)>(), storage()).prop_map(
        |(images, (c, k, h, w), (kernel, padding), stride, density, (accumulate, parts), storage)| ConvCase {
            images,
            c,
            k,
            h,
            w,
            kernel,
            stride,
            padding,
            density,
            accumulate,
            storage,
            parts,
        },
    )
}

/// Checks the candidates of a convolution: all of them, or the one of each kind that `pick` says. How many passes it took.
fn check_conv(case: &ConvCase, pick: Option<usize>) -> usize {
    let &ConvCase { images, c, k, h, w, kernel, stride, padding, density, accumulate, storage, parts } = case;
    let twin = reference::conv::Conv { n: images, c, h, w, k, kernel, stride, padding };
    let (out_h, out_w) = (twin.out_h(), twin.out_w());
    let halo =
        Conv::output_halo(h, out_h, kernel, stride, padding).max(Conv::output_halo(w, out_w, kernel, stride, padding));
    let conv = Conv {
        input: Layout::new(c, h, w, Conv::input_halo(padding), images).stored(storage),
        output: Layout::new(k, out_h, out_w, halo, images).stored(storage),
        kernel,
        stride,
        padding,
    };
    let numel = conv.numel();
    let mut mask: Vec<bool> = noise(1, numel).iter().map(|v| (v + 1.0) / 2.0 < density).collect();
    if !mask.contains(&true) {
        mask[numel / 2] = true;
    }
    let masked: Vec<f32> = noise(2, numel).iter().zip(&mask).map(|(&w, &keep)| if keep { w } else { 0.0 }).collect();
    let active: Vec<f32> = masked.iter().zip(&mask).filter(|(_, keep)| **keep).map(|(&w, _)| w).collect();
    let x = stored_noise(storage, 3, images * c * h * w);
    let dy = stored_noise(storage, 4, images * k * out_h * out_w);
    let bias = noise(5, k);
    let before = stored_noise(storage, 6, x.len());

    let (mut tuning, mut bench) = (tuning(), Bench::default());
    if parts {
        tuning.dispatch_flops = 1;
    }
    let (input, output) = (conv.input, conv.output);
    let xs = bench.upload("x", &input.pack(&x));
    let dys = bench.upload("dy", &output.pack(&dy));
    let bias_s = bench.upload("bias", &bias);
    let sparse_weight = bench.upload("active weights", &active);
    let dense_weight = bench.upload("dense weights", &masked);
    let bias_grad = bench.empty("bias grad", 4 * k as u64);
    let parts = SparseIndex::bytes(&conv, active.len(), &tuning);
    let [row_start, shift, column_start, column_entry, column_shift, groups] =
        parts.map(|bytes| bench.empty("index", bytes));
    let index =
        SparseIndex { entries: active.len(), row_start, shift, column_start, column_entry, column_shift, groups };
    let active_bits = bench.upload("active", &bits(&mask));
    let scratch = Scratch::new(&mut bench.buffers, numel, active.len(), 1, true);
    let layer = SparseLayer {
        conv,
        layer: 0,
        index,
        value: sparse_weight,
        momentum: sparse_weight,
        active: active_bits,
        explored: active_bits,
        reliable: active_bits,
        initial: active_bits,
        ages: sparse_weight,
    };
    let mut passes = layer.index("test", &tuning, &scratch);
    let sparse = Some(layer.weight(&scratch));
    let sparse = ConvLayer { label: "sparse", conv: &conv, tuning: &tuning, sparse };
    let dense = ConvLayer { label: "dense", sparse: None, ..sparse };
    passes.push(dense.grad_bias(dys, bias_grad));
    let mut results: Vec<(bool, Candidate, Slice)> = Vec::new();
    for is_sparse in [true, false] {
        for all in Candidate::all(&conv, &tuning, is_sparse) {
            let chosen = match pick {
                Some(pick) => vec![all[pick % all.len()]],
                None => all,
            };
            for candidate in chosen {
                let (layer, weight, count) = match is_sparse {
                    true => (&sparse, sparse_weight, active.len()),
                    false => (&dense, dense_weight, numel),
                };
                let slice = match candidate {
                    Candidate::Forward(how) => {
                        let y = bench.empty("y", output.bytes());
                        passes.extend(layer.forward(how, [xs, weight, y], Some(bias_s)));
                        y
                    }
                    Candidate::GradInput(how) => {
                        let dx = bench.upload("dx", &input.pack(&before));
                        passes.extend(layer.grad_input(how, [dys, weight, dx], accumulate));
                        dx
                    }
                    Candidate::GradWeight(how) => {
                        let dw = bench.empty("dw", 4 * count as u64);
                        passes.extend(layer.grad_weight(how, [xs, dys, dw]));
                        dw
                    }
                };
                results.push((is_sparse, candidate, slice));
            }
        }
    }
    let ran = bench.run(&passes);

    let forward = reference::conv::forward(&twin, &f64s(&x), &f64s(&masked), Some(&f64s(&bias)));
    let mut grad_input = reference::conv::grad_input(&twin, &f64s(&dy), &f64s(&masked));
    if accumulate {
        grad_input.iter_mut().zip(&before).for_each(|(to, &add)| *to += f64::from(add));
    }
    let dense = reference::conv::grad_weight(&twin, &f64s(&x), &f64s(&dy));
    let of_active: Vec<f64> = dense.iter().zip(&mask).filter(|(_, keep)| **keep).map(|(&g, _)| g).collect();
    let mut bits: [Option<Vec<f32>>; 2] = [None, None];
    for (is_sparse, candidate, slice) in results {
        let what = format!("{} {} {candidate}", if is_sparse { "sparse" } else { "dense" }, candidate.direction());
        let all = ran.read::<u32>(slice);
        let (direction, got) = match candidate {
            Candidate::Forward(_) => (0, output.unpack(&all)),
            Candidate::GradInput(_) => (1, input.unpack(&all)),
            Candidate::GradWeight(_) => {
                let wanted = if is_sparse { &of_active } else { &dense };
                close(&what, &Storage::F32.numbers(&all[..wanted.len()]), wanted, 1e-5);
                continue;
            }
        };
        close(&what, &got, [&forward, &grad_input][direction], tolerance(storage, 1e-5));
        // Whatever the candidate, the sums are taken in the order of the weight.
        let first = bits[direction].get_or_insert_with(|| got.clone());
        assert!(*first == got, "{what}: other bits than the first candidate's");
    }
    let wanted = reference::conv::grad_bias(&twin, &f64s(&dy));
    close("grad_bias", &ran.read::<f32>(bias_grad)[..k], &wanted, 1e-5);
    passes.len()
}

/// Long passes are several dispatches: over blocks of images, output channels, groups of active weights.
#[test]
fn passes_in_parts() {
    let case = |parts| {
        let ((kernel, stride, padding), (c, k, h, w)) = ((3, 1, 1), (16, 32, 8, 8));
        let (images, density, accumulate, storage) = (65, 0.6, true, Storage::F32);
        ConvCase { images, c, k, h, w, kernel, stride, padding, density, accumulate, storage, parts }
    };
    // Of both kinds of layer two gathers of 3 blocks instead of one, and two or more parts of each weight gradient.
    let (whole, parts) = (check_conv(&case(false), Some(0)), check_conv(&case(true), Some(0)));
    assert!(parts >= whole + 2 * 2 * 2 + 2, "{parts} passes instead of {whole}");
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn convolutions(case in conv_case(), pick in 0usize..1000) {
        check_conv(&case, Some(pick));
    }

    #[test]
    fn pointwise_nodes(
        images in prop_oneof![Just(1usize), 2usize..9, 33usize..70],
        short in 0usize..3,
        (c, h, w) in (1usize..70, 1usize..7, 1usize..7),
        (norm, residual, relu) in any::<(bool, bool, bool)>(),
        (accumulate, residual_accumulate) in any::<(bool, bool)>(),
        storage in storage(),
    ) {
        check_pointwise((images, storage), short, [c, h, w], [norm, residual, relu, accumulate, residual_accumulate]);
    }

    #[test]
    fn pools(
        images in 1usize..40,
        (c, h, w, size) in (1usize..6, 2usize..10, 2usize..10, 2usize..5),
        max: bool,
        ties: bool,
        storage in storage(),
    ) {
        let size = size.min(h).min(w);
        let kind = if max { PoolKind::Max } else { PoolKind::Average };
        let from = Layout::new(c, h, w, 1, images).stored(storage);
        let to = Layout::new(c, h / size, w / size, 0, images).stored(storage);
        let mut x = stored_noise(storage, 1, images * c * h * w);
        if ties {
            x.iter_mut().for_each(|v| *v = (*v * 2.0).round());
        }
        let dy = stored_noise(storage, 2, images * c * to.pixels());
        let mut bench = Bench::default();
        let (xs, dys) = (bench.upload("x", &from.pack(&x)), bench.upload("dy", &to.pack(&dy)));
        let (ys, dxs) = (bench.empty("y", to.bytes()), bench.upload("dx", &from.pack(&x)));
        let ran = bench.run(&[
            pool::forward("pool", kind, size, &from, &to, xs, ys),
            pool::backward("pool", kind, size, &from, &to, [xs, dys, dxs], true),
        ]);
        let twin = reference::pool::Pool { kind, planes: images * c, h, w, size };
        close("forward", &to.unpack(&ran.read(ys)), &reference::pool::forward(&twin, &f64s(&x)), tolerance(storage, 1e-6));
        let mut wanted = reference::pool::backward(&twin, &f64s(&x), &f64s(&dy));
        wanted.iter_mut().zip(&x).for_each(|(to, &add)| *to += f64::from(add));
        close("backward", &from.unpack(&ran.read(dxs)), &wanted, tolerance(storage, 1e-6));
    }

    #[test]
    fn losses(
        images in 1usize..70,
        short in 0usize..3,
        classes in 1usize..120,
        smoothing in 0.0f32..1.0,
        scale in 0.1f32..60.0,
        storage in storage(),
    ) {
        let valid = images - short.min(images - 1);
        let layout = Layout::new(classes, 1, 1, 0, images).stored(storage);
        let logits = round(storage, noise(1, images * classes).iter().map(|v| v * scale).collect());
        let loss_scale = storage.loss_scale();
        let labels: Vec<u32> = (0..images).map(|i| word(1, Purpose::Split, 0, 0, i) % classes as u32).collect();
        let mut bench = Bench::default();
        let run = bench.params(StepParams { valid: valid as u32, smoothing, slot: 1, loss_scale, ..StepParams::default() });
        let slots = layout.blocks() * layout.block_images();
        let io = LossSlices {
            logits: bench.upload("logits", &layout.pack(&logits)),
            logits_grad: Some(bench.upload("grad", &layout.pack(&logits))),
            labels: bench.upload("labels", &[labels.clone(), vec![0; slots - images]].concat()),
            result: bench.empty("result", 8 * slots as u64),
            metrics: bench.upload("metrics", &[1.0f32; 8]),
        };
        let ran = bench.run(&loss::passes(&layout, &io, run));
        let labels: Vec<usize> = labels[..valid].iter().map(|&label| label as usize).collect();
        let twin = reference::loss::forward_backward(&f64s(&logits[..valid * classes]), &labels, f64::from(smoothing));
        let metrics: Vec<f32> = ran.read(io.metrics);
        let correct = twin.correct.iter().filter(|&&c| c).count() as f64;
        let wanted = [twin.losses.iter().sum::<f64>() + 1.0, correct + 1.0, valid as f64 + 1.0, 1.0];
        close("metrics", &metrics[4..], &wanted, 1e-5);
        assert_eq!(metrics[..4], [1.0; 4], "only the step's slot changes");
        let mut wanted: Vec<f64> = twin.gradient.iter().map(|g| g * f64::from(loss_scale)).collect();
        wanted.resize(images * classes, 0.0);
        close("gradient", &layout.unpack(&ran.read(io.logits_grad.unwrap())), &wanted, tolerance(storage, 2e-5));
    }

    #[test]
    fn optimiser(
        vectors in 1usize..300,
        lr in 0.001f32..1.0,
        momentum in 0.0f32..0.99,
        decay in 0.0f32..0.1,
        nesterov: bool,
        storage in storage(),
    ) {
        let count = 4 * vectors;
        let (mut value, mut velocity, gradient) = (f64s(&noise(1, count)), f64s(&noise(2, count)), noise(3, count));
        let loss_scale = storage.loss_scale();
        let scaled: Vec<f32> = gradient.iter().map(|g| g * loss_scale).collect();
        let mut bench = Bench::default();
        let run = bench.params(StepParams { lr, momentum, weight_decay: decay, loss_scale, ..StepParams::default() });
        let [v, m, g] = [noise(1, count), noise(2, count), scaled].map(|data| bench.upload("data", &data));
        let ran = bench.run(&[sgd::step("all", v, m, g, run, nesterov)]);
        let sgd = reference::sgd::Sgd {
            lr: lr.into(), momentum: momentum.into(), nesterov, weight_decay: decay.into(),
        };
        reference::sgd::step(&sgd, &mut value, &mut velocity, &f64s(&gradient));
        close("value", &ran.read(v), &value, 1e-6);
        close("momentum", &ran.read(m), &velocity, 1e-6);
    }

    #[test]
    fn flattening(
        images in 1usize..40,
        (c, h, w, halo) in (1usize..6, 1usize..5, 1usize..5, 0usize..2),
        storage in storage(),
    ) {
        let map = Layout::new(c, h, w, halo, images).stored(storage);
        let flat = Layout::new(c * h * w, 1, 1, 0, images).stored(storage);
        let x = stored_noise(storage, 1, images * flat.channels);
        let mut bench = Bench::default();
        let (xs, ys) = (bench.upload("x", &map.pack(&x)), bench.empty("y", flat.bytes()));
        let back = bench.upload("back", &map.pack(&x));
        let ran = bench.run(&[
            flatten::forward("flatten", &map, &flat, xs, ys),
            flatten::backward("flatten", &map, &flat, ys, back, true),
        ]);
        // NCHW is already flat.
        prop_assert_eq!(flat.unpack(&ran.read(ys)), x.clone());
        prop_assert_eq!(map.unpack(&ran.read(back)), x.iter().map(|v| v + v).collect::<Vec<f32>>());
    }
}

/// `flags`: norm, residual, relu, accumulate, accumulate the residual's gradient.
fn check_pointwise((images, storage): (usize, Storage), short: usize, [c, h, w]: [usize; 3], flags: [bool; 5]) {
    let [has_norm, has_residual, relu, accumulate, residual_accumulate] = flags;
    let valid = images - short.min(images - 1);
    let plane = h * w;
    let (count, part) = (images * c * plane, valid * c * plane);
    // Means far from 0 would show a variance taken as E[x²] − E[x]².
    let x = noise(1, count).iter().enumerate().map(|(i, v)| v + 30.0 * (i / plane % c % 3) as f32).collect();
    let x = round(storage, x);
    let (residual, dy) = (stored_noise(storage, 2, count), stored_noise(storage, 3, count));
    let [weight, bias] = [4, 5].map(|stream| noise(stream, c));
    let running = [noise(6, c), noise(7, c).iter().map(|v| v.abs()).collect()].concat();
    let before = stored_noise(storage, 8, count);
    let [input, output, shortcut] = [0, 1, 2].map(|halo| Layout::new(c, h, w, halo, images).stored(storage));

    let mut bench = Bench::default();
    let run = bench.params(StepParams { valid: valid as u32, ..StepParams::default() });
    let norm = has_norm.then(|| NormSlices {
        weight: bench.upload("weight", &weight),
        bias: bench.upload("bias", &bias),
        weight_grad: bench.empty("weight grad", 4 * c as u64),
        bias_grad: bench.empty("bias grad", 4 * c as u64),
        running: bench.upload("running", &running),
        factors: bench.empty("factors", 16 * c as u64),
        partials: bench.empty("partials", pointwise::partial_bytes(&input)),
        grad_factors: bench.empty("grad factors", 16 * c as u64),
    });
    let node = Pointwise { input, output, residual: has_residual.then_some(shortcut), norm, relu };
    let xs = bench.upload("x", &input.pack(&x));
    // Gradients of padding images are 0, as the loss leaves them.
    let masked: Vec<f32> = dy.iter().enumerate().map(|(i, &v)| if i < part { v } else { 0.0 }).collect();
    let dys = bench.upload("dy", &output.pack(&masked));
    let residual_s = has_residual.then(|| bench.upload("residual", &shortcut.pack(&residual)));
    let (ys, eval) = (bench.empty("y", output.bytes()), bench.empty("eval y", output.bytes()));
    let dx = bench.upload("dx", &input.pack(&before));
    let dres = has_residual.then(|| (bench.upload("dres", &shortcut.pack(&before)), residual_accumulate));
    let io = BackwardSlices { x: xs, y: ys, dy: dys, dx, accumulate, residual: dres };
    let mut passes = pointwise::forward_train("node", &node, &tuning(), xs, residual_s, ys, run);
    passes.extend(pointwise::backward("node", &node, &tuning(), &io, run));
    passes.extend(pointwise::forward_eval("node", &node, &tuning(), xs, residual_s, eval));
    let ran = bench.run(&passes);

    let dims = reference::pointwise::Dims { n: valid, c, plane };
    let [x, residual, dy, weight, bias] = [&x[..part], &residual[..part], &dy[..part], &weight, &bias].map(f64s);
    let twin_norm = reference::pointwise::Norm { weight: &weight, bias: &bias };
    let (mean, variance) = reference::pointwise::batch_statistics(&dims, &x);
    let with = |mean, variance| {
        let norm = has_norm.then_some((twin_norm, mean, variance));
        reference::pointwise::forward(&dims, &x, norm, has_residual.then_some(&residual[..]), relu)
    };
    let read = |layout: &Layout, slice: Slice| layout.unpack(&ran.read(slice))[..part].to_vec();
    let y = with(&mean, &variance);
    // A variance near 0 (one pixel, one image) multiplies rounding by up to 1/sqrt(epsilon).
    let sums = if valid * plane < 4 { 5e-3 } else { 1e-4 };
    close("training", &read(&output, ys), &y, tolerance(storage, sums));
    // ReLU switches where rounding decides: compare with the device's own output.
    let device_y = f64s(&read(&output, ys));
    let gradients = reference::pointwise::backward(&dims, &x, has_norm.then_some(twin_norm), relu, &device_y, &dy);
    let plus = |gradient: &[f64], add: bool| -> Vec<f64> {
        gradient.iter().zip(&before).map(|(g, &b)| if add { g + f64::from(b) } else { *g }).collect()
    };
    close("dx", &read(&input, dx), &plus(&gradients.x, accumulate), tolerance(storage, sums));
    if let Some((dres, _)) = dres {
        close(
            "residual gradient",
            &read(&shortcut, dres),
            &plus(&gradients.residual, residual_accumulate),
            tolerance(storage, 1e-6),
        );
    }
    if let Some(norm) = norm {
        close("weight gradient", &ran.read::<f32>(norm.weight_grad)[..c], &gradients.weight, sums);
        close("bias gradient", &ran.read::<f32>(norm.bias_grad)[..c], &gradients.bias, 1e-4);
        let mut expected = f64s(&running);
        let (running_mean, running_variance) = expected.split_at_mut(c);
        reference::pointwise::update_running(&dims, (&mean, &variance), (running_mean, running_variance));
        close("running statistics", &ran.read::<f32>(norm.running)[..2 * c], &expected, 1e-5);
        let (mean, variance) = expected.split_at(c);
        close("evaluation", &read(&output, eval), &with(mean, variance), tolerance(storage, 1e-4));
        // Padding images get no gradient through the means.
        let all = input.unpack(&ran.read(dx));
        let kept = |i: usize| if accumulate { before[i] } else { 0.0 };
        assert!((part..count).all(|i| all[i] == kept(i)), "padding images have a gradient");
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
        let (accumulate, storage) = (false, Storage::F32);
        let case =
            ConvCase { images: 5, c, k, h, w: h, kernel, stride, padding, density, accumulate, storage, parts: false };
        check_conv(&case, Some(c));
    }
}

#[test]
fn every_candidate() {
    for (kernel, stride, padding, storage) in
        [(3, 1, 1, Storage::F32), (3, 2, 1, Storage::F32), (1, 2, 0, Storage::F16), (3, 1, 1, Storage::Bf16)]
    {
        let (c, k, h, w, accumulate) = (6, 12, 8, 8, true);
        let images = if storage == Storage::F32 { 8 } else { 16 };
        let case =
            ConvCase { images, c, k, h, w, kernel, stride, padding, density: 0.2, accumulate, storage, parts: false };
        check_conv(&case, None);
    }
}

#[test]
fn one_active_weight_in_a_thousand() {
    let case = ConvCase {
        images: 32,
        c: 40,
        k: 64,
        h: 4,
        w: 4,
        kernel: 3,
        stride: 1,
        padding: 1,
        density: 0.001,
        accumulate: false,
        storage: Storage::F32,
        parts: false,
    };
    check_conv(&case, Some(0));
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
            let mut bench = Bench::default();
            let (xs, ys) = (bench.upload("x", &map.pack(&x)), bench.empty("y", flat.bytes()));
            let found = bench.first_bad(&[flatten::forward("flatten", &map, &flat, xs, ys)]);
            assert_eq!(found.as_deref(), bad.map(|_| "flatten: forward"), "{storage:?}, {bad:?}");
        }
    }
}

#[test]
fn input_images() {
    let (h, w, images, batch, valid, cursor, epoch, seed) = (9, 6, 23, 7, 5, 11u32, 3, 99u64);
    let size = 3 * h * w;
    let pixels: Vec<u8> = (0..images * size).map(|i| word(5, Purpose::Split, 2, 2, i) as u8).collect();
    let all_labels: Vec<u32> = (0..images as u32).map(|i| i * 3 % 10).collect();
    let order: Vec<u32> = (0..images as u32).rev().collect();
    let normal = [(0.5f32, 0.25f32), (0.4, 0.2), (0.3, 0.1)];
    let twin_normal = normal.map(|(mean, std)| (f64::from(mean), f64::from(std)));
    for (how, storage) in
        [(None, Storage::Bf16), (Some(Padding::Zero), Storage::F16), (Some(Padding::Reflect), Storage::F32)]
    {
        let layout = Layout::new(3, h, w, 1, batch).stored(storage);
        for per_chunk in [8, 12, 23] {
            let mut bench = Bench::default();
            let params = StepParams { valid, cursor, epoch, seed: key(seed), ..StepParams::default() };
            let run = bench.params(params);
            let chunks = pixels.chunks(per_chunk * size).map(|chunk| {
                let mut bytes = chunk.to_vec();
                bytes.resize(bytes.len().next_multiple_of(4), 0);
                bench.upload("chunk", &bytes)
            });
            let chunks = chunks.collect();
            let io = AugmentSlices {
                order: bench.upload("order", &order),
                image_labels: bench.upload("all labels", &all_labels),
                labels: bench.empty("labels", 4 * 8),
                output: bench.upload("output", &layout.pack(&noise(1, batch * size))),
                normal: bench.upload("normal", &normal.map(|(mean, std)| [mean, 1.0 / std])),
                chunks,
                per_chunk,
            };
            let ran = bench.run(&[augment::pass(&layout, &io, run, how)]);
            let mut wanted = Vec::new();
            for at in 0..valid {
                let image = order[(cursor + at) as usize] as usize;
                let draw = how.map(|how| (reference::augment::draw(seed, epoch, cursor + at), how));
                let bytes = &pixels[image * size..][..size];
                wanted.extend(reference::augment::image(bytes, (h, w), &twin_normal, draw));
                assert_eq!(ran.read::<u32>(io.labels)[at as usize], all_labels[image]);
            }
            wanted.resize(batch * size, 0.0);
            close("images", &layout.unpack(&ran.read(io.output)), &wanted, tolerance(storage, 1e-6));
        }
    }
}
