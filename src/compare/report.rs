//! The result of a comparison.

use serde::Serialize;

use super::{Opened, Options, Timing};
use crate::words::number_of;

/// Version of `compare.json` (`docs/backends.md`).
pub const SCHEMA: u32 = 1;

/// Everything that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub schema: u32,
    pub model: String,
    pub batch_size: usize,
    pub sparsity: f64,
    pub steps: usize,
    pub rounds: usize,
    pub delta_t: usize,
    /// Losses of the first steps by the CPU references, in `f64`.
    pub reference: Vec<f64>,
    /// In the order asked for; the others are compared with the first.
    pub adapters: Vec<Side>,
    /// The fastest, if its interval lies below all others'.
    pub winner: Option<usize>,
    pub warnings: Vec<String>,
}

/// One adapter.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    pub name: String,
    pub backend: String,
    pub driver: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub tier: String,
    /// Opening the device.
    pub open_ms: f64,
    /// Allocating buffers, translating and compiling kernels, uploading the data.
    pub prepare_ms: f64,
    /// The first step: some drivers compile only now.
    pub first_step_ms: f64,
    /// A step without topology update.
    pub step_ms: Timing,
    pub images_per_second: f64,
    pub gpu_bytes: u64,
    /// Milliseconds by kind of pass, the slowest first; by GPU timestamps, or the wall clock.
    pub passes: serde_json::Map<String, serde_json::Value>,
    pub timestamps: bool,
    pub methods: Vec<MethodRun>,
    /// Whether the augmented images of the first steps have the bits of the first adapter's.
    pub same_input: bool,
}

/// The steps of one method on one adapter.
#[derive(Clone, Debug, Serialize)]
pub struct MethodRun {
    pub method: &'static str,
    pub losses: Vec<f64>,
    /// Largest difference of a loss to the first adapter's, over the latter.
    pub loss_drift: f64,
    /// The same to the CPU references, over the steps up to the first topology update.
    pub reference_drift: f64,
    /// Of each topology update: the step it ends, and the share of the first adapter's active weights that are active.
    pub updates: Vec<(usize, f64)>,
    /// The first update after which the sets differ.
    pub first_divergence: Option<usize>,
    /// Whether the same steps once more gave the same bits: losses, weights, momentum, sets.
    pub repeats: bool,
}

impl Side {
    /// Before anything is timed; `times`: preparing, and the first step.
    pub(super) fn new(opened: &Opened, times: (f64, f64), gpu_bytes: u64) -> Self {
        let summary = &opened.gpu.summary;
        Self {
            name: summary.name.clone(),
            backend: summary.backend.into(),
            driver: summary.driver.clone(),
            kind: summary.kind.into(),
            tier: opened.gpu.tier().into(),
            open_ms: opened.open_ms,
            prepare_ms: times.0,
            first_step_ms: times.1,
            step_ms: Timing::of(&[]),
            images_per_second: 0.0,
            gpu_bytes,
            passes: serde_json::Map::new(),
            timestamps: false,
            methods: Vec::new(),
            same_input: true,
        }
    }

    /// Name and backend.
    pub fn label(&self) -> String {
        format!("{} ({})", self.name, self.backend)
    }
}

impl Report {
    /// The columns of [`Report::sameness`].
    pub const SAMENESS: [&str; 7] =
        ["adapter", "method", "images", "loss drift to the CPU", "to the first adapter", "active sets", "repeated"];

    /// Whether the adapters compute the same: a row an adapter and method.
    pub fn sameness(&self) -> Vec<Vec<String>> {
        let bits = |same: bool| if same { "same bits" } else { "differ" }.to_string();
        let row = |(side, run): (&Side, &MethodRun)| {
            vec![
                side.label(),
                run.method.to_string(),
                bits(side.same_input),
                format!("{:.1e}", run.reference_drift),
                format!("{:.1e}", run.loss_drift),
                match run.first_divergence {
                    None => format!("same after {}", number_of(run.updates.len(), "update")),
                    Some(step) => format!("differ from step {step} on"),
                },
                bits(run.repeats),
            ]
        };
        self.adapters.iter().flat_map(|side| side.methods.iter().map(move |run| (side, run))).map(row).collect()
    }

    pub(super) fn new(options: &Options, adapters: Vec<Side>, reference: Vec<f64>) -> Self {
        Self {
            schema: SCHEMA,
            model: options.config.model_name(),
            batch_size: options.config.batch_size,
            sparsity: options.config.sparsity,
            steps: options.steps,
            rounds: options.rounds,
            delta_t: options.config.delta_t,
            reference,
            winner: winner(&adapters),
            warnings: adapters.iter().flat_map(warnings).collect(),
            adapters,
        }
    }
}

fn winner(sides: &[Side]) -> Option<usize> {
    let alone = |at: &usize| {
        let others = sides.iter().enumerate().filter(|(other, _)| other != at);
        sides.len() > 1 && others.map(|(_, side)| side).all(|other| sides[*at].step_ms.is_below(&other.step_ms))
    };
    (0..sides.len()).find(alone)
}

fn warnings(side: &Side) -> Vec<String> {
    let (name, timing, mut warnings) = (side.label(), &side.step_ms, Vec::new());
    match timing.outliers() {
        0 => {}
        count => {
            warnings.push(format!("{name}: {count} of {} took far longer", number_of(timing.samples.len(), "step")))
        }
    }
    if let Some(change) = timing.trend() {
        let (what, cause) =
            if change > 0.0 { ("slower", "it may throttle") } else { ("faster", "it had not warmed up") };
        let percent = 100.0 * change.abs();
        warnings.push(format!("{name}: the last steps are {percent:.0} % {what} than the first; {cause}"));
    }
    if timing.confidence < 0.95 {
        let percent = 100.0 * timing.confidence;
        warnings
            .push(format!("{name}: the interval holds the median with {percent:.0} % only; use --rounds 6 or more"));
    }
    if !side.same_input {
        warnings.push(format!("{name}: augmented images differ from the first adapter's"));
    }
    for run in &side.methods {
        if !run.repeats {
            warnings.push(format!("{name}: two runs of {} with one seed differ", run.method));
        }
        if let (Some(step), "set") = (run.first_divergence, run.method) {
            warnings.push(format!("{name}: the active sets of SET differ from step {step} on"));
        }
    }
    warnings
}
