//! Which charts there are: of all runs over their epochs and updates, and of the layers of one.

use super::chart::{Chart, Look, Series, Y, bands, lines};
use super::colours::{INK, depth};
use super::read::{Epoch, Run};
use super::sets::Sets;
use crate::ops::topology::AGE_BINS;
use crate::train::Method;
use crate::train::run_folder::{ExplorationLine, LayerExploration};
use crate::words::number_of;

/// Updates survived, by bin of the age histogram.
const AGE_LABELS: [&str; AGE_BINS] = ["0", "1", "2–3", "4–7", "8–15", "16–31", "32–63", "64 and more"];

/// Layers whose curves are drawn; of more, those spread evenly over the depth.
const CURVES: usize = 12;

/// What random growth is expected to have explored, in legends.
const EXPECTED: &str = "expected of random growth";

/// Loss, accuracy and exploration of all runs over the epochs and updates.
pub fn run_charts(runs: &[Run], sets: &Sets) -> Vec<Chart> {
    match runs {
        [run] => charts_of_one(run, sets),
        _ => charts_of_several(sets),
    }
}

fn over_epochs(run: &Run, value: impl Fn(&Epoch) -> Option<f64>) -> Vec<(usize, f64)> {
    run.epochs.iter().filter_map(|epoch| Some((epoch.epoch, value(epoch)?))).collect()
}

fn over_updates(run: &Run, value: impl Fn(&ExplorationLine) -> f64) -> Vec<(usize, f64)> {
    run.updates.iter().map(|line| (line.step, value(line))).collect()
}

fn churn(run: &Run) -> Vec<(usize, f64)> {
    over_updates(run, |line| mean(line, |layer| Some(layer.churn)))
}

fn drift(run: &Run) -> Vec<(usize, f64)> {
    over_updates(run, |line| mean(line, |layer| Some(layer.drift)))
}

/// What is expected of random growth; nothing of a run whose active set never moved, which it would only repeat.
fn expected(run: &Run) -> Vec<(usize, f64)> {
    if run.updates.is_empty() { Vec::new() } else { over_epochs(run, |epoch| Some(epoch.expected_itop_rate)) }
}

const RS: &str = "Weights that were ever active, and what random growth would reach";
const RELIABLE: &str = "Explored, and reliably explored";
const CHURN: &str = "Share of the active set that an update replaces";
const DRIFT: &str = "Distance of the active set from the first";

/// Kinds of one thing in one chart.
fn charts_of_one(run: &Run, sets: &Sets) -> Vec<Chart> {
    let own = sets.all.first().map_or(INK, |set| set.colour);
    let series = |label: &str, look: Look, points: Vec<(usize, f64)>| Series {
        label: label.into(),
        points: points.into_iter().map(|(x, y)| (x as f64, y)).collect(),
        colour: if look == Look::Line { own } else { INK },
        look,
        band: Vec::new(),
    };
    let loss = vec![
        series("training", Look::Line, over_epochs(run, |epoch| Some(epoch.loss))),
        series("validation", Look::Dashed, over_epochs(run, |epoch| epoch.val_loss)),
    ];
    let accuracy = vec![
        series("training", Look::Line, over_epochs(run, |epoch| Some(epoch.accuracy))),
        series("validation", Look::Dashed, over_epochs(run, |epoch| epoch.val_accuracy)),
    ];
    let mut charts = vec![
        lines("loss", "Loss", "epoch", loss, Y::Value),
        lines("accuracy", "Accuracy", "epoch", accuracy, Y::Share),
    ];
    if !run.updates.is_empty() {
        let explored = vec![
            series("ever active (Rs)", Look::Line, over_epochs(run, |epoch| Some(epoch.itop_rate))),
            series(EXPECTED, Look::Rings, expected(run)),
        ];
        let reliable = vec![
            series("ever active", Look::Line, over_updates(run, |line| line.itop_rate)),
            series("reliably explored", Look::Dashed, over_updates(run, |line| line.reliable_itop_rate)),
        ];
        charts.extend([
            lines("rs", RS, "epoch", explored, Y::Share),
            lines("reliable", RELIABLE, "step", reliable, Y::Share),
            lines("churn", CHURN, "step", vec![series("moved by the update", Look::Line, churn(run))], Y::Share),
            lines("drift", DRIFT, "step", vec![series("away from the first set", Look::Line, drift(run))], Y::Share),
        ]);
    }
    charts.into_iter().flatten().collect()
}

/// A chart for each kind, a line for each setting.
fn charts_of_several(sets: &Sets) -> Vec<Chart> {
    let each = |values: &dyn Fn(&Run) -> Vec<(usize, f64)>| {
        sets.all.iter().map(|set| set.mean(Look::Line, values)).collect::<Vec<_>>()
    };
    // A dense network explores everything by definition, and would press all others to the axis.
    let sparse = |run: &Run| run.config.as_ref().is_none_or(|config| config.method != Method::DENSE);
    let rate = |run: &Run| over_epochs(run, |epoch| sparse(run).then_some(epoch.itop_rate));
    let mut explored = each(&rate);
    for set in &sets.all {
        // Every seed has the same expectation.
        let mut rings = set.mean(Look::Rings, expected);
        (rings.label, rings.band) = (format!("{EXPECTED}, {}", set.setting), Vec::new());
        explored.push(rings);
    }
    let charts = [
        lines("loss", "Training loss", "epoch", each(&|run| over_epochs(run, |epoch| Some(epoch.loss))), Y::Value),
        lines(
            "validation-loss",
            "Validation loss",
            "epoch",
            each(&|run| over_epochs(run, |epoch| epoch.val_loss)),
            Y::Value,
        ),
        lines(
            "accuracy",
            "Training accuracy",
            "epoch",
            each(&|run| over_epochs(run, |epoch| Some(epoch.accuracy))),
            Y::Share,
        ),
        lines(
            "validation-accuracy",
            "Validation accuracy",
            "epoch",
            each(&|run| over_epochs(run, |epoch| epoch.val_accuracy)),
            Y::Share,
        ),
        lines("rs", RS, "epoch", explored, Y::Share),
        lines(
            "reliable",
            "Reliably explored",
            "step",
            each(&|run| over_updates(run, |line| line.reliable_itop_rate)),
            Y::Share,
        ),
        lines("churn", CHURN, "step", each(&churn), Y::Share),
        lines("drift", DRIFT, "step", each(&drift), Y::Share),
    ];
    charts.into_iter().flatten().collect()
}

