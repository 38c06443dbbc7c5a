//! Data sets as users have them, and runs whose data changes under them: what the binary says.

#[path = "common/toy.rs"]
mod toy;

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use toy::expect;

const CLASSES: [&str; 3] = ["ant", "bee", "cat"];
/// Images of each class.
const TRAIN: u32 = 12;
const TEST: u32 = 4;

/// An image of noise; another one for each `number`.
fn picture(path: &Path, side: u32, number: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let noise = |x: u32, y: u32, c: u32| (number * 37 + x * 11 + y * 5 + c * 91 + x * y * (number % 7)) as u8;
    RgbImage::from_fn(side, side, |x, y| Rgb([0, 1, 2].map(|c| noise(x, y, c)))).save(path).unwrap();
}

/// An image folder of 8×8 images; `parts` are folders with the images that each class has there.
fn image_folder(root: &Path, parts: &[(&str, u32)]) {
    for (p, (part, images)) in (0..).zip(parts) {
        for (c, class) in (0..).zip(CLASSES) {
            for i in 0..*images {
                picture(&root.join(part).join(class).join(format!("{i:02}.png")), 8, 1 + i + 50 * c + 200 * p);
            }
        }
    }
}

fn usual(root: &Path) {
    image_folder(root, &[("train", TRAIN), ("test", TEST)]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { _ = fs::copy(entry.path(), target).unwrap() }
    }
}

fn rename(from: PathBuf, to: PathBuf) {
    fs::rename(from, to).unwrap();
}

fn train<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let small = ["--model", "mlp_cifar10", "--method", "static", "--epochs", "1", "--batch-size", "10", "--no-report"];
    [&["train", "--data", data], &small[..], more].concat()
}

/// What `itop eval` measured.
fn score(text: &str) -> String {
    text.lines().find(|line| line.starts_with("accuracy")).unwrap_or_default().to_string()
}

/// A change of a data set, and the words that tell of it.
type Change = (&'static str, fn(&Path), &'static str);

const CHANGES: &[Change] = &[
    (
        "renamed",
        |root| {
            ["train", "test"].iter().for_each(|part| rename(root.join(part).join("ant"), root.join(part).join("zoo")))
        },
        "class `ant` is called `zoo` now",
    ),
    (
        "gone",
        |root| ["train", "test"].iter().for_each(|part| fs::remove_dir_all(root.join(part).join("ant")).unwrap()),
        "class `ant` is gone",
    ),
    ("new", |root| picture(&root.join("train/dog/1.png"), 8, 999), "class `dog` is new"),
    (
        "fewer",
        |root| (0..5).for_each(|i| fs::remove_file(root.join(format!("train/bee/0{i}.png"))).unwrap()),
        "the train set has 5 images fewer (31); `bee`: 7 instead of 12",
    ),
    (
        "more",
        |root| picture(&root.join("test/cat/zz.png"), 8, 999),
        "the test set has 1 image more (13); `cat`: 5 instead of 4",
    ),
    (
        "moved between classes",
        |root| rename(root.join("train/ant/00.png"), root.join("train/bee/zz.png")),
        "the train set has as many images, but not as many of each class; `ant`: 11 instead of 12, `bee`: 13 instead of 12",
    ),
    (
        "replaced",
        |root| picture(&root.join("train/bee/03.png"), 8, 999),
        "the train set has as many images, but other ones, of `bee`",
    ),
    (
        "swapped",
        |root| {
            rename(root.join("train/ant"), root.join("x"));
            rename(root.join("train/bee"), root.join("train/ant"));
            rename(root.join("x"), root.join("train/bee"));
        },
        "the images of `ant` and `bee` have changed places in the train set",
    ),
    (
        "exchanged",
        |root| {
            rename(root.join("train"), root.join("x"));
            rename(root.join("test"), root.join("train"));
            rename(root.join("x"), root.join("test"));
        },
        "train and test set have changed places",
    ),
    (
        "in another order",
        |root| rename(root.join("train/cat/00.png"), root.join("train/cat/zz.png")),
        "the train set has the same images in another order",
    ),
    (
        "of another size",
        |root| {
            fs::remove_dir_all(root).unwrap();
            CLASSES.iter().for_each(|class| {
                picture(&root.join("train").join(class).join("1.png"), 9, 1);
                picture(&root.join("test").join(class).join("1.png"), 9, 2);
            });
        },
        "its images have 9x9 pixels instead of 8x8",
    ),
    ("validated", |root| picture(&root.join("val/ant/1.png"), 8, 999), "it has a validation set now"),
    (
        "of another kind",
        |root| {
            fs::remove_dir_all(root).unwrap();
            toy::dataset(root, 40);
        },
        "its images have 32x32 pixels instead of 8x8",
    ),
];

