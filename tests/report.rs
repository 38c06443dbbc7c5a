//! The report: of whole runs, of damaged ones, of several at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use itop::ops::topology::map::{Cell, Grid};
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
    assert!(page.contains("summary.json is missing"), "what is missing is not named");
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
    assert!(page.contains("The 10 most expensive of 12 layers") && page.contains("<th>conv11</th>"));
    assert!(!page.contains("<th>conv1</th>"), "a cheap layer is among the most expensive");
    // 5 MFLOP in 12 ms.
    assert!(page.contains("<td class=\"n\">0.417</td>"), "no rate");
}

/// The same with other settings.
fn run_of(place: &Path, name: &str, settings: &str) -> PathBuf {
    let folder = run(place, name, "resnet8");
    let config = fs::read_to_string(folder.join("config.toml")).unwrap();
    fs::write(folder.join("config.toml"), config + settings).unwrap();
    if settings.contains("static") {
        fs::write(folder.join("exploration.jsonl"), "").unwrap();
    }
    folder
}

/// The page of `folders`, and where it is.
#[track_caller]
fn page_of(place: &Path, folders: &[&Path], arguments: &[&str]) -> (PathBuf, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_itop"));
    let output = command.arg("report").args(folders).args(arguments).current_dir(place).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).to_string();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = said.lines().find_map(|line| line.strip_prefix("report: ")).expect("it does not say where the page is");
    let path = place.join(path);
    (path.clone(), fs::read_to_string(path).unwrap())
}

#[test]
fn runs_stand_side_by_side_by_their_settings() {
    let place = tempfile::tempdir().unwrap();
    let set =
        |name: &str, seed: u32| run_of(place.path(), name, &format!("method = \"set\"\ndelta_t = 5\nseed = {seed}\n"));
    let fixed =
        |name: &str, delta_t: u32| run_of(place.path(), name, &format!("method = \"static\"\ndelta_t = {delta_t}\n"));
    let folders = [set("0001", 17), set("0002", 18), fixed("0003", 5), fixed("0004", 20)];
    let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    let (_, page) = page_of(place.path(), &folders, &[]);
    // A static run does not look at ΔT: two of one seed are one.
    assert!(page.contains("4 runs of 2 settings") && page.contains("0004 is the same run as 0003"), "{page}");
    let charts: Vec<&str> = page.split("<figure>").skip(1).filter(|figure| figure.contains("<svg")).collect();
    let mut colours: std::collections::BTreeMap<&str, Vec<&str>> = Default::default();
    for chart in charts.iter().filter(|chart| !chart.contains("by layer") && !chart.contains("Ages")) {
        let keys = chart.split("<li><i class=\"line\" style=\"color:").skip(1);
        for (colour, label) in keys.filter_map(|key| key.split_once("\"></i>")) {
            colours.entry(label.split('<').next().unwrap()).or_default().push(colour);
        }
    }
    // Names are settings, never folders; each has one colour on all charts.
    assert_eq!(colours.keys().collect::<Vec<_>>(), [&"SET ΔT 5, 2 seeds", &"static, seed 17"]);
    assert!(colours["SET ΔT 5, 2 seeds"].len() >= 6, "{colours:?}");
    assert!(
        colours.values_mut().all(|of| {
            of.dedup();
            of.len() == 1
        }),
        "{colours:?}"
    );
    assert_ne!(colours["SET ΔT 5, 2 seeds"], colours["static, seed 17"]);
    // A mean has its band, here flat, on every chart; each run's layers are named.
    assert!(charts.iter().filter(|chart| chart.contains("2 seeds")).all(|chart| chart.contains("<polygon")));
    assert!(page.contains("Layers and times of SET ΔT 5, seed 18 (0002)"), "{page}");
    // Different models: said, and the only thing that sets them apart.
    let other = run(place.path(), "0005", "resnet20");
    let (_, page) = page_of(place.path(), &[&run(place.path(), "0006", "resnet8"), &other], &[]);
    assert!(page.contains("different models") && page.contains("RigL ΔT 100, ResNet-20, seed 17"), "{page}");
}

