//! The report as one self-contained page.

use super::{METHODS, Report, Side};
use crate::report::chart::{Interval, Look, Series, Y, escape, intervals, lines};
use crate::report::colours::{INK, colour};
use crate::report::{charts, document, html_table};
use crate::words::number_of;

/// The page.
pub fn page(report: &Report) -> String {
    let title = format!("{} on {}", report.model, number_of(report.adapters.len(), "adapter"));
    let mut body = format!("<h1>{}</h1>\n", escape(&title));
    body += &format!(
        "<p>Batch {}, {:.0} % sparse, {} rounds; the first {} steps compared, a topology update every {}.</p>\n",
        report.batch_size,
        100.0 * report.sparsity,
        report.rounds,
        report.steps,
        report.delta_t
    );
    body += &match report.winner.map(|at| &report.adapters[at]) {
        Some(side) => {
            format!("<p><b>Fastest: {}</b>; its interval lies below all others.</p>\n", escape(&side.label()))
        }
        None if report.adapters.len() > 1 => "<p>No winner: the intervals overlap.</p>\n".into(),
        None => String::new(),
    };
    let warnings: String = report.warnings.iter().map(|text| format!("<li>{}</li>", escape(text))).collect();
    if !warnings.is_empty() {
        body += &format!("<ul class=\"notes\">{warnings}</ul>\n");
    }
    body += &speed(report);
    body += &format!("<section>\n{}</section>\n", curves(report));
    body += &format!(
        "<h2>Do they compute the same?</h2>\n{}",
        html_table(&Report::SAMENESS.map(String::from), &report.sameness(), &[])
    );
    body += &format!("<h2>Where the time of a step goes, in ms</h2>\n{}", passes(report));
    document(&title, &body)
}

fn speed(report: &Report) -> String {
    let row = |side: &Side| {
        let timing = &side.step_ms;
        vec![
            side.label(),
            side.kind.clone(),
            side.tier.clone(),
            format!("{:.2}", timing.median),
            format!("{:.2} to {:.2}", timing.low, timing.high),
            format!("{:.1}", side.images_per_second),
            format!("{:.1} MiB", side.gpu_bytes as f64 / 1_048_576.0),
            format!("{:.0}", side.open_ms),
            format!("{:.0}", side.prepare_ms),
            format!("{:.0}", side.first_step_ms),
        ]
    };
    let heads = [
        "adapter",
        "kind",
        "tier",
        "ms a step",
        "95 % interval",
        "images/s",
        "GPU memory",
        "open ms",
        "prepare ms",
        "first step ms",
    ];
    html_table(&heads.map(String::from), &report.adapters.iter().map(row).collect::<Vec<_>>(), &[])
}

fn curves(report: &Report) -> String {
    let each = |value: &dyn Fn(&Side) -> Vec<(f64, f64)>| {
        let of = |(i, side): (usize, &Side)| Series {
            label: side.label(),
            points: value(side),
            colour: colour(i),
            look: Look::Line,
            band: Vec::new(),
        };
        report.adapters.iter().enumerate().map(of).collect::<Vec<_>>()
    };
    let bar = |side: &Side| Interval {
        label: side.label(),
        low: side.step_ms.low,
        middle: side.step_ms.median,
        high: side.step_ms.high,
    };
    let bars: Vec<Interval> = report.adapters.iter().map(bar).collect();
    let numbered = |from: usize, values: &[f64]| {
        values.iter().enumerate().map(|(i, &v)| ((i + from) as f64, v)).collect::<Vec<_>>()
    };
    let samples = each(&|side| numbered(1, &side.step_ms.samples));
    let mut all = vec![
        intervals("intervals", "Milliseconds per step: median and interval", "ms", bars),
        lines("milliseconds", "Milliseconds per step", "round", samples, Y::Value),
    ];
    for (m, method) in METHODS.iter().enumerate() {
        let mut losses = each(&|side| numbered(1, &side.methods[m].losses));
        let points = numbered(1, &report.reference);
        losses.push(Series {
            label: "CPU references".into(),
            points,
            colour: INK,
            look: Look::Dashed,
            band: Vec::new(),
        });
        all.push(lines("loss", &format!("Loss, {}", method.name), "step", losses, Y::Value));
    }
    for (m, method) in METHODS.iter().enumerate() {
        let shares = each(&|side| side.methods[m].updates.iter().map(|&(step, share)| (step as f64, share)).collect());
        let title = format!("Active weights in common with the first adapter, {}", method.name);
        all.push(lines("shares", &title, "step", shares, Y::Share));
    }
    charts(&all.into_iter().flatten().collect::<Vec<_>>())
}

fn passes(report: &Report) -> String {
    let mut names: Vec<&String> = Vec::new();
    for name in report.adapters.iter().flat_map(|side| side.passes.keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let ms = |side: &Side, name: &str| side.passes.get(name).and_then(serde_json::Value::as_f64);
    let row = |name: &&String| {
        let of = |side: &Side| ms(side, name).map_or("–".into(), |ms| format!("{ms:.2}"));
        std::iter::once((*name).clone()).chain(report.adapters.iter().map(of)).collect::<Vec<_>>()
    };
    let heads: Vec<String> = std::iter::once("pass".into()).chain(report.adapters.iter().map(Side::label)).collect();
    html_table(&heads, &names.iter().map(row).collect::<Vec<_>>(), &[])
}