#[test]
fn a_run_is_not_gone_on_with_or_scored_on_other_data() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    usual(&folder.join("set"));
    expect(folder, 0, &train("set", &["--out", "run"]));
    let result = score(&expect(folder, 0, &["eval", "run"]));
    assert!(result.starts_with("accuracy"));
    for (name, change, words) in CHANGES {
        let changed = folder.join(name).join("set");
        copy(&folder.join("set"), &changed);
        change(&changed);
        let changed = changed.to_str().unwrap();
        for args in [
            &["eval", "run", "--data", changed][..],
            &["train", "--resume", "--out", "run", "--epochs", "2", "--data", changed],
        ] {
            let text = expect(folder, 2, args);
            assert!(text.contains(words), "{name}: {text}");
            assert!(text.contains(changed) && text.contains("`run` was trained on"), "{name}: {text}");
            let mend = if args[0] == "eval" {
                "itop eval run --data PATH"
            } else {
                "itop train --resume --out run --data PATH"
            };
            assert!(text.contains(mend), "{name}: {text}");
        }
        // The same under the old name.
        rename(folder.join("set"), folder.join("kept"));
        copy(Path::new(changed), &folder.join("set"));
        let text = expect(folder, 2, &["eval", "run"]);
        assert!(text.contains(words), "{name}: {text}");
        fs::remove_dir_all(folder.join("set")).unwrap();
        rename(folder.join("kept"), folder.join("set"));
    }
    assert_eq!(score(&expect(folder, 0, &["eval", "run"])), result, "nothing was changed by that");

    // Other images held out: by another version, say.
    let record = folder.join("run/data.json");
    let text = fs::read_to_string(&record).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let digest = json["split"]["digest"].as_str().unwrap();
    fs::write(&record, text.replace(digest, "00")).unwrap();
    let told = expect(folder, 2, &["train", "--resume", "--out", "run"]);
    assert!(told.contains("other images are held out for validation"), "{told}");

    // Pixels are normalised as the network knows them, whatever the set is called now.
    let mut other = json.clone();
    other["mean"] = serde_json::json!([9.0, 0.0, -9.0]);
    fs::write(&record, other.to_string()).unwrap();
    assert_ne!(score(&expect(folder, 0, &["eval", "run"])), result);

    fs::write(&record, "{").unwrap();
    let told = expect(folder, 2, &["eval", "run"]);
    assert!(told.contains("data.json"), "{told}");
    // A run of a version that kept nothing.
    fs::remove_file(&record).unwrap();
    let told = expect(folder, 0, &["eval", "run"]);
    assert!(told.contains("warning: `run` was begun by an older version"), "{told}");
    assert_eq!(score(&told), result);
    expect(folder, 0, &["train", "--resume", "--out", "run", "--epochs", "2", "--no-report"]);
}

