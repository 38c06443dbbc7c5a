//! `itop bench model --replay`: whether the model ranks loads as one core of this processor does.

use std::path::PathBuf;

use serde::Serialize;

use super::model::Network;
use super::write_json;
use crate::cli::Failure;
use crate::cli::text::{bytes, table};
use crate::gpu::Kind;
use crate::predict::{GpuModel, Loads, Processor, rank_correlation, record, take_turns};

/// Invocations that take turns on the core.
const RESIDENT: usize = 256;

/// Rounds of reading: an odd number.
const ROUNDS: usize = 15;

/// Lines of the lists of one sparsity at most: two gigabytes of lists.
const MOST_LINES: usize = 1 << 29;

/// A candidate of a layer.
#[derive(Serialize)]
struct Row {
    sparsity: f64,
    layer: String,
    #[serde(skip)]
    pass: Kind,
    candidate: String,
    /// Bytes that are asked for; bytes of their lines, of those what the first cache lacks, and what both lack.
    asked: f64,
    lines: f64,
    from_l2: f64,
    from_memory: f64,
    predicted_ms: f64,
    /// What of it the misses of both caches take, one after the other.
    misses_ms: f64,
    /// The fastest round, and the median of all. Others may use the processor, which makes the median the worse of the two.
    replayed_ms: f64,
    median_ms: f64,
    /// The fastest round of as many lines that the first cache has: what the list, the loop and the first cache take.
    least_ms: f64,
    /// The fastest of every other round: how far the times agree with themselves.
    halves_ms: [f64; 2],
}

/// How far ranks agree, of candidates of a layer at one sparsity.
#[derive(Serialize)]
struct Agreement {
    sparsity: f64,
    layer: String,
    of: String,
    candidates: usize,
    /// Of the predicted time with the fastest round, and with the median.
    predicted: Option<f64>,
    median: Option<f64>,
    /// Of the number of lines alone, which needs no model of caches, with the fastest round.
    lines: Option<f64>,
    /// Of the time of the misses, predicted, with what the fastest round takes more than the least.
    misses: Option<f64>,
    /// Of the fastest of the even rounds with that of the odd ones.
    itself: Option<f64>,
}

#[derive(Serialize)]
struct Found {
    processor: Caches,
    candidates: Vec<Row>,
    rank_correlations: Vec<Agreement>,
}

/// The first, the second and the last.
#[derive(Serialize)]
struct Caches {
    cache_bytes: [u64; 3],
    bytes_per_second: [f64; 3],
}

pub(super) fn run(networks: &[Network], like: &GpuModel, layer: &str, json: Option<&PathBuf>) -> Result<(), Failure> {
    let here = Processor::here().map_err(Failure::input)?;
    let gpu = here.model(like, RESIDENT);
    let of_cache = |(size, rate): (u64, f64)| format!("{} at {:.1} GB/s", bytes(size), 1e-9 * rate);
    let caches: Vec<String> = here.sizes.into_iter().zip(here.rates).map(of_cache).collect();
    println!("One core of this processor: caches of {}", caches.join(", "));
    let mut found = Found {
        processor: Caches { cache_bytes: here.sizes, bytes_per_second: here.rates },
        candidates: Vec::new(),
        rank_correlations: Vec::new(),
    };
    for network in networks {
        let rows = replay(network, &gpu, layer)?;
        for same in rows.chunk_by(|a, b| a.layer == b.layer) {
            found.rank_correlations.extend(agreements(same));
        }
        found.candidates.extend(rows);
    }
    let head = [
        "sparsity",
        "candidate",
        "MB asked",
        "in lines",
        "from L2",
        "from memory",
        "predicted ms",
        "replayed ms",
        "median ms",
        "least ms",
    ];
    print!("{}", table(&head, &found.candidates.iter().map(Row::cells).collect::<Vec<_>>()));
    println!(
        "Predicted by a model of the first two caches (the last is its memory); replayed: the fastest of {ROUNDS} rounds that read a word \
         of each line in the same order; least: as many lines, all in the first cache. Spearman's rank correlations with the replayed:"
    );
    let head = ["sparsity", "layer", "of", "candidates", "predicted", "(median)", "lines alone", "misses", "itself"];
    print!("{}", table(&head, &found.rank_correlations.iter().map(Agreement::cells).collect::<Vec<_>>()));
    write_json(json, "this processor", &found)
}

