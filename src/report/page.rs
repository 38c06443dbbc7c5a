//! The page: one HTML file that needs nothing else.

use std::collections::HashSet;

use super::chart::{Chart, escape};
use super::curves::{layer_charts, run_charts};
use super::read::Run;
use super::{player, times};
use crate::train::run_folder::ExplorationLine;

const STYLE: &str = include_str!("../../assets/report/style.css");

/// The page for `runs`.
pub fn page(runs: &[Run]) -> String {
    let title = match runs {
        [run] => format!("{} – itop", run.name),
        _ => format!("{} runs – itop", runs.len()),
    };
    let mut body = format!("<h1>{}</h1>\n", escape(title.trim_end_matches(" – itop")));
    body += &notes(runs);
    body += &overview(runs);
    body += &format!("<section>\n{}</section>\n", charts(&run_charts(runs)));
    for run in runs {
        body += &layers(run, runs.len() > 1);
        body += &times::html(run, runs.len() > 1);
    }
    document(&title, &body)
}

/// A whole page around `body`.
pub fn document(title: &str, body: &str) -> String {
    let films = body.contains("class=\"film\"");
    let script = if films { format!("<script>{}</script>", player::SCRIPT) } else { String::new() };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{}</title><style>{STYLE}</style></head>\n<body><main>\n{body}</main>{script}</body></html>\n",
        escape(title)
    )
}

/// A table, its first column as heads of the rows; the text is escaped here.
pub fn html_table(heads: &[String], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, cells: &[String]| -> String {
        cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect()
    };
    let row = |row: &Vec<String>| {
        let (head, rest) = row.split_at(1.min(row.len()));
        format!("<tr>{}{}</tr>\n", cells("th", head), cells("td", rest))
    };
    let rows: String = rows.iter().map(row).collect();
    format!(
        "<div class=\"wide\"><table><thead><tr>{}</tr></thead><tbody>{rows}</tbody></table></div>\n",
        cells("th", heads)
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

/// The layers of one run: curves, maps, table.
fn layers(run: &Run, named: bool) -> String {
    let (maps, last) = (player::html(&run.film), run.updates.last());
    if maps.is_empty() && last.is_none() {
        return String::new();
    }
    let name = if named { format!(" of {}", escape(&run.name)) } else { String::new() };
    let table = last.map_or_else(String::new, table);
    format!("<section>\n<h2>Layers{name}</h2>\n{}{maps}{table}</section>\n", charts(&layer_charts(run)))
}

fn charts(charts: &[Chart]) -> String {
    let figures: String = charts.iter().map(Chart::html).collect();
    if figures.is_empty() { figures } else { format!("<div class=\"charts\">\n{figures}</div>\n") }
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
