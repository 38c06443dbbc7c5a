//! Files from strangers: whatever they hold, the readers return. Each target runs for `ITOP_HOSTILE_SECONDS` (2), or on
//! `ITOP_HOSTILE_INPUTS` inputs; `ITOP_HOSTILE_SEED` (1) chooses them.

#[path = "hostile/mutate.rs"]
mod mutate;
#[path = "hostile/targets.rs"]
mod targets;

use std::path::Path;
use std::time::{Duration, Instant};

use mutate::Dice;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that a reader may take beside a multiple of its input: buffers of decoders, trees of small bounded files.
const BESIDE: usize = 1 << 20;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// How many bytes a reader may take for an input.
fn allowed(target: &str, bytes: &[u8]) -> usize {
    BESIDE
        + match target {
            // What archives and images unpack to is bounded on its own.
            "archive" => 64 << 20,
            "image" => 48 << 20,
            "idx" => 64 << 20,
            // Trees take more than their text; the text is at most so long.
            "config" | "network" => 200 * bytes.len().min(64 << 10),
            // What a file unpacks to is bounded by the network's size, and a list of its parts by their number.
            "mask" => 20 * bytes.len(),
            // Rows times their text are bounded.
            "sweep" => (256 << 20) + 200 * bytes.len().min(64 << 10),
            "tuning" => 40 * bytes.len().min(4 << 20),
            "checkpoint" => 2 * bytes.len() + 20 * bytes.len().min(1 << 20),
            _ => 2 * bytes.len(),
        }
}

/// A checkpoint whose header would take more than is allowed, were it read: its length must be enough to refuse it.
fn longest_shape() -> Vec<u8> {
    let (head, tail) = (r#"{"t":{"dtype":"F32","shape":[0"#, r#"],"data_offsets":[0,0]}}"#);
    let zeros = ((1 << 20) - head.len() - tail.len()) / 2;
    let header = format!("{head}{}{tail}", ",0".repeat(zeros));
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

/// One test, so that the memory that is counted is the target's alone.
#[test]
fn hostile_bytes_do_no_harm() {
    let seconds = Duration::from_secs(number("ITOP_HOSTILE_SECONDS", 2));
    let inputs = number("ITOP_HOSTILE_INPUTS", 0);
    for (target, body) in targets::TARGETS {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{target} has no corpus");
        corpus.iter().for_each(|bytes| body(bytes));
        if target == "checkpoint" {
            itop::train::checkpoint::parse(&corpus[0], &targets::entries()).expect("the corpus is a good one");
        }
        if target == "mask" {
            let parse = |bytes: &Vec<u8>| {
                let (path, none) = (Path::new("mask"), itop::sparsity::Structure::Unstructured);
                itop::train::first_set::file::parse(bytes, path, &targets::mask_network(), none)
            };
            corpus.iter().for_each(|bytes| drop(parse(bytes).expect("the corpus is a good one")));
        }
        let mut dice = Dice(number("ITOP_HOSTILE_SEED", 1));
        let (start, mut tried, mut most) = (Instant::now(), 0, 0.0f64);
        let mut slowest = Duration::ZERO;
        while if inputs > 0 { tried < inputs } else { start.elapsed() < seconds } {
            let bytes = match tried {
                0 if target == "checkpoint" => longest_shape(),
                _ => mutate::input(target, &corpus, &mut dice),
            };
            MEMORY.reset_peak_usage();
            let (before, begun) = (MEMORY.current_usage(), Instant::now());
            let done = std::panic::catch_unwind(|| body(&bytes));
            let taken = MEMORY.peak_usage().saturating_sub(before);
            slowest = slowest.max(begun.elapsed());
            most = most.max(taken as f64);
            let allowed = allowed(target, &bytes);
            if done.is_err() || taken > allowed {
                let path = std::env::temp_dir().join(format!("hostile-{target}-{tried}"));
                std::fs::write(&path, &bytes).unwrap();
                panic!("{target}: input {tried} (kept as {path:?}) took {taken} of {allowed} bytes, or panicked");
            }
            tried += 1;
        }
        let (mib, took) = (most / f64::from(1 << 20), start.elapsed());
        println!("{target:>10}: {tried} inputs in {took:.1?}, at most {mib:.1} MiB and {slowest:.1?} for one");
    }
}
