//! The binary as a user runs it: exit codes, messages, run folders, resuming.

#[path = "common/toy.rs"]
mod toy;

use std::path::Path;
use std::process::{Command, Output};

use toy::{dataset, expect, lines};

/// Keys that scripts rely on in `summary.json`.
const SUMMARY: &[&str] = &[
    "schema",
    "name",
    "model",
    "data",
    "method",
    "seed",
    "epochs",
    "steps",
    "batch_size",
    "sparsity_target",
    "density",
    "active_parameters",
    "maskable_parameters",
    "best_epoch",
    "best_val_accuracy",
    "test_accuracy",
    "test_loss",
    "itop_rate",
    "reliable_itop_rate",
    "inference_flops_ratio",
    "training_flops_ratio",
    "training_flops",
    "images_per_second",
    "seconds_training",
    "peak_gpu_bytes",
    "adapter",
    "version",
];

fn itop(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_itop")).args(args).current_dir(folder).output().unwrap()
}

fn read(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

const SMALL: &[&str] =
    &["--model", "resnet8", "--data", "toy", "--epochs", "3", "--batch-size", "10", "--set", "delta_t=2"];

fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["train"], SMALL, more].concat()
}

#[test]
fn bad_input_is_told_and_nothing_is_written() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 40);
    std::fs::write(folder.join("bad.toml"), "epochs = 3\ncolour = 'red'\n").unwrap();
    std::fs::create_dir(folder.join("cut")).unwrap();
    std::fs::write(folder.join("cut/data_batch_1.bin"), vec![1; 5000]).unwrap();
    std::fs::write(folder.join("cut/test_batch.bin"), vec![1; 3073]).unwrap();
    for (args, words) in [
        (train(&["--sparsity", "1.0"]), "`sparsity` = 1"),
        (train(&["--batch-size", "0"]), "batch_size"),
        (train(&["--set", "delta_t=0"]), "delta_t"),
        (train(&["--set", "colour=red"]), "colour"),
        (train(&["--set", "lr=abc"]), "`lr` = abc must be a number above 0"),
        (train(&["--sparsity", "95"]), "`sparsity` = 95 is no share: did you mean 0.95 or 95%?"),
        (train(&["--epochs", "3.5"]), "must be a whole number from 1 to 1,000,000"),
        (train(&["--seed", "-1"]), "`seed` = -1 must be a whole number"),
        (train(&["--lr-schedule-milestones", "60,120"]), "epoch 60 of 3 is"),
        // The model and the method are named although the data are not there either.
        (vec!["train", "--model", "resnet50x", "--data", "cifar100"], "did you mean `resnet50`?"),
        (vec!["train", "--method", "riggle", "--data", "nowhere"], "did you mean `rigl`?"),
        (vec!["train", "--data", "nowhere", "--set", "epochz=3"], "did you mean `epochs`?"),
        (vec!["train", "--learning-rate", "0.1"], "'--lr'"),
        (vec!["explore", "--sparsity", "95"], "did you mean 0.95 or 95%?"),
        (vec!["explore", "--target-rs", "50"], "did you mean 0.5 or 50%?"),
        (vec!["explore", "--delta-t", "0"], "`delta_t` = 0 must be a whole number"),
        (vec!["explore", "--model", "resnet33"], "did you mean"),
        (vec!["bench", "step", "--sparsity", "0,95"], "did you mean 0.95 or 95%?"),
        (vec!["bench", "step", "--batch-size", "x"], "must be a whole number from 1 to 65,536"),
        (vec!["bench", "kernels", "--model", "resnet33"], "resnet34"),
        (vec!["compare", "--sparsity", "95"], "did you mean 0.95 or 95%?"),
        (vec!["compare", "--steps", "none"], "must be a whole number from 1 to 10,000"),
        (train(&["--set", "epochs"]), "key=value"),
        (train(&["--model", "resnet33"]), "resnet34"),
        (train(&["--data", "nowhere"]), "nowhere"),
        (train(&["--data", "cut"]), "data_batch_1.bin"),
        (train(&["--method", "riggle"]), "riggle"),
        (train(&["--adapter", "voodoo"]), "voodoo"),
        (vec!["train", "--config", "bad.toml"], "colour"),
        (vec!["train", "--config", "none.toml"], "none.toml"),
        (vec!["train", "--preset", "slow"], "quick"),
        (vec!["train", "--resume", "--out", "nothing"], "nothing"),
        (vec!["train", "--data", "cifar10"], "cifar-10-binary.tar.gz"),
        (vec!["eval", "nothing"], "nothing"),
        (vec!["data", "info", "nowhere"], "nowhere"),
        (vec!["fly"], "fly"),
        (vec!["train", "--model", "resnet34", "--data", "sample", "--batch-size", "2000"], "is the largest that fits"),
    ] {
        let text = expect(folder, 2, &args);
        assert!(text.contains(words), "{args:?}: {text}");
        for foreign in ["usize", "f64", "u64", "missing field", "invalid digit", "float literal"] {
            assert!(!text.contains(foreign), "{args:?}: {text}");
        }
    }
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["bad.toml", "cut", "toy"]);
}

