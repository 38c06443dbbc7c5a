//! Pooling, flattening, loss, optimiser, random numbers.

use super::comparison::Comparison;
use super::harness::{Device, Harness};
use super::{f64s, noise, rounded};
use crate::gpu::{Command, GpuError, Kernel, Label};
use crate::ops::loss::{self, LossSlices};
use crate::ops::philox::{Purpose, key, philox4x32, word};
use crate::ops::pool::{self, Pool};
use crate::ops::{Layout, StepParams, Storage, flatten, reference, sgd};

/// Pooling of `[images, c, h, w]`; `ties`: with many equal values.
#[derive(Clone, Debug)]
pub struct PoolCase {
    pub pool: Pool,
    pub images: usize,
    pub shape: [usize; 3],
    pub ties: bool,
    pub storage: Storage,
}

impl PoolCase {
    pub async fn compare(&self, device: &Device) -> Result<Vec<Comparison>, GpuError> {
        let &Self { pool, images, shape: [c, h, w], ties, storage } = self;
        let from = Layout::new(c, h, w, 1, images).stored(storage);
        let to = Layout::new(c, pool.outputs(h), pool.outputs(w), 0, images).stored(storage);
        let mut x = rounded(storage, noise(1, images * c * h * w));
        if ties {
            x.iter_mut().for_each(|v| *v = (*v * 2.0).round());
        }
        let dy = rounded(storage, noise(2, images * c * to.pixels()));
        let mut harness = Harness::default();
        let (xs, dys) = (harness.upload("x", &from.pack(&x)), harness.upload("dy", &to.pack(&dy)));
        let (ys, dxs) = (harness.empty("y", to.bytes()), harness.upload("dx", &from.pack(&x)));
        let forward = pool::forward("pool", &pool, &from, &to, xs, ys);
        let backward = pool::backward("pool", &pool, &from, &to, [xs, dys, dxs], true);
        let ran = harness.run(&device.gpu, &[forward, backward]).await?;
        let planes = reference::pool::Planes { planes: images * c, h, w };
        let y = to.unpack(&ran.read(ys).await?);
        let mut wanted = reference::pool::backward(&pool, &planes, &f64s(&x), &f64s(&dy));
        wanted.iter_mut().zip(&x).for_each(|(to, &add)| *to += f64::from(add));
        let dx = from.unpack(&ran.read(dxs).await?);
        let what = format!("{}, {}", format!("{:?}", pool.kind).to_lowercase(), storage.name());
        let pooled = reference::pool::forward(&pool, &planes, &f64s(&x));
        Ok(vec![
            Comparison::close(&["pool_forward"], &what, &y, &pooled, 1e-6).stored(storage),
            Comparison::close(&["pool_backward"], &what, &dx, &wanted, 1e-6).stored(storage),
        ])
    }
}

/// The loss of `images`, of which the last `short` are padding.
#[derive(Clone, Debug)]
pub struct LossCase {
    pub images: usize,
    pub short: usize,
    pub classes: usize,
    pub smoothing: f32,
    /// Of the logits.
    pub scale: f32,
    /// What all logits have in common, which no softmax depends on.
    pub offset: f32,
    pub storage: Storage,
}

