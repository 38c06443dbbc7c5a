//! The binary layouts of CIFAR-10 and CIFAR-100 (<https://www.cs.toronto.edu/~kriz/cifar.html>), with any number of
//! records a file. A record is its labels, one byte each, then 1024 red, 1024 green and 1024 blue bytes, row by row.

use std::{collections::BTreeMap, path::Path};

use super::{DataError, Dataset, Images, Parts, test_set_exists};

/// The contents of the files of a dataset, by file name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

const SIDE: usize = 32;
const PIXELS: usize = 3 * SIDE * SIDE;

/// Bytes that a file of class names may have: a label is a byte, so that there are at most 256.
const MOST_NAMES: usize = 64 << 10;

/// How the two layouts differ.
struct Layout {
    /// Label bytes a record; the last one is used (CIFAR-100: coarse, then fine).
    labels: usize,
    classes: usize,
    names: &'static str,
    /// What a message calls the train files.
    train: &'static str,
    test: &'static str,
}

const CIFAR10: Layout =
    Layout { labels: 1, classes: 10, names: "batches.meta.txt", train: "data_batch_1.bin", test: "test_batch.bin" };
const CIFAR100: Layout =
    Layout { labels: 2, classes: 100, names: "fine_label_names.txt", train: "train.bin", test: "test.bin" };

/// N of a CIFAR-10 train file's name, `data_batch_N.bin`.
fn batch_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("data_batch_")?.strip_suffix(".bin")?;
    let number = digits.parse().ok()?;
    // Not `01` or `+1`, beside which there could be a `1`.
    (batch_name(number) == name).then_some(number)
}

fn batch_name(number: u32) -> String {
    format!("data_batch_{number}.bin")
}

/// Whether a file of this name holds images of either layout.
pub(super) fn is_images(name: &str) -> bool {
    is_part(name) && name.ends_with(".bin")
}

/// Whether a file of this name is part of either layout.
pub(super) fn is_part(name: &str) -> bool {
    batch_number(name).is_some()
        || [CIFAR10, CIFAR100].iter().any(|layout| [layout.names, layout.train, layout.test].contains(&name))
}

/// The dataset in `files`, which came from `source`. The file names tell the layout. Without a test file, `share` of each
/// class becomes the test set.
pub(super) fn parse(source: &Path, mut files: Files, share: f64) -> Result<Dataset, DataError> {
    let mut batches: Vec<String> = files.keys().filter(|name| batch_number(name).is_some()).cloned().collect();
    batches.sort_by_key(|name| batch_number(name));
    let is_cifar10 = !batches.is_empty() || files.contains_key(CIFAR10.test);
    let is_cifar100 = files.contains_key(CIFAR100.train) || files.contains_key(CIFAR100.test);
    let (layout, train) = match (is_cifar10, is_cifar100) {
        (true, false) => (CIFAR10, batches),
        (false, true) => (CIFAR100, vec![CIFAR100.train.to_owned()]),
        (false, false) => return Err(DataError::NoLayout { path: source.to_path_buf() }),
        (true, true) => return Err(DataError::TwoLayouts { path: source.to_path_buf() }),
    };
    let missing = |name| DataError::MissingFile { path: source.to_path_buf(), name };
    if train.is_empty() {
        return Err(missing(layout.train));
    }
    check_batches(source, &files, &train)?;
    let has_test = files.contains_key(layout.test);
    if !test_set_exists(source, has_test, share)? {
        return Err(DataError::MissingTestFile { path: source.to_path_buf(), name: layout.test });
    }

    let classes = match files.remove(layout.names) {
        None => (0..layout.classes).map(|class| class.to_string()).collect(),
        Some(text) if text.len() > MOST_NAMES => {
            return Err(DataError::ClassNames { path: source.join(layout.names), size: text.len(), most: MOST_NAMES });
        }
        Some(text) => class_names(&text),
    };
    if classes.is_empty() {
        return Err(DataError::Empty { path: source.join(layout.names) });
    }
    let mut read = |names: &[String], missing_name| {
        let mut images = Images::new(SIDE, SIDE);
        images.pixels.reserve_exact(names.iter().filter_map(|name| files.get(name)).map(Vec::len).sum());
        for name in names {
            // Each file is freed as soon as it is read.
            let bytes = files.remove(name).ok_or(missing(missing_name))?;
            append(&mut images, &source.join(name), &bytes, layout.labels, classes.len())?;
        }
        Ok(images)
    };
    let train = read(&train, layout.train)?;
    let test = has_test.then(|| read(&[layout.test.to_owned()], layout.test)).transpose()?;
    Dataset::assemble(source, Parts { classes, train, val: None, test }, share)
}

