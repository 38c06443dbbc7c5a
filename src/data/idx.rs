//! The IDX format of MNIST and of the sets that took it over (Fashion-MNIST, KMNIST, EMNIST; LeCun, Cortes and Burges 1998):
//! a header of big-endian words, then one byte a pixel or label. Images have one channel.

use std::{collections::BTreeMap, path::Path};

use super::archive::gunzip;
use super::{DataError, Dataset, Images, Parts, cifar::Files, source::name_of, test_set_exists};

/// Images and labels of the train set, and of the test set.
const NAMES: [[&str; 2]; 2] =
    [["train-images-idx3-ubyte", "train-labels-idx1-ubyte"], ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]];

/// The one of [`NAMES`] that a file is: packed or not, with `.idx` or `-idx`, as sites name them.
fn role(name: &str) -> Option<&'static str> {
    let plain = name.strip_suffix(".gz").unwrap_or(name).replace(".idx", "-idx");
    NAMES.into_iter().flatten().find(|known| *known == plain)
}

/// Whether a file of this name is part of such a set.
pub(super) fn is_part(name: &str) -> bool {
    role(name).is_some()
}

/// The dataset in `files`, which came from `source`. Its classes are the numbers from 0 to the largest label of the train
/// set. Without test files, `share` of each class becomes the test set.
pub(super) fn parse(source: &Path, files: Files, share: f64) -> Result<Dataset, DataError> {
    let mut of: BTreeMap<&str, (String, Vec<u8>)> = BTreeMap::new();
    for (name, bytes) in files {
        let Some(role) = role(&name) else { continue };
        if let Some((first, _)) = of.insert(role, (name.clone(), bytes)) {
            return Err(DataError::TwoParts { path: source.into(), first, second: name });
        }
    }
    let [train_names, test_names] = NAMES;
    let has_test = test_names.iter().any(|name| of.contains_key(name));
    if !test_set_exists(source, has_test, share)? {
        return Err(DataError::MissingTestFile { path: source.into(), name: test_names[0] });
    }
    let mut part = |[images, labels]: [&'static str; 2], classes: Option<usize>| {
        let mut take = |name| of.remove(name).ok_or(DataError::MissingFile { path: source.into(), name });
        let (images, labels) = (take(images)?, take(labels)?);
        read(source, images, labels, classes)
    };
    let train = part(train_names, None)?;
    let classes = 1 + train.labels.iter().max().map_or(0, |&label| label as usize);
    let test = has_test.then(|| part(test_names, Some(classes))).transpose()?;
    if let Some(wrong) = test.as_ref().and_then(|test| test.wrong(train.shape(), classes, true)) {
        return Err(DataError::Given { name: name_of(source), part: "test", wrong });
    }
    let classes = (0..classes).map(|class| class.to_string()).collect();
    Dataset::assemble(source, Parts { classes, train, val: None, test }, share)
}

/// Images with their labels, which are below `classes` where that is known.
fn read(
    source: &Path,
    (images_name, images): (String, Vec<u8>),
    (labels_name, labels): (String, Vec<u8>),
    classes: Option<usize>,
) -> Result<Images, DataError> {
    let (images_path, labels_path) = (source.join(images_name), source.join(labels_name));
    let ([count, height, width], pixels) = array::<3>(&images_path, images)?;
    let ([labels_count], labels) = array::<1>(&labels_path, labels)?;
    if count == 0 || height == 0 || width == 0 {
        return Err(DataError::Empty { path: images_path });
    }
    if count != labels_count {
        let what = format!("it has {labels_count} labels, and {} has {count} images", images_path.display());
        return Err(DataError::Idx { path: labels_path, what });
    }
    if let Some(classes) = classes
        && let Some(record) = labels.iter().position(|&label| usize::from(label) >= classes)
    {
        let label = labels[record].into();
        return Err(DataError::Label { path: labels_path, record, label, classes });
    }
    let labels = labels.into_iter().map(u32::from).collect();
    Ok(Images { pixels, labels, channels: 1, height, width })
}

