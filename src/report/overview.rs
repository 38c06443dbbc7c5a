//! The top of a page: for one run its result and recipe, for several runs what they have in common and a table.

use super::read::Run;
use super::sets::{Set, Sets, mean_and_deviation};
use super::table::{facts, html_table};
use super::times::flops;
use crate::train::names;
use crate::train::run_folder::Summary;
use crate::words::{count, number_of};

/// The heading of a page.
pub fn title(runs: &[Run], sets: &Sets) -> String {
    match runs {
        [run] => of_run(run, sets),
        _ => format!("{} of {}", number_of(runs.len(), "run"), number_of(sets.all.len(), "setting")),
    }
}

/// `ResNet-8 on flowers: SET ΔT 5, seed 18`, whatever the folder is called.
pub fn of_run(run: &Run, sets: &Sets) -> String {
    let Some(config) = &run.config else { return run.name.clone() };
    let value = |key: &str, value: &str| names::value(key, &value.into());
    format!("{} on {}: {}", value("model", &config.model), value("data", &config.data), sets.name(run))
}

pub fn html(runs: &[Run], sets: &Sets) -> String {
    match runs {
        [run] => of_one(run, sets),
        _ => of_several(runs, sets),
    }
}

/// What came of a run, by the names of the columns.
fn result(run: &Run) -> Vec<(&'static str, Option<String>)> {
    let (summary, last) = (run.summary.as_ref(), run.updates.last());
    let of = |text: &dyn Fn(&Summary) -> String| summary.map(text);
    let rate = |of_summary: fn(&Summary) -> f64, of_line: fn(&crate::train::run_folder::ExplorationLine) -> f64| {
        summary.map(of_summary).or(last.map(of_line))
    };
    let explored =
        rate(|summary| summary.itop_rate, |line| line.itop_rate).map(|rate| match run.expected_itop_rate() {
            Some(expected) => format!("{rate:.3} ({expected:.3})"),
            None => format!("{rate:.3}"),
        });
    let rs = if run.expected_itop_rate().is_some() { "Rs (expected)" } else { "Rs" };
    vec![
        ("test accuracy", of(&|summary| percent(summary.test_accuracy))),
        ("validation accuracy", summary.and_then(|summary| summary.best_val_accuracy).map(percent)),
        ("best epoch", of(&|summary| format!("{} of {}", summary.best_epoch, summary.epochs))),
        (rs, explored),
        (
            "reliable Rs",
            rate(|s| s.reliable_itop_rate, |line| line.reliable_itop_rate).map(|rate| format!("{rate:.3}")),
        ),
        ("training FLOPs (of dense)", of(&training_flops)),
        ("training time", of(&|summary| format!("{:.0} s", summary.seconds_training))),
        ("images/s", of(&|summary| format!("{:.0}", summary.images_per_second))),
        ("GPU memory", of(&|summary| format!("{:.1} MiB", summary.peak_gpu_bytes as f64 / 1_048_576.0))),
        ("adapter", of(&|summary| format!("{} ({})", summary.adapter.name, summary.adapter.kind))),
    ]
}

/// `32.80 GFLOP (0.081)`
fn training_flops(summary: &Summary) -> String {
    format!("{} ({:.3})", summary.training_flops.map_or("–".into(), flops), summary.training_flops_ratio)
}

pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn of_one(run: &Run, sets: &Sets) -> String {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut say = |name: &str, value: Option<String>| all.extend(value.map(|value| (name.to_string(), value)));
    result(run).into_iter().take(5).for_each(|(name, value)| say(name, value));
    for (name, value) in sets.settings.common() {
        say(&name, Some(value));
    }
    say("seed", run.seed().map(|seed| seed.to_string()));
    say(
        "active weights",
        run.summary.as_ref().map(|s| format!("{} of {}", count(s.active_parameters), count(s.maskable_parameters))),
    );
    say(
        "images to train, choose, test",
        run.images.map(|n| format!("{}, {}, {}", count(n.train), count(n.validation), count(n.test))),
    );
    result(run).into_iter().skip(5).for_each(|(name, value)| say(name, value));
    say("itop", run.summary.as_ref().map(|summary| summary.version.clone()));
    say("run folder", Some(run.name.clone()));
    facts(&all)
}

