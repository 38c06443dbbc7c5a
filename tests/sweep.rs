//! Sweeps as a user runs them: refused, interrupted, killed, run by two at once, collected.
//! Where it can be known that a worker is gone.
#![cfg(any(target_os = "linux", windows))]

#[path = "common/toy.rs"]
mod toy;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;
use toy::{dataset, expect, lines, start};

const BASE: &str =
    "[base]\nmodel = 'mlp_cifar10'\ndata = 'toy'\nmethod = 'static'\nepochs = 12\nbatch_size = 10\nsparsity = 0.95\n";

/// Of the rows below: 25 images, a tenth of them held out, in batches of 10, 12 times.
const STEPS: u64 = 36;

/// 3 × 2 × 2.
const GRID: &str = "[grid]\nlr = [0.02, 0.05, 0.1]\nsparsity = [0.95, 0.98]\nseed = [1, 2]\n";
const ROWS: usize = 12;

/// Plans `[base]` and `rest` in `out`.
fn plan(folder: &Path, out: &str, rest: &str) -> String {
    let base: String = BASE
        .lines()
        .filter(|line| !rest.contains(line.split(' ').next().unwrap()))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(folder.join("spec.toml"), base + rest).unwrap();
    expect(folder, 0, &["sweep", "plan", "spec.toml", "--out", out])
}

fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Waits until `found` finds something.
#[track_caller]
fn wait_for<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "nothing happened");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The last claim of each row that nobody has ended: its row and process.
fn held(sweep: &Path) -> Vec<(usize, u64)> {
    let claim = |row: usize| {
        let path = |attempt: usize| sweep.join(format!("rows/{row:04}/claims/{attempt}.json"));
        let last = (1..).take_while(|&attempt| path(attempt).exists()).last()?;
        let claim = read(&path(last)).filter(|claim| claim["ended"].is_null())?;
        Some((row, claim["pid"].as_u64().unwrap()))
    };
    (1..=ROWS).filter_map(claim).collect()
}

fn summaries(sweep: &Path) -> BTreeMap<usize, Vec<u8>> {
    let read = |row| Some((row, std::fs::read(sweep.join(format!("rows/{row:04}/summary.json"))).ok()?));
    (1..=ROWS).filter_map(read).collect()
}

/// Waits until `done` rows are done and another has some steps behind it; says who runs what.
fn in_training(sweep: &Path, done: usize) -> Vec<(usize, u64)> {
    let log =
        |row: usize| std::fs::metadata(sweep.join(format!("rows/{row:04}/metrics.jsonl"))).map_or(0, |log| log.len());
    wait_for(|| {
        let held = held(sweep);
        (summaries(sweep).len() >= done && held.iter().any(|&(row, _)| log(row) > 600)).then_some(held)
    })
}

/// As a cluster's manager asks, or somebody at a terminal.
fn ask_to_end(driver: &Child) {
    #[cfg(unix)]
    toy::signal("-TERM", driver.id().into());
    #[cfg(windows)]
    toy::interrupt(driver);
}

fn kill(mut driver: Child, workers: &[(usize, u64)]) {
    driver.kill().unwrap();
    driver.wait().unwrap();
    workers.iter().for_each(|&(_, pid)| toy::kill(pid));
}