/// Over the layers that have zeros, by their active weights.
fn mean(line: &ExplorationLine, value: impl Fn(&LayerExploration) -> Option<f64>) -> f64 {
    let sparse = line.layers.iter().filter(|layer| layer.active < layer.prunable);
    let (sum, weight) = sparse
        .filter_map(|layer| Some((value(layer)?, layer.active as f64)))
        .fold((0.0, 0.0), |(sum, weight), (value, active)| (sum + value * active, weight + active));
    if weight > 0.0 { sum / weight } else { 0.0 }
}

/// The layers of a run that have curves, by their numbers: those with zeros, and of many a part.
struct Shown {
    layers: Vec<usize>,
    with_zeros: usize,
    all: usize,
}

impl Shown {
    fn of(last: &ExplorationLine) -> Self {
        let sparse: Vec<usize> =
            (0..last.layers.len()).filter(|&i| last.layers[i].active < last.layers[i].prunable).collect();
        let layers = match sparse.len() {
            0..=CURVES => sparse.clone(),
            many => (0..CURVES).map(|i| sparse[i * (many - 1) / (CURVES - 1)]).collect(),
        };
        Self { layers, with_zeros: sparse.len(), all: last.layers.len() }
    }
}

/// Which layers the charts of [`layer_charts`] leave out, as a sentence; none if they leave out none.
pub fn layers_left_out(run: &Run) -> Option<String> {
    let Shown { layers, with_zeros, all } = Shown::of(run.updates.last()?);
    if layers.is_empty() || layers.len() == all {
        return None;
    }
    let mut text = match layers.len() == with_zeros {
        true => format!("Curves by layer are of what has zeros: {}", number_of(with_zeros, "layer")),
        false => format!(
            "Curves by layer are of {} of the {with_zeros} layers that have zeros, evenly over the depth",
            layers.len()
        ),
    };
    if with_zeros < all {
        text += &format!(
            "; {} of {all} layers {} all weights",
            all - with_zeros,
            if all - with_zeros == 1 { "keeps" } else { "keep" }
        );
    }
    Some(text + ". The table has all layers.")
}

/// The charts of one run's layers; none without updates.
pub fn layer_charts(run: &Run) -> Vec<Chart> {
    let Some(last) = run.updates.last() else { return Vec::new() };
    let Shown { layers: shown, all, .. } = Shown::of(last);
    let per_layer = |value: &dyn Fn(&LayerExploration) -> Option<f64>| {
        let of = |(number, &i): (usize, &usize)| {
            let point = |line: &ExplorationLine| Some((line.step as f64, value(line.layers.get(i)?)?));
            let points = run.updates.iter().filter_map(point).collect();
            let label = last.layers[i].name.trim_end_matches(".weight").to_string();
            Series { label, points, colour: depth(number, shown.len()), look: Look::Line, band: Vec::new() }
        };
        shown.iter().enumerate().map(of).collect::<Vec<_>>()
    };
    let explored = per_layer(&|layer| Some(layer.explored as f64 / layer.prunable.max(1) as f64));
    let churn = per_layer(&|layer| Some(layer.churn));
    let threshold = per_layer(&|layer| layer.threshold.map(f64::from));
    let kept = per_layer(&|layer| layer.growth_kept);
    let dead = per_layer(&|layer| Some(layer.dead_outputs as f64));
    let by = if shown.len() == all { "by layer".to_string() } else { format!("by layer ({} of {all})", shown.len()) };
    let of = |name, what: &str, series, y| lines(name, &format!("{what}, {by}"), "step", series, y);
    let charts = [
        ages(run),
        of("layers-rs", "Ever active", explored, Y::Share),
        of("layers-churn", "Churn", churn, Y::Share),
        of("layers-threshold", "Least magnitude kept", threshold, Y::Value),
        of("layers-kept", "Grown weights that the next prune kept", kept, Y::Share),
        of("layers-dead", "Output channels without a weight", dead, Y::Count),
    ];
    charts.into_iter().flatten().collect()
}

/// How old the active weights are, over the updates.
fn ages(run: &Run) -> Option<Chart> {
    let at: Vec<f64> = run.updates.iter().map(|line| line.step as f64).collect();
    let mut shares = vec![vec![0.0; at.len()]; AGE_BINS];
    for (point, line) in run.updates.iter().enumerate() {
        let sparse = || line.layers.iter().filter(|layer| layer.active < layer.prunable);
        let total: f64 = sparse().map(|layer| layer.ages.iter().map(|&n| f64::from(n)).sum::<f64>()).sum();
        for (bin, band) in shares.iter_mut().enumerate() {
            band[point] = sparse().map(|layer| f64::from(layer.ages[bin])).sum::<f64>() / total.max(1.0);
        }
    }
    bands("ages", "Ages of the active weights, in updates survived", "step", &AGE_LABELS, at, shares)
}
