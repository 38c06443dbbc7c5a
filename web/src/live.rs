//! A run's listener that turns what it hears into events.

use std::cell::RefCell;

use itop::data::Dataset;
use itop::gpu::Gpu;
use itop::train::frames::FrameLine;
use itop::train::run_folder::{ExplorationLine, MetricLine};
use itop::train::{Listener, RunPlan};
use serde::Serialize;
use serde_json::json;
use wasm_bindgen::JsValue;

use super::control::{Control, Wish};

/// Where events go.
pub struct Emit(pub js_sys::Function);

impl Emit {
    pub fn json(&self, event: &impl Serialize) {
        let failed = |error: serde_json::Error| json!({ "kind": "warning", "text": error.to_string() }).to_string();
        let text = serde_json::to_string(event).unwrap_or_else(failed);
        // A page that throws on an event does not end the run.
        self.0.call1(&JsValue::NULL, &text.into()).ok();
    }
}

pub struct Live<'a> {
    run_plan: &'a RunPlan,
    emit: &'a Emit,
    control: &'a Control,
    /// The latest maps of all layers.
    frame: &'a RefCell<Option<FrameLine>>,
}

impl<'a> Live<'a> {
    pub fn new(
        run_plan: &'a RunPlan,
        emit: &'a Emit,
        control: &'a Control,
        frame: &'a RefCell<Option<FrameLine>>,
    ) -> Self {
        Self { run_plan, emit, control, frame }
    }

    /// What is known before the first step.
    pub fn start(&self, dataset: &Dataset, gpu: &Gpu) {
        let (run_plan, config) = (self.run_plan, &self.run_plan.config);
        let layers = run_plan.plan.layers.iter().filter(|layer| layer.sparse.is_some());
        let layers: Vec<_> = layers.map(|layer| json!({ "name": layer.name, "maskable": layer.numel })).collect();
        self.emit.json(&json!({
            "kind": "start",
            "name": config.run_name(),
            "adapter": gpu.summary.name,
            "software": gpu.summary.is_software(),
            "tier": gpu.tier(),
            "data": dataset.name,
            "model": config.model_name(),
            "method": config.method.name,
            "active": run_plan.active(),
            "maskable": run_plan.prunable(),
            "steps": run_plan.total_steps(),
            "epochs": config.total_epochs(),
            "updates": run_plan.updates(),
            "itop_rate": run_plan.active() as f64 / run_plan.prunable() as f64,
            "expected_itop_rate": run_plan.expected_itop_rate(),
            "gpu_bytes": run_plan.plan.buffers.total_bytes(),
            "layers": layers,
        }));
    }
}

impl Listener for Live<'_> {
    fn preparing(&mut self, done: usize, total: usize) {
        if done.is_multiple_of(16) || done == total {
            self.emit.json(&json!({ "kind": "preparing", "done": done, "total": total }));
        }
    }

    fn metric(&mut self, line: &MetricLine, _itop_rate: f64) {
        self.emit.json(line);
    }

    fn exploration(&mut self, line: &ExplorationLine) {
        self.emit.json(&json!({
            "kind": "update",
            "step": line.step,
            "itop_rate": line.itop_rate,
            "reliable_itop_rate": line.reliable_itop_rate,
            "expected_itop_rate": self.run_plan.expected_itop_rate_after(line.step, None),
        }));
    }

    fn frame(&mut self, line: &FrameLine) {
        self.frame.replace(Some(line.clone()));
        self.emit.json(&json!({ "kind": "map", "step": line.step }));
    }

    fn warning(&mut self, text: &str) {
        self.emit.json(&json!({ "kind": "warning", "text": text }));
    }

    fn interrupted(&mut self) -> bool {
        self.control.wish() != Wish::Go
    }
}