#[test]
fn moved_and_packed_anew_data_is_the_same() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    usual(&folder.join("set"));
    expect(folder, 0, &train("set", &["--out", "my run"]));
    let result = score(&expect(folder, 0, &["eval", "my run"]));
    assert!(!result.is_empty());
    // From anywhere: the path in config.toml is whole.
    let elsewhere = tempfile::tempdir().unwrap();
    let run = folder.join("my run");
    assert_eq!(score(&expect(elsewhere.path(), 0, &["eval", run.to_str().unwrap()])), result);
    expect(elsewhere.path(), 0, &["train", "--dry-run", "--config", run.join("config.toml").to_str().unwrap()]);

    rename(folder.join("set"), folder.join("moved"));
    let text = expect(folder, 2, &["eval", "my run"]);
    assert!(text.contains("no data set") && text.contains("itop eval 'my run' --data PATH") || cfg!(windows), "{text}");
    let text = expect(folder, 2, &["train", "--resume", "--out", "my run"]);
    assert!(text.contains("itop train --resume --out 'my run' --data PATH") || cfg!(windows), "{text}");
    // Other file names in the same order, other packing, litter, an image more where no image counts.
    for part in ["train", "test"] {
        for class in CLASSES {
            for entry in fs::read_dir(folder.join("moved").join(part).join(class)).unwrap().map(Result::unwrap) {
                let image = image::open(entry.path()).unwrap();
                fs::remove_file(entry.path()).unwrap();
                let to = fs::File::create(entry.path().with_extension("PNG")).unwrap();
                let slow = image::codecs::png::CompressionType::Best;
                let encoder =
                    image::codecs::png::PngEncoder::new_with_quality(to, slow, image::codecs::png::FilterType::Paeth);
                image.to_rgba8().write_with_encoder(encoder).unwrap();
            }
        }
    }
    fs::write(folder.join("moved/train/ant/Thumbs.db"), "x").unwrap();
    assert_eq!(score(&expect(folder, 0, &["eval", "my run", "--data", "moved"])), result);
    expect(folder, 0, &["train", "--resume", "--out", "my run", "--data", "moved", "--epochs", "2", "--no-report"]);
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(config.contains("moved"), "{config}");
    expect(elsewhere.path(), 0, &["eval", run.to_str().unwrap()]);
}

#[test]
fn a_published_set_is_found_again_from_anywhere() {
    let place = tempfile::tempdir().unwrap();
    let (folder, elsewhere) = (place.path(), tempfile::tempdir().unwrap());
    toy::dataset(&folder.join("data/cifar-10-batches-bin"), 45);
    expect(folder, 0, &train("cifar10", &["--out", "run"]));
    let config = fs::read_to_string(folder.join("run/config.toml")).unwrap();
    assert!(config.contains("data = \"cifar10\""), "{config}");
    let run = folder.join("run");
    let result = score(&expect(folder, 0, &["eval", "run"]));
    assert_eq!(score(&expect(elsewhere.path(), 0, &["eval", run.to_str().unwrap()])), result);
    expect(elsewhere.path(), 0, &["train", "--resume", "--epochs", "2", "--no-report", "--out", run.to_str().unwrap()]);
}

#[test]
fn a_sweep_does_not_mix_two_versions_of_its_data() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    usual(&folder.join("set"));
    let spec = "[base]\nmodel = 'mlp_cifar10'\ndata = 'set'\nmethod = 'static'\nepochs = 1\nbatch_size = 10\n[grid]\nseed = [1, 2]\n";
    fs::write(folder.join("spec.toml"), spec).unwrap();
    expect(folder, 0, &["sweep", "plan", "spec.toml", "--out", "sweep", "--no-measure"]);
    expect(folder, 0, &["sweep", "run", "sweep", "--row", "1"]);
    copy(&folder.join("set"), &folder.join("kept"));
    picture(&folder.join("set/train/bee/03.png"), 8, 999);
    let text = expect(folder, 2, &["sweep", "run", "sweep", "--row", "2"]);
    assert!(
        text.contains("the data was changed since") && text.contains("0001") && text.contains("of `bee`"),
        "{text}"
    );
    assert!(!folder.join("sweep/rows/0002/config.toml").exists());
    fs::remove_dir_all(folder.join("set")).unwrap();
    rename(folder.join("kept"), folder.join("set"));
    expect(folder, 0, &["sweep", "run", "sweep", "--row", "2", "--retry-failed"]);
    expect(folder, 0, &["sweep", "collect", "sweep"]);

    // Rows from two places.
    let record = folder.join("sweep/rows/0002/data.json");
    let text = fs::read_to_string(&record).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    fs::write(&record, text.replace(json["test"]["digests"][0].as_str().unwrap(), "00")).unwrap();
    let text = expect(folder, 2, &["sweep", "collect", "sweep"]);
    assert!(text.contains("rows 1 and 2 were not trained on the same data") && text.contains("of `ant`"), "{text}");
}

/// What `itop data info` says to a folder that was made by `make`.
#[track_caller]
fn info(make: impl Fn(&Path), code: i32, words: &[&str]) {
    let place = tempfile::tempdir().unwrap();
    make(&place.path().join("set"));
    let text = expect(place.path(), code, &["data", "info", "set"]).replace('\\', "/");
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    assert!(!text.trim_end().contains("\n\n"), "an empty line: {text}");
}