/// A run in an image folder would be a class of it.
#[test]
fn a_run_does_not_go_into_its_data() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    for (number, name) in ["train/ant", "train/bee", "test/ant", "test/bee"].iter().enumerate() {
        let class = folder.join("pets").join(name);
        std::fs::create_dir_all(&class).unwrap();
        let grey = |i: usize| image::RgbImage::from_pixel(32, 32, image::Rgb([(number * 8 + i) as u8; 3]));
        (0..4).for_each(|i| grey(i).save(class.join(format!("{i}.png"))).unwrap());
    }
    let run = ["train", "--data", "pets", "--model", "resnet8", "--epochs", "1", "--out"];
    for out in ["pets/run", "pets/train/run", "pets", "./pets/../pets/test/a/b"] {
        for more in [&[out][..], &[out, "--dry-run"]] {
            let text = expect(folder, 2, &[&run[..], more].concat());
            assert!(text.contains("lies in the data set") && text.contains("--out"), "{out}: {text}");
        }
    }
    // As the name of a run that was given none.
    let text = expect(&folder.join("pets"), 2, &["train", "--data", ".", "--model", "resnet8", "--epochs", "1"]);
    assert!(text.contains("`runs` lies in the data set"), "{text}");
    std::fs::write(folder.join("spec.toml"), "[base]\nmodel = 'resnet8'\ndata = 'pets'\n[grid]\nseed = [1, 2]\n")
        .unwrap();
    let text = expect(folder, 2, &["sweep", "plan", "spec.toml", "--out", "pets/sweep"]);
    assert!(text.contains("lies in the data set"), "{text}");
    assert!(!folder.join("pets/sweep").exists() && !folder.join("pets/runs").exists());
    expect(folder, 0, &[&run[..], &["beside", "--dry-run"]].concat());
}

/// Images that training sees and the test set has are told wherever data is read.
#[test]
fn a_test_set_that_is_trained_on_is_told() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 40);
    let words = "warning: 8 of 8 test images are in the train set too (0 2, 1 2, 2 2, 3 2): the test accuracy tells";
    for args in [vec!["data", "info", "toy"], train(&["--dry-run"])] {
        let text = expect(folder, 0, &args);
        assert!(text.replace("\n  ", " ").contains(words), "{args:?}: {text}");
    }
}

