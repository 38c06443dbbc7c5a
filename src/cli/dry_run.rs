//! `itop train --dry-run`: describes a run before anything is allocated: first a summary, then layers and kernels.

use super::explore;
use super::recipe::{self, Origin};
use super::text::{bytes, count, fold, number_of, percent, table};
use crate::data::Dataset;
use crate::gpu::Gpu;
use crate::plan::{LayerPlan, memory_table};
use crate::train::RunPlan;

/// The recipe, the costs, the exploration to expect; then the buffers, the layers and their kernels.
pub fn describe(run_plan: &RunPlan, dataset: &Dataset, gpu: &Gpu, origin: &Origin) -> String {
    let mut text = recipe::lines(run_plan, dataset, origin);
    if let Some(low) = run_plan.low_exploration() {
        text += &fold(&format!("{low}; what ΔT or length explores more is found by:"));
        text += &format!("  {}\n", explore::command(&run_plan.config, origin));
    }
    if run_plan.lacks_first_set() {
        text += &fold(&format!(
            "first set: {} chooses it before training, which a dry run does not; layers are shown as `distribution` has them",
            run_plan.config.init().name()
        ));
    }
    text += &summary(run_plan, gpu);
    text.push('\n');
    let memory = memory_table(&run_plan.plan.buffers);
    let rows: Vec<Vec<String>> =
        memory.iter().map(|row| vec![row.what.to_string(), row.buffers.to_string(), bytes(row.bytes)]).collect();
    text += &table(&["GPU memory", "buffers", "size"], &rows);
    text.push('\n');
    let rows: Vec<Vec<String>> = run_plan.plan.layers.iter().map(|layer| row(run_plan, layer)).collect();
    text += &table(&["layer", "shape", "density", "active"], &rows);
    text += &unstructured(run_plan);
    text.push('\n');
    text + &kernels(run_plan)
}

/// What the run costs.
fn summary(run_plan: &RunPlan, gpu: &Gpu) -> String {
    let (active, prunable) = (run_plan.active(), run_plan.prunable());
    let (state, dense) = (run_plan.state_bytes(), 8 * prunable as u64);
    let lines = [
        format!(
            "active: {} of {} prunable weights ({})",
            count(active),
            count(prunable),
            percent(active as f64 / prunable as f64)
        ) + &match run_plan.first_active() {
            first if first == active => String::new(),
            first => format!(" from step {} on, {} at the start", count(run_plan.sizes.settled()), count(first)),
        },
        format!(
            "steps: {} ({} of {}), {} a step",
            count(run_plan.total_steps()),
            number_of(run_plan.config.total_epochs(), "epoch"),
            count(run_plan.steps_per_epoch()),
            number_of(run_plan.plan.train.len() + 1, "pass")
        ),
        format!(
            "FLOPs against dense: inference {:.4}, training {:.4}",
            run_plan.inference_flops_ratio(),
            run_plan.training_flops_ratio()
        ),
        memory(run_plan, gpu),
        format!(
            "weights, momentum, index and explored bits: {}, {} of dense weights and momentum ({}); first set and ages, for \
             statistics: {}",
            bytes(state),
            percent(state as f64 / dense as f64),
            bytes(dense),
            bytes(run_plan.statistics_bytes())
        ),
    ];
    lines.iter().map(|line| fold(line)).collect()
}

/// GPU memory at its peak, and of a set that shrinks at the end.
fn memory(run_plan: &RunPlan, gpu: &Gpu) -> String {
    let peak = run_plan.plan.buffers.total_bytes();
    let total = format!("GPU memory in total: {} on {}", bytes(peak), gpu.summary.name);
    let plans: Vec<usize> = run_plan.sizes.plans().collect();
    let last = plans.last().filter(|_| plans.len() > 1).and_then(|&step| run_plan.plan_after(step).ok());
    match last {
        None => total,
        Some(last) => format!(
            "{total}; it falls to {} as the set shrinks, in {}",
            bytes(last.buffers.total_bytes()),
            number_of(plans.len() - 1, "new plan")
        ),
    }
}

/// Which layers do not have the structure that was asked for, and why.
fn unstructured(run_plan: &RunPlan) -> String {
    let structure = run_plan.config.structure;
    let sparse: Vec<&LayerPlan> = run_plan.plan.layers.iter().filter(|layer| layer.sparse.is_some()).collect();
    let name = |layer: &&LayerPlan| format!("{} ({} outputs)", layer.name, layer.conv.output.channels);
    let without: Vec<String> = sparse.iter().filter(|layer| layer.structure != structure).map(name).collect();
    if without.is_empty() {
        return String::new();
    }
    fold(&format!(
        "structure = {structure} needs output channels that make whole blocks; without blocks are {} of {}: {}",
        without.len(),
        number_of(sparse.len(), "sparse layer"),
        without.join(", ")
    ))
}

/// A layer and what is active of it.
fn row(run_plan: &RunPlan, layer: &LayerPlan) -> Vec<String> {
    let shape = &run_plan.graph.params[layer.param].shape;
    let shape = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
    vec![layer.name.clone(), shape, format!("{:.4}", layer.density()), count(layer.active)]
}

/// Which kernel each pass of a layer takes, and why some of a sparse layer are dense.
fn kernels(run_plan: &RunPlan) -> String {
    let choice = |layer: &LayerPlan| run_plan.tuning.choice(&layer.conv, layer.density());
    let name = |layer: &LayerPlan| layer.name.trim_end_matches(".weight").to_string();
    let row = |layer: &LayerPlan| {
        let choice = choice(layer);
        vec![name(layer), choice.forward.to_string(), choice.grad_input.to_string(), choice.grad_weight.to_string()]
    };
    let layers = &run_plan.plan.layers;
    let mut text =
        table(&["kernels of", "forward", "grad_input", "grad_weight"], &layers.iter().map(row).collect::<Vec<_>>());
    let zeros = layers.iter().filter(|layer| layer.sparse.is_some() && choice(layer).is_dense());
    let zeros: Vec<String> = zeros.map(name).collect();
    if !zeros.is_empty() {
        text += &fold(&format!(
            "Dense kernels in sparse layers: their inactive weights are computed with as zeros, which is faster at these \
             densities; they stay inactive and take no memory but in scratch. These are {} of {}: {}",
            zeros.len(),
            number_of(layers.len(), "layer"),
            zeros.join(", ")
        ));
    }
    text
}
