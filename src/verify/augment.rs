//! Input images: order, crop, flip, normalisation.

use super::comparison::Comparison;
use super::harness::{Device, Harness};
use super::noise;
use crate::gpu::GpuError;
use crate::ops::augment::{self, AugmentSlices, Padding};
use crate::ops::philox::{Purpose, key, word};
use crate::ops::{Layout, StepParams, Storage, reference};

/// A short batch of a random set of 23 images, which lie `per_chunk` a binding.
#[derive(Clone, Debug)]
pub struct AugmentCase {
    pub how: Option<Padding>,
    pub per_chunk: usize,
    pub storage: Storage,
}

impl AugmentCase {
    pub async fn compare(&self, device: &Device) -> Result<Vec<Comparison>, GpuError> {
        let &Self { how, per_chunk, storage } = self;
        let (h, w, images, batch, valid, cursor, epoch, seed) = (9, 6, 23, 7, 5u32, 11u32, 3, 99u64);
        let layout = Layout::new(3, h, w, 1, batch).stored(storage);
        let size = 3 * h * w;
        let pixels: Vec<u8> = (0..images * size).map(|i| word(5, Purpose::Split, 2, 2, i) as u8).collect();
        let all_labels: Vec<u32> = (0..images as u32).map(|i| i * 3 % 10).collect();
        let order: Vec<u32> = (0..images as u32).rev().collect();
        let (mean, std) = ([0.5f32, 0.4, 0.3], [0.25f32, 0.2, 0.1]);
        let reference_normal = [0, 1, 2].map(|c| (f64::from(mean[c]), f64::from(std[c])));

        let mut harness = Harness::default();
        let run = harness.params(StepParams { valid, cursor, epoch, seed: key(seed), ..StepParams::default() });
        let chunks = pixels.chunks(per_chunk * size).map(|chunk| {
            let mut bytes = chunk.to_vec();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            harness.upload("chunk", &bytes)
        });
        let chunks = chunks.collect();
        let io = AugmentSlices {
            order: harness.upload("order", &order),
            image_labels: harness.upload("all labels", &all_labels),
            labels: harness.empty("labels", 4 * 8),
            output: harness.upload("output", &layout.pack(&noise(1, batch * size))),
            normal: harness.upload("normal", &augment::normalised(&mean, &std)),
            chunks,
            per_chunk,
        };
        let ran = harness.run(&device.gpu, &[augment::pass(&layout, &io, run, how)]).await?;
        let (mut wanted, mut labels) = (Vec::new(), Vec::new());
        for at in cursor..cursor + valid {
            let image = order[at as usize] as usize;
            let draw = how.map(|how| (reference::augment::draw(seed, epoch, at), how));
            wanted.extend(reference::augment::image(&pixels[image * size..][..size], (h, w), &reference_normal, draw));
            labels.push(all_labels[image]);
        }
        wanted.resize(batch * size, 0.0);
        let what = match how {
            None => "as they are",
            Some(Padding::Zero) => "zero padding",
            Some(Padding::Reflect) => "reflection",
        };
        let what = &format!("{what}, {}", storage.name());
        let got = layout.unpack(&ran.read(io.output).await?);
        let got_labels = ran.read::<u32>(io.labels).await?;
        Ok(vec![
            Comparison::close(&["augment"], what, &got, &wanted, 1e-6).stored(storage),
            Comparison::exact(&["augment"], &format!("{what}: labels"), &got_labels[..labels.len()], &labels),
        ])
    }
}
