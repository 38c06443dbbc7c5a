//! What hostile bytes are given to: the same functions for `tests/hostile.rs` and for `cargo fuzz` (`fuzz/`). They must return;
//! what they return is checked for what the rest of the program relies on.

use std::collections::BTreeMap;
use std::path::Path;

use itop::data;
use itop::gpu::Slice;
use itop::sweep::spec;
use itop::train::autotune::TuningCache;
use itop::train::checkpoint::{self, Bits, Entry};
use itop::train::config_builder::ConfigBuilder;
use itop::train::first_set;
use itop::train::frames::FrameLine;
use itop::train::run_folder;
use safetensors::Dtype;

/// A target's name and body.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 12] = [
    ("cifar", cifar),
    ("idx", idx),
    ("network", network),
    ("archive", archive),
    ("image", image),
    ("checkpoint", checkpoint),
    ("config", config),
    ("tuning", tuning),
    ("logs", logs),
    ("maps", maps),
    ("mask", mask),
    ("sweep", sweep),
];

/// The files of a CIFAR folder: byte 0 says which there are, byte 1 where the train file ends, the last line is the names'.
pub fn cifar(bytes: &[u8]) {
    let [which, cut, rest @ ..] = bytes else { return };
    let (rest, names) = match rest.iter().rposition(|&byte| byte == b'|') {
        Some(at) => (&rest[..at], Some(rest[at + 1..].to_vec())),
        None => (rest, None),
    };
    let record = if which & 1 == 0 { 3073 } else { 3074 };
    let (train, test) = rest.split_at((usize::from(*cut) * record / 4).min(rest.len()));
    let names_of =
        [["data_batch_1.bin", "test_batch.bin", "batches.meta.txt"], ["train.bin", "test.bin", "fine_label_names.txt"]];
    let [train_name, test_name, list] = names_of[usize::from(which & 1)];
    let mut files = BTreeMap::from([(train_name.to_string(), train.to_vec()), (test_name.to_string(), test.to_vec())]);
    files.extend(names.map(|names| (list.to_string(), names)));
    if which & 6 == 6 {
        files.remove(if which & 8 == 0 { train_name } else { test_name });
    }
    if let Ok(set) = data::from_files(Path::new("folder"), files) {
        consistent(&set);
    }
}

/// The four files of MNIST's layout: the first eight bytes say where the first three end and whether they are named as
/// packed.
pub fn idx(bytes: &[u8]) {
    let [packed, ends @ .., _] = bytes.first_chunk::<8>().unwrap_or(&[0; 8]);
    let mut rest = bytes.get(8..).unwrap_or_default();
    let mut files = BTreeMap::new();
    let names = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
    for (number, name) in names.into_iter().enumerate() {
        let end = ends.as_chunks::<2>().0.get(number).map_or(rest.len(), |end| u16::from_le_bytes(*end).into());
        let (file, after) = rest.split_at(end.min(rest.len()));
        let gz = if packed >> number & 1 == 1 { ".gz" } else { "" };
        files.insert(format!("{name}-ubyte{gz}"), file.to_vec());
        rest = after;
    }
    if let Ok(set) = data::from_files(Path::new("folder"), files) {
        consistent(&set);
    }
}

/// A network of somebody's own.
pub fn network(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(network) = itop::model::Network::parse("network.toml", &text) else { return };
    for input in [itop::model::Shape::new(3, 32, 32), itop::model::Shape::new(1, 28, 28)] {
        let Ok(graph) = network.build(10, input) else { continue };
        assert_eq!(graph.tensors[graph.logits()], itop::model::Shape::new(10, 1, 1));
        let weights: usize = graph.params.iter().map(|param| param.numel()).sum();
        assert!(weights > 0 && itop::model::cost::macs(&graph) > 0);
    }
}

/// A first active set, of a network of two weights.
pub fn mask(bytes: &[u8]) {
    use itop::sparsity::Structure;
    let graph = mask_network();
    for structure in [Structure::Unstructured, Structure::Block(4)] {
        let Ok(set) = first_set::file::parse(bytes, Path::new("mask"), &graph, structure) else { continue };
        for ((_, param), layer) in graph.prunable().zip(&set.layers) {
            assert_eq!((&layer.name, layer.active.len()), (&param.name, param.numel()));
            assert!(layer.active.contains(&true));
        }
    }
}

pub fn mask_network() -> itop::model::Graph {
    let text = "name = 'two'\n[[layer]]\nname = 'conv1'\nop = 'conv'\nchannels = 4\nkernel = 3\n[[layer]]\nop = 'flatten'\n\
                [[layer]]\nname = 'fc'\nop = 'linear'\n";
    let network = itop::model::Network::parse("two.toml", text).expect("a network");
    network.build(2, itop::model::Shape::new(1, 4, 4)).expect("a graph")
}

/// A `.tar.gz`.
pub fn archive(bytes: &[u8]) {
    if let Ok(set) = data::from_archive(bytes, Path::new("a.tar.gz")) {
        consistent(&set);
    }
}