#[test]
fn a_run_that_never_moves_is_compared_with_no_growth() {
    let place = tempfile::tempdir().unwrap();
    let folder = run_of(place.path(), "run", "method = \"static\"\n");
    let pass = r#"{"name":"conv1","kind":"forward","ms":1.0,"flops":1000},{"name":"conv1","kind":"topology","ms":0.0,"flops":null}"#;
    let times =
        format!(r#"{{"schema":1,"clock":"GPU timestamps","batch_size":32,"steps":5,"step":[{pass}],"update":[]}}"#);
    fs::write(folder.join("passes.json"), times).unwrap();
    let (_, page) = page_of(place.path(), &[&folder], &[]);
    assert!(page.contains("ResNet-8 on sample: static, seed 17"), "{page}");
    for absent in ["random growth", "topology update", ">0.000<", "expected", "<dt>ΔT"] {
        assert!(!page.contains(absent), "{absent} is on the page");
    }
    let (_, moved) = page_of(place.path(), &[&run(place.path(), "moved", "resnet8")], &[]);
    assert!(moved.contains("class=\"ring\"") && moved.contains("<dt>ΔT</dt><dd>100</dd>"), "{moved}");
    // Nothing died, so there is no chart of it.
    assert!(!moved.contains("Output channels without"), "{moved}");
}

#[test]
fn the_best_epoch_and_the_recipe_are_there() {
    let place = tempfile::tempdir().unwrap();
    let folder = run_of(place.path(), "0001", "method = \"set\"\ndelta_t = 5\nseed = 18\nepochs = 3\n");
    let summary = r#"{"schema":1,"name":"0001","model":"resnet8","data":"sample","method":"set","seed":18,"epochs":3,"steps":30,"batch_size":64,
        "sparsity_target":0.9,"density":0.1,"active_parameters":1000,"maskable_parameters":10000,"best_epoch":2,"best_val_accuracy":0.35,
        "test_accuracy":0.3333,"test_loss":2.0,"itop_rate":0.153,"reliable_itop_rate":0.1,"inference_flops_ratio":0.2,
        "training_flops_ratio":0.081,"training_flops":3.28e10,"images_per_second":100.0,"seconds_training":10.0,"host_share":0.1,
        "peak_gpu_bytes":1000,"version":"0.1.0","adapter":{"name":"a","backend":"vulkan","driver":"","tier":"base","type":"software"}}"#;
    fs::write(folder.join("summary.json"), summary).unwrap();
    let part = |images: usize| format!(r#"{{"images":[{images},{images}],"digests":[],"digest":""}}"#);
    let data = format!(
        r#"{{"schema":1,"name":"a","root":null,"image":[3,32,32],"mean":[0,0,0],"std":[1,1,1],"classes":["a","b"],"train":{},"val":null,
        "test":{},"split":{{"train":1270,"val":30,"digest":""}}}}"#,
        part(650),
        part(50)
    );
    fs::write(folder.join("data.json"), data).unwrap();
    let (_, page) = page_of(place.path(), &[&folder], &[]);
    for (name, value) in [
        ("best epoch", "2 of 3"),
        ("validation accuracy", "35.00 %"),
        ("test accuracy", "33.33 %"),
        ("Rs (expected)", "0.153 (0.200)"),
        ("seed", "18"),
        ("ΔT", "5"),
        ("epochs", "3"),
        ("active weights", "1,000 of 10,000"),
        ("images to train, choose, test", "1,270, 30, 100"),
        ("training FLOPs (of dense)", "32.80 GFLOP (0.081)"),
    ] {
        assert!(page.contains(&format!("<dt>{name}</dt><dd>{value}</dd>")), "{name} {value} is not in {page}");
    }
    let text = String::from_utf8(itop(&["report", path(&folder), "--text"]).stdout).unwrap();
    assert!(
        text.contains("best epoch 2 of 3, validation accuracy 35.00 %") && text.contains("SET ΔT 5, seed 18"),
        "{text}"
    );
}

