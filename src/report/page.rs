//! The page: one HTML file that needs nothing else.

use std::collections::HashSet;

use base64::Engine as _;

use super::chart::{Series, Y, bands, colour, escape, lines};
use super::read::{Epoch, Run};
use crate::ops::topology::AGE_BINS;
use crate::train::run_folder::{ExplorationLine, LayerExploration};

const STYLE: &str = include_str!("../../assets/report/style.css");

/// Updates survived, by bin of the age histogram.
const AGE_LABELS: [&str; AGE_BINS] = ["0", "1", "2–3", "4–7", "8–15", "16–31", "32–63", "64 and more"];

/// Layers whose curves are drawn; of more, those spread evenly over the depth.
const CURVES: usize = 6;

/// The page for `runs`.
pub fn page(runs: &[Run]) -> String {
    let title = match runs {
        [run] => format!("{} – itop", run.name),
        _ => format!("{} runs – itop", runs.len()),
    };
    let mut body = format!("<h1>{}</h1>\n", escape(title.trim_end_matches(" – itop")));
    body += &notes(runs);
    body += &overview(runs);
    body += "<section class=\"charts\">\n";
    body += &curves(runs);
    body += "</section>\n";
    for run in runs {
        body += &layers(run, runs.len() > 1);
    }
    frame(&title, &body)
}

/// A page that needs nothing else, with the style of all reports. `body` is HTML.
pub fn frame(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{}</title><style>{STYLE}</style></head>\n<body><main>\n{body}</main></body></html>\n",
        escape(title)
    )
}

