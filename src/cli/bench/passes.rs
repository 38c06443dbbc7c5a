//! The passes of a step one by one: what each took, by which kernel, and what a model of the GPU predicts for it.

use std::collections::HashMap;

use serde::Serialize;

use crate::gpu::{AdapterSummary, Command, Kind, Label};
use crate::ops::trial::Candidate;
use crate::predict::{GPUS, GpuModel, model_of, predict};
use crate::train::RunPlan;

/// One dispatch of a step, or several under one name.
#[derive(Serialize)]
pub struct Pass {
    kind: &'static str,
    node: String,
    part: &'static str,
    shader: &'static str,
    /// Measured.
    ms: f64,
    predicted_ms: Option<f64>,
    /// What the model says takes that time.
    bound: Option<String>,
}

/// The kernels of a layer.
#[derive(Serialize)]
pub struct LayerKernels {
    layer: String,
    density: f64,
    forward: String,
    grad_input: String,
    grad_weight: String,
}

/// The GPU whose model predicts.
#[derive(Clone, Copy, Serialize)]
pub struct Predictor {
    gpu: &'static str,
    title: &'static str,
    source: &'static str,
    /// The adapter is this GPU. False: it is another, and this one the nearest that there is a model of, or the one asked for.
    is_the_adapter: bool,
}

impl Predictor {
    /// The model called `wish`; for `auto` that of `adapter`, or the nearest. None, and said so, if there is none.
    pub fn of(wish: &str, adapter: &AdapterSummary) -> Option<(Self, &'static GpuModel)> {
        let fitting = model_of(&adapter.name, adapter.family);
        let found = match wish.to_lowercase().as_str() {
            "auto" => fitting,
            name => GPUS.iter().find(|gpu| gpu.name == name).map(|gpu| (gpu, fitting == Some((gpu, true)))),
        };
        match found {
            None => {
                message!("warning: there is no model of `{}` or of a GPU like it: nothing is predicted", adapter.name)
            }
            Some((gpu, false)) => {
                message!("warning: `{}` is not {}, by which passes are predicted", adapter.name, gpu.title)
            }
            Some(_) => {}
        }
        let of = |(gpu, is_the_adapter): (&'static GpuModel, bool)| {
            let GpuModel { name, title, source, .. } = *gpu;
            (Self { gpu: name, title, source, is_the_adapter }, gpu)
        };
        found.map(of)
    }
}

fn kind_name(kind: Kind) -> &'static str {
    Kind::ALL.iter().find(|(one, _)| *one == kind).map_or("", |(_, name)| name)
}

/// The passes of a step of `run_plan` that took `times`, in the order of the step.
pub fn passes(run_plan: &RunPlan, times: &[(Label, f64)]) -> Vec<Pass> {
    let mut shaders: HashMap<Label, &'static str> = HashMap::new();
    for command in run_plan.plan.step(&run_plan.plan.train) {
        if let Command::Dispatch { label, kernel, .. } = command {
            // A pass in several dispatches is called by the first.
            shaders.entry(label).or_insert(kernel.shader);
        }
    }
    let mut all: Vec<Pass> = Vec::new();
    let mut at: HashMap<&Label, usize> = HashMap::new();
    for (label, ms) in times {
        // Copies and clears have no kernel that could be predicted.
        let Some(shader) = shaders.get(label) else { continue };
        let number = *at.entry(label).or_insert(all.len());
        if number == all.len() {
            let (kind, node) = (kind_name(label.kind), label.node.clone());
            all.push(Pass { kind, node, part: label.part, shader, ms: 0.0, predicted_ms: None, bound: None });
        }
        all[number].ms += ms;
    }
    all
}

/// Puts what `gpu` would take beside what was measured of each step, as many steps at a time as there are cores: each takes
/// seconds. One that the model cannot do is left out, and said so.
pub fn predict_all(rows: &mut [(&mut Vec<Pass>, &RunPlan)], gpu: &GpuModel) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for rows in rows.chunks_mut(cores) {
        std::thread::scope(|scope| {
            let one = |(passes, run_plan): &mut (&mut Vec<Pass>, &RunPlan)| add_predictions(passes, run_plan, gpu);
            let all: Vec<_> = rows.iter_mut().map(|row| scope.spawn(move || one(row))).collect();
            if all.into_iter().any(|one| one.join().is_err()) {
                message!("warning: the model of {} has no answer for a row", gpu.title);
            }
        });
    }
}

/// Puts what `gpu` would take beside what was measured.
fn add_predictions(passes: &mut [Pass], run_plan: &RunPlan, gpu: &GpuModel) {
    let plan = &run_plan.plan;
    for one in predict(&run_plan.graph, plan, &plan.step(&plan.train), gpu) {
        let (bound, seconds) = one.work.bound(gpu);
        let Label { kind, node, part } = &one.label;
        let is_it = |pass: &&mut Pass| (pass.kind, &pass.node, pass.part) == (kind_name(*kind), node, *part);
        if let Some(pass) = passes.iter_mut().find(is_it) {
            *pass.predicted_ms.get_or_insert(0.0) += 1e3 * seconds;
            pass.bound.get_or_insert_with(|| bound.to_string());
        }
    }
}

/// Which kernels the layers of `run_plan` run.
pub fn layers(run_plan: &RunPlan) -> Vec<LayerKernels> {
    let of = |layer: &crate::plan::LayerPlan| {
        let choice = run_plan.tuning.choice(&layer.conv, layer.density());
        let [forward, grad_input, grad_weight] = Candidate::of(&choice).map(|candidate| candidate.to_string());
        LayerKernels { layer: layer.name.clone(), density: layer.density(), forward, grad_input, grad_weight }
    };
    run_plan.plan.layers.iter().map(of).collect()
}
