//! Small networks of each kind train as the CPU references do, and a network of somebody's own trains as a user meets it.

mod common;
#[allow(dead_code)]
#[path = "fixture/network.rs"]
mod network;
#[path = "common/toy.rs"]
mod toy;

use std::fs;
use std::path::Path;

use itop::model::resnet::Block::{Basic, Bottleneck};
use itop::model::resnet::Form::ImageNet;
use itop::model::{self, Graph, Shape, resnet, wrn};
use itop::ops::StepParams;
use itop::ops::reference::sgd::Sgd;
use itop::ops::reference::topology::{init_mask, init_weight};
use itop::verify::{Reference, noise};
use network::{Network, Recipe};
use toy::{expect, lines};

const CLASSES: usize = 4;
const IMAGES: usize = 8;
const EXAMPLE: &str = include_str!("../assets/models/small-resnet.toml");

/// What no built-in model does: the images are normalised and added, outputs have several readers, windows overlap.
const STRANGE: &str = "name = 'strange'
layer = [
    { name = 'norm', op = 'norm' },
    { name = 'conv1', op = 'conv', channels = 3, kernel = 3, padding = 1 },
    { name = 'sum', op = 'relu', input = 'norm', add = 'conv1' },
    { name = 'more', op = 'add', input = 'image', add = 'sum' },
    { name = 'conv2', op = 'conv', channels = 8, kernel = 5, stride = 2, padding = 2 },
    { name = 'pool', op = 'avg_pool', input = 'sum', kernel = 3, stride = 2, padding = 1 },
    { name = 'conv3', op = 'conv', channels = 8, kernel = 1 },
    { name = 'both', op = 'norm_relu', input = 'conv2', add = 'conv3' },
    { name = 'again', op = 'add', input = 'both', add = 'conv2' },
    { name = 'top', op = 'max_pool', kernel = 3, stride = 1 },
    { op = 'flatten' },
    { name = 'fc', op = 'linear', bias = false },
]";

/// Ten steps on noise, a third of the weights active. Rounding grows from step to step: ReLU switches, and a step moves every
/// weight.
fn trains_as_its_reference(graph: Graph) {
    let name = graph.name.clone();
    let (mut values, mut masks) = (Vec::new(), Vec::new());
    for (id, param) in graph.params.iter().enumerate() {
        let numel = param.numel();
        masks.push(param.prunable().then(|| init_mask(11, id as u32, numel, numel.div_ceil(3))));
        values.push(match param.prunable() {
            true => init_weight(11, id as u32, param.shape[1..].iter().product(), numel),
            false => noise(100 + id as u32, numel).iter().map(|&v| 0.5 + 0.25 * v).collect(),
        });
    }
    let images = noise(21, IMAGES * graph.tensors[0].len());
    let labels: Vec<usize> = (0..IMAGES).map(|i| i % CLASSES).collect();
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let (lr, momentum, weight_decay) = (0.02f32, 0.9f32, 5e-4f32);
    let mut reference = Reference::new(&graph, IMAGES, values.iter().map(|v| wide(v)).collect(), masks.clone());
    let [wide_lr, wide_momentum, wide_decay] = [lr, momentum, weight_decay].map(f64::from);
    let rule = Sgd { lr: wide_lr, momentum: wide_momentum, nesterov: true, weight_decay: wide_decay };
    let sparse: Vec<Vec<bool>> = masks.iter().flatten().cloned().collect();
    let mut network = Network::new(Recipe {
        graph: graph.clone(),
        batch: IMAGES,
        values,
        masks: &sparse,
        dense: false,
        update: None,
        nesterov: true,
        params: StepParams { lr, momentum, weight_decay, ..Default::default() },
    });
    let mut losses = Vec::new();
    for step in 0..10 {
        let wanted = reference.step(&wide(&images), &labels, 0.0, &rule);
        let got = f64::from(network.step(&images, &labels).0);
        assert!((got - wanted).abs() <= 2e-4 * (1.0 + wanted), "{name}, step {step}: loss {got}, not {wanted}");
        losses.push(got);
    }
    assert!(losses[9] < losses[0], "{name}: {losses:?}");
}

#[test]
fn networks_train_as_their_references() {
    let small = Shape::new(3, 8, 8);
    for graph in [
        wrn::build("wide", 10, 1, CLASSES, small),
        resnet::build("basic", ImageNet, Basic, &[1, 1], &[8, 16], CLASSES, Shape::new(3, 19, 19)),
        resnet::build("bottleneck", ImageNet, Bottleneck, &[1, 1], &[4, 8], CLASSES, Shape::new(3, 16, 16)),
        model::build("lenet5", CLASSES, Shape::new(1, 28, 28)),
        model::build(EXAMPLE, CLASSES, Shape::new(3, 12, 12)),
        model::build(STRANGE, CLASSES, small),
    ] {
        trains_as_its_reference(graph.unwrap());
    }
}

