//! Where the time of a step goes, compared with the arithmetic of the active weights.

use super::chart::escape;
use super::read::Run;
use super::table::wide;
use crate::gpu::Kind;
use crate::train::pass_times::{PassTime, PassTimes};

/// Layers in the table: the dearest.
const LAYERS: usize = 10;

/// The section of a run; nothing without times.
pub fn html(run: &Run) -> String {
    let Some(times) = &run.times else { return String::new() };
    format!("<section>\n<h2>Time of a step</h2>\n{}{}{}</section>\n", said(run, times), kinds(times), layers(times))
}

fn said(run: &Run, times: &PassTimes) -> String {
    let total = |passes: &[PassTime]| passes.iter().map(|pass| pass.ms).sum::<f64>();
    let flops: u64 = times.step.iter().filter_map(|pass| pass.flops).sum();
    let mut text = format!(
        "<p>{} ms for a step of {} images, by {} ({}, after training). Theoretical FLOPs are two a multiply-accumulate of an \
         active weight: {} a step.",
        number(total(&times.step)),
        times.batch_size,
        escape(&times.clock),
        if times.steps == 1 { "one step".into() } else { format!("the median of {} steps", times.steps) },
        self::flops(flops as f64),
    );
    if let Some(summary) = &run.summary {
        // As it was planned; older summaries do not say.
        let all = summary.training_flops.unwrap_or(flops as f64 * summary.steps as f64);
        let seconds = summary.seconds_training.max(1e-9);
        text += &format!(
            " The whole training: {} in theory, {:.0} s measured, {} GFLOP/s.",
            self::flops(all),
            summary.seconds_training,
            number(all / seconds / 1e9)
        );
    }
    text + "</p>\n"
}

fn kinds(times: &PassTimes) -> String {
    let sum = |passes: &[PassTime], kind: Kind| {
        let of = || passes.iter().filter(|pass| pass.kind == kind);
        (of().map(|pass| pass.ms).sum::<f64>(), of().filter_map(|pass| pass.flops).sum::<u64>())
    };
    let most =
        Kind::ALL.iter().map(|&(kind, _)| sum(&times.step, kind).0.max(sum(&times.update, kind).0)).fold(0.0, f64::max);
    let mut rows = String::new();
    for (kind, label) in Kind::ALL {
        let ((ms, flops), (update, _)) = (sum(&times.step, kind), sum(&times.update, kind));
        // A part that this run does not have.
        if ms.max(update) < 0.0005 {
            continue;
        }
        let with_update = if times.update.is_empty() { String::new() } else { cell(&number(update)) };
        // An ordinary step has no topology update.
        let alone = if ms < 0.0005 { "–".into() } else { number(ms) };
        let cells = [alone, theory(flops), rate(flops, ms)].map(|text| cell(&text)).concat();
        rows += &format!("<tr><th>{label}</th><td class=\"bar\">{}</td>{cells}{with_update}</tr>\n", bar(ms, most));
    }
    let mut heads = vec!["ms", "theory", "GFLOP/s"];
    heads.extend((!times.update.is_empty()).then_some("ms with an update"));
    table("part", &heads, &rows)
}

fn layers(times: &PassTimes) -> String {
    // Forward, input gradient, weight gradient of each layer.
    let mut layers: Vec<(&str, [(f64, u64); 3])> = Vec::new();
    for pass in &times.step {
        let Some(part) = [Kind::Forward, Kind::GradInput, Kind::GradWeight].iter().position(|&kind| kind == pass.kind)
        else {
            continue;
        };
        let at = layers.iter().position(|(name, _)| *name == pass.name).unwrap_or_else(|| {
            layers.push((&pass.name, [(0.0, 0); 3]));
            layers.len() - 1
        });
        layers[at].1[part] = (pass.ms, pass.flops.unwrap_or_default());
    }
    let total = |parts: &[(f64, u64); 3]| parts.iter().map(|part| part.0).sum::<f64>();
    layers.sort_by(|a, b| total(&b.1).total_cmp(&total(&a.1)));
    let (all, most) = (layers.len(), layers.first().map_or(0.0, |(_, parts)| total(parts)));
    let mut rows = String::new();
    for (name, parts) in layers.iter().take(LAYERS) {
        let cells = parts
            .map(|(ms, flops)| cell(&if ms > 0.0 { number(ms) } else { "–".into() }) + &cell(&rate(flops, ms)))
            .concat();
        let (bar, ms, flops) = (bar(total(parts), most), total(parts), parts.iter().map(|part| part.1).sum());
        rows += &format!(
            "<tr><th>{}</th><td class=\"bar\">{bar}</td>{}{}{cells}</tr>\n",
            escape(name),
            cell(&number(ms)),
            cell(&theory(flops))
        );
    }
    if rows.is_empty() {
        return rows;
    }
    let shown = if all > LAYERS {
        format!("The {LAYERS} most expensive of {all} layers")
    } else {
        "Layers, the most expensive first".into()
    };
    let gradients = ["forward ms", "GFLOP/s", "input gradient ms", "GFLOP/s", "weight gradient ms", "GFLOP/s"];
    format!("<h3>{shown}</h3>\n{}", table("layer", &[&["ms", "theory"], &gradients[..]].concat(), &rows))
}

fn cell(text: &str) -> String {
    format!("<td class=\"n\">{text}</td>")
}

/// The table of rows that have a name, a bar, and numbers called `heads`.
fn table(name: &str, heads: &[&str], rows: &str) -> String {
    let heads: String = heads.iter().map(|head| format!("<th class=\"n\">{head}</th>")).collect();
    wide(&format!("<table><thead><tr><th>{name}</th><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table>"))
}

fn bar(ms: f64, most: f64) -> String {
    format!("<i style=\"width:{:.1}%\"></i>", 100.0 * ms / most.max(1e-12))
}

fn number(value: f64) -> String {
    match value {
        large if large >= 100.0 => format!("{large:.0}"),
        middle if middle >= 1.0 => format!("{middle:.1}"),
        // An empty sum is −0.
        small => format!("{:.3}", small + 0.0),
    }
}

/// Floating-point operations, on pages and in plans alike.
pub fn flops(number: f64) -> String {
    match number {
        many if many >= 1e15 => format!("{:.2} PFLOP", many / 1e15),
        many if many >= 1e12 => format!("{:.2} TFLOP", many / 1e12),
        middle if middle >= 1e9 => format!("{:.2} GFLOP", middle / 1e9),
        few => format!("{:.2} MFLOP", few / 1e6),
    }
}

fn theory(flops: u64) -> String {
    if flops == 0 { "–".into() } else { self::flops(flops as f64) }
}

fn rate(flops: u64, ms: f64) -> String {
    if flops == 0 || ms <= 0.0 { "–".into() } else { number(flops as f64 / ms / 1e6) }
}
