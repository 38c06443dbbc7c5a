//! The pictures of a page as separate files: charts, maps, and the film of the maps.

use super::chart::Chart;
use super::curves::{layer_charts, run_charts};
use super::read::Run;
use super::sets::Sets;
use super::{film, overview};

/// Names of files and their content: the charts of all runs, and of each run its layers' charts, maps and film.
pub fn pictures(runs: &[Run]) -> Vec<(String, Vec<u8>)> {
    let sets = Sets::of(runs);
    let chart = |name: &str, chart: &Chart| Some((format!("{name}{}.png", chart.name), chart.png()?));
    let mut pictures: Vec<_> = run_charts(runs, &sets).iter().filter_map(|one| chart("", one)).collect();
    for run in runs {
        let prefix = format!("{}-", run.name);
        // Names of layers come from a file, and become names of files.
        let safe = |name: &str| name.replace(['/', '\\', ':', '\0'], "_");
        pictures.extend(layer_charts(run).iter().filter_map(|one| chart(&prefix, one)));
        let map = |layer: &super::maps::LayerFilm| Some((format!("{prefix}{}.png", safe(&layer.name)), layer.still()?));
        pictures.extend(run.film.layers.iter().filter_map(map));
        pictures
            .extend(film::gif(&overview::of_run(run, &sets), &run.film).map(|gif| (format!("{prefix}film.gif"), gif)));
    }
    pictures
}
