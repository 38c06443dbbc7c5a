//! The page: one self-contained HTML file.

use std::collections::HashSet;

use super::chart::{Chart, escape};
use super::curves::{layer_charts, layers_left_out, run_charts};
use super::overview::{self, percent};
use super::read::Run;
use super::sets::Sets;
use super::table::wide;
use super::{player, times};
use crate::train::run_folder::ExplorationLine;

const STYLE: &str = include_str!("../../assets/report/style.css");

/// The page for `runs`.
pub fn page(runs: &[Run]) -> String {
    let sets = Sets::of(runs);
    let title = overview::title(runs, &sets);
    let mut body = format!("{}\n<h1>{}</h1>\n", mark(runs), escape(&title));
    body += &notes(runs, &sets);
    body += &overview::html(runs, &sets);
    body += &format!("<section>\n{}</section>\n", charts(&run_charts(runs, &sets)));
    for run in runs {
        let parts = [layers(run), times::html(run)].concat();
        body += &match runs {
            [_] => parts,
            _ if parts.is_empty() => parts,
            // Each run's own part is long.
            _ => format!(
                "<details class=\"run\"><summary>Layers and times of {} ({})</summary>\n{parts}</details>\n",
                escape(&sets.name(run)),
                escape(&run.name)
            ),
        };
    }
    document(&format!("{title} – itop"), &body)
}

/// Tells the page of some runs from every other one.
fn mark(runs: &[Run]) -> String {
    let mut folders: Vec<String> = runs.iter().map(|run| run.folder.display().to_string()).collect();
    folders.sort();
    format!("<!-- itop report {:08x} -->", crc32c::crc32c(folders.join("\n").as_bytes()))
}

/// Whether `page` is an earlier page of these very runs.
pub fn is_page_of(page: &[u8], runs: &[Run]) -> bool {
    let mark = mark(runs);
    page.windows(mark.len()).any(|part| part == mark.as_bytes())
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

fn notes(runs: &[Run], sets: &Sets) -> String {
    let mut text = String::new();
    for run in runs {
        for note in &run.notes {
            text += &format!("<li><b>{}</b>: {}</li>", escape(&run.name), escape(note));
        }
    }
    text.extend(sets.notes.iter().map(|note| format!("<li>{}</li>", escape(note))));
    let models: HashSet<_> = runs.iter().filter_map(|run| Some(&run.config.as_ref()?.model)).collect();
    if models.len() > 1 {
        text +=
            "<li>The runs are of different models: losses and rates stand side by side, layers do not compare.</li>";
    }
    if text.is_empty() { text } else { format!("<ul class=\"notes\">{text}</ul>\n") }
}

/// The layers of one run: curves, maps, table.
fn layers(run: &Run) -> String {
    let (maps, last) = (player::html(&run.film), run.updates.last());
    if maps.is_empty() && last.is_none() {
        return String::new();
    }
    let said = layers_left_out(run).map_or_else(String::new, |text| format!("<p>{}</p>\n", escape(&text)));
    let table = last.map_or_else(String::new, table);
    format!("<section>\n<h2>Layers</h2>\n{said}{}{maps}{table}</section>\n", charts(&layer_charts(run)))
}

pub fn charts(charts: &[Chart]) -> String {
    let figures: String = charts.iter().map(Chart::html).collect();
    if figures.is_empty() { figures } else { format!("<div class=\"charts\">\n{figures}</div>\n") }
}

fn table(last: &ExplorationLine) -> String {
    let mut rows = String::new();
    for layer in &last.layers {
        let share = |part: usize| percent(part as f64 / layer.prunable.max(1) as f64);
        let optional =
            |value: Option<f64>, digits: usize| value.map_or("–".into(), |value| format!("{value:.digits$}"));
        let cells = [
            layer.prunable.to_string(),
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
        let cells: String = cells.iter().map(|cell| format!("<td class=\"n\">{cell}</td>")).collect();
        rows += &format!("<tr><th>{}</th>{cells}</tr>\n", escape(&layer.name));
    }
    let heads = [
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
    let heads: String = heads.iter().map(|head| format!("<th class=\"n\">{head}</th>")).collect();
    let table = format!("<table><thead><tr><th>layer</th>{heads}</tr></thead><tbody>{rows}</tbody></table>");
    format!(
        "<details><summary>All layers after the last update (step {})</summary>{}</details>\n",
        last.step,
        wide(&table)
    )
}
