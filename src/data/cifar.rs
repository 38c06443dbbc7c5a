//! CIFAR's binary layouts: records of one (CIFAR-10) or two (CIFAR-100: coarse, fine) label bytes and 3072 pixels.

use std::path::Path;

use super::{DataError, Dataset, Images, normalisation};

const PIXELS: usize = 3072;

/// Which of the two layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Cifar10,
    Cifar100,
}

impl Format {
    fn name(self) -> &'static str {
        if self == Self::Cifar10 { "CIFAR-10" } else { "CIFAR-100" }
    }

    fn label_bytes(self) -> usize {
        if self == Self::Cifar10 { 1 } else { 2 }
    }

    fn classes(self) -> usize {
        if self == Self::Cifar10 { 10 } else { 100 }
    }

    fn names_file(self) -> &'static str {
        if self == Self::Cifar10 { "batches.meta.txt" } else { "fine_label_names.txt" }
    }

    fn test_file(self) -> &'static str {
        if self == Self::Cifar10 { "test_batch.bin" } else { "test.bin" }
    }
}

/// The files of a dataset that matter, as `(name, content)` sorted by name.
pub(super) type Files = Vec<(String, Vec<u8>)>;

/// Whether a dataset may have a file of this name.
pub(super) fn wanted(name: &str) -> bool {
    let batch = name.strip_prefix("data_batch_").and_then(|rest| rest.strip_suffix(".bin"));
    batch.is_some_and(|number| !number.is_empty())
        || ["test_batch.bin", "batches.meta.txt", "train.bin", "test.bin", "fine_label_names.txt"].contains(&name)
}

/// The wanted files of a folder.
pub(super) fn files(folder: &Path) -> Result<Files, DataError> {
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| DataError::Io { path, source }
    };
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if wanted(&name) {
            files.push((name, std::fs::read(&path).map_err(io(&path))?));
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(DataError::NoLayout { place: folder.display().to_string() });
    }
    Ok(files)
}

/// A dataset from its files.
pub(super) fn assemble(name: &str, files: &Files) -> Result<Dataset, DataError> {
    let file = |wanted: &str| files.iter().find(|(name, _)| name == wanted);
    let batches: Vec<_> = files.iter().filter(|(name, _)| name.starts_with("data_batch_")).collect();
    let (format, training) = match (batches.is_empty(), file("train.bin")) {
        (false, _) => (Format::Cifar10, batches),
        (true, Some(train)) => (Format::Cifar100, vec![train]),
        (true, None) => return Err(DataError::NoLayout { place: name.into() }),
    };
    let names = file(format.names_file()).map(|(_, text)| class_names(text)).filter(|names| !names.is_empty());
    let classes = names.unwrap_or_else(|| (0..format.classes()).map(|class| class.to_string()).collect());
    let (test_name, test) = file(format.test_file()).ok_or(DataError::NoTest { file: format.test_file() })?;
    let mut train = Images::default();
    for (name, bytes) in training {
        let images = parse_records(name, bytes, format, classes.len())?;
        train.pixels.extend(images.pixels);
        train.labels.extend(images.labels);
        (train.channels, train.height, train.width) = (images.channels, images.height, images.width);
    }
    let test = parse_records(test_name, test, format, classes.len())?;
    let (mean, std) = normalisation(&train);
    Ok(Dataset { name: name.into(), classes, train, test, mean, std })
}

fn class_names(text: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(text).lines().map(|line| line.trim().to_string()).filter(|line| !line.is_empty()).collect()
}