#[test]
fn bad_specifications_are_told_and_nothing_is_written() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    for (rest, words) in [
        ("[grid]\ncolour = ['red']", "colour"),
        ("[grid]\ndelta_t = [10, 0]", "row 2 (delta_t = 0)"),
        ("[[list]]\nmodel = 'resnet33'", "row 1 (model = \"resnet33\")"),
        ("[[list]]\ndata = 'nowhere'", "nowhere"),
        ("[gird]\nseed = [1]", "gird"),
        ("[grid]\nseed = 1", "must be a list"),
    ] {
        std::fs::write(folder.join("spec.toml"), format!("{BASE}{rest}")).unwrap();
        let text = expect(folder, 2, &["sweep", "plan", "spec.toml", "--out", "out"]);
        assert!(text.contains(words), "{rest}: {text}");
    }
    for args in [
        &["sweep", "plan", "none.toml", "--out", "out"][..],
        &["sweep", "run", "out"],
        &["sweep", "status", "out"],
        &["sweep", "collect", "out"],
        &["sweep", "submit", "out", "--engine", "slurm"],
    ] {
        expect(folder, 2, args);
    }
    assert!(!folder.join("out").exists());

    plan(folder, "out", "[grid]\nseed = [1, 2]");
    plan(folder, "out", "[grid]\nseed = [1, 2]");
    expect(folder, 2, &["sweep", "run", "out", "--row", "3"]);
    expect(folder, 2, &["sweep", "run", "out", "--adapters", "voodoo"]);
    expect(folder, 2, &["sweep", "run", "out", "--row", "1", "--adapters", "all"]);
    let text = expect(folder, 2, &["sweep", "run", "out", "--adapters", "0,auto"]);
    assert!(text.contains("name it once, and --per-adapter 2"), "{text}");
    let path = folder.join("out/plan.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"batch_size\":10", "\"batch_size\":20", 1)).unwrap();
    let text = expect(folder, 2, &["sweep", "run", "out"]);
    assert!(text.contains("plan.jsonl") && text.contains("line 1"), "{text}");
    assert_eq!(std::fs::read_dir(folder.join("out/rows")).unwrap().count(), 0);
}

#[test]
fn a_failed_row_is_recorded_and_stops_nothing() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    plan(folder, "out", "[grid]\nlr = [1e30, 0.1]");
    let text = expect(folder, 4, &["sweep", "run", "out"]);
    assert!(text.contains("row 1 failed") && text.contains("row 2 done"), "{text}");
    let text = expect(folder, 4, &["sweep", "run", "out", "--row", "1"]);
    assert!(text.contains("--retry-failed"), "{text}");
    expect(folder, 4, &["sweep", "run", "out", "--row", "1", "--retry-failed"]);
    expect(folder, 0, &["sweep", "run", "out", "--row", "2"]);
    let text = expect(folder, 0, &["sweep", "status", "out"]);
    assert!(text.contains("1 done, 0 running, 1 failed, 0 to do"), "{text}");
    let text = expect(folder, 0, &["sweep", "collect", "out"]);
    assert!(text.contains("1 of 2 rows are done"), "{text}");
    let text = expect(folder, 0, &["report", "out"]);
    assert!(text.contains("1 of 2 rows are done"), "{text}");
    // A job of a row that failed would end at once, unless it is told to try again.
    let submit = ["sweep", "submit", "out", "--engine", "slurm", "--time", "01:00:00"];
    let text = expect(folder, 0, &submit);
    assert!(text.contains("1 row is left out after a failure") && text.contains("nothing is left"), "{text}");
    assert!(!folder.join("out/slurm.sh").exists());
    let text = expect(folder, 0, &[&submit[..], &["--retry-failed"]].concat());
    assert!(text.contains("1 row in"), "{text}");
    let script = std::fs::read_to_string(folder.join("out/slurm.sh")).unwrap();
    for words in ["#SBATCH --array=1\n", "#SBATCH --time=01:00:00\n", "--adapters 'auto' --retry-failed &\n"] {
        assert!(script.contains(words), "{words}: {script}");
    }
}

