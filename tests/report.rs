//! The report: of whole runs, of damaged ones, of several at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn itop(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_itop")).args(arguments).output().unwrap()
}

/// A run folder made by hand: three epochs and updates of two layers.
fn run(place: &Path, name: &str, model: &str) -> PathBuf {
    let folder = place.join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), format!("model = \"{model}\"\ndata = \"sample\"\n")).unwrap();
    let epoch = |i: usize| {
        format!(
            r#"{{"kind":"epoch","step":{},"epoch":{i},"loss":{},"accuracy":0.{i},"lr":0.1,"images_per_second":9.0,"val_loss":2.0,"val_accuracy":0.1,"itop_rate":0.{i},"expected_itop_rate":0.2}}"#,
            10 * i,
            3.0 / i as f64
        )
    };
    fs::write(folder.join("metrics.jsonl"), (1..=3).map(|i| epoch(i) + "\n").collect::<String>()).unwrap();
    let layer = |name: &str, i: usize| {
        format!(
            r#"{{"name":"{name}","active":10,"maskable":100,"pruned":3,"grown":3,"regrown":0,"newly_explored":3,"explored":{},"reliably_explored":8,"threshold":0.01,"dead_outputs":0,"dead_inputs":1,"ages":[3,{i},1,0,0,0,0,0],"churn":0.3,"drift":0.4,"growth_kept":null,"growth_magnitude":null}}"#,
            10 + i
        )
    };
    let update = |i: usize| {
        let layers = [layer("conv<1>.weight", i), layer("conv2.weight", i)].join(",");
        format!(
            r#"{{"step":{},"epoch":{i},"death_rate":0.5,"layers":[{layers}],"itop_rate":0.1{i},"reliable_itop_rate":0.08}}"#,
            10 * i
        )
    };
    fs::write(folder.join("exploration.jsonl"), (1..=3).map(|i| update(i) + "\n").collect::<String>()).unwrap();
    folder
}

fn path(folder: &Path) -> &str {
    folder.to_str().unwrap()
}

#[test]
fn a_page_holds_everything_itself() {
    let place = tempfile::tempdir().unwrap();
    let folder = run(place.path(), "run", "resnet8");
    let output = itop(&["report", path(&folder)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.matches("<svg").count() >= 8, "too few charts");
    assert!(page.matches("<svg").count() == page.matches("</svg>").count());
    assert!(page.contains("Ever active, by layer") && page.contains("Ages of the active weights"));
    // Nothing is fetched, and names are text.
    let addresses = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!addresses.contains("http://") && !addresses.contains("https://") && !page.contains("<script src"));
    assert!(page.contains("conv&lt;1&gt;.weight") && !page.contains("conv<1>"));
    assert!(page.contains("summary.json is not there"), "what is missing is not named");
}

#[test]
fn maps_show_what_was_active() {
    use safetensors::tensor::{Dtype, TensorView};
    let place = tempfile::tempdir().unwrap();
    let folder = run(place.path(), "run", "resnet8");
    // 16 × 16 channels of 9 taps: now all taps of the first pair, ever those of the first two.
    let bits = |set: usize| {
        let mut bytes = vec![0u8; 288];
        (0..set).for_each(|i| bytes[i / 8] |= 1 << (i % 8));
        bytes
    };
    let (now, ever) = (bits(9), bits(18));
    let view = |bytes| TensorView::new(Dtype::U32, vec![72], bytes).unwrap();
    let tensors = [("active.layer1.0.conv1.weight", view(&now)), ("explored.layer1.0.conv1.weight", view(&ever))];
    fs::write(folder.join("last.safetensors"), safetensors::serialize(tensors, None).unwrap()).unwrap();
    let output = itop(&["report", path(&folder), "--png"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let picture = image::open(folder.join("run-layer1.0.conv1.weight.png")).unwrap().to_rgb8();
    assert_eq!(picture.dimensions(), (640, 640));
    let [now, once, never] = [20, 60, 100].map(|x| picture.get_pixel(x, 20).0);
    assert!(now[0] > 200 && now[1] > 180 && once[2] > 150 && once[0] < 100 && never.iter().all(|&part| part < 40));
    assert_eq!(picture.get_pixel(20, 60).0, never, "rows are out channels");
    assert!(fs::read_to_string(folder.join("report.html")).unwrap().contains("16 × 16 channels"));
}

#[test]
fn runs_stand_side_by_side() {
    let place = tempfile::tempdir().unwrap();
    let folders = [run(place.path(), "one", "resnet8"), run(place.path(), "two", "resnet20")];
    let out = place.path().join("out");
    let output = itop(&["report", path(&folders[0]), path(&folders[1]), "--out", path(&out)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("one, training") && page.contains("two, validation") && page.contains("different models"));
    assert!(!folders[0].join("report.html").exists());
}

#[test]
fn what_is_damaged_is_named_and_the_rest_drawn() {
    let place = tempfile::tempdir().unwrap();
    let folder = run(place.path(), "run", "resnet8");
    let log = folder.join("metrics.jsonl");
    fs::write(&log, fs::read_to_string(&log).unwrap() + "{\"kind\":\"epoch\",\"st").unwrap();
    fs::remove_file(folder.join("exploration.jsonl")).unwrap();
    fs::write(folder.join("summary.json"), "{\"schema\": 99}").unwrap();
    fs::write(folder.join("last.safetensors"), b"not a checkpoint").unwrap();
    let output = itop(&["report", path(&folder), "--text"]);
    let text = String::from_utf8_lossy(&output.stdout).to_string();
    assert!(output.status.success() && text.contains("loss") && text.contains('█'), "{text}");
    for wanted in
        ["line is left out, the first is line 4 (half written)", "exploration.jsonl", "schema 99", "last.safetensors"]
    {
        assert!(text.contains(wanted), "{wanted:?} is not in {text}");
    }
    assert!(!folder.join("report.html").exists());
    assert!(itop(&["report", path(&folder)]).status.success());
}

#[test]
fn nothing_to_draw_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    for folder in [place.path().to_path_buf(), place.path().join("missing")] {
        let output = itop(&["report", path(&folder)]);
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}
