//! One run and several processes, readers that go away, and runs that go on: as a user meets them.

#[path = "common/toy.rs"]
mod toy;

#[cfg(unix)]
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
#[cfg(unix)]
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use toy::{dataset, expect, lines, start, tensors};

const SMALL: &[&str] = &["train", "--model", "resnet8", "--data", "toy", "--batch-size", "10", "--set", "delta_t=2"];

fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [SMALL, more].concat()
}

/// Waits until the run has so many lines of steps and epochs.
fn wait_for_lines(run: &Path, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(120);
    let log = run.join("metrics.jsonl");
    while std::fs::read_to_string(&log).map_or(0, |text| text.lines().count()) < count {
        assert!(Instant::now() < deadline, "the run does not get to line {count}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn epochs(run: &Path) -> Vec<Value> {
    lines(&run.join("metrics.jsonl")).into_iter().filter(|line| line["kind"] == "epoch").collect()
}

/// Two processes in one folder would mix their lines and overwrite each other's checkpoints.
#[test]
fn one_process_trains_in_a_run_folder() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    let mut first = start(folder, &train(&["--epochs", "2000", "--out", "run"]));
    wait_for_lines(&folder.join("run"), 8);
    let text = expect(folder, 75, &["train", "--resume", "--out", "run", "--set", "lr=0.5"]);
    assert!(text.contains(&format!("process {}", first.id())) && text.contains("`run`"), "{text}");
    assert!(!std::fs::read_to_string(folder.join("run/config.toml")).unwrap().contains("lr = 0.5"));
    // Looking is allowed.
    expect(folder, 0, &["train", "--resume", "--out", "run", "--dry-run"]);
    expect(folder, 0, &["eval", "run"]);
    // Whoever is killed holds nothing: on this machine that is known at once.
    first.kill().unwrap();
    first.wait().unwrap();
    let begin = Instant::now();
    let mut second = start(folder, &["train", "--resume", "--out", "run"]);
    let lines_before = std::fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap().lines().count();
    wait_for_lines(&folder.join("run"), lines_before + 1);
    if cfg!(any(target_os = "linux", windows)) {
        assert!(begin.elapsed() < Duration::from_secs(30), "the dead process was waited for");
    }
    toy::interrupt(&second);
    assert_eq!(second.wait().unwrap().code(), Some(130));
    // Who was interrupted said so.
    let claims: Vec<_> = std::fs::read_dir(folder.join("run/claims")).unwrap().collect();
    assert!(claims.len() >= 2);
    expect(folder, 0, &["train", "--resume", "--out", "run", "--epochs", "2000", "--dry-run"]);
}

/// `itop train | head`: training goes on to its end; what only prints ends, and neither panics.
#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_no_training() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    // Reads so many lines of the command's output, closes both of its pipes, and returns the exit code.
    let head = |args: &[&str], count: usize| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_itop"));
        let mut child =
            command.args(args).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut errors = child.stderr.take().unwrap();
        (0..count).for_each(|_| assert!(reader.read_line(&mut String::new()).unwrap() > 0));
        drop(reader);
        let mut text = String::new();
        errors.read_to_string(&mut text).unwrap();
        assert!(!text.contains("panicked") && !text.contains("error"), "{args:?}: {text}");
        child.wait().unwrap().code()
    };
    assert_eq!(head(&train(&["--epochs", "6", "--out", "run"]), 1), Some(0));
    assert!(folder.join("run/summary.json").exists() && folder.join("run/last.safetensors").exists());
    for count in [0, 1] {
        assert_eq!(head(&train(&["--dry-run"]), count), Some(0));
        assert_eq!(head(&["report", "--text", "run"], count), Some(0));
        assert_eq!(head(&["adapters"], count), Some(0));
    }
    assert_eq!(head(&["data", "info", "toy"], 1), Some(0));
}

/// Nothing is lost silently where the reader is a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_a_redirection_is_told() {
    let place = tempfile::tempdir().unwrap();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_itop"));
    let output = command.args(["adapters"]).current_dir(place.path()).stdout(full()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(4) && text.contains("takes nothing more"), "{text}");
}

/// What the message of an interrupted run suggests is what a shell runs, whatever the folder is called.
#[cfg(unix)]
#[test]
fn the_command_that_goes_on_can_be_pasted() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    let out = "it's é $HOME \"x\"";
    let mut command = Command::new(env!("CARGO_BIN_EXE_itop"));
    command.args(train(&["--epochs", "2000", "--out", out, "--adapter", "auto"])).current_dir(folder);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_lines(&folder.join(out), 8);
    toy::interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("error"), "an interruption is no error: {errors}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let suggested = text.split_once("resume with: ").unwrap_or_else(|| panic!("{text}")).1.trim();
    // As pasted, but shorter.
    let script = format!("itop() {{ \"$ITOP\" \"$@\" --dry-run; }}; {suggested}");
    let pasted = Command::new("sh")
        .args(["-c", &script])
        .env("ITOP", env!("CARGO_BIN_EXE_itop"))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(pasted.status.success(), "{script}: {}", String::from_utf8_lossy(&pasted.stderr));
    assert!(
        String::from_utf8_lossy(&pasted.stdout).contains("6,000"),
        "it is the run of 2000 epochs of 3 steps: {text}"
    );
}

