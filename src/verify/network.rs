//! Ten training steps of a tiny sparse network, compared with the losses of the CPU references: on noise, and on real images, which
//! have large even areas and sharp edges (onnxruntime#29807 was wrong for a third of real inputs).

use super::comparison::{Comparison, shaders};
use super::harness::Device;
use super::{bits, noise};
use crate::gpu::{Executor, GpuError};
use crate::model::{Graph, ModelError, Shape, resnet};
use crate::ops::reference::topology;
use crate::ops::{Layout, StepParams, Storage};
use crate::plan::{Plan, PlanInput};
use crate::sparsity::Structure;

const CLASSES: usize = 4;
const IMAGES: usize = 8;
const SMOOTHING: f32 = 0.1;
const SGD: (f32, f32, f32) = (0.05, 0.9, 5e-4);
const SEED: u64 = 11;

/// What the network is trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    Noise,
    /// Of the embedded sample.
    Images,
}

impl Input {
    /// The loss of each step as [`super::Reference`] computes it.
    pub const fn losses(self) -> &'static [f64; 10] {
        match self {
            Self::Noise => &LOSSES,
            Self::Images => &LOSSES_OF_IMAGES,
        }
    }
}

const LOSSES: [f64; 10] = [
    1.409_295_080_764,
    1.403_844_157_740,
    1.396_848_329_959,
    1.389_035_393_193,
    1.380_984_299_678,
    1.372_926_026_316,
    1.365_008_120_339,
    1.357_083_433_815,
    1.348_868_725_915,
    1.339_837_317_868,
];

const LOSSES_OF_IMAGES: [f64; 10] = [
    1.417_550_733_589,
    1.390_206_455_117,
    1.362_653_826_214,
    1.339_414_086_791,
    1.320_115_133_047,
    1.303_652_443_942,
    1.289_221_409_202,
    1.275_794_722_383,
    1.262_521_825_172,
    1.248_919_404_792,
];

/// A residual network of one block, a third of whose weights are active.
struct Start {
    graph: Graph,
    /// Of each parameter, all values.
    values: Vec<Vec<f32>>,
    masks: Vec<Option<Vec<bool>>>,
    images: Vec<f32>,
    labels: Vec<usize>,
}

impl Start {
    fn new(input: Input) -> Result<Self, ModelError> {
        let graph = resnet::basic("tiny", &[1], &[8], CLASSES, Shape::new(3, 8, 8))?;
        let (mut values, mut masks) = (Vec::new(), Vec::new());
        for (id, param) in graph.params.iter().enumerate() {
            let numel = param.numel();
            masks.push(param.prunable().then(|| topology::init_mask(SEED, id as u32, numel, numel.div_ceil(3))));
            let fan_in: usize = param.shape[1..].iter().product();
            values.push(match param.prunable() {
                true => topology::init_weight(SEED, id as u32, fan_in, numel),
                // Normalisation starts at other numbers than 1 and 0, so that every part of it counts.
                false => noise(100 + id as u32, numel).iter().map(|&v| 0.5 + 0.25 * v).collect(),
            });
        }
        let images = match input {
            Input::Noise => noise(21, IMAGES * graph.tensors[0].len()),
            Input::Images => real_images(),
        };
        Ok(Self { graph, values, masks, images, labels: (0..IMAGES).map(|i| i % CLASSES).collect() })
    }
}

/// The first images of the sample, a pixel for each square of four by four; mid grey where there is no sample.
fn real_images() -> Vec<f32> {
    const SIDE: usize = 32;
    const SMALL: usize = 8;
    let images = crate::data::load("sample").map(|data| data.test.pixels).unwrap_or_default();
    let byte = |at: usize| f32::from(images.get(at).copied().unwrap_or(128));
    let pixel = |at: usize| {
        let (plane, y, x) = (at / (SMALL * SMALL), at / SMALL % SMALL * 4, at % SMALL * 4);
        let square = (0..16).map(|i| byte(plane * SIDE * SIDE + (y + i / 4) * SIDE + x + i % 4));
        (square.sum::<f32>() / 16.0 - 128.0) / 64.0
    };
    (0..IMAGES * 3 * SMALL * SMALL).map(pixel).collect()
}