/// From a question to its answer: what is planned once, what is warned of, who chooses, what the results allow to say.
#[test]
fn a_question_is_answered() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 45);
    const QUESTION: &str = "[grid]\nmethod = ['set', 'static']\ndelta_t = [5, 500]\nseed = [1, 2]\nepochs = [2]\n";
    let text = plan(folder, "my sweep's", QUESTION);
    for words in [
        "2 of 8 rows repeat another and are left out: `delta_t` has no effect with method = static",
        "6 rows, ",
        "about ",
        "all rows: MLP on toy, sparsity 95 %, distribution erk, structure unstructured, prune rate 0.5, 2",
        // On the next line.
        "  epochs, batch size 10, learning rate 0.1",
        "label smoothing 0.0",
        "choose the epoch, 8 test",
        "expected Rs",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let run = text.lines().find_map(|line| line.split_once("run it by: ")).unwrap().1;
    if cfg!(unix) {
        assert_eq!(run, "itop sweep run \"my sweep's\"");
    }
    let said = expect(folder, 0, &["sweep", "plan", "spec.toml", "--out", "my sweep's", "--no-measure"]);
    for words in [
        "time unknown",
        "already planned",
        "delta_t is 500 and the run has 10 steps",
        "low exploration: SET ΔT 5 (Rs 0.",
        "images choose the best epoch",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }

    // Nothing has started: the plan may change, and change back.
    plan(folder, "my sweep's", &QUESTION.replace("[1, 2]", "[1]"));
    let text = plan(folder, "my sweep's", QUESTION);
    assert!(text.contains("planned anew"), "{text}");
    let text = expect(folder, 0, &["sweep", "run", "my sweep's"]);
    assert!(text.contains("best validation accuracy so far (*)") && !text.contains("test accuracy"), "{text}");
    std::fs::write(folder.join("spec.toml"), format!("{BASE}[grid]\nseed = [1, 3]")).unwrap();
    let text = expect(folder, 2, &["sweep", "plan", "spec.toml", "--out", "my sweep's"]);
    assert!(text.contains("another plan, and its rows have started"), "{text}");
    let status = expect(folder, 0, &["sweep", "status", "my sweep's"]);
    assert!(!status.contains("test acc"), "{status}");

    // What the status marks is the best by validation, whatever the test set says.
    let sweep = folder.join("my sweep's");
    let set = |row: usize, key: &str, value: f64| {
        let path = sweep.join(format!("rows/{row:04}/summary.json"));
        let mut summary = read(&path).unwrap();
        summary[key] = value.into();
        std::fs::write(path, summary.to_string()).unwrap();
    };
    for (row, val, test) in
        [(1, 0.5, 0.25), (2, 0.75, 0.25), (3, 0.5, 0.5), (4, 0.75, 0.75), (5, 0.5, 1.0), (6, 0.5, 0.5)]
    {
        set(row, "best_val_accuracy", val);
        set(row, "test_accuracy", test);
    }
    let status = expect(folder, 0, &["sweep", "status", "my sweep's"]);
    assert!(status.contains("best validation accuracy so far (*): rows 2, 4"), "{status}");
    let marked: Vec<&str> = status.lines().filter(|line| line.contains("% (*)")).collect();
    assert!(marked.len() == 2 && marked.iter().all(|line| line.contains("75.00 % (*)")), "{status}");
    let json: Value = serde_json::from_str(&expect(folder, 0, &["sweep", "status", "my sweep's", "--json"])).unwrap();
    assert_eq!(json["best_by_validation"], serde_json::json!([2, 4]));

    // Row 1 and 2 are SET ΔT 5, 3 and 4 static, 5 and 6 SET ΔT 500: differences −25 and −50 points, +50 and −25.
    let text = expect(folder, 0, &["sweep", "collect", "my sweep's"]);
    for words in [
        "SET ΔT 5 against static: −37.50 points (95 % interval −196.33 to +121.33), 2 seeds, 8 test images: not decided",
        "SET ΔT 500 against static: +12.50 points (95 % interval −463.98 to +488.98), 2 seeds, 8 test images: not decided",
        "the test set of toy has 8 images",
        "low exploration: SET ΔT 5 (Rs ",
        "images choose the best epoch",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let collected = read(&sweep.join("collected/sweep.json")).unwrap();
    let first = &collected["comparisons"][0];
    assert_eq!(collected["baseline"], serde_json::json!({"method": "static"}));
    assert_eq!((&first["seeds"], first["mean"].as_f64()), (&serde_json::json!([1, 2]), Some(-0.375)));
    assert_eq!((first["verdict"].as_str(), first["test_images"].as_u64()), (Some("not-decided"), Some(8)));
    let numbers = std::fs::read_to_string(sweep.join("collected/comparisons.csv")).unwrap();
    assert!(numbers.lines().nth(1).unwrap().starts_with("SET ΔT 5,static,1,3,1 2,-0.375,"), "{numbers}");
    let page = std::fs::read_to_string(sweep.join("collected/report.html")).unwrap();
    assert!(page.contains("SET ΔT 5 against static: −37.50 points"));
    let table = std::fs::read_to_string(sweep.join("collected/table.tex")).unwrap();
    assert!(
        table.contains("\\caption{MLP on toy, sparsity 95 \\%, 2 epochs") && !table.contains("delta\\_t"),
        "{table}"
    );

    // Another baseline.
    let text =
        expect(folder, 0, &["sweep", "collect", "my sweep's", "--baseline", "delta_t=5", "--baseline", "method=set"]);
    assert!(text.contains("static against SET ΔT 5: +37.50 points"), "{text}");
    for (baseline, words) in [
        ("method=dense", "no row has method = \"dense\""),
        ("methud=dense", "methud"),
        ("seed=1", "`seed` is no setting"),
        ("static", "not of the form key=value"),
    ] {
        let text = expect(folder, 2, &["sweep", "collect", "my sweep's", "--baseline", baseline]);
        assert!(text.contains(words), "{baseline}: {text}");
    }
}

/// Without held-out images nothing ranks.
#[test]
fn one_row_is_one_row_and_the_test_set_ranks_nothing() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    let text = plan(folder, "out", "[grid]\nvalidation = [0.0]\nepochs = [1]\n");
    assert!(text.contains("1 row, ") && !text.contains("1 rows"), "{text}");
    let text = expect(folder, 0, &["sweep", "run", "out"]);
    assert!(text.contains("1 of 1 row is done") && !text.contains("best"), "{text}");
    let text = expect(folder, 0, &["sweep", "status", "out"]);
    assert!(!text.contains("(*)") && !text.contains("best"), "{text}");
    let text = expect(folder, 0, &["sweep", "collect", "out"]);
    assert!(text.contains("the last epoch counts") && !text.contains("against"), "{text}");
}