/// Train files of CIFAR-10, and bytes of each of its files.
const BATCHES: u32 = 5;
const BATCH_BYTES: usize = 10_000 * (1 + PIXELS);

/// Whether the CIFAR-10 train files `names` (in the order of their numbers) are all there, each once. A set of somebody's own may
/// have a single one.
fn check_batches(source: &Path, files: &Files, names: &[String]) -> Result<(), DataError> {
    let numbers: Vec<u32> = names.iter().filter_map(|name| batch_number(name)).collect();
    let Some(&last) = numbers.last() else { return Ok(()) };
    // One file of the published set, beside its test file, is not a set of somebody's own.
    let own_names = files.get(CIFAR10.names).is_some_and(|names| !names.starts_with(b"airplane"));
    let published = !own_names && files.values().filter(|bytes| bytes.len() == BATCH_BYTES).count() > 1;
    let all = if last > 1 || published { last.max(BATCHES) } else { 1 };
    if let Some(gap) = (1..=all).find(|number| !numbers.contains(number)) {
        return Err(DataError::MissingBatch { path: source.to_path_buf(), name: batch_name(gap) });
    }
    for (i, first) in names.iter().enumerate() {
        // One that is copied over another is a batch that is missing.
        if let Some(second) =
            names[i + 1..].iter().find(|second| files[*second] == files[first] && !files[first].is_empty())
        {
            let (first, second) = (first.clone(), second.clone());
            return Err(DataError::EqualFiles { path: source.to_path_buf(), first, second });
        }
    }
    Ok(())
}

