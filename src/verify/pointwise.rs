//! Batch normalisation, residual and ReLU, in training and evaluation.

use super::comparison::{Comparison, shaders};
use super::harness::{Device, Harness};
use super::{f64s, noise, rounded};
use crate::gpu::{GpuError, Slice};
use crate::ops::pointwise::{self, BackwardSlices, Pointwise};
use crate::ops::{Layout, StepParams, Storage, reference};

/// A node over `[images, c, h, w]`, of which the last `short` images are padding.
#[derive(Clone, Debug)]
pub struct PointwiseCase {
    pub images: usize,
    pub short: usize,
    pub shape: [usize; 3],
    pub norm: bool,
    pub residual: bool,
    pub relu: bool,
    /// Gradients (of the input; of the residual) are added to what is there.
    pub accumulate: bool,
    pub residual_accumulate: bool,
    pub storage: Storage,
}

impl PointwiseCase {
    pub async fn compare(&self, device: &Device) -> Result<Vec<Comparison>, GpuError> {
        let &Self { images, short, shape: [c, h, w], norm, residual, relu, accumulate, residual_accumulate, storage } =
            self;
        let (has_norm, has_residual) = (norm, residual);
        let valid = images - short.min(images - 1);
        let plane = h * w;
        let (count, part) = (images * c * plane, valid * c * plane);
        // Means far from 0 would show a variance taken as E[x²] − E[x]².
        let x = noise(1, count).iter().enumerate().map(|(i, v)| v + 30.0 * (i / plane % c % 3) as f32).collect();
        let x = rounded(storage, x);
        let [residual, dy] = [2, 3].map(|stream| rounded(storage, noise(stream, count)));
        let [weight, bias] = [4, 5].map(|stream| noise(stream, c));
        let running = [noise(6, c), noise(7, c).iter().map(|v| v.abs()).collect()].concat();
        let before = rounded(storage, noise(8, count));
        let [input, output, shortcut] = [0, 1, 2].map(|halo| Layout::new(c, h, w, halo, images).stored(storage));

        let (tuning, mut harness) = (&device.tuning, Harness::default());
        let run = harness.params(StepParams { valid: valid as u32, ..StepParams::default() });
        let norm = has_norm.then(|| harness.norm(&input, [&weight, &bias, &running]));
        let node = Pointwise { input, output, residual: has_residual.then_some(shortcut), norm, relu };
        let xs = harness.upload("x", &input.pack(&x));
        // Gradients of padding images are 0, as the loss leaves them.
        let masked: Vec<f32> = dy.iter().enumerate().map(|(i, &v)| if i < part { v } else { 0.0 }).collect();
        let dys = harness.upload("dy", &output.pack(&masked));
        let residual_s = has_residual.then(|| harness.upload("residual", &shortcut.pack(&residual)));
        let (ys, eval) = (harness.empty("y", output.bytes()), harness.empty("eval y", output.bytes()));
        let dx = harness.upload("dx", &input.pack(&before));
        let dres = has_residual.then(|| (harness.upload("dres", &shortcut.pack(&before)), residual_accumulate));
        let io = BackwardSlices { x: xs, y: ys, dy: dys, dx, accumulate, residual: dres };
        let forward = pointwise::forward_train("node", &node, tuning, xs, residual_s, ys, run);
        let backward = pointwise::backward("node", &node, tuning, &io, run);
        let evaluation = pointwise::forward_eval("node", &node, tuning, xs, residual_s, eval);
        let [in_forward, in_backward, in_eval] = [&forward, &backward, &evaluation].map(|commands| shaders(commands));
        let ran = harness.run(&device.gpu, &[forward, backward, evaluation].concat()).await?;

        let dims = reference::pointwise::Dims { n: valid, c, plane };
        let [x, residual, dy, weight, bias] = [&x[..part], &residual[..part], &dy[..part], &weight, &bias].map(f64s);
        let reference_norm = reference::pointwise::Norm { weight: &weight, bias: &bias };
        let (mean, variance) = reference::pointwise::batch_statistics(&dims, &x);
        let with = |mean, variance| {
            let norm = has_norm.then_some((reference_norm, mean, variance));
            reference::pointwise::forward(&dims, &x, norm, has_residual.then_some(&residual[..]), relu)
        };
        let read = async |layout: Layout, slice: Slice| -> Result<Vec<f32>, GpuError> {
            Ok(layout.unpack(&ran.read(slice).await?)[..part].to_vec())
        };
        let mut comparisons = Vec::new();
        let named = |what: &str| format!("{what}, {}", storage.name());
        // Activations are stored, channels' numbers are not.
        let close = |kernels: &[&'static str], what: &str, got: &[f32], wanted: &[f64], (tolerance, storage)| {
            Comparison::close(kernels, &named(what), got, wanted, tolerance).stored(storage)
        };
        let y = with(&mean, &variance);
        // A variance near 0 (one pixel, one image) multiplies rounding by up to 1/sqrt(epsilon).
        let tolerance = if valid * plane < 4 { 5e-3 } else { 1e-4 };
        let device_y = read(output, ys).await?;
        let mut expected = f64s(&running);
        if let Some(norm) = norm {
            let (running_mean, running_variance) = expected.split_at_mut(c);
            reference::pointwise::update_running(&dims, (&mean, &variance), (running_mean, running_variance));
            let got = ran.read::<f32>(norm.running).await?;
            comparisons.push(close(
                &["pointwise_stats", "pointwise_stats_finish"],
                "running statistics",
                &got[..2 * c],
                &expected,
                (1e-5, Storage::F32),
            ));
        }
        comparisons.push(close(&in_forward, "training", &device_y, &y, (tolerance, storage)));
        // ReLU switches where rounding decides: compare with the device's own output.
        let device_y = f64s(&device_y);
        let gradients =
            reference::pointwise::backward(&dims, &x, has_norm.then_some(reference_norm), relu, &device_y, &dy);
        let plus = |gradient: &[f64], add: bool| -> Vec<f64> {
            gradient.iter().zip(&before).map(|(g, &b)| if add { g + f64::from(b) } else { *g }).collect()
        };
        if let Some(norm) = norm {
            let kernels = ["pointwise_grad_stats", "pointwise_grad_finish"];
            // These cancel: they are measured by their terms, n of random signs being √n large.
            let sizes: Vec<f64> = dy.iter().map(|v| v.abs()).collect();
            let terms = reference::pointwise::backward(&dims, &x, Some(reference_norm), relu, &device_y, &sizes).bias;
            let parts = [
                ("weight gradient", norm.weight_grad, &gradients.weight, tolerance),
                ("bias gradient", norm.bias_grad, &gradients.bias, 1e-4),
            ];
            for (what, slice, wanted, tolerance) in parts {
                let got = ran.read::<f32>(slice).await?;
                let tolerance = tolerance / ((valid * plane) as f64).sqrt();
                comparisons.push(Comparison::sums(&kernels, &named(what), &got[..c], (wanted, &terms), tolerance));
            }
        }
        let wanted = plus(&gradients.x, accumulate);
        // It may cancel to nothing, as between two images; what it is added to counts as a term.
        let largest = gradients.x_terms.iter().fold(1.0f64, |most, &term| most.max(term));
        let terms = gradients.x_terms.iter().zip(&before);
        let terms: Vec<f64> = terms.map(|(term, &b)| (term + f64::from(b).abs()).max(1e-3 * largest)).collect();
        let (got, what) = (read(input, dx).await?, named("input gradient"));
        let compared = Comparison::sums(&in_backward, &what, &got, (&wanted, &terms), tolerance);
        comparisons.push(compared.stored(storage));
        if let Some((dres, _)) = dres {
            let wanted = plus(&gradients.residual, residual_accumulate);
            comparisons.push(close(
                &in_backward,
                "residual gradient",
                &read(shortcut, dres).await?,
                &wanted,
                (1e-6, storage),
            ));
        }
        if has_norm {
            let (mean, variance) = expected.split_at(c);
            comparisons.push(close(
                &in_eval,
                "evaluation",
                &read(output, eval).await?,
                &with(mean, variance),
                (1e-4, storage),
            ));
            // Padding images get no gradient through the means.
            let all = input.unpack(&ran.read(dx).await?);
            let wanted: Vec<f32> = before[part..].iter().map(|&b| if accumulate { b } else { 0.0 }).collect();
            let padding = named("padding images have no gradient");
            comparisons.push(Comparison::exact(&in_backward, &padding, &all[part..count], &wanted));
        }
        Ok(comparisons)
    }
}
