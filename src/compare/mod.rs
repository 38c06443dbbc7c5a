//! The same seeded training steps on several adapters: which is faster, and whether they compute the same.
//!
//! Every adapter runs the same steps twice with each growth rule: for losses, active sets, and whether an adapter repeats itself.
//! Then all adapters are timed in turns, round by round, so that a disturbance of the machine affects all of them. Up to the first
//! topology update, the losses are also compared with those of the CPU references.

mod page;
mod report;
mod statistics;
mod trace;

pub use page::page;
pub use report::{MethodRun, Report, SCHEMA, Side};
pub use statistics::Timing;

use web_time::Instant;

use crate::data::Dataset;
use crate::gpu::{AdapterSummary, Gpu, GpuError, GpuOptions, Label};
use crate::sparsity::InitChoice;
use crate::train::{Config, Method, RunPlan, TrainError, Trainer};
use crate::words::number_of;
use trace::Trace;

/// What to compare.
#[derive(Clone, Debug)]
pub struct Options {
    /// The run; its method is what is timed, in steps without topology update: `delta_t` must be 2 or more.
    pub config: Config,
    /// Steps whose losses and sets are compared.
    pub steps: usize,
    /// Of them, how many at most are also computed by the CPU references: those up to the first topology update.
    pub reference_steps: usize,
    /// Rounds of timing.
    pub rounds: usize,
}

/// The two growth rules: what random growth adds is the same everywhere, what gradients add depends on rounding.
pub const METHODS: [Method; 2] = [Method::SET, Method::RIGL];

/// An open adapter and how long that took.
pub struct Opened {
    pub gpu: Gpu,
    pub open_ms: f64,
}

/// Opens `adapter`.
pub async fn open(adapter: &AdapterSummary) -> Result<Opened, GpuError> {
    let start = Instant::now();
    let options = GpuOptions { adapter: adapter.index.to_string(), ..GpuOptions::default() };
    let gpu = Gpu::open(&options).await?;
    Ok(Opened { gpu, open_ms: milliseconds(start) })
}

/// Compares; `heard` is told what happens.
pub async fn compare(
    options: &Options,
    dataset: &Dataset,
    opened: &[Opened],
    mut heard: impl FnMut(String),
) -> Result<Report, TrainError> {
    let run_plan = |gpu: &Gpu, method: Method| {
        // A draw is the same on every adapter.
        let config = Config { method, init: InitChoice::Random, ..options.config.clone() };
        RunPlan::new(config, dataset, gpu).map_err(TrainError::from)
    };
    let problems = opened
        .iter()
        .map(|side| METHODS.map(|method| run_plan(&side.gpu, method)).into_iter().collect::<Result<Vec<_>, _>>())
        .collect::<Result<Vec<_>, TrainError>>()?;
    let (mut sides, mut trainers, mut traces) = (Vec::new(), Vec::new(), Vec::new());
    let mut reference = Vec::new();
    for (side, problems) in opened.iter().zip(&problems) {
        let summary = &side.gpu.summary;
        let mut found: Vec<Trace> = Vec::new();
        // Later trainers of a device find its kernels compiled.
        let mut first_times = None;
        let mut timed = None;
        for run_plan in problems {
            heard(format!("{summary}: {} of {}, twice", number_of(options.steps, "step"), run_plan.config.method.name));
            let start = Instant::now();
            let mut trainer = Trainer::new(side.gpu.clone(), run_plan, dataset, &mut ()).await?;
            let prepare_ms = milliseconds(start);
            trainer.initialise();
            let start = Instant::now();
            trainer.step_loss().await?;
            first_times.get_or_insert((prepare_ms, milliseconds(start)));
            found.push(Trace::of(&mut trainer, options).await?);
            if run_plan.config.method == options.config.method || timed.is_none() {
                timed = Some(trainer);
            }
        }
        let (Some(trainer), Some(times)) = (timed, first_times) else { continue };
        if reference.is_empty() && !found[0].inputs.is_empty() {
            heard(format!("CPU references: {}", number_of(found[0].inputs.len(), "step")));
            reference = trace::reference(trainer.run_plan, &found[0].inputs);
        }
        sides.push(Side::new(side, times, trainer.run_plan.plan.buffers.total_bytes()));
        trainers.push(trainer);
        traces.push(found);
    }
    heard(format!("timing: {}, in turn", number_of(options.rounds, "round")));
    let mut samples = vec![Vec::new(); trainers.len()];
    for _ in 0..options.rounds {
        for (trainer, samples) in trainers.iter_mut().zip(&mut samples) {
            // Of two neighbouring steps at most one updates.
            if trainer.run_plan.updates_after(trainer.progress.step + 1) {
                trainer.time_steps(1)?;
            }
            samples.push(1e3 * trainer.time_steps(1)?.0);
        }
    }
    for (at, side) in sides.iter_mut().enumerate() {
        side.step_ms = Timing::of(&samples[at]);
        side.images_per_second = 1e3 * trainers[at].run_plan.plan.batch as f64 / side.step_ms.median;
        let (passes, timestamps) = trainers[at].profile().await?;
        (side.passes, side.timestamps) = (by_operation(&passes), timestamps);
        let run = |m: usize| traces[at][m].beside(METHODS[m], &traces[0][m], &reference);
        side.methods = (0..METHODS.len()).map(run).collect();
        side.same_input = traces[at].iter().zip(&traces[0]).all(|(ours, first)| ours.inputs == first.inputs);
    }
    Ok(Report::new(options, sides, reference))
}

/// Milliseconds by operation ([`Label::operation`]), the slowest first.
pub fn by_operation(passes: &[(Label, f64)]) -> serde_json::Map<String, serde_json::Value> {
    let mut sums: Vec<(String, f64)> = Vec::new();
    for (label, ms) in passes {
        let name = label.operation();
        match sums.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += ms,
            None => sums.push((name, *ms)),
        }
    }
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    sums.into_iter().map(|(name, ms)| (name, ms.into())).collect()
}

fn milliseconds(since: Instant) -> f64 {
    1e3 * since.elapsed().as_secs_f64()
}
