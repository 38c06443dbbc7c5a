//! Paths as Windows has them: drive letters, either slash, the `\\?\` form, more than 260 characters.
#![cfg(windows)]

#[path = "common/toy.rs"]
mod toy;

use std::path::{Path, PathBuf};

use toy::{dataset, expect};

const TRAIN: [&str; 9] = ["train", "--model", "resnet8", "--epochs", "1", "--batch-size", "10", "--set", "delta_t=2"];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder whose path has more than 260 characters.
fn long(place: &Path) -> PathBuf {
    let mut folder = place.to_path_buf();
    while folder.as_os_str().len() < 300 {
        folder.push("a folder with a name of some length");
    }
    folder
}

/// Trains on `data`, goes on with the run, evaluates and draws it; every path as it is given.
fn whole_run(folder: &Path, data: &str, out: &str) {
    expect(folder, 0, &[&TRAIN[..], &["--data", data, "--out", out]].concat());
    expect(folder, 0, &["train", "--resume", "--out", out, "--epochs", "2"]);
    expect(folder, 0, &["eval", out]);
    expect(folder, 0, &["report", out]);
    for name in ["config.toml", "summary.json", "report.html", "last.safetensors", "best.safetensors"] {
        assert!(folder.join(out).join(name).is_file(), "no {name} in {out}");
    }
    let config = std::fs::read_to_string(folder.join(out).join("config.toml")).unwrap();
    let config: toml::Table = config.parse().unwrap();
    assert_eq!(config["data"].as_str(), Some(data), "the configuration keeps the path as it was given");
}

#[test]
fn drive_letters_and_either_slash() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("some data/toy"), 25);
    let absolute = text(folder);
    assert!(absolute.as_bytes()[1] == b':', "{absolute} has no drive letter");
    for (number, data) in [
        r"some data\toy".to_string(),
        "some data/toy".into(),
        format!(r"{absolute}\some data\toy"),
        format!("{}/some data/toy", absolute.replace('\\', "/")),
        format!(r"\\?\{absolute}\some data\toy"),
    ]
    .iter()
    .enumerate()
    {
        expect(folder, 0, &["data", "info", data]);
        whole_run(folder, data, &format!(r"runs\{number} of some"));
    }
    whole_run(folder, r"some data\toy", &format!(r"{absolute}\runs\absolute"));
    let text = expect(folder, 2, &[&TRAIN[..], &["--data", r"Q:\none", "--out", "run"]].concat());
    assert!(text.contains(r"Q:\none"), "{text}");
    let text = expect(folder, 2, &[&TRAIN[..], &["--data", r"some data\toy", "--out", r"Q:\none"]].concat());
    assert!(text.contains(r"Q:\none"), "{text}");
    // Names that no file may have.
    let text = expect(folder, 2, &[&TRAIN[..], &["--data", r"some data\toy", "--out", "who?"]].concat());
    assert!(text.contains("who?"), "{text}");
}

#[test]
fn more_than_260_characters() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let deep = long(folder);
    dataset(&deep.join("toy"), 25);
    let (data, out) = (deep.join("toy"), deep.join("run"));
    whole_run(folder, text(&data), text(&out));
    // And relative to where the program runs.
    let relative = |path: &Path| text(path.strip_prefix(folder).unwrap()).to_string();
    whole_run(folder, &relative(&data), &relative(&deep.join("again")));

    // A sweep: claims, locks, logs, and workers that are told where it is.
    let sweep = deep.join("sweep");
    let base = "model = 'mlp_cifar10'\nmethod = 'set'\nepochs = 1\nbatch_size = 10\ndelta_t = 2\n";
    let spec = format!("[base]\ndata = '{}'\n{base}[grid]\nseed = [1, 2]\n", text(&data));
    std::fs::write(folder.join("spec.toml"), spec).unwrap();
    expect(folder, 0, &["sweep", "plan", "spec.toml", "--out", text(&sweep)]);
    expect(folder, 0, &["sweep", "run", text(&sweep)]);
    let said = expect(folder, 0, &["sweep", "collect", text(&sweep)]);
    assert!(said.contains("2 of 2 rows are done"), "{said}");
    assert!(sweep.join("collected/rows.csv").is_file());
}