/// One name a line; CIFAR's own file ends with a blank line.
pub(super) fn class_names(text: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(text).lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Adds the records of the file `path`, which holds `bytes`.
fn append(images: &mut Images, path: &Path, bytes: &[u8], label_bytes: usize, classes: usize) -> Result<(), DataError> {
    let size = bytes.len();
    let record = label_bytes + PIXELS;
    let excess = size % record;
    if size == 0 {
        return Err(DataError::Empty { path: path.to_path_buf() });
    }
    if excess != 0 {
        return Err(DataError::PartialRecord { path: path.to_path_buf(), size, record, excess });
    }
    for (index, bytes) in bytes.chunks_exact(record).enumerate() {
        let (labels, pixels) = bytes.split_at(label_bytes);
        let label = u32::from(labels[label_bytes - 1]);
        if label as usize >= classes {
            return Err(DataError::Label { path: path.to_path_buf(), record: index, label, classes });
        }
        images.pixels.extend_from_slice(pixels);
        images.labels.push(label);
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A file with one record a label; pixel `i` of record `r` is `r + i` (mod 256).
    pub(in crate::data) fn records(label_bytes: usize, labels: &[u8]) -> Vec<u8> {
        let record = |(r, &label): (usize, &u8)| {
            let mut bytes = vec![0; label_bytes - 1];
            bytes.push(label);
            bytes.extend((0..PIXELS).map(|i| (r + i) as u8));
            bytes
        };
        labels.iter().enumerate().flat_map(record).collect()
    }

    fn files(list: &[(&str, Vec<u8>)]) -> Files {
        list.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect()
    }

    fn message(list: &[(&str, Vec<u8>)]) -> String {
        parse(Path::new("dir"), files(list), 0.0).unwrap_err().to_string().replace('\\', "/")
    }

    #[test]
    fn cifar10_files_of_any_length_are_read_in_order_of_their_numbers() {
        let name = |number: u8| format!("data_batch_{number}.bin");
        let mut list: Files = (1..=10).map(|number| (name(number), records(1, &[number - 1]))).collect();
        list.insert(name(2), records(1, &[4, 5]));
        list.insert("test_batch.bin".into(), records(1, &[1]));
        let data = parse(Path::new("dir"), list, 0.0).unwrap();
        assert_eq!(data.train.labels, [0, 4, 5, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(data.train.pixels[2 * PIXELS..3 * PIXELS], records(1, &[4, 5])[PIXELS + 2..]);
        assert_eq!((data.test.len(), data.train.pixels.len()), (1, 11 * PIXELS));
        assert_eq!(data.classes[9], "9");
    }

    #[test]
    fn train_files_are_all_there_and_each_once() {
        let batch = |number: u8| (format!("data_batch_{number}.bin"), records(1, &[number]));
        let with = |numbers: &[u8]| {
            let mut list: Files = numbers.iter().map(|&number| batch(number)).collect();
            list.insert("test_batch.bin".into(), records(1, &[0]));
            list
        };
        let told = |list| parse(Path::new("dir"), list, 0.0).unwrap_err().to_string();
        for numbers in [&[1][..], &[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5, 6, 7]] {
            assert_eq!(parse(Path::new("dir"), with(numbers), 0.0).unwrap().train.len(), numbers.len());
        }
        for (numbers, gap) in
            [(&[2][..], 1), (&[1, 2], 3), (&[1, 3, 4, 5], 2), (&[1, 2, 3, 4], 5), (&[1, 2, 3, 4, 5, 7], 6)]
        {
            assert!(told(with(numbers)).contains(&format!("dir lacks data_batch_{gap}.bin")), "{numbers:?}");
        }
        let mut twice = with(&[1, 2, 3, 4, 5]);
        twice.insert("data_batch_4.bin".into(), records(1, &[2]));
        assert!(told(twice).contains("data_batch_2.bin and data_batch_4.bin are equal"));
        let mut other_names = with(&[1]);
        other_names.insert("data_batch_01.bin".into(), records(1, &[7]));
        assert_eq!(parse(Path::new("dir"), other_names, 0.0).unwrap().train.labels, [1]);

        // The first of the published files alone.
        let large =
            |label: u8| [label].into_iter().chain(vec![0; PIXELS]).cycle().take(BATCH_BYTES).collect::<Vec<u8>>();
        let mut list = files(&[("data_batch_1.bin", large(1)), ("test_batch.bin", large(2))]);
        list.insert("batches.meta.txt".into(), b"airplane\nautomobile\nbird".to_vec());
        assert!(told(list.clone()).contains("dir lacks data_batch_2.bin"));
        list.insert("batches.meta.txt".into(), b"smileys\nanimals\nfood".to_vec());
        assert_eq!(parse(Path::new("dir"), list, 0.0).unwrap().train.len(), 10_000);
    }

    #[test]
    fn cifar100_labels_are_the_fine_ones_and_the_names_file_gives_the_classes() {
        let mut train = records(2, &[2]);
        train[0] = 77;
        let data = parse(
            Path::new("dir"),
            files(&[
                ("train.bin", train),
                ("test.bin", records(2, &[0])),
                ("fine_label_names.txt", b"ant\r\nbee\nelk\n\n".to_vec()),
            ]),
            0.0,
        )
        .unwrap();
        assert_eq!((data.train.labels, data.classes), (vec![2], vec!["ant".into(), "bee".into(), "elk".into()]));
    }

    #[test]
    fn bad_files_are_named_with_the_figures() {
        let good = records(1, &[0]);
        let mut cut = good.clone();
        cut.extend([0; 7]);
        let test = ("test_batch.bin", good.clone());
        let cases = [
            (message(&[("data_batch_1.bin", cut), test.clone()]), "dir/data_batch_1.bin has 3080 bytes"),
            (message(&[("data_batch_1.bin", vec![]), test.clone()]), "dir/data_batch_1.bin is empty"),
            (message(&[("data_batch_1.bin", good.clone())]), "dir lacks test_batch.bin"),
            (message(std::slice::from_ref(&test)), "dir lacks data_batch_1.bin"),
            (message(&[("test.bin", records(2, &[0]))]), "dir lacks train.bin"),
            (
                message(&[("data_batch_1.bin", records(1, &[0, 10])), test.clone()]),
                "dir/data_batch_1.bin: record 1 has label 10, and there are 10 classes (0 to 9)",
            ),
            (message(&[test.clone(), ("train.bin", good.clone())]), "dir holds files of more than one layout"),
            (message(&[("batches.meta.txt", vec![])]), "dir holds no data set"),
            (
                message(&[("data_batch_1.bin", good), test, ("batches.meta.txt", b" \n".to_vec())]),
                "dir/batches.meta.txt is empty",
            ),
        ];
        for (found, expected) in cases {
            assert!(found.starts_with(expected), "{found}");
        }
        let message = message(&[("train.bin", records(2, &[0])[..3073].to_vec()), ("test.bin", vec![])]);
        assert!(message.contains("3073 bytes") && message.contains("3074-byte") && message.contains("3073 too many"));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..8000),
            whole in any::<bool>(),
            names in prop::collection::vec(any::<u8>(), 0..40),
            cifar100 in any::<bool>(),
        ) {
            let layout = if cifar100 { CIFAR100 } else { CIFAR10 };
            let record = layout.labels + PIXELS;
            let bytes = if whole { bytes[..bytes.len() / record * record].to_vec() } else { bytes };
            let list =
                files(&[(layout.train, bytes.clone()), (layout.test, bytes.clone()), (layout.names, names)]);
            if let Ok(data) = parse(Path::new("dir"), list, 0.0) {
                prop_assert_eq!(data.train.len() * record, bytes.len());
                prop_assert!(data.train.labels.iter().all(|&label| (label as usize) < data.classes.len()));
                prop_assert!(data.train.pixels.capacity() <= bytes.len());
            }
        }
    }
}
