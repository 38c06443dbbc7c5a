//! `itop sweep status`: the state of all rows.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::{Failure, duration, open, text};
use crate::sweep::plan::PlannedRow;
use crate::sweep::{State, Sweep};
use crate::words::listed;

#[derive(Args)]
pub struct StatusArgs {
    /// Folder of the sweep
    sweep: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print it again every two seconds, until nothing is left to run
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Status {
    rows: Vec<RowStatus>,
    done: usize,
    running: usize,
    failed: usize,
    to_do: usize,
    /// Of the rows that are done, those of the best validation accuracy: several where it is the same. None where rows hold
    /// out no images, or not the same ones. The test set ranks nothing.
    best_by_validation: Vec<usize>,
    /// With as many workers as run now (or one); none as long as no speed is known.
    eta_seconds: Option<f64>,
}

#[derive(Serialize)]
struct RowStatus {
    row: usize,
    state: &'static str,
    run: String,
    step: usize,
    steps: usize,
    val_accuracy: Option<f64>,
    test_accuracy: Option<f64>,
    itop_rate: Option<f64>,
    /// Who runs it, or why it failed.
    note: Option<String>,
}

pub fn run(args: &StatusArgs) -> Result<(), Failure> {
    let sweep = open(&args.sweep)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status(&sweep)).map_err(Failure::run)?);
        return Ok(());
    }
    loop {
        let status = status(&sweep);
        if args.watch && std::io::stdout().is_terminal() {
            // Home, and clear what is below.
            print!("\x1b[H\x1b[J");
        }
        print(&status);
        if !args.watch || status.running + status.to_do == 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(2));
    }
}

fn print(status: &Status) {
    let share = |share: Option<f64>| share.map_or("–".to_string(), text::percent);
    let row = |row: &RowStatus| {
        let best = if status.best_by_validation.contains(&row.row) { " (*)" } else { "" };
        vec![
            row.run.clone(),
            row.row.to_string(),
            row.state.to_string(),
            format!("{}/{}", row.step, row.steps),
            share(row.val_accuracy) + best,
            row.itop_rate.map_or("–".into(), |rate| format!("{rate:.3}")),
        ]
    };
    let rows: Vec<_> = status.rows.iter().map(row).collect();
    print!("{}", text::table(&["run", "row", "state", "step", "validation accuracy", "Rs"], &rows));
    for row in &status.rows {
        if let Some(note) = &row.note {
            println!("row {} {}: {note}", row.row, row.state);
        }
    }
    println!("{}", line(status));
}

fn line(status: &Status) -> String {
    let counts =
        [("done", status.done), ("running", status.running), ("failed", status.failed), ("to do", status.to_do)];
    let mut text = counts.map(|(name, count)| format!("{count} {name}")).join(", ");
    let best: Vec<String> = status.best_by_validation.iter().map(ToString::to_string).collect();
    match &best[..] {
        [] => {}
        [row] => text += &format!("; best validation accuracy so far (*): row {row}"),
        rows => text += &format!("; best validation accuracy so far (*): rows {}", listed(", ", rows)),
    }
    match status.eta_seconds {
        Some(seconds) if status.running + status.to_do > 0 => text + &format!("; about {} to go", duration(seconds)),
        _ => text,
    }
}

fn status(sweep: &Sweep) -> Status {
    let mut status = Status {
        rows: Vec::new(),
        done: 0,
        running: 0,
        failed: 0,
        to_do: 0,
        best_by_validation: Vec::new(),
        eta_seconds: None,
    };
    // FLOPs a second of rows that are done or running, and FLOPs to go.
    let (mut rates, mut left) = (Vec::new(), 0.0);
    for planned in &sweep.rows {
        let estimate = &planned.estimate;
        let state = sweep.state(planned.row);
        let mut row = RowStatus {
            row: planned.row,
            state: state.name(),
            run: planned.label(),
            step: 0,
            steps: estimate.steps,
            val_accuracy: None,
            test_accuracy: None,
            itop_rate: None,
            note: None,
        };
        let unfinished = matches!(state, State::Running(_) | State::ToDo);
        if let Some(progress) = sweep.progress(planned.row).filter(|_| !matches!(state, State::Done(_))) {
            row.step = progress.step;
            row.val_accuracy = progress.val_accuracy;
            if matches!(state, State::Running(_)) {
                rates.push(estimate.flops_per_image() * progress.images_per_second);
            }
        }
        if unfinished {
            left += estimate.training_flops * (1.0 - row.step as f64 / estimate.steps.max(1) as f64);
        }
        match state {
            State::ToDo => status.to_do += 1,
            State::Running(owner) => {
                status.running += 1;
                row.note = Some(format!("by {owner}"));
            }
            State::Failed(failed) => {
                status.failed += 1;
                row.note = Some(failed.error);
            }
            State::Done(summary) => {
                status.done += 1;
                row.step = summary.steps;
                row.val_accuracy = summary.best_val_accuracy;
                row.test_accuracy = Some(summary.test_accuracy);
                row.itop_rate = Some(summary.itop_rate);
                rates.push(estimate.flops_per_image() * summary.images_per_second);
            }
        }
        status.rows.push(row);
    }
    status.best_by_validation = best_by_validation(sweep, &status.rows);
    let rate = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    status.eta_seconds = (rate > 0.0).then(|| left / (rate * status.running.max(1) as f64));
    status
}

/// The rows that are done with the best validation accuracy. Accuracies on different images do not rank.
fn best_by_validation(sweep: &Sweep, rows: &[RowStatus]) -> Vec<usize> {
    let first = &sweep.rows[0].config;
    let alike = |row: &PlannedRow| row.config.shares_data(first) && row.config.validation == first.validation;
    if !sweep.rows.iter().all(alike) {
        return Vec::new();
    }
    let accuracies =
        || rows.iter().filter(|row| row.state == "done").filter_map(|row| Some((row.row, row.val_accuracy?)));
    let best = accuracies().map(|(_, accuracy)| accuracy).fold(f64::NEG_INFINITY, f64::max);
    accuracies().filter(|&(_, accuracy)| accuracy == best).map(|(row, _)| row).collect()
}

/// One line: how many rows are where, and how long it takes yet.
pub fn summary(sweep: &Sweep) -> String {
    line(&status(sweep))
}