fn consistent(set: &data::Dataset) {
    for part in [&set.train, &set.test] {
        assert_eq!(part.pixels.len(), part.len() * part.channels * part.height * part.width);
        assert!(part.labels.iter().all(|&label| (label as usize) < set.classes.len()));
        assert!(!part.is_empty());
    }
    assert!(set.std.iter().all(|&std| std > 0.0) && set.mean.iter().all(|mean| mean.is_finite()));
    data::describe(set);
}

/// A PNG or JPEG file.
pub fn image(bytes: &[u8]) {
    if let Ok(image) = data::decode_image(bytes, Path::new("a.png")) {
        assert_eq!(image.as_raw().len(), 3 * image.width() as usize * image.height() as usize);
    }
}

/// What the small checkpoint of the corpus holds.
pub fn entries() -> Vec<Entry> {
    let slice = |bytes| Slice { buffer: 0, offset: 0, bytes };
    let whole = |name: &str, bits| {
        let (name, slice) = (name.into(), slice(8));
        Entry { name, dtype: Dtype::U32, slice, bytes: 8..=8, bits, list_of: None }
    };
    // Of a set that may have shrunk from six weights to four.
    let list = |name: &str, dtype, of_position: u64| {
        let bytes = (4 * of_position).next_multiple_of(4)..=(6 * of_position).next_multiple_of(4);
        let list_of = Some(("active.fc.weight".into(), of_position));
        Entry { name: name.into(), dtype, slice: slice(*bytes.end()), bytes, bits: None, list_of }
    };
    vec![
        list("value.fc.weight", Dtype::F32, 4),
        list("momentum.fc.weight", Dtype::F32, 4),
        whole("active.fc.weight", Some(Bits { of: 40, count: 4..=6 })),
        whole("explored.fc.weight", Some(Bits { of: 40, count: 0..=40 })),
        list("ages.fc.weight", Dtype::U32, 1),
    ]
}

/// A checkpoint.
pub fn checkpoint(bytes: &[u8]) {
    let entries = entries();
    if let Ok((_, found)) = checkpoint::parse(bytes, &entries) {
        assert!(found.iter().zip(&entries).all(|(data, entry)| entry.bytes.contains(&(data.len() as u64))));
        let words: Vec<u32> = found[2].chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
        let active = (words[0].count_ones() + words[1].count_ones()) as usize;
        assert!((4..=6).contains(&active) && words[1] >> 8 == 0);
        assert!(found[0].len() >= 4 * active && found[1].len() >= 4 * active && found[4].len() >= active);
    }
    checkpoint::first_bad(bytes, &entries);
}

/// A `config.toml`, and `--set` with the same.
pub fn config(bytes: &[u8]) {
    // Anything longer is not even read.
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= run_folder::MOST_CONFIG) else {
        return;
    };
    let mut layers = ConfigBuilder::default();
    if layers.text("config.toml", text).is_ok()
        && let Ok(config) = layers.finish()
    {
        let length = config.length(1_000_000_000);
        for step in [0, 1, 1000, length.total_steps()] {
            config.lr_schedule.at(config.lr, step, length);
            config.prune_rate.at(step, length.total_steps());
            config.prune_rate.updates_after(step, config.delta_t, length.total_steps());
        }
        assert!(!config.run_name().contains("..") || config.data.contains("..") || config.model.contains(".."));
        let mut again = ConfigBuilder::default();
        again.text("again", &config.to_toml().unwrap()).unwrap();
        assert_eq!(again.finish().unwrap(), config);
    }
    let mut layers = ConfigBuilder::default();
    if layers.assign(text).is_ok() {
        layers.finish().ok();
    }
}

/// A `tuning.json`, and the cache of them.
pub fn tuning(bytes: &[u8]) {
    let text = &bytes[..bytes.len().min(run_folder::MOST_TUNING as usize)];
    run_folder::parse_tuning(text).ok();
    TuningCache::parse(text).ok();
}

/// The logs of a run that is resumed.
pub fn logs(bytes: &[u8]) {
    for step in [0, 3, usize::MAX] {
        let kept = run_folder::rewound(bytes, step);
        assert!(kept.is_empty() || kept.ends_with(b"\n"));
        assert_eq!(run_folder::rewound(&kept, step), kept);
    }
}

/// A frame of the maps, as a report reads it.
pub fn maps(bytes: &[u8]) {
    let Ok(line) = serde_json::from_slice::<FrameLine>(bytes) else { return };
    for (grid, cells) in line.layers.iter().filter_map(|layer| layer.unpack()) {
        assert_eq!(cells.len(), grid.cells());
        let fits = |(i, cell): (usize, &itop::ops::topology::map::Cell)| {
            cell.active <= cell.explored && usize::from(cell.explored) <= grid.positions(i)
        };
        assert!(cells.iter().enumerate().all(fits));
    }
}

/// A sweep's specification.
pub fn sweep(bytes: &[u8]) {
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= run_folder::MOST_CONFIG) else {
        return;
    };
    if let Ok(specified) = spec::rows("spec.toml", text) {
        assert!((1..=spec::MOST_ROWS).contains(&specified.rows.len()));
        for row in &specified.rows {
            assert!(row.config.validate().is_ok() && !spec::label(spec::pairs(&row.varied)).is_empty());
        }
    }
}
