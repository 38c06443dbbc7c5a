//! Which charts there are: of all runs over their epochs and updates, and of the layers of one.

use super::chart::{Chart, Series, Y, bands, colour, lines};
use super::read::{Epoch, Run};
use crate::ops::topology::AGE_BINS;
use crate::train::run_folder::{ExplorationLine, LayerExploration};

/// Updates survived, by bin of the age histogram.
const AGE_LABELS: [&str; AGE_BINS] = ["0", "1", "2–3", "4–7", "8–15", "16–31", "32–63", "64 and more"];

/// Layers whose curves are drawn; of more, those spread evenly over the depth.
const CURVES: usize = 6;

/// Loss, accuracy and exploration of all runs over the epochs.
pub fn run_charts(runs: &[Run]) -> Vec<Chart> {
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
    let charts = [
        lines("loss", "Loss", "epoch", loss, Y::Value),
        lines("accuracy", "Accuracy", "epoch", accuracy, Y::Share),
        lines("rs", "Weights that were ever active, and what random growth would reach", "epoch", explored, Y::Share),
        lines("reliable", "Explored, and reliably explored", "step", reliable, Y::Share),
        lines("churn", "Share of the active set that an update replaces", "step", churn, Y::Share),
        lines("drift", "Distance of the active set from the first", "step", drift, Y::Share),
    ];
    charts.into_iter().flatten().collect()
}

/// Over the layers that have zeros, by their active weights.
fn mean(line: &ExplorationLine, value: impl Fn(&LayerExploration) -> Option<f64>) -> f64 {
    let sparse = line.layers.iter().filter(|layer| layer.active < layer.maskable);
    let (sum, weight) = sparse
        .filter_map(|layer| Some((value(layer)?, layer.active as f64)))
        .fold((0.0, 0.0), |(sum, weight), (value, active)| (sum + value * active, weight + active));
    if weight > 0.0 { sum / weight } else { 0.0 }
}

/// The charts of one run's layers; none without updates.
pub fn layer_charts(run: &Run) -> Vec<Chart> {
    let Some(last) = run.updates.last() else { return Vec::new() };
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
    let explored = per_layer(&|layer| Some(layer.explored as f64 / layer.maskable.max(1) as f64));
    let churn = per_layer(&|layer| Some(layer.churn));
    let threshold = per_layer(&|layer| layer.threshold.map(f64::from));
    let kept = per_layer(&|layer| layer.growth_kept);
    let dead = per_layer(&|layer| Some(layer.dead_outputs as f64));
    let charts = [
        ages(run),
        lines("layers-rs", "Ever active, by layer", "step", explored, Y::Share),
        lines("layers-churn", "Churn, by layer", "step", churn, Y::Share),
        lines("layers-threshold", "Least magnitude kept, by layer", "step", threshold, Y::Value),
        lines("layers-kept", "Grown weights that the next prune kept, by layer", "step", kept, Y::Share),
        lines("layers-dead", "Output channels without a weight, by layer", "step", dead, Y::Count),
    ];
    charts.into_iter().flatten().collect()
}

/// How old the active weights are, over the updates.
fn ages(run: &Run) -> Option<Chart> {
    let at: Vec<f64> = run.updates.iter().map(|line| line.step as f64).collect();
    let mut shares = vec![vec![0.0; at.len()]; AGE_BINS];
    for (point, line) in run.updates.iter().enumerate() {
        let sparse = || line.layers.iter().filter(|layer| layer.active < layer.maskable);
        let total: f64 = sparse().map(|layer| layer.ages.iter().map(|&n| f64::from(n)).sum::<f64>()).sum();
        for (bin, band) in shares.iter_mut().enumerate() {
            band[point] = sparse().map(|layer| f64::from(layer.ages[bin])).sum::<f64>() / total.max(1.0);
        }
    }
    bands("ages", "Ages of the active weights, in updates survived", "step", &AGE_LABELS, at, shares)
}