/// A report never destroys another one, nor anything else.
#[test]
fn a_page_of_several_runs_has_a_place_of_its_own() {
    let place = tempfile::tempdir().unwrap();
    let (one, two) = (run(place.path(), "one", "resnet8"), run(place.path(), "two", "resnet8"));
    fs::write(one.join("report.html"), "own").unwrap();
    let both = [one.as_path(), two.as_path()];
    let (first, _) = page_of(place.path(), &both, &[]);
    assert_eq!(first, place.path().join("report-of-2-runs/report.html"));
    // Once more: the same place. Other runs: another one.
    assert_eq!(page_of(place.path(), &[&two, &one], &["--png"]).0, first);
    assert!(place.path().join("report-of-2-runs/loss.png").exists());
    let three = run(place.path(), "three", "resnet8");
    assert_eq!(page_of(place.path(), &[&one, &three], &[]).0, place.path().join("report-of-2-runs-2/report.html"));
    // What somebody else has made is left alone, a folder as well as a page.
    fs::create_dir(place.path().join("report-of-3-runs")).unwrap();
    let all = [one.as_path(), two.as_path(), three.as_path()];
    assert_eq!(page_of(place.path(), &all, &[]).0, place.path().join("report-of-3-runs-2/report.html"));
    let mine = place.path().join("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("report.html"), "mine").unwrap();
    assert_eq!(page_of(place.path(), &both, &["--out", "mine"]).0, mine.join("report-2.html"));
    assert_eq!(page_of(place.path(), &both, &["--out", "mine"]).0, mine.join("report-2.html"));
    assert_eq!(page_of(place.path(), &[&two], &["--out", "mine"]).0, mine.join("report-3.html"));
    assert_eq!(fs::read_to_string(mine.join("report.html")).unwrap(), "mine");
    // Nor pictures.
    let pictures = place.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    fs::write(pictures.join("loss.png"), "mine").unwrap();
    let output = itop(&["report", path(&one), path(&two), "--png", "--out", path(&pictures)]);
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(output.status.code() == Some(2) && said.contains("loss.png"), "{said}");
    assert_eq!(fs::read_dir(&pictures).unwrap().count(), 1, "it has written something");
    assert_eq!(fs::read_to_string(one.join("report.html")).unwrap(), "own");
}

#[test]
fn the_folder_of_a_run_is_no_place_for_others() {
    let place = tempfile::tempdir().unwrap();
    let (one, two) = (run(place.path(), "one", "resnet8"), run(place.path(), "two", "resnet8"));
    fs::write(one.join("report.html"), "own").unwrap();
    let sweep = place.path().join("sweep");
    fs::create_dir_all(&sweep).unwrap();
    fs::write(sweep.join("plan.jsonl"), "").unwrap();
    let (one, two, sweep) = (path(&one), path(&two), path(&sweep));
    for (arguments, wanted) in [
        (vec![one, two, "--out", one], "the folder of a run"),
        (vec![two, "--out", one], "the folder of a run"),
        (vec![one, two, "--out", sweep], "the folder of a sweep"),
        (vec![one, sweep], "is a sweep"),
    ] {
        let output = itop(&[&["report"], &arguments[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr).to_string();
        assert!(output.status.code() == Some(2) && said.contains(wanted), "{arguments:?}: {said}");
        assert_eq!(fs::read_to_string(Path::new(one).join("report.html")).unwrap(), "own");
    }
    // The same run twice is one run, whose page it has.
    let again = place.path().join("one/../one");
    let (page, _) = page_of(place.path(), &[Path::new(one), &again, Path::new(one)], &["--out", "one"]);
    assert_eq!(page, place.path().join("one/report.html"));
    assert!(fs::read_to_string(page).unwrap().contains("RigL ΔT 100"), "the run's own page is drawn again");
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