#[test]
fn rows_share_an_adapter_as_far_as_their_memory_fits() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    plan(folder, "out", "[grid]\nseed = [1, 2, 3, 4, 5]");
    let sweep = folder.join("out");
    let bytes = lines(&sweep.join("plan.jsonl"))[0]["estimate"]["gpu_bytes"].as_u64().unwrap();
    let mib = |bytes: u64| bytes.div_ceil(1 << 20).to_string();
    const SHARED: [&str; 5] = ["sweep", "run", "out", "--per-adapter", "3"];
    let text = expect(folder, 2, &[&SHARED[..], &["--gpu-memory", &mib(bytes / 2)]].concat());
    assert!(text.contains("row 1 (seed = 1) needs") && text.contains("--gpu-memory"), "{text}");
    assert!(!sweep.join("rows/0001").exists());

    // Room for two and a half.
    let mut driver = start(folder, &[&SHARED[..], &["--gpu-memory", &mib(bytes * 5 / 2)]].concat());
    let mut most = 0;
    let exit = wait_for(|| {
        let at_once = held(&sweep).len();
        assert!(at_once <= 2, "{at_once} rows at once");
        most = most.max(at_once);
        driver.try_wait().unwrap()
    });
    assert_eq!((exit.code(), most, summaries(&sweep).len()), (Some(0), 2, 5));
}