impl LossCase {
    pub async fn compare(&self, device: &Device) -> Result<Vec<Comparison>, GpuError> {
        let &Self { images, short, classes, smoothing, scale, offset, storage } = self;
        let valid = images - short.min(images - 1);
        let layout = Layout::new(classes, 1, 1, 0, images).stored(storage);
        let logits = rounded(storage, noise(1, images * classes).iter().map(|v| v * scale + offset).collect());
        let loss_scale = storage.loss_scale();
        let labels: Vec<u32> = (0..images).map(|i| word(1, Purpose::Split, 0, 0, i) % classes as u32).collect();
        let mut harness = Harness::default();
        let run =
            harness.params(StepParams { valid: valid as u32, smoothing, slot: 1, loss_scale, ..StepParams::default() });
        let slots = layout.blocks() * layout.block_images();
        let gradient = harness.upload("grad", &layout.pack(&logits));
        let io = LossSlices {
            logits: harness.upload("logits", &layout.pack(&logits)),
            logits_grad: Some(gradient),
            labels: harness.upload("labels", &[labels.clone(), vec![0; slots - images]].concat()),
            result: harness.empty("result", 8 * slots as u64),
            metrics: harness.upload("metrics", &[1.0f32; 8]),
        };
        let ran = harness.run(&device.gpu, &loss::commands(&layout, &io, run)).await?;
        let labels: Vec<usize> = labels[..valid].iter().map(|&label| label as usize).collect();
        let reference =
            reference::loss::forward_backward(&f64s(&logits[..valid * classes]), &labels, f64::from(smoothing));
        let metrics: Vec<f32> = ran.read(io.metrics).await?;
        let correct = reference.correct.iter().filter(|&&c| c).count() as f64;
        let sums = [reference.losses.iter().sum::<f64>() + 1.0, correct + 1.0, valid as f64 + 1.0, 1.0];
        let mut wanted: Vec<f64> = reference.gradient.iter().map(|g| g * f64::from(loss_scale)).collect();
        wanted.resize(images * classes, 0.0);
        let got = layout.unpack(&ran.read(gradient).await?);
        let named = |what| format!("{what}, {}", storage.name());
        Ok(vec![
            Comparison::close(&["loss"], &named("gradient of the logits"), &got, &wanted, 2e-5).stored(storage),
            Comparison::close(&["loss", "loss_reduce"], &named("sums"), &metrics[4..], &sums, 1e-5),
            Comparison::exact(&["loss_reduce"], &named("other steps' sums"), &metrics[..4], &[1.0; 4]),
        ])
    }
}

/// One step of SGD on `4 · vectors` values.
#[derive(Clone, Debug)]
pub struct SgdCase {
    pub vectors: usize,
    pub lr: f32,
    pub momentum: f32,
    pub decay: f32,
    pub nesterov: bool,
    /// What pulls weights to 0, and the deviation of the noise, of a step that keeps their signs.
    pub noise: Option<(f32, f32)>,
    /// Whose scale of the loss the gradient has.
    pub storage: Storage,
}

impl SgdCase {
    pub async fn compare(&self, device: &Device) -> Result<Vec<Comparison>, GpuError> {
        let &Self { vectors, lr, momentum, decay, nesterov, noise: signed, storage } = self;
        let count = 4 * vectors;
        let (l1, deviation) = signed.unwrap_or_default();
        let (mut value, mut velocity, gradient) = (f64s(&noise(1, count)), f64s(&noise(2, count)), noise(3, count));
        let loss_scale = storage.loss_scale();
        let scaled = gradient.iter().map(|g| g * loss_scale).collect();
        let mut harness = Harness::default();
        let (seed, epoch, cursor) = (5, 3, 128);
        let run = harness.params(StepParams {
            lr,
            momentum,
            weight_decay: decay,
            loss_scale,
            l1,
            noise: deviation,
            seed: key(seed),
            epoch,
            cursor,
            ..StepParams::default()
        });
        let [v, m, g] = [noise(1, count), noise(2, count), scaled].map(|data| harness.upload("data", &data));
        let form = sgd::Form { nesterov, signed: signed.is_some() };
        let ran = harness.run(&device.gpu, &[sgd::step("all", [v, m, g], run, form)]).await?;
        let start = value.clone();
        let [lr, momentum, weight_decay] = [lr, momentum, decay].map(f64::from);
        let reference = reference::sgd::Sgd { lr, momentum, nesterov, weight_decay };
        reference::sgd::step(&reference, &mut value, &mut velocity, &f64s(&gradient));
        if signed.is_some() {
            let pull = reference::sgd::Pull { l1: lr * f64::from(l1), noise: deviation.into() };
            let gaussian = |at| reference::sgd::gaussian(seed, (epoch, cursor), at);
            reference::sgd::keep_signs(&pull, &start, &mut value, gaussian);
        }
        // Sines and logarithms are what a GPU makes of them.
        let tolerance = if signed.is_some() { 1e-4 } else { 1e-6 };
        let named = |what| format!("{what}, loss scale {loss_scale}");
        Ok(vec![
            Comparison::close(&["sgd"], &named("values"), &ran.read::<f32>(v).await?, &value, tolerance),
            Comparison::close(&["sgd"], &named("momentum"), &ran.read::<f32>(m).await?, &velocity, 1e-6),
        ])
    }
}