#[test]
fn no_adapter_is_an_exit_code_of_its_own() {
    let place = tempfile::tempdir().unwrap();
    // What no such system has.
    let backend = if cfg!(target_os = "linux") {
        "dx12"
    } else if cfg!(windows) {
        "metal"
    } else {
        "gl"
    };
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_itop"));
        command.args(args).current_dir(place.path()).env("WGPU_BACKEND", backend).output().unwrap()
    };
    for args in [&["train"][..], &["adapters"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("mesa-vulkan-drivers"), "{args:?}");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn looking_without_training() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    assert!(expect(folder, 0, &["data", "info"]).contains("2000"));
    let adapters = itop(folder, &["adapters", "--json"]).stdout;
    let adapters: serde_json::Value = serde_json::from_slice(&adapters).unwrap();
    assert!(adapters[0]["backend"].is_string(), "{adapters}");
    let text =
        expect(folder, 0, &["train", "--dry-run", "--model", "resnet34", "--data", "sample", "--sparsity", "0.95"]);
    for words in ["layer4.2.conv2.weight", "512x512x3x3", " sparse", " dense 8x", "GPU memory", "FLOPs", "Rs 0."] {
        assert!(text.replace("\n  ", " ").contains(words), "{words}: {text}");
    }
    // What is asked first stands first, and fits a terminal; a command is left whole.
    let order =
        ["resnet34 on sample", "recipe: no preset", "FLOPs against dense", "layer4.2.conv2.weight", "kernels of"];
    assert!(order.map(|words| text.find(words).unwrap_or(usize::MAX)).is_sorted(), "{text}");
    let long =
        |line: &&str| line.chars().count() > 100 && !line.contains("itop explore") && !line.starts_with("epoch ");
    assert_eq!(text.lines().find(long), None);
    assert!(text.contains("Dense kernels in sparse layers"), "{text}");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "a dry run writes nothing");
}