/// Records and reads all candidates of the layers that are named.
fn replay(network: &Network, gpu: &GpuModel, name: &str) -> Result<Vec<Row>, Failure> {
    let (mut rows, mut lists): (Vec<Row>, Vec<Loads>) = (Vec::new(), Vec::new());
    let mut lines = 0;
    network.each_candidate(gpu, name, |layer, candidate, plan, mine| {
        let recorded = record(network.graph, plan, mine, gpu, MOST_LINES - lines).ok_or_else(|| {
            Failure::input(anyhow::anyhow!("there are too many loads to list them: take a smaller --batch-size"))
        })?;
        for one in recorded {
            let what = format!("{} {}", layer.name, candidate.name());
            eprintln!(
                "{}: {what}: {} lines, listed in {}",
                network.sparsity,
                one.loads.count(),
                bytes(one.loads.list_bytes())
            );
            lines += one.loads.count();
            rows.push(Row {
                sparsity: network.sparsity,
                layer: layer.name.clone(),
                pass: candidate.kind(),
                candidate: candidate.name(),
                asked: one.work.asked,
                lines: one.work.busiest,
                from_l2: one.work.from_l2,
                from_memory: one.work.from_memory,
                predicted_ms: 1e3 * one.work.bound(gpu).1,
                misses_ms: 1e3 * (one.work.from_l2 / gpu.l2_bandwidth + one.work.from_memory / gpu.memory_bandwidth),
                replayed_ms: 0.0,
                median_ms: 0.0,
                least_ms: 0.0,
                halves_ms: [0.0; 2],
            });
            lists.push(one.loads);
        }
        Ok(())
    })?;
    for (row, times) in rows.iter_mut().zip(take_turns(&lists, ROUNDS)) {
        let fastest = |times: &mut dyn Iterator<Item = &f64>| 1e3 * times.fold(f64::INFINITY, |a, &b| a.min(b));
        row.halves_ms = [0, 1].map(|first| fastest(&mut times.replayed.iter().skip(first).step_by(2)));
        (row.replayed_ms, row.least_ms) = (fastest(&mut times.replayed.iter()), fastest(&mut times.least.iter()));
        let mut sorted = times.replayed;
        sorted.sort_by(f64::total_cmp);
        row.median_ms = 1e3 * sorted[sorted.len() / 2];
    }
    Ok(rows)
}

/// A name, and which rows are meant.
type Group = (&'static str, fn(&Row) -> bool);

/// Of all rows of a layer at one sparsity, of each pass, and of the sparse kernels.
fn agreements(rows: &[Row]) -> Vec<Agreement> {
    let groups: [Group; 5] = [
        ("all", |_| true),
        ("forward", |row| row.pass == Kind::Forward),
        ("grad_input", |row| row.pass == Kind::GradInput),
        ("grad_weight", |row| row.pass == Kind::GradWeight),
        ("sparse", |row| row.candidate.contains("sparse")),
    ];
    let of = |(of, is_in): Group| {
        let rows: Vec<&Row> = rows.iter().filter(|row| is_in(row)).collect();
        let agree = |with: fn(&Row) -> f64, what: fn(&Row) -> f64| {
            rank_correlation(&rows.iter().map(|row| (with(row), what(row))).collect::<Vec<_>>())
        };
        Agreement {
            sparsity: rows.first().map_or(0.0, |row| row.sparsity),
            layer: rows.first().map_or_else(String::new, |row| row.layer.clone()),
            of: of.into(),
            candidates: rows.len(),
            predicted: agree(|row| row.predicted_ms, |row| row.replayed_ms),
            median: agree(|row| row.predicted_ms, |row| row.median_ms),
            lines: agree(|row| row.lines, |row| row.replayed_ms),
            misses: agree(|row| row.misses_ms, |row| row.replayed_ms - row.least_ms),
            itself: agree(|row| row.halves_ms[0], |row| row.halves_ms[1]),
        }
    };
    groups.map(of).into()
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let megabytes = |bytes: f64| format!("{:.1}", 1e-6 * bytes);
        let ms = |ms: f64| format!("{ms:.2}");
        vec![
            self.sparsity.to_string(),
            format!("{} {}", self.layer, self.candidate),
            megabytes(self.asked),
            megabytes(self.lines),
            megabytes(self.from_l2),
            megabytes(self.from_memory),
            ms(self.predicted_ms),
            ms(self.replayed_ms),
            ms(self.median_ms),
            ms(self.least_ms),
        ]
    }
}

impl Agreement {
    fn cells(&self) -> Vec<String> {
        let number = |number: Option<f64>| number.map_or_else(|| "-".into(), |number| format!("{number:.2}"));
        vec![
            self.sparsity.to_string(),
            self.layer.clone(),
            self.of.clone(),
            self.candidates.to_string(),
            number(self.predicted),
            number(self.median),
            number(self.lines),
            number(self.misses),
            number(self.itself),
        ]
    }
}
