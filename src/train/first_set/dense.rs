//! The dense network on a device, for its gradients alone: the kernels of a dense run, without optimiser and without data there.

use crate::gpu::{Command, Executor, Gpu, GpuError, Kind, Program, Slice};
use crate::model::Graph;
use crate::ops::{StepParams, Storage, Tuning};
use crate::plan::{LayerPlan, Plan, PlanError, PlanInput};
use crate::sparsity::{Init, Structure};
use crate::train::{RunPlanError, TrainError};

/// Images and what they show.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[n, c, h, w]`, normalised.
    pub input: Vec<f32>,
    pub labels: Vec<usize>,
}

impl Batch {
    pub fn images(&self) -> usize {
        self.labels.len()
    }
}

/// Why there is no dense network on the device.
#[derive(Debug)]
pub struct NoNetwork {
    batch: usize,
    error: TrainError,
}

impl NoNetwork {
    /// Of a first set that is chosen so.
    pub fn of(self, how: Init) -> TrainError {
        TrainError::FirstSet { how: how.name(), batch: self.batch, source: Box::new(self.error) }
    }
}

/// A dense network on a device. Activations are kept in `f32`, whatever the run's `storage`.
pub struct DenseNetwork {
    plan: Plan,
    executor: Executor,
    forward: Program,
    backward: Program,
}

impl DenseNetwork {
    /// Plans the network of `graph` for `batch` images and puts it on `gpu`, with the default kernels.
    pub async fn new(gpu: &Gpu, graph: &Graph, batch: usize) -> Result<Self, NoNetwork> {
        let made = async {
            let plan = plan(gpu, graph, batch).map_err(RunPlanError::from)?;
            let mut executor = Executor::new(gpu.clone(), &plan.buffers).await?;
            let (forward, rest) = (&plan.train[..plan.loss.start], &plan.train[plan.loss.end..]);
            let backward: Vec<Command> =
                rest.iter().filter(|command| command.label().kind != Kind::Optimiser).cloned().collect();
            let (forward, backward) = (executor.prepare(forward, |_| ())?, executor.prepare(&backward, |_| ())?);
            Ok(Self { plan, executor, forward, backward })
        };
        made.await.map_err(|error| NoNetwork { batch, error })
    }

    /// Bytes of GPU memory.
    pub fn bytes(&self) -> u64 {
        self.plan.buffers.total_bytes()
    }

    /// Gives every parameter its values, dense.
    pub fn write(&self, values: &[Vec<f32>]) {
        for (slot, values) in self.plan.params.iter().zip(values) {
            self.executor.write(slot.value, values);
        }
    }

    /// A score of every prunable weight, of its value and its gradient.
    pub(super) fn scores(
        &self,
        values: &[Vec<f32>],
        gradients: &[Vec<f64>],
        score: impl Fn(f64, f64) -> f64,
    ) -> Vec<Vec<f32>> {
        let of = |(layer, gradient): (&LayerPlan, &Vec<f64>)| {
            let weights = values[layer.param].iter().zip(gradient);
            weights.map(|(&weight, &gradient)| score(f64::from(weight), gradient) as f32).collect()
        };
        self.plan.layers.iter().zip(gradients).map(of).collect()
    }

    /// Runs the images of `input` (`[n, c, h, w]`, as many as planned for) forward in training mode, and back from the gradient
    /// of the logits that `head` makes of the logits, both `[n, classes]`; the gradient of each prunable parameter, dense.
    pub async fn gradients(
        &self,
        input: &[f32],
        head: impl FnOnce(&[f32]) -> Vec<f32>,
    ) -> Result<Vec<Vec<f32>>, GpuError> {
        let (plan, executor) = (&self.plan, &self.executor);
        let Some(logits_grad) = plan.logits_grad else { return Ok(Vec::new()) };
        executor.write(plan.run, &[StepParams { valid: plan.batch as u32, ..StepParams::default() }]);
        executor.write(plan.input.1, &plan.input.0.pack(input));
        submit(executor, &self.forward);
        let (layout, logits) = plan.logits;
        let logits = layout.unpack(&executor.read(logits).await?);
        executor.write(logits_grad, &layout.pack(&head(&logits)));
        submit(executor, &self.backward);
        let slices: Vec<Slice> =
            plan.layers.iter().map(|layer| plan.params[layer.param].grad.part(0, 4 * layer.numel as u64)).collect();
        let bytes = executor.finish(executor.read_slices(&slices)).await?;
        let all: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        let mut rest = all.as_slice();
        let mut take = |numel: usize| rest.split_off(..numel).unwrap_or_default().to_vec();
        Ok(plan.layers.iter().map(|layer| take(layer.numel)).collect())
    }
}

/// In parts, so that a slow device is not taken for hung.
fn submit(executor: &Executor, program: &Program) {
    executor.submit_parts(executor.record(program, program.len() / 8));
}

fn plan(gpu: &Gpu, graph: &Graph, batch: usize) -> Result<Plan, PlanError> {
    let all: Vec<usize> = graph.prunable().map(|(_, param)| param.numel()).collect();
    Plan::compile(&PlanInput {
        graph,
        batch,
        storage: Storage::F32,
        active: all.clone(),
        least: all.clone(),
        capacity: all,
        structure: Structure::Unstructured,
        update: None,
        nesterov: false,
        augment: None,
        images: 1,
        tuning: Tuning::for_gpu(gpu),
        max_binding: gpu.max_binding(),
        max_buffer: gpu.limits.max_buffer_size,
    })
}