#[test]
fn litter_is_no_data() {
    let litter =
        [".DS_Store", "Thumbs.db", "desktop.ini", "._00.png", ".ipynb_checkpoints/00.png", "__MACOSX/._00.png"];
    info(
        |root| {
            usual(root);
            for name in litter {
                for part in ["", "train", "train/ant", "test/ant"] {
                    let path = root.join(part).join(name);
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, "no image").unwrap();
                }
            }
            fs::create_dir_all(root.join("train/lost+found")).unwrap();
            fs::write(root.join("train/labels.csv"), "00.png,0").unwrap();
        },
        0,
        &["36 train, 12 test", "classes  3"],
    );
}

#[test]
fn a_validation_set_is_used() {
    for name in ["val", "valid", "validation", "Val"] {
        info(
            |root| image_folder(root, &[("train", 6), (name, 3), ("test", 2)]),
            0,
            &["18 train, 9 validation, 6 test", "no train image is held out", "ant 6 / 3 / 2"],
        );
    }
    info(
        |root| image_folder(root, &[("train", 2), ("val", 1), ("valid", 1), ("test", 1)]),
        2,
        &["both `val` and `valid`"],
    );
    info(
        |root| {
            image_folder(root, &[("train", 2), ("val", 1), ("test", 1)]);
            fs::remove_dir_all(root.join("val/bee")).unwrap();
        },
        0,
        &["warning: 1 of 3 classes has no validation images (bee)"],
    );

    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    image_folder(&folder.join("set"), &[("train", 6), ("val", 3), ("test", 2)]);
    fs::create_dir_all(folder.join("set/val/.hidden")).unwrap();
    let text = expect(folder, 0, &train("set", &["--out", "run"]));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let own = "images: 18 train, 9 of the data's own validation set to choose the epoch";
    assert!(text.contains(own) && text.contains("1 epoch of 2 steps"), "{text}");
    let text = expect(folder, 0, &["eval", "run", "--split", "val"]);
    assert!(text.contains("over 9 validation images"), "{text}");
    // The best epoch's accuracy is that of these images.
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("run/summary.json")).unwrap()).unwrap();
    let best = 100.0 * summary["best_val_accuracy"].as_f64().unwrap();
    assert!(text.contains(&format!("accuracy {best:.2} %")), "{text}");
    assert!(expect(folder, 0, &["eval", "run"]).contains("over 6 test images"));
}

#[test]
fn a_missing_test_set_is_told_and_drawn_if_asked_for() {
    info(|root| image_folder(root, &[("train", 2)]), 2, &["set has no folder `test`", "--test 0.2", "test = 0.2"]);
    info(
        |root| image_folder(root, &[("train", 2), ("val", 1)]),
        2,
        &["no folder `test`", "`val` chooses the best epoch"],
    );
    info(|root| image_folder(root, &[("test", 2)]), 2, &["set has no folder `train`", "train/CLASS and test/CLASS"]);
    info(|root| image_folder(root, &[("", 2)]), 2, &["set holds class folders (ant, bee, cat)", "--test 0.2"]);

    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    image_folder(&folder.join("train only"), &[("train", 10)]);
    image_folder(&folder.join("val too"), &[("train", 10), ("val", 3)]);
    image_folder(&folder.join("bare"), &[("", 10)]);
    usual(&folder.join("full"));
    let info = |data: &str, share: &str, code| expect(folder, code, &["data", "info", data, "--test", share]);
    let text = info("train only", "0.2", 0);
    assert!(text.contains("24 train, 6 test") && text.contains("each of 8 train and 2 test images"), "{text}");
    assert_eq!(text.replace("train only", "bare"), info("bare", "0.2", 0));
    let text = info("val too", "0.2", 0);
    assert!(text.contains("24 train, 9 validation, 6 test"), "{text}");
    for (data, share, words) in [
        ("full", "0.2", "full has a test set of its own"),
        ("sample", "0.2", "sample has a test set of its own"),
        ("bare", "0.95", "must be a share from 0 to 0.9"),
        ("bare", "-0.1", "must be a share from 0 to 0.9"),
        ("bare", "0.01", "leaves no test image: bare has 30 images"),
    ] {
        let text = expect(folder, 2, &["data", "info", data, &format!("--test={share}")]);
        assert!(text.contains(words), "{data}: {text}");
    }

    // The share is part of the run.
    expect(folder, 0, &train("bare", &["--test", "0.2", "--out", "run"]));
    let text = expect(folder, 0, &["eval", "run"]);
    assert!(text.contains("over 6 test images"), "{text}");
    let text = expect(folder, 2, &["train", "--resume", "--out", "run", "--set", "test=0.3"]);
    assert!(text.contains("`test` = 0.3 must be what it was"), "{text}");
    let spec = "[base]\nmodel = 'mlp_cifar10'\ndata = 'bare'\ntest = 0.2\nepochs = 1\nbatch_size = 10\n";
    fs::write(folder.join("spec.toml"), spec).unwrap();
    expect(folder, 0, &["sweep", "plan", "spec.toml", "--out", "sweep", "--no-measure"]);
}

