//! Estimates how long a sweep takes, from a few steps here.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Failure, duration};
use crate::cli::GpuArgs;
use crate::data::DataError;
use crate::gpu::Gpu;
use crate::sparsity::InitChoice;
use crate::sweep::plan::PlannedRow;
use crate::train::{Config, RunPlan, Trainer};

/// No kind of row is begun to be measured after so many seconds.
const MOST_SECONDS: f64 = 15.0;
/// Steps that are timed, unless they take longer than a second in all.
const STEPS: usize = 4;
/// A first step of so many seconds is all that is waited for.
const LONG: f64 = 10.0;

/// Steps that a run times of itself at its end.
const LAST_STEPS: f64 = 6.0;

/// Seconds of one kind of row.
#[derive(Clone, Copy)]
struct Pace {
    /// Until the first step: kernels are compiled, images go to the GPU.
    start: f64,
    step: f64,
}

impl Pace {
    /// Seconds of a row: its start, its steps and those that it times of itself at the end, and the passes over held-out and
    /// test images, which cost a third of a step's.
    fn row(self, row: &PlannedRow) -> f64 {
        let (config, estimate) = (&row.config, &row.estimate);
        let held_out = estimate.held_out_images.unwrap_or(0) * config.total_epochs();
        let images = (held_out + estimate.test_images.unwrap_or(0)) as f64;
        self.start + self.step * (estimate.steps as f64 + LAST_STEPS + images / config.batch_size as f64 / 3.0)
    }
}

/// What makes the steps of two rows cost the same, or nearly so.
fn kind(config: &Config) -> String {
    let Config { model, data, batch_size, storage, distribution, structure, .. } = config;
    format!("{model} {data} {batch_size} {} {} {distribution} {structure}", storage.name(), config.density())
}

/// The time that `rows` take on the adapter, in words; what is wrong with an adapter that was asked for by name is an error.
pub fn estimate(args: &GpuArgs, rows: &[PlannedRow]) -> Result<String, Failure> {
    let gpu = match args.open() {
        Ok(gpu) => gpu,
        Err(failure) if args.adapter.trim().eq_ignore_ascii_case("auto") => {
            return Ok(format!("time unknown: {}", failure.message()));
        }
        Err(failure) => return Err(failure),
    };
    let mut kinds: BTreeMap<String, Vec<&PlannedRow>> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for row in rows {
        let kind = kind(&row.config);
        if !kinds.contains_key(&kind) {
            order.push(kind.clone());
        }
        kinds.entry(kind).or_default().push(row);
    }
    if let Some(seconds) = too_slow(&gpu, &rows[0]) {
        return Ok(format!("time unknown: one step would take about {} on this software adapter", duration(seconds)));
    }
    eprintln!("timing a few steps (--no-measure leaves that out)");
    let start = Instant::now();
    let (mut seconds, mut measured) = (0.0, Vec::new());
    let mut left: Vec<&PlannedRow> = Vec::new();
    for kind in &order {
        let of_kind = &kinds[kind];
        if !measured.is_empty() && start.elapsed().as_secs_f64() > MOST_SECONDS {
            left.extend(of_kind);
            continue;
        }
        let pace = match measure(&gpu, &of_kind[0].config) {
            Ok(pace) => pace,
            Err(why) => return Ok(format!("time unknown: row {}: {why}", of_kind[0].row)),
        };
        measured.push((pace, of_kind[0]));
        seconds += of_kind.iter().map(|row| pace.row(row)).sum::<f64>();
    }
    // The rest by its work, at the speed of what was measured.
    let flops = |row: &PlannedRow| row.estimate.training_flops;
    let work: f64 = measured.iter().map(|(_, row)| flops(row)).sum();
    let taken: f64 = measured.iter().map(|(pace, row)| pace.row(row)).sum();
    seconds += left.iter().map(|row| flops(row)).sum::<f64>() * taken / work.max(1.0);
    let of = match measured.len() == order.len() {
        true if order.len() == 1 => "a few steps".to_string(),
        true => format!("a few steps of each of {} kinds of rows", order.len()),
        false => format!("a few steps of {} of {} kinds of rows", measured.len(), order.len()),
    };
    Ok(format!("about {} on this adapter, by {of}, without topology updates", duration(seconds)))
}

/// Seconds of a step on a software adapter, by rule of thumb, where that is too long to wait for.
fn too_slow(gpu: &Gpu, row: &PlannedRow) -> Option<f64> {
    /// What a processor's core or two do in these kernels.
    const FLOPS: f64 = 1e10;
    let seconds = row.estimate.training_flops / row.estimate.steps.max(1) as f64 / FLOPS;
    (gpu.summary.is_software() && seconds > MOST_SECONDS).then_some(seconds)
}

/// The first steps of a row. Why it cannot be is for people to read.
fn measure(gpu: &Gpu, config: &Config) -> Result<Pace, String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let dataset = match config.source().load() {
        Err(DataError::Absent { name, .. }) => return Err(format!("the images of {name} are not here")),
        dataset => dataset.map_err(|error| said(&error))?,
    };
    let begin = Instant::now();
    // Steps of a set that is drawn take the same time.
    let config = Config { init: InitChoice::Random, ..config.clone() };
    let run_plan = RunPlan::new(config, &dataset, gpu).map_err(|error| said(&error))?;
    let trainer = pollster::block_on(Trainer::new(gpu.clone(), &run_plan, &dataset, &mut ()));
    let mut trainer = trainer.map_err(|error| said(&error))?;
    trainer.initialise();
    let start = begin.elapsed().as_secs_f64();
    let mut time = |count: usize| trainer.time_steps(count).map(|(seconds, _)| seconds).map_err(|error| said(&error));
    // The first step still compiles.
    let first = time(1)?;
    let step = match if first < LONG { time(1)? } else { first } {
        short if short * STEPS as f64 <= 1.0 => time(STEPS)?,
        long => long,
    };
    Ok(Pace { start: start + (first - step).max(0.0), step })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::plan::plan;

    #[test]
    fn a_row_costs_its_start_its_steps_and_its_tests() {
        // 1,900 images in batches of 64 (30 steps), twice; 100 held out and 500 to test.
        let (rows, _) = plan("spec.toml", "[base]\npreset = 'quick'\nepochs = 2").unwrap();
        let seconds = Pace { start: 3.0, step: 0.5 }.row(&rows[0]);
        let wanted = 3.0 + 0.5 * (60.0 + LAST_STEPS + (2.0 * 100.0 + 500.0) / 64.0 / 3.0);
        assert!((seconds - wanted).abs() < 1e-9, "{seconds} is not {wanted}");
    }

    #[test]
    fn kinds_are_what_costs_the_same() {
        let spec = "base = 'quick'\n[grid]\nmethod = ['set', 'rigl', 'static', 'dense']\nsparsity = [0.9, 0.95]\nseed = [1, 2]";
        let (rows, _) = plan("spec.toml", spec).unwrap();
        let mut kinds: Vec<String> = rows.iter().map(|row| kind(&row.config)).collect();
        kinds.sort();
        kinds.dedup();
        assert_eq!(kinds.len(), 3, "{kinds:?}");
    }
}