/// The images of one file's content; `file` is its name for errors.
pub fn parse_records(file: &str, bytes: &[u8], format: Format, classes: usize) -> Result<Images, DataError> {
    let labels = format.label_bytes();
    let record = labels + PIXELS;
    let excess = bytes.len() % record;
    if excess != 0 {
        let (file, layout) = (file.into(), format.name());
        return Err(DataError::Size { file, bytes: bytes.len(), excess, record, layout });
    }
    if bytes.is_empty() {
        return Err(DataError::Empty { file: file.into() });
    }
    let count = bytes.len() / record;
    let mut images = Images { channels: 3, height: 32, width: 32, ..Images::default() };
    images.labels.reserve_exact(count);
    images.pixels.reserve_exact(count * PIXELS);
    for (at, record) in bytes.chunks_exact(record).enumerate() {
        // The fine label is the last.
        let label = u32::from(record[labels - 1]);
        if label as usize >= classes {
            return Err(DataError::Label { file: file.into(), record: at, label, classes });
        }
        images.labels.push(label);
        images.pixels.extend_from_slice(&record[labels..]);
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::load;

    fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(place.path().join(name), bytes).unwrap();
        }
        place
    }

    fn records(labels: &[u8], label_bytes: usize) -> Vec<u8> {
        labels.iter().flat_map(|&label| [vec![label; label_bytes], vec![label; PIXELS]].concat()).collect()
    }

    fn load_error(files: &[(&str, Vec<u8>)]) -> String {
        load(folder(files).path().to_str().unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn any_number_of_records_in_both_layouts() {
        let ten = folder(&[
            ("data_batch_1.bin", records(&[1, 2, 3], 1)),
            ("data_batch_2.bin", records(&[4], 1)),
            ("test_batch.bin", records(&[9, 0], 1)),
            ("readme.html", vec![1]),
        ]);
        let dataset = load(ten.path().to_str().unwrap()).unwrap();
        assert_eq!((dataset.train.labels.as_slice(), dataset.test.labels.as_slice()), (&[1, 2, 3, 4][..], &[9, 0][..]));
        assert_eq!((dataset.classes.len(), dataset.train.pixels[PIXELS * 3]), (10, 4));
        let hundred = folder(&[("train.bin", [vec![0, 99], vec![7; PIXELS]].concat()), ("test.bin", records(&[5], 2))]);
        let dataset = load(hundred.path().to_str().unwrap()).unwrap();
        assert_eq!((dataset.train.labels[0], dataset.classes.len(), dataset.std), (99, 100, [1.0; 3]));
    }

    #[test]
    fn mistakes_are_named() {
        let train = ("data_batch_1.bin", records(&[1], 1));
        let test = ("test_batch.bin", records(&[1], 1));
        let cut = ("test_batch.bin", vec![0; 3072]);
        assert!(load_error(&[train.clone(), cut]).contains("`test_batch.bin` has 3072 bytes, 3072 more"));
        let long = ("test_batch.bin", vec![0; 3074]);
        assert!(load_error(&[train.clone(), long]).contains("1 more than whole records of 3073"));
        let label = ("data_batch_2.bin", records(&[3, 10], 1));
        assert!(load_error(&[train.clone(), label, test.clone()]).contains("`data_batch_2.bin`, record 1: label 10"));
        assert!(load_error(std::slice::from_ref(&train)).contains("test_batch.bin"));
        assert!(load_error(&[train, ("test_batch.bin", vec![])]).contains("no records"));
        assert!(load_error(&[]).contains("holds no dataset"));
        assert!(load_error(&[test]).contains("holds no dataset"));
        assert!(load("no/such/place").unwrap_err().to_string().contains("no/such/place"));
    }

    #[test]
    fn emoji32_as_its_readme_says() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/emoji32");
        if !root.exists() {
            eprintln!("emoji32 is not beside the project: not checked");
            return;
        }
        for (folder, classes, mean) in
            [("emoji10-batches-bin", 10, [0.6084, 0.568, 0.5432]), ("emoji100-binary", 100, [0.6065, 0.5733, 0.545])]
        {
            let dataset = load(root.join(folder).to_str().unwrap()).unwrap();
            assert_eq!((dataset.train.len(), dataset.test.len(), dataset.classes.len()), (10_000, 2_500, classes));
            assert!(dataset.mean.iter().zip(mean).all(|(a, b)| (a - b).abs() < 1e-4), "{:?}", dataset.mean);
            for class in 0..classes as u32 {
                assert_eq!(dataset.train.labels.iter().filter(|&&label| label == class).count(), 10_000 / classes);
            }
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..10_000), hundred: bool, cut: bool) {
            let format = if hundred { Format::Cifar100 } else { Format::Cifar10 };
            let whole = if cut { bytes.len() / 3073 * 3073 } else { bytes.len() };
            if let Ok(images) = parse_records("random", &bytes[..whole], format, 10) {
                prop_assert_eq!(images.pixels.len(), images.len() * PIXELS);
            }
        }
    }
}