/// The loss of each step beside [`Input::losses`].
pub async fn training(device: &Device, of: Input) -> Result<Vec<Comparison>, GpuError> {
    let cannot = |message: String| GpuError::Validation { what: "the network to verify".into(), message };
    let start = Start::new(of).map_err(|error| cannot(error.to_string()))?;
    let count = |mask: &Vec<bool>| mask.iter().filter(|&&set| set).count();
    let active: Vec<usize> = start.masks.iter().flatten().map(count).collect();
    let plan = Plan::compile(&PlanInput {
        graph: &start.graph,
        batch: IMAGES,
        storage: Storage::F32,
        least: active.clone(),
        capacity: active.clone(),
        active,
        structure: Structure::Unstructured,
        update: None,
        nesterov: true,
        augment: None,
        images: 1,
        tuning: device.tuning.clone(),
        max_binding: device.gpu.max_binding(),
        max_buffer: device.gpu.limits.max_buffer_size,
    })
    .map_err(|error| cannot(error.to_string()))?;
    let mut executor = Executor::new(device.gpu.clone(), &plan.buffers).await?;
    let index = executor.prepare(&plan.index, |_| ())?;
    let train = executor.prepare(&plan.train, |_| ())?;
    for (layer, mask) in plan.layers.iter().zip(start.masks.iter().flatten()) {
        if let Some(sparse) = &layer.sparse {
            executor.write(sparse.active, &bits(mask));
        }
    }
    for ((slot, values), mask) in plan.params.iter().zip(&start.values).zip(&start.masks) {
        let kept = |&(i, _): &(usize, &f32)| mask.as_ref().is_none_or(|mask| mask[i]);
        executor.write(slot.value, &values.iter().enumerate().filter(kept).map(|(_, &v)| v).collect::<Vec<_>>());
    }
    executor.submit(&index);
    let (layout, input): (Layout, _) = plan.input;
    executor.write(plan.labels, &start.labels.iter().map(|&label| label as u32).collect::<Vec<_>>());
    let (lr, momentum, weight_decay) = SGD;
    let mut got = Vec::new();
    for _ in of.losses() {
        let params =
            StepParams { valid: IMAGES as u32, lr, momentum, weight_decay, smoothing: SMOOTHING, ..Default::default() };
        executor.write(plan.run, &[params]);
        executor.write(plan.metrics.part(0, 16), &[0.0f32; 4]);
        // Buffers are shared by tensors whose lives do not overlap: the input's may hold something else after a step.
        executor.write(input, &layout.pack(&start.images));
        executor.submit(&train);
        let slot: Vec<f32> = executor.read(plan.metrics.part(0, 16)).await?;
        got.push(slot[0] / slot[2]);
    }
    // Rounding grows from step to step: ReLU switches, and a step moves every weight.
    let what = match of {
        Input::Noise => "training: loss of ten steps",
        Input::Images => "training on images: loss of ten steps",
    };
    Ok(vec![Comparison::close(&shaders(&plan.train), what, &got, of.losses(), 2e-4)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::reference::sgd::Sgd;
    use crate::verify::{Reference, f64s};

    #[test]
    fn the_losses_are_those_of_the_references() {
        for of in [Input::Noise, Input::Images] {
            let start = Start::new(of).unwrap();
            let values = start.values.iter().map(|values| f64s(values)).collect();
            let mut reference = Reference::new(&start.graph, IMAGES, values, start.masks.clone());
            let [lr, momentum, weight_decay, smoothing] = [SGD.0, SGD.1, SGD.2, SMOOTHING].map(f64::from);
            let rule = Sgd { lr, momentum, nesterov: true, weight_decay };
            let images = f64s(&start.images);
            let losses = of.losses().map(|_| reference.step(&images, &start.labels, smoothing, &rule));
            let same = |(loss, wanted): (&f64, &f64)| (loss - wanted).abs() < 1e-9;
            assert!(losses.iter().zip(of.losses()).all(same), "{losses:.12?}");
        }
    }
}