#[test]
fn a_data_set_in_another_folder_is_found() {
    info(|root| usual(&root.join("set")), 2, &["set holds no data set, but set/set does: give that path instead"]);
    info(|root| usual(&root.join("a/b")), 2, &["set holds no data set, but set/a/b does"]);
    info(|root| toy::dataset(&root.join("cifar-10-batches-bin"), 8), 2, &["but set/cifar-10-batches-bin does"]);
    info(
        |root| ["one", "two"].iter().for_each(|name| usual(&root.join(name))),
        2,
        &["set holds no data set, but these do: set/one, set/two; give the path of one"],
    );
    info(
        |root| {
            usual(&root.join("real"));
            usual(&root.join("__MACOSX"));
        },
        2,
        &["but set/real does"],
    );
    info(|root| fs::create_dir_all(root).unwrap(), 2, &["set holds no data set: expected"]);

    let place = tempfile::tempdir().unwrap();
    usual(&place.path().join("set"));
    for part in ["train", "test"] {
        let path = format!("set/{part}");
        let text = expect(place.path(), 2, &["data", "info", &path]).replace('\\', "/");
        assert!(text.contains(&format!("{path} is one part of a data set")), "{text}");
    }
}

#[test]
fn misplaced_images_are_named() {
    let flat = |root: &Path| (0..3).for_each(|i| picture(&root.join(format!("{i}.png")), 8, i));
    info(flat, 2, &["set/0.png is not in a class folder", "set/train/CLASS"]);
    info(
        |root| {
            flat(&root.join("train"));
            flat(&root.join("test"));
        },
        2,
        &["set/train/0.png is not in a class folder", "set/train/CLASS"],
    );
    info(
        |root| {
            usual(root);
            fs::remove_dir_all(root.join("test")).unwrap();
            flat(&root.join("test"));
        },
        2,
        &["set/test/0.png is not in a class folder"],
    );
    info(
        |root| image_folder(root, &[("train/train", 2), ("test/test", 1)]),
        2,
        &["set/train/train/ant is a folder in a class folder"],
    );
    info(
        |root| {
            usual(root);
            picture(&root.join("test/dog/1.png"), 8, 1);
        },
        2,
        &["set/test/dog is a class that the train folder lacks"],
    );
    info(
        |root| {
            usual(root);
            fs::create_dir_all(root.join("train/dog")).unwrap();
        },
        2,
        &["set/train/dog holds no images"],
    );
}

#[test]
fn the_odd_image_is_named() {
    // Also where it is the first one, or in another part.
    for odd in ["train/ant/00.png", "train/cat/05.png", "test/bee/02.png"] {
        info(
            |root| {
                usual(root);
                picture(&root.join(odd), 9, 1);
            },
            2,
            &[&format!("set/{odd} is 9x9 pixels, but 47 of the 48 images are 8x8")],
        );
    }
}

#[test]
fn classes_without_images_are_told() {
    info(
        |root| {
            usual(root);
            fs::remove_dir_all(root.join("test/bee")).unwrap();
        },
        0,
        &["warning: 1 of 3 classes has no test images (bee)"],
    );
    info(
        |root| {
            picture(&root.join("train/all/1.png"), 8, 1);
            picture(&root.join("test/all/1.png"), 8, 2);
        },
        0,
        &["warning: there is one class only (all)"],
    );
    let place = tempfile::tempdir().unwrap();
    toy::dataset(&place.path().join("toy"), 45);
    let words = "warning: 6 of 10 classes have no train images (4, 5, 6, 7, 8 and 1 more)";
    let text = expect(place.path(), 0, &train("toy", &["--dry-run"]));
    assert!(text.matches(words).count() == 1, "{text}");
    fs::write(place.path().join("spec.toml"), "[base]\nmodel = 'mlp_cifar10'\ndata = 'toy'\nepochs = 1\n").unwrap();
    let text = expect(place.path(), 0, &["sweep", "plan", "spec.toml", "--out", "sweep", "--no-measure"]);
    assert!(text.contains("6 of 10 classes have no train images"), "{text}");
}

