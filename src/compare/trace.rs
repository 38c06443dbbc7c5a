//! The first steps on one adapter, and the same by the CPU references.

use super::{MethodRun, Options};
use crate::ops::reference::sgd::Sgd;
use crate::train::{Method, RunPlan, TrainError, Trainer};
use crate::verify::Reference;

/// What one adapter computed, before it is compared.
pub struct Trace {
    losses: Vec<f64>,
    /// The active bits after each update.
    sets: Vec<(usize, Vec<u8>)>,
    /// Of the steps that the CPU references repeat (at least of the first): augmented images `[n, c, h, w]`, and their labels.
    pub inputs: Vec<(Vec<f32>, Vec<u32>)>,
    repeats: bool,
}

impl Trace {
    /// The first steps, twice.
    pub async fn of(trainer: &mut Trainer<'_>, options: &Options) -> Result<Self, TrainError> {
        let run_plan = trainer.run_plan;
        let plan = &run_plan.plan;
        // Full batches of the first epoch, with the first sets.
        let images = run_plan.split.train.len() / run_plan.config.batch_size;
        let most = options.reference_steps.min(images).min(run_plan.config.delta_t).min(options.steps);
        let fetch = trainer.network.executor.prepare(std::slice::from_ref(&plan.fetch_train), |_| ())?;
        let (mut runs, mut inputs) = (Vec::new(), Vec::new());
        for repeat in [false, true] {
            trainer.initialise();
            let (mut losses, mut sets) = (Vec::new(), Vec::new());
            for step in 1..=options.steps {
                losses.push(trainer.step_loss().await?);
                if !repeat && step <= most {
                    trainer.network.executor.submit(&fetch);
                    let (layout, slice) = plan.input;
                    let images = layout.unpack(&trainer.network.executor.read(slice).await?);
                    let labels: Vec<u32> = trainer.network.executor.read(plan.labels).await?;
                    inputs.push((images, labels[..plan.batch].to_vec()));
                }
                if run_plan.updates_after(step) {
                    let active = plan.layers.iter().filter_map(|layer| Some(layer.sparse?.active));
                    let read = trainer.network.executor.read_slices(&active.collect::<Vec<_>>());
                    sets.push((step, trainer.network.executor.finish(read).await?));
                }
            }
            runs.push((losses, sets, tensors(trainer).await?));
        }
        let repeats = runs[0] == runs[1];
        let (losses, sets, _) = runs.swap_remove(0);
        Ok(Self { losses, sets, inputs, repeats })
    }

    /// This trace beside the first adapter's and the losses of the CPU references.
    pub fn beside(&self, method: Method, first: &Self, reference: &[f64]) -> MethodRun {
        let updates: Vec<(usize, f64)> = self
            .sets
            .iter()
            .zip(&first.sets)
            .map(|((step, ours), (_, theirs))| (*step, shared(ours, theirs)))
            .collect();
        MethodRun {
            method: method.name,
            losses: self.losses.clone(),
            loss_drift: drift(&self.losses, &first.losses),
            reference_drift: drift(&self.losses, reference),
            first_divergence: updates.iter().find(|(_, share)| *share < 1.0).map(|(step, _)| *step),
            updates,
            repeats: self.repeats,
        }
    }
}

/// The largest difference of a loss, over the wanted one.
fn drift(losses: &[f64], wanted: &[f64]) -> f64 {
    losses.iter().zip(wanted).map(|(a, b)| (a - b).abs() / b.abs().max(1e-9)).fold(0.0, f64::max)
}

/// Weights, momentum, sets and running statistics, as a checkpoint holds them behind its header.
async fn tensors(trainer: &Trainer<'_>) -> Result<Vec<u8>, TrainError> {
    let bytes = trainer.capture().await?;
    let (length, rest) = bytes.split_first_chunk().expect("a checkpoint begins with the length of its header");
    Ok(rest[u64::from_le_bytes(*length) as usize..].to_vec())
}

/// The share of the bits set in `theirs` that are set in `ours`; as many are set in both.
fn shared(ours: &[u8], theirs: &[u8]) -> f64 {
    let count = |bits: &mut dyn Iterator<Item = u8>| bits.map(|byte| f64::from(byte.count_ones())).sum::<f64>();
    let both = count(&mut ours.iter().zip(theirs).map(|(a, b)| a & b));
    let most = count(&mut ours.iter().copied()).max(count(&mut theirs.iter().copied()));
    if most > 0.0 { both / most } else { 1.0 }
}

/// The losses of the first steps by the CPU references, on the images of these steps.
pub fn reference(run_plan: &RunPlan, inputs: &[(Vec<f32>, Vec<u32>)]) -> Vec<f64> {
    let (config, graph) = (&run_plan.config, &run_plan.graph);
    let initial = run_plan.initial();
    let mut masks: Vec<Option<Vec<bool>>> = vec![None; graph.params.len()];
    for (layer, bits) in run_plan.plan.layers.iter().zip(&initial.active) {
        if layer.sparse.is_some() {
            masks[layer.param] = Some((0..layer.numel).map(|i| bits[i / 32] >> (i % 32) & 1 == 1).collect());
        }
    }
    let spread = |(values, mask): (&Vec<f32>, &Option<Vec<bool>>)| -> Vec<f64> {
        let mut values = values.iter().map(|&value| f64::from(value));
        match mask {
            None => values.collect(),
            Some(mask) => mask.iter().map(|&keep| if keep { values.next().unwrap_or(0.0) } else { 0.0 }).collect(),
        }
    };
    let values = initial.values.iter().zip(&masks).map(spread).collect();
    let mut reference = Reference::new(graph, run_plan.plan.batch, values, masks);
    let length = config.length(run_plan.steps_per_epoch());
    let step = |(step, (images, labels)): (usize, &(Vec<f32>, Vec<u32>))| {
        let rule = Sgd {
            lr: config.lr_schedule.at(config.lr, step, length),
            momentum: config.momentum,
            nesterov: config.nesterov,
            weight_decay: config.weight_decay,
        };
        let images: Vec<f64> = images.iter().map(|&v| f64::from(v)).collect();
        let labels: Vec<usize> = labels.iter().map(|&label| label as usize).collect();
        reference.step(&images, &labels, config.label_smoothing, &rule)
    };
    inputs.iter().enumerate().map(step).collect()
}
