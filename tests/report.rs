//! The report: of whole runs, of damaged ones, of several at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use itop::ops::topology_map::{Cell, Grid};
use itop::train::frames::{FrameLine, LayerCells};

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

/// Frames of a layer of 16 × 16 channels of 9 taps: in frame `i` all taps of kernel `i` are active, and of those before were.
fn frames(folder: &Path, count: usize) {
    let grid = Grid { outputs: 16, inputs: 16, taps: 9 };
    let line = |frame: usize| {
        let of = |is: bool| if is { 9 } else { 0 };
        let cell = |i: usize| Cell { active: of(i == frame), explored: of(i <= frame) };
        let layer = LayerCells::new("layer1.0.conv1.weight", &grid, &(0..256).map(cell).collect::<Vec<_>>());
        FrameLine { step: 10 * frame, epoch: 0, update: frame, layers: vec![layer] }
    };
    let lines = (0..count).map(|frame| serde_json::to_string(&line(frame)).unwrap() + "\n");
    fs::write(folder.join("maps.jsonl"), lines.collect::<String>()).unwrap();
}

#[test]
fn maps_show_what_was_active() {
    let place = tempfile::tempdir().unwrap();
    let folder = run(place.path(), "run", "resnet8");
    frames(&folder, 3);
    let output = itop(&["report", path(&folder), "--png"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Of the last frame: once active, once active, active now, never.
    let picture = image::open(folder.join("run-layer1.0.conv1.weight.png")).unwrap().to_rgb8();
    assert_eq!(picture.dimensions(), (640, 640));
    let [once, now, never] = [20, 100, 140].map(|x| picture.get_pixel(x, 20).0);
    assert!(now[0] > 200 && now[1] > 180 && once[2] > 150 && once[0] < 100 && never.iter().all(|&part| part < 40));
    assert_eq!(picture.get_pixel(20, 60).0, never, "rows are out channels");
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("16 × 16 channels") && page.contains("--frames:3;"));
    assert!(page.contains("[[0,0,0.4,0.4],[10,1,0.4,0.8],[20,2,0.4,1.2]]"), "the moments are others");
    // Charts have words: dark pixels where the title stands.
    let chart = image::open(folder.join("loss.png")).unwrap().to_luma8();
    let dark = (0..60).flat_map(|y| (0..200).map(move |x| (x, y))).filter(|&(x, y)| chart.get_pixel(x, y).0[0] < 80);
    assert!(dark.count() > 50, "the chart has no title");
    for name in ["accuracy.png", "rs.png", "run-ages.png", "run-layers-churn.png"] {
        assert!(image::open(folder.join(name)).is_ok(), "{name}");
    }
}

#[test]
fn the_film_has_every_frame() {
    use image::AnimationDecoder;
    let place = tempfile::tempdir().unwrap();
    let folder = run(place.path(), "run", "resnet8");
    frames(&folder, 5);
    assert!(itop(&["report", path(&folder), "--png"]).status.success());
    let file = std::io::BufReader::new(fs::File::open(folder.join("run-film.gif")).unwrap());
    let film = image::codecs::gif::GifDecoder::new(file).unwrap().into_frames().collect_frames().unwrap();
    assert_eq!(film.len(), 5);
    // The yellow kernel moves from left to right; it keeps its very colour.
    let yellow = |frame: &image::Frame| {
        let pixels = frame.buffer().enumerate_pixels();
        pixels.filter(|(_, _, pixel)| pixel.0 == [255, 214, 74, 255]).map(|(x, _, _)| x).min()
    };
    let places: Vec<_> = film.iter().map(|frame| yellow(frame).expect("nothing is active")).collect();
    assert!(places.windows(2).all(|pair| pair[1] == pair[0] + 12), "{places:?}");
}

#[test]
fn frames_that_do_not_fit_are_left_out() {
    let place = tempfile::tempdir().unwrap();
    let folder = run(place.path(), "run", "resnet8");
    frames(&folder, 3);
    let log = folder.join("maps.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    let second = text.lines().nth(1).unwrap();
    let other = second.replace("\"shape\":[16,16,9]", "\"shape\":[16,16,1]");
    let hostile = second.replace("\"shape\":[16,16,9]", "\"shape\":[18446744073709551615,16,9]");
    assert!(other != second && hostile != second);
    // One twice, one of another shape, one that claims the world, one half written.
    fs::write(&log, format!("{text}{second}\n{other}\n{hostile}\n{}", &second[..100])).unwrap();
    let output = itop(&["report", path(&folder)]);
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("3 of 6 frames") && said.contains("the first is line 7 (half written)"), "{said}");
    assert!(fs::read_to_string(folder.join("report.html")).unwrap().contains("--frames:3;"));
}

#[test]
fn times_stand_beside_flops() {
    let place = tempfile::tempdir().unwrap();
    let folder = run(place.path(), "run", "resnet8");
    let pass = |name: &str, kind: &str, ms: f64, flops: &str| {
        format!(r#"{{"name":"{name}","kind":"{kind}","ms":{ms},"flops":{flops}}}"#)
    };
    let layer = |i: usize| pass(&format!("conv{i}"), "forward", 1.0 + i as f64, "5000000");
    let step: Vec<String> = (0..12).map(layer).chain([pass("conv0", "optimiser", 0.5, "null")]).collect();
    let text = format!(
        r#"{{"schema":1,"clock":"GPU timestamps","batch_size":32,"steps":5,"step":[{}],"update":[]}}"#,
        step.join(",")
    );
    fs::write(folder.join("passes.json"), text).unwrap();
    assert!(itop(&["report", path(&folder)]).status.success());
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("78.5 ms for a step of 32 images, by GPU timestamps (the median of 5 steps"), "no sum");
    assert!(page.contains("The 10 dearest of 12 layers") && page.contains("<th>conv11</th>"));
    assert!(!page.contains("<th>conv1</th>"), "a cheap layer is among the dearest");
    // 5 MFLOP in 12 ms.
    assert!(page.contains("<td>0.417</td>"), "no rate");
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
    fs::write(folder.join("passes.json"), b"{\"schema\": 1}").unwrap();
    let output = itop(&["report", path(&folder), "--text"]);
    let text = String::from_utf8_lossy(&output.stdout).to_string();
    assert!(output.status.success() && text.contains("loss") && text.contains('█'), "{text}");
    for wanted in
        ["line is left out, the first is line 4 (half written)", "exploration.jsonl", "schema 99", "passes.json"]
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