fn notes(runs: &[Run]) -> String {
    let mut text = String::new();
    for run in runs {
        for note in &run.notes {
            text += &format!("<li><b>{}</b>: {}</li>", escape(&run.name), escape(note));
        }
    }
    let models: HashSet<_> = runs.iter().filter_map(|run| Some(&run.config.as_ref()?.model)).collect();
    if models.len() > 1 {
        text +=
            "<li>The runs are of different models: losses and rates stand side by side, layers do not compare.</li>";
    }
    if text.is_empty() { text } else { format!("<ul class=\"notes\">{text}</ul>\n") }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn overview(runs: &[Run]) -> String {
    let mut rows = String::new();
    for run in runs {
        let config = run.config.as_ref();
        let summary = run.summary.as_ref();
        let of = |cell: Option<String>| format!("<td>{}</td>", cell.map_or("–".into(), |cell| escape(&cell)));
        let last = run.updates.last();
        rows += "<tr>";
        rows += &format!("<th>{}</th>", escape(&run.name));
        rows += &of(config.map(|config| format!("{} on {}", config.model, config.data)));
        rows += &of(config.map(|config| format!("{} {}", config.method.name(), percent(config.sparsity))));
        rows += &of(config.map(|config| config.storage.name().to_string()));
        rows += &of(summary.map(|summary| percent(summary.test_accuracy)));
        rows += &of(summary.map(|s| s.itop_rate).or(last.map(|line| line.itop_rate)).map(|rate| format!("{rate:.3}")));
        rows += &of(summary
            .map(|summary| summary.reliable_itop_rate)
            .or(last.map(|line| line.reliable_itop_rate))
            .map(|rate| format!("{rate:.3}")));
        rows += &of(summary.map(|summary| format!("{:.3}", summary.training_flops_ratio)));
        rows += &of(summary.map(|summary| format!("{:.0} s", summary.seconds_training)));
        rows += &of(summary.map(|summary| format!("{:.0}", summary.images_per_second)));
        rows += &of(summary.map(|summary| format!("{:.1} MiB", summary.peak_gpu_bytes as f64 / 1048576.0)));
        rows += &of(summary.map(|summary| format!("{} ({})", summary.adapter.name, summary.adapter.kind)));
        rows += "</tr>\n";
    }
    let heads = [
        "run",
        "trained",
        "method",
        "storage",
        "test accuracy",
        "Rs",
        "reliable Rs",
        "FLOPs of dense",
        "training",
        "images/s",
        "GPU memory",
        "adapter",
    ];
    let heads: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
    format!("<div class=\"wide\"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>\n")
}

/// Loss, accuracy and exploration of all runs over the epochs.
fn curves(runs: &[Run]) -> String {
    let label = |run: &Run, what: &str| if runs.len() > 1 { format!("{}, {what}", run.name) } else { what.to_string() };
    let over = |what: &str, dashed: bool, number: usize, value: &dyn Fn(&Epoch) -> Option<f64>| {
        let of = |(i, run): (usize, &Run)| {
            let points = run.epochs.iter().filter_map(|epoch| Some((epoch.epoch as f64, value(epoch)?))).collect();
            let colour = colour(if runs.len() > 1 { i } else { number });
            Series { label: label(run, what), points, colour, dashed }
        };
        runs.iter().enumerate().map(of).collect::<Vec<_>>()
    };
    let both = |one: Vec<Series>, other: Vec<Series>| one.into_iter().chain(other).collect::<Vec<_>>();
    let loss = both(
        over("training", false, 0, &|epoch| Some(epoch.loss)),
        over("validation", true, 1, &|epoch| epoch.val_loss),
    );
    let accuracy = both(
        over("training", false, 0, &|epoch| Some(epoch.accuracy)),
        over("validation", true, 1, &|epoch| epoch.val_accuracy),
    );
    let explored = both(
        over("ever active (Rs)", false, 0, &|epoch| Some(epoch.itop_rate)),
        over("expected of random growth", true, 1, &|epoch| Some(epoch.expected_itop_rate)),
    );
    let updates = |what: &str, number: usize, value: &dyn Fn(&ExplorationLine) -> f64| {
        let of = |(i, run): (usize, &Run)| {
            let points = run.updates.iter().map(|line| (line.step as f64, value(line))).collect();
            let colour = colour(if runs.len() > 1 { i } else { number });
            Series { label: label(run, what), points, colour, dashed: number > 0 }
        };
        runs.iter().enumerate().map(of).collect::<Vec<_>>()
    };
    let reliable = both(
        updates("ever active", 0, &|line| line.itop_rate),
        updates("reliably explored", 1, &|line| line.reliable_itop_rate),
    );
    let churn = updates("moved by the update", 0, &|line| mean(line, |layer| Some(layer.churn)));
    let drift = updates("away from the first set", 0, &|line| mean(line, |layer| Some(layer.drift)));
    lines("Loss", "epoch", &loss, Y::Value)
        + &lines("Accuracy", "epoch", &accuracy, Y::Share)
        + &lines("Weights that were ever active, and what random growth would reach", "epoch", &explored, Y::Share)
        + &lines("Explored, and reliably explored", "step", &reliable, Y::Share)
        + &lines("Share of the active set that an update replaces", "step", &churn, Y::Share)
        + &lines("Distance of the active set from the first", "step", &drift, Y::Share)
}

/// Over the layers that have zeros, by their active weights.
fn mean(line: &ExplorationLine, value: impl Fn(&LayerExploration) -> Option<f64>) -> f64 {
    let sparse = line.layers.iter().filter(|layer| layer.active < layer.maskable);
    let (sum, weight) = sparse
        .filter_map(|layer| Some((value(layer)?, layer.active as f64)))
        .fold((0.0, 0.0), |(sum, weight), (value, active)| (sum + value * active, weight + active));
    if weight > 0.0 { sum / weight } else { 0.0 }
}

/// The layers of one run: curves, ages, maps, table.
fn layers(run: &Run, named: bool) -> String {
    let Some(last) = run.updates.last() else { return maps(run) };
    let mut text = String::from("<section>\n");
    text += &match named {
        true => format!("<h2>Layers of {}</h2>\n", escape(&run.name)),
        false => "<h2>Layers</h2>\n".into(),
    };
    let sparse: Vec<usize> =
        (0..last.layers.len()).filter(|&i| last.layers[i].active < last.layers[i].maskable).collect();
    let shown: Vec<usize> = match sparse.len() {
        0..=CURVES => sparse.clone(),
        many => (0..CURVES).map(|i| sparse[i * (many - 1) / (CURVES - 1)]).collect(),
    };
    let per_layer = |value: &dyn Fn(&LayerExploration) -> Option<f64>| {
        let of = |(number, &i): (usize, &usize)| {
            let point = |line: &ExplorationLine| Some((line.step as f64, value(line.layers.get(i)?)?));
            let points = run.updates.iter().filter_map(point).collect();
            Series { label: last.layers[i].name.clone(), points, colour: colour(number), dashed: false }
        };
        shown.iter().enumerate().map(of).collect::<Vec<_>>()
    };
    text += "<div class=\"charts\">\n";
    text += &ages(run);
    let explored = per_layer(&|layer| Some(layer.explored as f64 / layer.maskable.max(1) as f64));
    text += &lines("Ever active, by layer", "step", &explored, Y::Share);
    text += &lines("Churn, by layer", "step", &per_layer(&|layer| Some(layer.churn)), Y::Share);
    let threshold = per_layer(&|layer| layer.threshold.map(f64::from));
    text += &lines("Least magnitude kept, by layer", "step", &threshold, Y::Value);
    text += &lines(
        "Grown weights that the next prune kept, by layer",
        "step",
        &per_layer(&|layer| layer.growth_kept),
        Y::Share,
    );
    let dead = per_layer(&|layer| Some(layer.dead_outputs as f64));
    text += &lines("Output channels without a weight, by layer", "step", &dead, Y::Count);
    text += "</div>\n";
    text += &maps(run);
    text += &table(last);
    text + "</section>\n"
}

/// How old the active weights are, over the updates.
fn ages(run: &Run) -> String {
    let at: Vec<f64> = run.updates.iter().map(|line| line.step as f64).collect();
    let mut shares = vec![vec![0.0; at.len()]; AGE_BINS];
    for (point, line) in run.updates.iter().enumerate() {
        let sparse = || line.layers.iter().filter(|layer| layer.active < layer.maskable);
        let total: f64 = sparse().map(|layer| layer.ages.iter().map(|&n| f64::from(n)).sum::<f64>()).sum();
        for (bin, band) in shares.iter_mut().enumerate() {
            band[point] = sparse().map(|layer| f64::from(layer.ages[bin])).sum::<f64>() / total.max(1.0);
        }
    }
    bands("Ages of the active weights, in updates survived", "step", &AGE_LABELS, &at, &shares)
}

fn maps(run: &Run) -> String {
    let mut text = String::new();
    for map in &run.maps {
        let scale = (160 / map.rows.max(map.columns).max(1)).max(1) as u32;
        let Some(png) = map.png(scale) else { continue };
        let data = base64::engine::general_purpose::STANDARD.encode(png);
        let title = format!("{}: {} × {} channels", map.name, map.outputs, map.inputs);
        text += &format!(
            "<figure><img alt=\"{0}\" title=\"{0}\" src=\"data:image/png;base64,{data}\"><figcaption>{0}</figcaption></figure>\n",
            escape(&title)
        );
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "<h3>Which connections were explored</h3>\n<p>Out channels down, in channels across. Dark: never active; \
         <span class=\"once\">blue</span>: taps that were active once; <span class=\"now\">yellow</span>: active now.</p>\n\
         <div class=\"maps\">{text}</div>\n"
    )
}

fn table(last: &ExplorationLine) -> String {
    let mut rows = String::new();
    for layer in &last.layers {
        let share = |part: usize| percent(part as f64 / layer.maskable.max(1) as f64);
        let optional =
            |value: Option<f64>, digits: usize| value.map_or("–".into(), |value| format!("{value:.digits$}"));
        let cells = [
            layer.maskable.to_string(),
            layer.active.to_string(),
            share(layer.active),
            share(layer.explored),
            share(layer.reliably_explored),
            format!("{:.3}", layer.churn),
            format!("{:.3}", layer.drift),
            optional(layer.threshold.map(f64::from), 4),
            optional(layer.growth_kept, 3),
            layer.dead_outputs.to_string(),
            layer.dead_inputs.to_string(),
        ];
        let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        rows += &format!("<tr><th>{}</th>{cells}</tr>\n", escape(&layer.name));
    }
    let heads = [
        "layer",
        "weights",
        "active",
        "density",
        "ever active",
        "reliably",
        "churn",
        "drift",
        "least kept",
        "growth kept",
        "dead outputs",
        "dead inputs",
    ];
    let heads: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
    format!(
        "<details><summary>All layers after the last update (step {})</summary><div class=\"wide\"><table>\
         <thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>\n",
        last.step
    )
}
