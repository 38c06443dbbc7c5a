//! A run killed at random moments and resumed each time equals the run that nobody disturbed, bit for bit.
//! `ITOP_KILLS` (4) says how often, `ITOP_KILL_SEED` (1) when.

#[path = "common/toy.rs"]
mod toy;

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use toy::{dataset, lines, start, tensors};

/// Many short epochs: steps, updates and checkpoints follow each other closely.
const RUN: [&str; 13] = [
    "train",
    "--model",
    "resnet8",
    "--data",
    "toy",
    "--epochs",
    "200",
    "--batch-size",
    "10",
    "--set",
    "delta_t=2",
    "--set",
    "distribution=uniform",
];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Bytes of a file; 0 if it is not there.
fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// Waits for what shot number `kill` aims at, and says what it was. The run may end before.
fn wait_for_moment(run: &Path, kill: u64, draw: u64, child: &mut Child) -> &'static str {
    let growth = |name: &str, most: u64| (run.join(name), size(&run.join(name)) + 1 + draw % most);
    let (metrics, lines) = growth("metrics.jsonl", 900);
    let (exploration, updates) = growth("exploration.jsonl", 9000);
    let (moment, reached): (_, Box<dyn Fn() -> bool>) = match kill % 4 {
        0 => ("in a step", Box::new(move || size(&metrics) >= lines)),
        1 => ("at an update", Box::new(move || size(&exploration) >= updates)),
        // While the file is being written: it is there for a few milliseconds in each epoch.
        2 => (
            "in a checkpoint",
            Box::new({
                let temporary = run.join("last.safetensors.tmp");
                move || temporary.exists()
            }),
        ),
        _ => (
            "in the best checkpoint",
            Box::new({
                let temporary = run.join("best.safetensors.tmp");
                move || temporary.exists() || size(&metrics) >= lines + 1000
            }),
        ),
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !reached() && child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_micros(200));
    }
    // And a little later, so that shots at one thing hit different instants of it.
    std::thread::sleep(Duration::from_micros(draw / 7 % 1500));
    moment
}

#[test]
fn a_killed_run_loses_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (folder, kills) = (place.path(), number("ITOP_KILLS", 4));
    dataset(&folder.join("toy"), 25);
    // Longer for more shots; the length is a part of what the schedules compute.
    let epochs = (4 + 2 * kills).to_string();
    let mut args: Vec<&str> = RUN.to_vec();
    args[6] = &epochs;
    assert!(start(folder, &[&args[..], &["--out", "whole"]].concat()).wait().unwrap().success());

    let (run, resume) = (folder.join("parts"), ["train", "--resume", "--out", "parts"]);
    let mut child = start(folder, &[&args[..], &["--out", "parts"]].concat());
    let mut draw = number("ITOP_KILL_SEED", 1);
    let mut hits = std::collections::BTreeMap::new();
    let mut left = kills;
    while left > 0 {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The first falls before any checkpoint: as soon as there is a run.
        let moment = if left == kills {
            while size(&run.join("config.toml")) == 0 && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_micros(200));
            }
            "before a checkpoint"
        } else {
            wait_for_moment(&run, left, draw >> 33, &mut child)
        };
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        *hits.entry(moment).or_insert(0) += 1;
        left -= 1;
        child = start(folder, &resume);
    }
    assert!(child.wait().unwrap().success());
    println!("{} of {kills} kills survived: {hits:?}", kills - left);
    assert!(left <= kills / 3, "the run ended too early to be killed often enough");

    let whole = folder.join("whole");
    for name in ["last.safetensors", "best.safetensors"] {
        assert!(tensors(&whole.join(name)) == tensors(&run.join(name)), "{name} differs");
    }
    for name in ["metrics.jsonl", "exploration.jsonl", "maps.jsonl"] {
        assert_eq!(lines(&whole.join(name)), lines(&run.join(name)), "{name}");
    }
    let tmp = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().ends_with(".tmp");
    assert!(!std::fs::read_dir(&run).unwrap().any(|entry| tmp(&entry.unwrap())), "something half written was left");
}