/// Flattening of `[images, c, h, w]` with a border, and back.
#[derive(Clone, Debug)]
pub struct FlattenCase {
    pub images: usize,
    pub shape: [usize; 3],
    pub halo: usize,
    pub storage: Storage,
}

impl FlattenCase {
    pub async fn compare(&self, device: &Device) -> Result<Vec<Comparison>, GpuError> {
        let &Self { images, shape: [c, h, w], halo, storage } = self;
        let map = Layout::new(c, h, w, halo, images).stored(storage);
        let flat = Layout::new(c * h * w, 1, 1, 0, images).stored(storage);
        let x = rounded(storage, noise(1, images * flat.channels));
        let mut harness = Harness::default();
        let (xs, ys) = (harness.upload("x", &map.pack(&x)), harness.empty("y", flat.bytes()));
        let back = harness.upload("back", &map.pack(&x));
        let forward = flatten::forward("flatten", &map, &flat, xs, ys);
        let backward = flatten::backward("flatten", &map, &flat, ys, back, true);
        let ran = harness.run(&device.gpu, &[forward, backward]).await?;
        let named = |what| format!("{what}, {}", storage.name());
        let twice: Vec<f32> = x.iter().map(|v| v + v).collect();
        Ok(vec![
            // NCHW is already flat.
            Comparison::exact(&["flatten"], &named("forward"), &flat.unpack(&ran.read(ys).await?), &x),
            Comparison::exact(&["flatten"], &named("backward"), &map.unpack(&ran.read(back).await?), &twice),
        ])
    }
}

/// The known answers published with Random123 (`kat_vectors`, philox4x32 10 rounds): key, counter, block.
pub const KNOWN_ANSWERS: [([u32; 2], [u32; 4], [u32; 4]); 3] = [
    ([0; 2], [0; 4], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]),
    ([u32::MAX; 2], [u32::MAX; 4], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]),
    (
        [0xa4093822, 0x299f31d0],
        [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
        [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ),
];

/// Random numbers: the published answers, and a thousand blocks as the processor draws them.
pub async fn philox(device: &Device) -> Result<Vec<Comparison>, GpuError> {
    let mut blocks = KNOWN_ANSWERS.to_vec();
    blocks.extend((0..1000u32).map(|i| {
        let key = [i.wrapping_mul(0x9E37_79B9), !i];
        let counter = [i, i << 20, i.wrapping_mul(77_777_777), i ^ 0xffff_0000];
        (key, counter, philox4x32(key, counter))
    }));
    let mut harness = Harness::default();
    let bindings = [
        harness.upload("keys", &blocks.iter().map(|block| block.0).collect::<Vec<_>>()),
        harness.upload("counters", &blocks.iter().map(|block| block.1).collect::<Vec<_>>()),
        harness.empty("blocks", 16 * blocks.len() as u64),
    ];
    let pass =
        Command::dispatch(Label::other("philox"), Kernel::new("philox_test"), &bindings, [blocks.len() as u32, 1, 1]);
    let got: Vec<[u32; 4]> = harness.run(&device.gpu, &[pass]).await?.read(bindings[2]).await?;
    let wanted: Vec<[u32; 4]> = blocks.iter().map(|block| block.2).collect();
    let (known, ours) = (&KNOWN_ANSWERS.map(|answer| answer.2)[..], &wanted[3..]);
    let count = wanted.len();
    Ok(vec![
        Comparison::exact(&["philox_test"], "published answers", &got[..3], known),
        Comparison::exact(&["philox_test"], "a thousand blocks", &got[3..count], ours),
    ])
}