/// Keys are flags, names are read in any case, shares as percentages; a preset says what it sets.
#[test]
fn a_dry_run_prints_the_recipe() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    toy::dataset_of(&folder.join("toy"), 300, 40);
    let flat = |args: &[&str]| expect(folder, 0, args).replace("\n  ", " ");
    let text =
        flat(&["train", "--preset", "Quick", "--dry-run", "--data", "toy", "--Delta_T", "5", "--death-rate", "30%"]);
    for words in [
        "recipe: preset Quick with delta_t 5, prune_rate.initial 0.3, seed 17; lr one-cycle",
        "label smoothing 0.1, augment none",
        "images: 284 train, 16 held out",
        "one is 6.25 %",
        " updates every 5 steps, prune rate",
        "warning: 16 images choose the best epoch",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let text = flat(&[
        "train",
        "--dry-run",
        "--data",
        "toy",
        "--model",
        "ResNet8",
        "--method",
        "SET",
        "--sparsity",
        "95%",
        "--lr",
        ".05",
        "--lr-schedule",
        "cosine",
        "--weight-decay",
        "1e-4",
        "--momentum",
        "0.8",
        "--nesterov",
        "false",
        "--storage",
        "BF16",
        "--distribution",
        "Uniform",
        "--augment",
        "Reflect",
        "--label-smoothing",
        "0.2",
        "--validation",
        "20%",
        "--epochs",
        "1",
        "--multiplier",
        "2",
        "--batch-size",
        "1000",
    ]);
    for words in [
        "resnet8 on toy: set",
        "2 epochs of 1 step of 240 images",
        "recipe: no preset, seed 17; lr 0.05 to 0 along a cosine; momentum 0.8, weight decay 0.0001, label smoothing 0.2",
        "augment reflect, storage bf16",
        "60 held out",
        "warning: batch_size 1000 is larger than the 240 training images",
        "warning: no topology update will happen: delta_t is 100 and the run has 2 steps",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

/// What cannot learn is told in a run as in its dry run.
#[test]
fn a_run_that_cannot_learn_says_so() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    toy::dataset_of(&folder.join("toy"), 300, 40);
    let args = ["--sparsity", "0.99999", "--label-smoothing", "1", "--epochs", "1", "--batch-size", "270"];
    let warnings = |more: &[&str]| -> Vec<String> {
        let text = expect(folder, 0, &train(&[&args[..], more].concat()));
        // On lines that fit a terminal, in a run as in its dry run.
        let long =
            |line: &&str| line.chars().count() > 100 && !line.contains("itop explore") && !line.starts_with("epoch ");
        assert_eq!(text.lines().find(long), None, "{text}");
        let text = text.replace("\n  ", " ");
        text.lines().filter(|line| line.starts_with("warning: ")).map(str::to_string).collect()
    };
    let dry = warnings(&["--dry-run"]);
    for words in
        ["no path of active weights leads from the image to any class", "label_smoothing 1", "no topology update"]
    {
        assert!(dry.iter().any(|line| line.contains(words)), "{words}: {dry:?}");
    }
    let run = warnings(&["--out", "run", "--no-report"]);
    assert!(dry.iter().all(|line| run.contains(line)), "{dry:?} {run:?}");
}

/// The answer first, then what it stands on; data and presets as in `itop train`.
#[test]
fn exploration_is_planned_for_the_data_at_hand() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    toy::dataset_of(&folder.join("toy"), 300, 40);
    let text = expect(folder, 0, &["explore"]);
    // What it stands on without being told, and how to tell it, in the first line.
    let mut first = text.lines();
    assert_eq!(
        first.next(),
        Some("assumed: itop-set-cifar100-98 (resnet34, 100 classes, 45,000 images); or --preset, --model, --data")
    );
    assert!(first.next().unwrap().starts_with("expected ITOP rate of random growth: 0."), "{text}");
    let text_of_toy = expect(folder, 0, &["explore", "--data", "toy", "--model", "resnet8"]);
    assert!(
        text_of_toy.starts_with("assumed: itop-set-cifar100-98 (resnet8, 10 classes, 268 images); or"),
        "{text_of_toy}"
    );
    for words in
        ["preset itop-set-cifar100-98, resnet34", "45,000 training images of 32×32 in 100 classes (data cifar100)"]
    {
        assert!(text.replace("\n  ", " ").contains(words), "{words}: {text}");
    }
    let args = [
        "explore",
        "--preset",
        "quick",
        "--data",
        "toy",
        "--death-rate",
        "0.3",
        "--target-rs",
        "50%",
        "--delta-t",
        "5",
    ];
    let text = expect(folder, 0, &args).replace("\n  ", " ");
    assert!(text.starts_with("expected ITOP rate"), "nothing is assumed that was not asked for: {text}");
    for words in ["Rs 0.5 in 12 epochs", "resnet8 at sparsity 0.9", "284 training images", "prune rate 0.3 to 0.005"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_run_is_kept_evaluated_and_not_overwritten() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 45);
    for method in ["dense", "static", "set", "rigl"] {
        let out = format!("out-{method}");
        expect(folder, 0, &train(&["--method", method, "--out", &out]));
        let run = folder.join(&out);
        let summary = read(&run.join("summary.json"));
        for key in SUMMARY {
            assert!(summary.get(key).is_some(), "{key} is missing from {summary}");
        }
        // 45 images, one in ten of each class held out: 5 steps an epoch, the last of one image.
        assert_eq!((summary["steps"].as_u64(), summary["epochs"].as_u64()), (Some(15), Some(3)));
        let updates = lines(&run.join("exploration.jsonl"));
        assert_eq!(updates.len(), if ["set", "rigl"].contains(&method) { 7 } else { 0 }, "{method}");
        for update in &updates {
            let layers = update["layers"].as_array().unwrap();
            assert_eq!(layers.len(), 10);
            for layer in layers {
                assert_eq!(layer["pruned"], layer["grown"], "{layer}");
                assert!(layer["explored"].as_u64() >= layer["active"].as_u64(), "{layer}");
                assert!(layer["reliably_explored"].as_u64() <= layer["explored"].as_u64(), "{layer}");
            }
        }
        let kinds = |kind: &str| lines(&run.join("metrics.jsonl")).iter().filter(|line| line["kind"] == kind).count();
        assert_eq!((kinds("step"), kinds("epoch")), (15, 3));
        let accuracy = summary["test_accuracy"].as_f64().unwrap();
        let text = expect(folder, 0, &["eval", &out]);
        assert!(text.contains(&format!("accuracy {:.2} %", 100.0 * accuracy)), "{text}");
        expect(folder, 0, &["eval", &out, "--checkpoint", "last", "--split", "val"]);
        let text = expect(folder, 2, &train(&["--method", method, "--out", &out]));
        assert!(text.contains("already holds a run"), "{text}");
    }
}