#[test]
fn a_cut_image_is_told_in_one_line() {
    let place = tempfile::tempdir().unwrap();
    for (whole, name) in [("a.jpg", "train/ant/00.jpg"), ("a.png", "train/ant/00.png")] {
        let whole = place.path().join(whole);
        picture(&whole, 32, 1);
        let bytes = fs::read(&whole).unwrap();
        for twentieths in 1..20 {
            // Cut within its head, and within its pixels.
            let cut = &bytes[..bytes.len() * twentieths / 20];
            let set = place.path().join(format!("{name}-{twentieths}").replace('/', "-"));
            picture(&set.join("train/bee/00.png"), 32, 2);
            picture(&set.join("test/bee/00.png"), 32, 3);
            fs::create_dir_all(set.join("train/ant")).unwrap();
            fs::write(set.join(name), cut).unwrap();
            let text = expect(place.path(), 2, &["data", "info", set.to_str().unwrap()]).replace('\\', "/");
            let parts = ["error: cannot decode ", name].iter().all(|part| text.matches(part).count() == 1);
            assert!(parts && text.lines().count() == 1, "{name}, {twentieths}: {text}");
            fs::write(set.join(name), &bytes).unwrap();
            expect(place.path(), 0, &["data", "info", set.to_str().unwrap()]);
        }
    }
}

#[test]
fn a_cifar_folder_has_all_its_files_once() {
    let batch = |root: &Path, number: u8, label: u8| {
        fs::create_dir_all(root).unwrap();
        fs::write(root.join(format!("data_batch_{number}.bin")), vec![label; 3073]).unwrap();
        fs::write(root.join("test_batch.bin"), vec![0; 3073]).unwrap();
    };
    let all = |root: &Path| (1..=5).for_each(|number| batch(root, number, number));
    info(all, 0, &["5 train, 1 test"]);
    for gone in 1..=5 {
        info(
            |root| {
                all(root);
                fs::remove_file(root.join(format!("data_batch_{gone}.bin"))).unwrap();
            },
            2,
            &[&format!("set lacks data_batch_{gone}.bin")],
        );
    }
    info(
        |root| {
            all(root);
            fs::copy(root.join("data_batch_2.bin"), root.join("data_batch_4.bin")).unwrap();
        },
        2,
        &["data_batch_2.bin and data_batch_4.bin are equal"],
    );
    info(
        |root| {
            all(root);
            fs::remove_file(root.join("test_batch.bin")).unwrap();
        },
        2,
        &["set lacks test_batch.bin", "--test 0.2"],
    );
    // A download that the browser numbered is not the file.
    info(
        |root| {
            all(root);
            rename(root.join("data_batch_3.bin"), root.join("data_batch_3 (1).bin"));
        },
        2,
        &["set lacks data_batch_3.bin"],
    );
}

#[test]
fn an_archive_of_images_is_told_to_be_unpacked() {
    let place = tempfile::tempdir().unwrap();
    usual(&place.path().join("set"));
    let file = fs::File::create(place.path().join("set.tar.gz")).unwrap();
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
    archive.append_dir_all("set", place.path().join("set")).unwrap();
    archive.into_inner().unwrap().finish().unwrap();
    let text = expect(place.path(), 2, &["data", "info", "set.tar.gz"]);
    assert!(text.contains("set.tar.gz is an archive of images") && text.contains("unpack it"), "{text}");
}

/// A pipe may never end, and a device has no end.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_read() {
    let place = tempfile::tempdir().unwrap();
    for (set, file) in [("images", "train/ant/zz.png"), ("cifar", "test_batch.bin")] {
        let root = place.path().join(set);
        match set {
            "images" => usual(&root),
            _ => {
                fs::create_dir_all(&root).unwrap();
                fs::write(root.join("data_batch_1.bin"), vec![0; 3073]).unwrap();
            }
        }
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let text = expect(place.path(), 2, &["data", "info", set]);
        assert!(text.contains("no ordinary file"), "{set}: {text}");
    }
}