/// The dimensions and the bytes of the array in a file, packed or not.
fn array<const DIMENSIONS: usize>(path: &Path, file: Vec<u8>) -> Result<([usize; DIMENSIONS], Vec<u8>), DataError> {
    let wrong = |what| DataError::Idx { path: path.into(), what };
    // By its first bytes: browsers unpack files and leave the name.
    let mut bytes = if file.starts_with(&[0x1f, 0x8b]) { gunzip(&file, path)? } else { file };
    let header = 4 + 4 * DIMENSIONS;
    let magic = [0, 0, 8, DIMENSIONS as u8];
    if bytes.len() < header || !bytes.starts_with(&magic) {
        return Err(wrong(format!("it does not begin with {magic:?} and {DIMENSIONS} sizes")));
    }
    let mut sizes = [0; DIMENSIONS];
    for (size, word) in sizes.iter_mut().zip(bytes[4..header].as_chunks::<4>().0) {
        *size = u32::from_be_bytes(*word) as usize;
    }
    let said = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let there = bytes.len() - header;
    if said != Some(there) {
        let sizes = sizes.map(|size| size.to_string()).join("x");
        return Err(wrong(format!("its header says {sizes} bytes, and {there} follow")));
    }
    bytes.drain(..header);
    Ok((sizes, bytes))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;

    /// A file of bytes 0, 1, 2, …
    pub(in crate::data) fn idx(sizes: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend((0..sizes.iter().product::<u32>()).map(|i| i as u8));
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn mnist() -> Files {
        let [train, test] = NAMES;
        [
            (format!("{}.gz", train[0]), gzip(&idx(&[3, 4, 5]))),
            (train[1].replace("-idx", ".idx"), idx(&[3])),
            (test[0].into(), idx(&[2, 4, 5])),
            // A browser has unpacked it.
            (format!("{}.gz", test[1]), idx(&[2])),
        ]
        .into()
    }

    #[test]
    fn packed_and_plain_files_make_a_set_of_grey_images() {
        let data = parse(Path::new("mnist"), mnist(), 0.0).unwrap();
        assert_eq!((data.name.as_str(), data.classes.len(), data.mean.len()), ("mnist", 3, 1));
        assert_eq!((data.train.channels, data.train.height, data.train.width), (1, 4, 5));
        assert_eq!((data.train.labels, data.test.labels), (vec![0, 1, 2], vec![0, 1]));
        assert_eq!(data.test.pixels, (0..40).collect::<Vec<u8>>());
    }

    #[test]
    fn bad_files_are_named_with_the_mend() {
        let [train, test] = NAMES;
        let with = |name: &str, bytes: Vec<u8>| {
            let mut files = mnist();
            files.retain(|own, _| role(own) != role(name));
            files.insert(name.into(), bytes);
            parse(Path::new("mnist"), files, 0.0).unwrap_err().to_string().replace('\\', "/")
        };
        let cut = |mut bytes: Vec<u8>| {
            bytes.pop();
            bytes
        };
        for (message, words) in [
            (
                with(train[0], cut(idx(&[3, 4, 5]))),
                "mnist/train-images-idx3-ubyte is no IDX file of this kind: its header says 3x4x5 bytes, and 59 follow",
            ),
            (with(train[0], idx(&[3])), "does not begin with [0, 0, 8, 3] and 3 sizes"),
            (with(train[0], Vec::new()), "does not begin with"),
            (with(train[0], idx(&[0, 4, 5])), "is empty"),
            (
                with(train[0], vec![0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]),
                "4294967295x",
            ),
            (with(train[1], idx(&[4])), "it has 4 labels, and mnist/train-images-idx3-ubyte.gz has 3 images"),
            (with(test[1], vec![0, 0, 8, 1, 0, 0, 0, 2, 0, 3]), "record 1 has label 3"),
            (with(test[0], idx(&[2, 5, 4])), "are 1×5×4, and must be 1×4×5"),
        ] {
            assert!(message.contains(words), "{message}");
        }
        let mut files = mnist();
        files.insert(train[0].into(), idx(&[3, 4, 5]));
        assert!(parse(Path::new("mnist"), files, 0.0).unwrap_err().to_string().contains("keep one of them"));
        let mut files = mnist();
        files.retain(|name, _| !name.starts_with("t10k"));
        assert!(parse(Path::new("mnist"), files.clone(), 0.0).unwrap_err().to_string().contains("--test 0.2"));
        files.remove("train-labels.idx1-ubyte");
        assert!(parse(Path::new("mnist"), files, 0.2).unwrap_err().to_string().contains("lacks train-labels-idx1"));
    }
}