#[test]
fn one_seed_gives_the_same_bits_and_a_broken_checkpoint_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 45);
    expect(folder, 0, &train(&["--out", "whole"]));
    expect(folder, 0, &train(&["--out", "part", "--set", "lr_schedule.kind=constant"]));
    expect(folder, 0, &train(&["--out", "again", "--set", "lr_schedule.kind=constant"]));
    let checkpoint = |run: &str| folder.join(run).join("last.safetensors");
    let tensors = |run: &str| toy::tensors(&checkpoint(run));
    assert_eq!(tensors("part"), tensors("again"), "the same seed gives the same bits");
    assert_ne!(tensors("part"), tensors("whole"));

    let text = expect(folder, 0, &["train", "--resume", "--out", "whole"]);
    assert!(text.contains("resuming at step 15 of 15"), "{text}");
    // A longer run is the run's own configuration from then on; what it stands on stays.
    let text = expect(folder, 0, &["train", "--resume", "--out", "whole", "--epochs", "5"]);
    assert!(text.contains("resuming at step 15 of 25"), "{text}");
    assert!(std::fs::read_to_string(folder.join("whole/config.toml")).unwrap().contains("epochs = 5"));
    expect(folder, 0, &["eval", "whole", "--checkpoint", "last"]);
    let text = expect(folder, 2, &["train", "--resume", "--out", "whole", "--seed", "5"]);
    assert!(text.contains("`seed` = 5 must be what it was"), "{text}");
    let bytes = std::fs::read(checkpoint("part")).unwrap();
    std::fs::write(checkpoint("part"), &bytes[..bytes.len() / 2]).unwrap();
    let text = expect(folder, 2, &["train", "--resume", "--out", "part"]);
    assert!(text.contains("last.safetensors"), "{text}");
}

#[test]
fn an_interrupted_run_goes_on_bit_for_bit() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 45);
    let more = &["--epochs", "12"];
    expect(folder, 0, &train(&[&["--out", "whole"], &more[..]].concat()));
    let mut child = toy::start(folder, &train(&[&["--out", "parts"], &more[..]].concat()));
    let log = folder.join("parts/metrics.jsonl");
    while std::fs::read_to_string(&log).map_or(0, |text| text.lines().count()) < 9 {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be interrupted");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    toy::interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let text = expect(folder, 0, &["train", "--resume", "--out", "parts"]);
    assert!(text.contains("resuming at step"), "{text}");
    let tensors = |run: &str| toy::tensors(&folder.join(run).join("last.safetensors"));
    assert!(tensors("whole") == tensors("parts"), "weights, sets or statistics differ");
    assert_eq!(lines(&folder.join("whole/exploration.jsonl")), lines(&folder.join("parts/exploration.jsonl")));
    let losses = |run: &str| {
        let keep = |line: &serde_json::Value| (line["kind"].clone(), line["step"].clone(), line["loss"].clone());
        lines(&folder.join(run).join("metrics.jsonl")).iter().map(keep).collect::<Vec<_>>()
    };
    assert_eq!(losses("whole"), losses("parts"));
}

#[test]
fn a_fetch_without_a_network_says_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    // Nothing listens on port 9.
    let text = expect(place.path(), 4, &["data", "fetch", "cifar10", "--from", "http://127.0.0.1:9"]);
    assert!(text.contains("By hand") && text.contains("c32a1d4ab5d03f1284b67883e8d87530"), "{text}");
    let text = expect(place.path(), 2, &["data", "fetch", "sample"]);
    assert!(text.contains("cifar100"), "{text}");
}