#[test]
fn a_sweep_that_is_interrupted_and_killed_is_as_an_undisturbed_one() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    let text = plan(folder, "whole", GRID);
    assert!(text.contains("12 rows") && text.contains("GPU memory"), "{text}");
    plan(folder, "parts", GRID);
    let sweep = folder.join("parts");
    // Every adapter, each row always on the same: the last digits are the adapter's.
    let every: Vec<String> = (0..pollster::block_on(itop::gpu::list()).len()).map(|index| index.to_string()).collect();
    let every = every.join(",");
    let run = ["sweep", "run", "parts", "--adapters", &every, "--pin"];

    // Asked to end: the rows keep checkpoints.
    let mut driver = start(folder, &run);
    let workers = in_training(&sweep, 0);
    ask_to_end(&driver);
    assert_eq!(driver.wait().unwrap().code(), Some(130));
    let ended = |row: usize| read(&sweep.join(format!("rows/{row:04}/claims/1.json"))).unwrap()["ended"].clone();
    assert!(workers.iter().any(|&(row, _)| ended(row) == "interrupted"), "{workers:?}");

    // Killed with its workers, in the middle of rows and with one that is done.
    let driver = start(folder, &run);
    let workers = in_training(&sweep, 1);
    let finished = summaries(&sweep);
    kill(driver, &workers);
    expect(folder, 0, &["sweep", "collect", "parts"]);

    // Killed alone: the workers end their rows, and those who come after leave them alone.
    let mut driver = start(folder, &run);
    in_training(&sweep, 2);
    driver.kill().unwrap();
    driver.wait().unwrap();

    // Two at once, one of them killed with whoever trains; the other does the rest, which nobody holds any more.
    let (first, mut second) = (start(folder, &run), start(folder, &run));
    let workers = in_training(&sweep, 4);
    kill(first, &workers);
    // Those of the other were killed too, under its eyes: these rows have failed.
    second.wait().unwrap();
    let mut both = [(); 2].map(|()| start(folder, &[&run[..], &["--retry-failed"]].concat()));
    for process in &mut both {
        assert_eq!(process.wait().unwrap().code(), Some(0));
    }

    let all = summaries(&sweep);
    assert_eq!(all.len(), ROWS);
    assert!(finished.iter().all(|(row, summary)| all[row] == *summary), "a finished row was run again");
    for row in 1..=ROWS {
        // Two processes in one folder would have written steps twice.
        let log = lines(&sweep.join(format!("rows/{row:04}/metrics.jsonl")));
        let steps = log.iter().filter(|line| line["kind"] == "step").map(|line| line["step"].as_u64().unwrap());
        assert_eq!(steps.collect::<Vec<u64>>(), (1..=STEPS).collect::<Vec<u64>>(), "row {row}");
    }
    let status: Value = serde_json::from_str(&expect(folder, 0, &["sweep", "status", "parts", "--json"])).unwrap();
    assert_eq!((status["done"].as_u64(), status["running"].as_u64()), (Some(12), Some(0)));

    // The same results as without any trouble, in every file but that of the times.
    expect(folder, 0, &["sweep", "run", "whole", "--adapters", &every, "--pin"]);
    for name in ["whole", "parts"] {
        let text = expect(folder, 0, &["sweep", "collect", name]);
        assert!(text.contains("12 of 12 rows are done"), "{text}");
    }
    let files = |name: &str| -> BTreeMap<String, Vec<u8>> {
        let entries =
            std::fs::read_dir(folder.join(name).join("collected")).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| (path.file_name().unwrap().to_string_lossy().into(), std::fs::read(&path).unwrap()))
            .collect()
    };
    let (whole, parts) = (files("whole"), files("parts"));
    assert!(whole.len() >= 9 && whole.keys().eq(parts.keys()), "{:?}", whole.keys());
    for (name, content) in &whole {
        assert!(name == "times.csv" || *content == parts[name], "{name} differs");
    }

    // Means and deviations, from the summaries.
    let collected = read(&sweep.join("collected/sweep.json")).unwrap();
    let groups = collected["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 6);
    for (number, group) in groups.iter().enumerate() {
        let members = group["rows"].as_array().unwrap();
        assert_eq!(members.len(), 2, "group {number}");
        for metric in ["test_accuracy", "best_val_accuracy", "test_loss", "itop_rate"] {
            let value = |row: &Value| {
                let row = row.as_u64().unwrap() as usize;
                serde_json::from_slice::<Value>(&all[&row]).unwrap()[metric].as_f64().unwrap()
            };
            let (a, b) = (value(&members[0]), value(&members[1]));
            let found = &group["metrics"][metric];
            assert!((found["mean"].as_f64().unwrap() - (a + b) / 2.0).abs() <= 1e-12, "{metric}: {found}");
            assert!((found["std"].as_f64().unwrap() - (a - b).abs() / 2f64.sqrt()).abs() <= 1e-9, "{metric}: {found}");
        }
    }
}
