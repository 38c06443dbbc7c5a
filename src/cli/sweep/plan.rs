//! `itop sweep plan`: the rows of a specification with their memory, warnings and estimated time.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::{Failure, pace, text};
use crate::cli::GpuArgs;
use crate::data;
use crate::shell;
use crate::sweep::answer::low_exploration;
use crate::sweep::plan::{PlannedRow, plan};
use crate::sweep::{Before, Sweep, SweepError};
use crate::train::run_folder::read_config;
use crate::train::{Config, names};

#[derive(Args)]
pub struct PlanArgs {
    /// TOML file with [base], [grid], [[list]], [random] and [baseline]; see docs/sweeps.md
    spec: PathBuf,
    /// Folder of the sweep
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Skip timing a few training steps for the estimate of how long the rows take
    #[arg(long)]
    no_measure: bool,
    #[command(flatten)]
    gpu: GpuArgs,
}

pub fn run(args: &PlanArgs) -> Result<(), Failure> {
    let spec = read_config(&args.spec)
        .with_context(|| format!("cannot read `{}`", args.spec.display()))
        .map_err(Failure::input)?;
    let (rows, remarks) = plan(&args.spec.display().to_string(), &spec).map_err(Failure::input)?;
    Sweep::check_free(&args.out, &rows).map_err(Failure::input)?;
    for row in &rows {
        data::check_outside(&row.config.source(), &args.out).map_err(Failure::input)?;
    }
    print!("{}", recipe(&rows, remarks.preset.as_deref()));
    print!("{}", table(&rows));
    for merged in remarks.merged {
        print!("{}", text::fold(&merged));
    }
    for what in remarks.absent {
        message!("warning: planned without the images: {what}");
    }
    for warning in warnings(&rows) {
        message!("warning: {warning}");
    }
    let flops: f64 = rows.iter().map(|row| row.estimate.training_flops).sum();
    let time = match args.no_measure {
        true => {
            let status = shell::command(["itop", "sweep", "status", &shell::path(&args.out)]);
            format!("time unknown (--no-measure); once rows run, this tells it: {status}")
        }
        false => pace::estimate(&args.gpu, &rows)?,
    };
    print!("{}", text::fold(&format!("{}, {}: {time}", text::number_of(rows.len(), "row"), text::flops(flops))));
    let before = Sweep::create(&args.out, &spec, &rows).map_err(|error| match error {
        SweepError::Folder(_) | SweepError::Io { .. } => Failure::run(error),
        error => Failure::input(error),
    })?;
    let out = args.out.display();
    let planned = match before {
        Before::Nothing => format!("planned in {out}"),
        Before::SamePlan => format!("already planned in {out}"),
        Before::UnstartedPlan => format!("planned anew in {out}, for no row of the plan that was there had started"),
    };
    println!("{planned}; run it by: {}", shell::command(["itop", "sweep", "run", &shell::path(&args.out)]));
    Ok(())
}

/// What the rows have in common, and how many images they have.
fn recipe(rows: &[PlannedRow], preset: Option<&str>) -> String {
    let keys = [&names::RECIPE[..], &["validation"]].concat();
    let configs: Vec<&Config> = rows.iter().map(|row| &row.config).collect();
    let preset = preset.map_or_else(String::new, |name| format!(" (preset {name} and the specification)"));
    let mut text = text::fold(&format!("all rows: {}{preset}", names::common(&configs, &keys)));
    let images = |row: &PlannedRow| {
        let estimate = &row.estimate;
        let (held_out, test) = (estimate.held_out_images?, estimate.test_images?);
        Some([estimate.images / row.config.total_epochs().max(1), held_out, test])
    };
    let counts = rows.first().and_then(images);
    if let Some(counts) = counts.filter(|counts| rows.iter().all(|row| images(row) == Some(*counts))) {
        let [train, held_out, test] = counts.map(text::count);
        text += &format!("images: {train} are trained on, {held_out} choose the epoch, {test} test\n");
    }
    text + "\n"
}

fn table(rows: &[PlannedRow]) -> String {
    let row = |row: &PlannedRow| {
        let estimate = &row.estimate;
        vec![
            row.label(),
            row.row.to_string(),
            text::count(estimate.steps),
            estimate.updates.map_or("–".into(), text::count),
            estimate.itop_rate.map_or("–".into(), |rate| format!("{rate:.3}")),
            text::bytes(estimate.gpu_bytes),
            text::flops(estimate.training_flops),
        ]
    };
    let head = ["run", "row", "steps", "updates", "expected Rs", "GPU memory", "FLOPs"];
    text::table(&head, &rows.iter().map(row).collect::<Vec<_>>())
}

/// What to know before the rows are run: what `train` would say of each, with the rows that it is about, and which settings
/// explore too little to compare methods by.
fn warnings(rows: &[PlannedRow]) -> Vec<String> {
    let mut found: Vec<(String, Vec<usize>)> = Vec::new();
    let mut rates: Vec<(String, f64)> = Vec::new();
    for row in rows {
        for warning in &row.warnings {
            match found.iter_mut().find(|(known, _)| known == warning) {
                Some((_, about)) => about.push(row.row),
                None => found.push((warning.clone(), vec![row.row])),
            }
        }
        // Where nothing moves at all, a warning says so.
        let setting = names::setting(&row.varied);
        let rate = row.estimate.itop_rate.filter(|_| row.estimate.updates > Some(0));
        rates.extend(rate.filter(|_| rates.iter().all(|(known, _)| *known != setting)).map(|rate| (setting, rate)));
    }
    let about = |(warning, about): (String, Vec<usize>)| match about.len() == rows.len() {
        true => warning,
        false => format!("{}: {warning}", numbers(&about)),
    };
    found.into_iter().map(about).chain(low_exploration(rates)).collect()
}

/// `row 3`, `rows 1 to 3 and 7`
fn numbers(rows: &[usize]) -> String {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for &row in rows {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == row => *last = row,
            _ => spans.push((row, row)),
        }
    }
    let span = |&(first, last): &(usize, usize)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first} to {last}"),
    };
    let text = spans.iter().map(span).collect::<Vec<_>>().join(", ");
    if rows.len() == 1 { format!("row {text}") } else { format!("rows {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_named_by_their_spans() {
        assert_eq!(numbers(&[3]), "row 3");
        assert_eq!(numbers(&[1, 2, 3, 5, 8, 9]), "rows 1 to 3, 5, 8, 9");
    }

    #[test]
    fn what_is_true_of_all_rows_is_said_once() {
        let spec = "
            [base]
            preset = 'quick'
            epochs = 1
            validation = 0.01
            [grid]
            method = ['set', 'static']
            delta_t = [5, 500]
            seed = [1, 2]
        ";
        let (rows, _) = plan("spec.toml", spec).unwrap();
        assert_eq!(rows.len(), 6);
        let found = warnings(&rows);
        let about = |words: &str| {
            let mut all = found.iter().filter(|warning| warning.contains(words));
            let one = all.next().unwrap_or_else(|| panic!("{words}: {found:?}")).clone();
            assert!(all.next().is_none(), "{words}: {found:?}");
            one
        };
        assert!(about("20 images").starts_with("20 images"));
        assert!(about("delta_t is 500").starts_with("rows 5, 6: no topology update"));
        assert!(about("low exploration").starts_with("low exploration: SET ΔT 5 (Rs 0."));
        assert!(!about("low exploration").contains("ΔT 500"));
    }
}