#[test]
fn another_length_says_what_it_does() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 45);
    let set = &["--method", "set", "--epochs", "3", "--out", "run"];
    expect(folder, 0, &train(set));
    let text = expect(folder, 2, &["train", "--resume", "--out", "run", "--epochs", "1"]);
    assert!(text.contains("3 epochs are done") && text.contains("ask for 3 or more"), "{text}");
    assert!(!text.contains("edited"), "{text}");
    let before = epochs(&folder.join("run"))[2].clone();
    // One expectation, before it goes on as when it does: that of what is explored.
    let longer = ["train", "--resume", "--out", "run", "--epochs", "6"];
    let of = |text: &str| {
        let text = text.replace("\n  ", " ");
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("Rs 0.")).collect();
        assert_eq!((lines.len(), lines[0].matches("reaches Rs").count()), (1, 1), "{text}");
        lines[0].to_string()
    };
    let planned = of(&expect(folder, 0, &[&longer[..], &["--dry-run"]].concat()));
    let text = expect(folder, 0, &longer);
    let first = text.split("epoch   4").next().unwrap();
    assert_eq!(of(first), planned);
    let number = |after: &str| -> f64 {
        let rest = planned.split(after).nth(1).unwrap_or_else(|| panic!("{after}: {planned}"));
        rest.split([',', ' ']).next().unwrap().parse().unwrap()
    };
    let (from, to) = (number("goes on from Rs "), number("reaches Rs "));
    assert!((from - before["itop_rate"].as_f64().unwrap()).abs() < 1e-3 && to > from, "{planned}");
    for words in
        ["epochs = 6 (was 3)", "schedules stretch", "the learning rate from", "the prune rate from", "goes on from"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    // The expectation continues: from what was explored, by the updates that follow.
    let after = epochs(&folder.join("run"));
    let rate = |line: &Value, key: &str| line[key].as_f64().unwrap();
    let explored = rate(&before, "itop_rate");
    let expected: Vec<f64> = after[3..].iter().map(|line| rate(line, "expected_itop_rate")).collect();
    assert!(expected[0] > explored && expected.is_sorted(), "{explored}: {expected:?}");
    assert!((expected[2] - to).abs() < 1e-3, "{expected:?}: {planned}");
    // A run that was planned so long from the start expects more by then: its early updates moved more.
    expect(folder, 0, &train(&["--method", "set", "--epochs", "6", "--out", "whole"]));
    let whole = epochs(&folder.join("whole"));
    assert!(expected[2] < rate(&whole[5], "expected_itop_rate") + 0.02, "{expected:?}");
    let gap = |line: &Value| (rate(line, "itop_rate") - rate(line, "expected_itop_rate")).abs();
    assert!(after[3..].iter().map(gap).fold(0.0, f64::max) < 0.02, "{after:?}");
    // Going on once more, by the same schedules, changes nothing of that.
    let again = expect(folder, 0, &["train", "--resume", "--out", "run"]);
    assert!(!again.contains("from here on"), "{again}");
    assert_eq!(epochs(&folder.join("run")), after);
}

/// What flags refuse, an edited file may not do either.
#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    expect(folder, 0, &train(&["--epochs", "1", "--out", "run"]));
    let config = folder.join("run/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    for (from, to, key) in
        [("seed = 17", "seed = 18", "`seed` was 17"), ("method = \"rigl\"", "method = \"set\"", "`method` was rigl")]
    {
        std::fs::write(&config, text.replace(from, to)).unwrap();
        let said = expect(folder, 2, &["train", "--resume", "--out", "run", "--epochs", "2"]);
        assert!(said.contains(key) && said.contains("another run"), "{said}");
    }
    std::fs::write(&config, text).unwrap();
    expect(folder, 0, &["train", "--resume", "--out", "run", "--epochs", "2"]);
}

/// An epoch may take hours: what a kill costs is bounded by time.
#[test]
fn a_long_epoch_is_kept_on_the_way() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 400);
    let args = train(&["--epochs", "2", "--batch-size", "4", "--out", "run", "--set", "checkpoint_minutes=0.002"]);
    let mut child = start(folder, &args);
    while !folder.join("run/last.safetensors").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended without a checkpoint");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(epochs(&folder.join("run")).is_empty(), "the first epoch had ended");
    let text = expect(folder, 0, &["train", "--resume", "--out", "run", "--set", "checkpoint_minutes=10"]);
    let step: usize =
        text.split_once("resuming at step ").unwrap().1.split_whitespace().next().unwrap().parse().unwrap();
    assert!((1..90).contains(&step), "{text}");
    // Checkpoints on the way change nothing.
    expect(folder, 0, &train(&["--epochs", "2", "--batch-size", "4", "--out", "whole"]));
    assert!(tensors(&folder.join("whole/last.safetensors")) == tensors(&folder.join("run/last.safetensors")));
}

/// Lines that arrive together share the time that they took.
#[test]
fn a_rate_is_images_over_the_time_that_they_took() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 60);
    let begin = Instant::now();
    expect(folder, 0, &train(&["--epochs", "30", "--out", "run", "--set", "validation=0"]));
    let seconds = begin.elapsed().as_secs_f64();
    let text = std::fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap();
    let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<&Value> = all.iter().filter(|line| line["kind"] == "step").collect();
    // No step's time is nothing: together they take no longer than the run, and not a small part of what it says of itself.
    let of_step = |line: &&Value| 10.0 / line["images_per_second"].as_f64().unwrap();
    let sum: f64 = steps.iter().map(of_step).sum();
    let summary: Value = serde_json::from_slice(&std::fs::read(folder.join("run/summary.json")).unwrap()).unwrap();
    let training = summary["seconds_training"].as_f64().unwrap();
    assert!(sum < seconds && sum > 0.3 * training, "{sum} s of steps, {training} s of training, {seconds} s in all");
    let fastest = steps.iter().map(of_step).fold(f64::INFINITY, f64::min);
    assert!(fastest > 0.02 * sum / steps.len() as f64, "a step of {fastest} s, and {sum} s of {} steps", steps.len());
}