const TRAIN: &[&str] =
    &["train", "--data", "toy", "--epochs", "2", "--batch-size", "10", "--set", "delta_t=2", "--no-report"];

fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [TRAIN, more].concat()
}

/// The run folder keeps the network: the file may change, or go.
#[test]
fn a_run_keeps_the_network_of_its_file() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    toy::dataset(&folder.join("toy"), 40);
    let file = folder.join("my net.toml");
    fs::write(&file, EXAMPLE).unwrap();
    let text = expect(folder, 0, &train(&["--model", "my net.toml", "--dry-run"]));
    assert!(text.contains("small-resnet on toy"), "{text}");
    expect(folder, 0, &train(&["--model", "my net.toml"]));
    let run = folder.join("runs/small-resnet-toy-rigl-0.9-seed17");
    let epochs = || lines(&run.join("metrics.jsonl")).iter().filter(|line| line["kind"] == "epoch").count();
    assert_eq!(epochs(), 2);

    let out = run.to_str().unwrap();
    let resume = ["train", "--resume", "--out", out, "--set", "epochs=3", "--no-report"];
    fs::write(&file, EXAMPLE.replace("channels = 16", "channels = 8")).unwrap();
    let text = expect(folder, 2, &[&resume[..], &["--model", "my net.toml"]].concat());
    assert!(
        text.contains("`model` = small-resnet (its file has changed) must be what it was when the run began"),
        "{text}"
    );
    fs::remove_file(&file).unwrap();
    expect(folder, 0, &resume);
    assert_eq!(epochs(), 3);
    expect(folder, 0, &["eval", out]);
    expect(folder, 0, &["report", out]);
    assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("small-resnet"));
    // A run's configuration starts another run.
    let config = run.join("config.toml");
    expect(folder, 0, &["train", "--config", config.to_str().unwrap(), "--dry-run"]);
}

#[test]
fn mistakes_in_a_network_are_told_before_anything_is_written() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    toy::dataset(&folder.join("toy"), 40);
    fs::write(folder.join("a.toml"), EXAMPLE.replace("add = \"block.shortcut\"", "add = \"pool\"")).unwrap();
    fs::write(folder.join("b.toml"), EXAMPLE.replace("op = \"norm_relu\"", "op = \"nrm_relu\"")).unwrap();
    for (file, words) in [
        ("a.toml", "layer `block.bn2`: its input is 32x8x8, and what it adds is 16x16x16"),
        ("b.toml", "did you mean `norm_relu`?"),
        ("b.toml", "b.toml: layer `bn1`"),
        ("none.toml", "none.toml: cannot read it"),
        ("resnet8x", "did you mean `resnet8`?"),
    ] {
        let text = expect(folder, 2, &train(&["--model", file]));
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(words), "{file}: {text}");
    }
    assert!(!Path::new(folder).join("runs").exists());
}

/// MNIST's files, with a network for them.
#[test]
fn grey_images_are_trained_on() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    fs::create_dir(folder.join("mnist")).unwrap();
    let write = |part: &str, count: u32| {
        let label = |i: u32| (i % 4) as u8;
        let pixels =
            (0..count).flat_map(|i| (0..784).map(move |p| if p / 200 == i % 4 { 200 } else { (p % 50) as u8 }));
        let images = [[0, 0, 8, 3].to_vec(), [count, 28, 28].iter().flat_map(|n| n.to_be_bytes()).collect()].concat();
        let labels = [[0, 0, 8, 1].to_vec(), count.to_be_bytes().to_vec(), (0..count).map(label).collect()].concat();
        let path = |name: &str| folder.join("mnist").join(format!("{part}-{name}-ubyte"));
        fs::write(path("images-idx3"), images.into_iter().chain(pixels).collect::<Vec<u8>>()).unwrap();
        fs::write(path("labels-idx1"), labels).unwrap();
    };
    write("train", 80);
    write("t10k", 8);
    let common = ["train", "--data", "mnist", "--batch-size", "10", "--augment", "none", "--no-report"];
    for (name, epochs) in [("lenet300-100", "4"), ("lenet5", "1")] {
        let args = [&common[..], &["--model", name, "--epochs", epochs, "--lr", "0.05", "--out", name]].concat();
        expect(folder, 0, &args);
        expect(folder, 0, &["eval", name]);
    }
    let log = lines(&folder.join("lenet300-100/metrics.jsonl"));
    let losses: Vec<f64> =
        log.iter().filter(|line| line["kind"] == "epoch").filter_map(|l| l["loss"].as_f64()).collect();
    assert!(losses.len() == 4 && losses[3] < losses[0], "{losses:?}");
    let text = expect(folder, 0, &["data", "info", "mnist"]);
    assert!(text.contains("1 x 28 x 28"), "{text}");
}