fn of_several(runs: &[Run], sets: &Sets) -> String {
    let mut common = sets.settings.common();
    let counts: Vec<_> = runs.iter().filter_map(|run| run.images).collect();
    if let Some(first) = counts.first().filter(|first| counts.iter().all(|other| &other == first)) {
        let images = format!("{}, {}, {}", count(first.train), count(first.validation), count(first.test));
        common.push(("images to train, choose, test".into(), images));
    }
    let several = sets.all.iter().any(|set| set.runs.len() > 1);
    let means = if several {
        format!(
            "<p>Means over seeds ± sample standard deviation; on charts the deviation is the band around a line.</p>\n{}",
            html_table(&MEANS.map(String::from), &sets.all.iter().map(means).collect::<Vec<_>>(), &[])
        )
    } else {
        String::new()
    };
    let (agreed, table) = each(runs, sets);
    for (name, value) in agreed {
        if common.iter().all(|(known, _)| *known != name) {
            common.push((name, value));
        }
    }
    facts(&common) + &means + &table
}

const MEANS: [&str; 7] =
    ["setting", "seeds", "test accuracy", "validation accuracy", "Rs", "reliable Rs", "FLOPs of dense"];

fn means(set: &Set) -> Vec<String> {
    let over = |value: &dyn Fn(&Summary) -> Option<f64>, factor: f64, decimals: usize, unit: &str| {
        let values: Vec<f64> = set.runs.iter().filter_map(|run| value(run.summary.as_ref()?)).collect();
        match mean_and_deviation(&values) {
            _ if values.is_empty() => "–".into(),
            // A deviation that rounds to 0 is none, as in the tables of sweeps.
            (mean, Some(deviation)) if factor * deviation >= 0.5 * 0.1f64.powi(decimals as i32) => {
                format!("{:.decimals$} ± {:.decimals$}{unit}", factor * mean, factor * deviation)
            }
            (mean, _) => format!("{:.decimals$}{unit}", factor * mean),
        }
    };
    vec![
        set.setting.clone(),
        set.runs.len().to_string(),
        over(&|s| Some(s.test_accuracy), 100.0, 2, " %"),
        over(&|s| s.best_val_accuracy, 100.0, 2, " %"),
        over(&|s| Some(s.itop_rate), 1.0, 3, ""),
        over(&|s| Some(s.reliable_itop_rate), 1.0, 3, ""),
        over(&|s| Some(s.training_flops_ratio), 1.0, 3, ""),
    ]
}

/// A row for each run; what all of them agree in comes before it, as names and values.
fn each(runs: &[Run], sets: &Sets) -> (Vec<(String, String)>, String) {
    let rows: Vec<Vec<(&str, Option<String>)>> = runs
        .iter()
        .map(|run| {
            let config = run.config.as_ref();
            let setting =
                config.and_then(|config| sets.settings.find(config)).map(|at| sets.settings.all[at].label.clone());
            let mut row = vec![("setting", Some(setting.unwrap_or_else(|| run.name.clone())))];
            row.push(("seed", run.seed().map(|seed| seed.to_string())));
            row.push(("folder", Some(run.name.clone())));
            row.push((
                "ΔT",
                config.filter(|config| config.has_effect("delta_t")).map(|config| config.delta_t.to_string()),
            ));
            row.push(("epochs", config.map(|config| config.total_epochs().to_string())));
            row.extend(result(run));
            row
        })
        .collect();
    let columns = rows.first().map_or(0, Vec::len);
    let cell = |row: &Vec<(&str, Option<String>)>, column: usize| row[column].1.clone().unwrap_or_else(|| "–".into());
    let alike = |column: &usize| rows.len() > 1 && rows.iter().all(|row| row[*column].1 == rows[0][*column].1);
    let (same, different): (Vec<usize>, Vec<usize>) = (0..columns).partition(alike);
    // The same but for `Rs (expected)` of runs that have an expectation.
    let name = |column: usize| rows.iter().map(|row| row[column].0).max_by_key(|name| name.len()).unwrap_or_default();
    let agreed = same.iter().filter(|&&column| rows[0][column].1.is_some());
    let agreed = agreed.map(|&column| (name(column).to_string(), cell(&rows[0], column))).collect();
    let heads: Vec<String> = different.iter().map(|&column| name(column).to_string()).collect();
    let cells = |row| different.iter().map(|&column| cell(row, column)).collect::<Vec<_>>();
    (agreed, html_table(&heads, &rows.iter().map(cells).collect::<Vec<_>>(), &[]))
}
