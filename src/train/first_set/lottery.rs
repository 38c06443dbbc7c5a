//! Lottery tickets (Frankle and Carbin 2019; rewinding: Frankle, Dziugaite, Roy and Carbin 2020): the dense network is trained as
//! the run will be, the weights of largest magnitude in the whole network stay, and go back to where they were.

use std::sync::Arc;

use super::{FirstSet, Progress, choose_by};
use crate::data::Dataset;
use crate::gpu::Gpu;
use crate::ops::Tuning;
use crate::plan::LayerPlan;
use crate::sparsity::{Init, InitChoice, Method, init};
use crate::train::{Config, Listener, RunPlan, TrainError, Trainer};

/// Steps that the host may be ahead of the device.
const AHEAD: usize = 16;

/// Trains dense, and where there are more rounds sparse ever after, each time for all epochs of `config`; the set that is left
/// after the last round, and what its weights start from.
///
/// # Errors
/// When the network does not fit the device, or its loss is not finite.
pub async fn lottery(
    config: &Config,
    dataset: &Dataset,
    gpu: &Gpu,
    listener: &mut dyn Listener,
) -> Result<FirstSet, TrainError> {
    let rounds = config.lottery.rounds;
    let still = Config { init: InitChoice::Random, mask: String::new(), ..config.clone() };
    let mut first: Option<FirstSet> = None;
    let mut state = None;
    for round in 1..=rounds {
        let method = if round == 1 { Method::DENSE } else { Method::STATIC };
        let set = first.take().map(Arc::new);
        let run_plan =
            RunPlan::with(Config { method, ..still.clone() }, set.clone(), dataset, gpu, Tuning::for_gpu(gpu))?;
        let mut trainer = Trainer::new(gpu.clone(), &run_plan, dataset, listener).await?;
        trainer.initialise();
        for epoch in 1..=config.total_epochs() {
            train_epoch(&mut trainer).await?;
            let (done, total) = ((round - 1) * config.total_epochs() + epoch, rounds * config.total_epochs());
            let bytes = run_plan.plan.buffers.total_bytes();
            listener.choosing(Init::Lottery.name(), &Progress { unit: "epoch", done, total, bytes });
            if round == 1 && epoch == config.lottery.rewind {
                state = Some(Arc::new(trainer.network.state().await?));
            }
        }
        let values = trainer.network.state().await?.values;
        let scores = magnitudes(&run_plan, &values);
        let density = config.density().powf(round as f64 / rounds as f64);
        let active = choose_by(&run_plan.graph, config.structure, &scores, density);
        first = Some(FirstSet { state: state.clone(), ..FirstSet::new(&run_plan.graph, active) });
    }
    first.ok_or(TrainError::NoScores { how: Init::Lottery.name() })
}

/// The steps of the epoch that `trainer` is at, without its logs.
async fn train_epoch(trainer: &mut Trainer<'_>) -> Result<(), TrainError> {
    let run_plan = trainer.run_plan;
    let slot = run_plan.plan.metrics.part(0, 16);
    let parts = trainer.network.programs.train.len() / 8;
    for _ in 0..run_plan.steps_per_epoch() {
        trainer.network.executor.write(slot, &[0.0f32; 4]);
        trainer.network.submit_step(&trainer.progress, 0, parts);
        trainer.progress.step += 1;
        let step = trainer.progress.step;
        if step.is_multiple_of(AHEAD) || step.is_multiple_of(run_plan.steps_per_epoch()) {
            let sums: Vec<f32> = trainer.network.executor.read(slot).await?;
            if !sums.iter().all(|sum| sum.is_finite()) {
                let what = format!("the loss is infinite or not a number at step {step} of the dense training");
                return Err(TrainError::Diverged { step, what, cause: String::new() });
            }
        }
    }
    Ok(())
}

/// The magnitude of each prunable weight; minus infinity of what was not active. `values`: of each parameter, its active weights.
fn magnitudes(run_plan: &RunPlan, values: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let sets = run_plan.initial_sets();
    let of = |(layer, bits): (&LayerPlan, &Vec<u32>)| {
        let values = &values[layer.param];
        if layer.sparse.is_none() {
            return values.iter().map(|value| value.abs()).collect();
        }
        let mut scores = vec![f32::NEG_INFINITY; layer.numel];
        init::places(&layer.conv, bits).zip(values).for_each(|(at, value)| scores[at] = value.abs());
        scores
    };
    run_plan.plan.layers.iter().zip(&sets).map(of).collect()
}
