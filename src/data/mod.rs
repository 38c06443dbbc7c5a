//! Datasets in memory, as bytes: where they come from, how they are split, and in which order they are seen.

mod archive;
mod cifar;
mod describe;
mod differences;
mod error;
#[cfg(all(feature = "fetch", not(target_arch = "wasm32")))]
pub mod fetch;
mod files;
mod folder;
mod idx;
mod known;
mod misplaced;
mod order;
mod overlap;
pub mod record;
mod sample;
mod source;
mod split;

use std::{collections::BTreeMap, path::Path};

pub use describe::{describe, warnings};
pub use error::DataError;
pub use order::epoch_order;
pub use record::Record;
pub use source::{Source, absolute, check_outside, load, place, root_of};
pub use split::Split;

/// Images of one size with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// `[len, channels, height, width]`; the channels are red, green, blue, or one is grey.
    pub pixels: Vec<u8>,
    /// `[len]`, each below the dataset's number of classes.
    pub labels: Vec<u32>,
    pub channels: usize,
    /// In pixels.
    pub height: usize,
    /// In pixels.
    pub width: usize,
}

impl Images {
    fn new(height: usize, width: usize) -> Self {
        Self { pixels: Vec::new(), labels: Vec::new(), channels: 3, height, width }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True when there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// How many there are of each of `classes` classes.
    pub fn counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in &self.labels {
            if let Some(count) = counts.get_mut(label as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// Those of `indices`, in that order.
    fn part(&self, indices: &[u32]) -> Self {
        let bytes = self.channels * self.height * self.width;
        let pixels = |&index: &u32| &self.pixels[index as usize * bytes..][..bytes];
        Self {
            pixels: indices.iter().flat_map(pixels).copied().collect(),
            labels: indices.iter().map(|&index| self.labels[index as usize]).collect(),
            ..*self
        }
    }

    /// Channels, height, width.
    fn shape(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// What is wrong with them as a part of a data set with images of `shape`.
    fn wrong(&self, shape: [usize; 3], classes: usize, needed: bool) -> Option<String> {
        let [channels, height, width] = self.shape();
        let pixels = [channels, height, width].into_iter().try_fold(self.len(), usize::checked_mul);
        let label = self.labels.iter().position(|&label| label as usize >= classes);
        if needed && self.is_empty() {
            Some("are none".into())
        } else if self.shape() != shape || shape.contains(&0) {
            let wanted = shape.map(|size| size.to_string()).join("×");
            Some(format!("are {channels}×{height}×{width}, and must be {wanted}, not 0"))
        } else if pixels != Some(self.pixels.len()) {
            Some(format!("have {} bytes, and {} labels of {channels}×{height}×{width}", self.pixels.len(), self.len()))
        } else {
            label.map(|i| format!("have label {} at image {i}, and there are {classes} classes", self.labels[i]))
        }
    }

    /// Adds an image of this size.
    fn push(&mut self, rgb: &image::RgbImage, label: u32) {
        for channel in 0..3 {
            self.pixels.extend(rgb.pixels().map(|pixel| pixel.0[channel]));
        }
        self.labels.push(label);
    }
}

/// A train and a test set with the same classes and image size, neither of them empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// `sample`, `cifar10`, `cifar100`, or the name of the folder or archive.
    pub name: String,
    /// Name of each class, by label.
    pub classes: Vec<String>,
    pub train: Images,
    /// A validation set of its own; without one, a share of `train` is held out.
    pub val: Option<Images>,
    pub test: Images,
    /// Mean of each channel's `pixel / 255` over the train set (`cifar10`, `cifar100`: the published constant).
    pub mean: Vec<f32>,
    /// Standard deviation of the same, never 0.
    pub std: Vec<f32>,
    /// What to know of images that two parts share. Of a published data set nothing: it is as it is.
    pub shared: Vec<String>,
}

/// What the files of a data set hold.
struct Parts {
    classes: Vec<String>,
    train: Images,
    val: Option<Images>,
    test: Option<Images>,
}

impl Dataset {
    fn new(name: String, classes: Vec<String>, train: Images, val: Option<Images>, test: Images) -> Self {
        let (mean, std) = mean_std(&train);
        let shared = overlap::warnings(&classes, &train, val.as_ref(), &test);
        Self { name, classes, train, val, test, mean, std, shared }
    }

    /// A data set called `name` of images that the caller has, checked; without a validation set of its own, training holds out
    /// a share of `train`.
    ///
    /// # Errors
    /// When a part is empty (a validation set may be), or is not of images of one shape, or has a label that is no class.
    pub fn from_images(
        name: impl Into<String>,
        classes: Vec<String>,
        train: Images,
        val: Option<Images>,
        test: Images,
    ) -> Result<Self, DataError> {
        let name = name.into();
        let shape = train.shape();
        for (part, images) in [("train", Some(&train)), ("validation", val.as_ref()), ("test", Some(&test))] {
            if let Some(wrong) = images.and_then(|images| images.wrong(shape, classes.len(), part != "validation")) {
                return Err(DataError::Given { name, part, wrong });
            }
        }
        Ok(Self::new(name, classes, train, val, test))
    }

    /// Of what was read at `source`; without a test set, `share` of each class of the train set becomes it.
    fn assemble(source: &Path, parts: Parts, share: f64) -> Result<Self, DataError> {
        let Parts { classes, train, val, test } = parts;
        let (train, test) = match test {
            Some(test) => (train, test),
            None => {
                let (kept, drawn) = split::draw(&train.labels, share, split::TEST)?;
                if drawn.is_empty() {
                    return Err(DataError::TestEmpty { path: source.into(), share, images: train.len() });
                }
                (train.part(&kept), train.part(&drawn))
            }
        };
        Ok(Self::new(source::name_of(source), classes, train, val, test))
    }

    /// All images, in the order in which a [`Split`] and the GPU number them: train, validation set, test.
    pub fn parts(&self) -> impl Iterator<Item = &Images> {
        [Some(&self.train), self.val.as_ref(), Some(&self.test)].into_iter().flatten()
    }
}

/// Whether there is a test set already (`given`) or a `share` of the train set is to become it (both: true), or neither (false).
///
/// # Errors
/// When there would be two.
fn test_set_exists(path: &Path, given: bool, share: f64) -> Result<bool, DataError> {
    if given && share > 0.0 {
        return Err(DataError::TestGiven { path: path.into(), share });
    }
    Ok(given || share > 0.0)
}

/// The largest share of a train set that can become the test set.
pub const MOST_TEST: f64 = 0.9;

/// What is known of a published dataset without its files: sizes and classes, no pixels. To plan runs elsewhere.
pub fn outline(spec: &str) -> Option<Dataset> {
    known::named(spec).map(known::Known::outline)
}

/// The dataset in the bytes of a `.tar.gz` of a CIFAR or IDX layout; `source` names it in messages. For where there are no files.
///
/// # Errors
/// As [`load`].
pub fn from_archive(packed: &[u8], source: &Path) -> Result<Dataset, DataError> {
    Ok(known::recognise(source::parse(source, archive::read_bytes(packed, source)?, 0.0)?))
}

/// The dataset in the contents of the files of a CIFAR or IDX layout, by name; `source` names it in messages. One that is named
/// like CIFAR's own folder is what [`load`] finds as `cifar10` or `cifar100`.
///
/// # Errors
/// As [`load`].
pub fn from_files(source: &Path, files: BTreeMap<String, Vec<u8>>) -> Result<Dataset, DataError> {
    Ok(known::recognise(source::parse(source, files, 0.0)?))
}

/// An RGB image in the bytes of a PNG or JPEG file; `source` names it in messages.
///
/// # Errors
/// When it is neither, is damaged, or is larger than any image that can be trained on.
pub fn decode_image(bytes: &[u8], source: &Path) -> Result<image::RgbImage, DataError> {
    folder::decode(bytes, source)
}

/// Mean and (population) standard deviation of each channel's `pixel / 255`, from exact sums. A constant channel gets
/// a deviation of 1, so that normalising makes it 0 and not NaN.
fn mean_std(images: &Images) -> (Vec<f32>, Vec<f32>) {
    let (channels, plane) = (images.channels, images.height * images.width);
    let mut sums = vec![(0u64, 0u64); channels];
    for (i, plane) in images.pixels.chunks_exact(plane).enumerate() {
        let (sum, squares) = &mut sums[i % channels];
        *sum += plane.iter().map(|&v| u64::from(v)).sum::<u64>();
        *squares += plane.iter().map(|&v| u64::from(v).pow(2)).sum::<u64>();
    }
    let n = (images.len() * plane) as u64;
    let of = |(sum, squares): (u64, u64)| {
        let mean = (sum as f64 / n as f64 / 255.0) as f32;
        let (n, sum, squares) = (u128::from(n), u128::from(sum), u128::from(squares));
        match n * squares - sum * sum {
            0 => (mean, 1.0),
            scaled => (mean, ((scaled as f64).sqrt() / n as f64 / 255.0) as f32),
        }
    };
    sums.into_iter().map(of).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_of_a_known_set() {
        let mut images = Images::new(1, 2);
        images.pixels = vec![0, 255, 51, 51, 0, 0, /* second image */ 0, 255, 51, 51, 255, 255];
        images.labels = vec![0, 1];
        assert_eq!(mean_std(&images), (vec![0.5, 0.2, 0.5], vec![0.5, 1.0, 0.5]));
    }

    #[test]
    fn images_of_the_caller_are_checked() {
        let good = || Images { pixels: vec![0; 24], labels: vec![0, 1], channels: 3, height: 2, width: 2 };
        let classes = || vec!["a".to_owned(), "b".to_owned()];
        let made = |train, val, test| Dataset::from_images("own", classes(), train, val, test);
        assert_eq!(made(good(), Some(Images::new(2, 2)), good()).unwrap().std, [1.0; 3]);
        for (bad, words) in [
            (Images::new(2, 2), "are none"),
            (Images { labels: vec![0, 2], ..good() }, "label 2 at image 1"),
            (Images { pixels: vec![0; 23], ..good() }, "23 bytes"),
            (Images { height: 4, width: 1, ..good() }, "3×4×1, and must be 3×2×2"),
            (Images { channels: 1, pixels: vec![0; 8], ..good() }, "1×2×2, and must be 3×2×2"),
            (Images { height: usize::MAX, width: usize::MAX, ..good() }, "must be 3×2×2"),
        ] {
            let message = made(good(), None, bad).unwrap_err().to_string();
            assert!(message.starts_with("the test images of `own` ") && message.contains(words), "{message}");
        }
        let flat = || Images { height: 0, pixels: vec![], ..good() };
        assert!(made(flat(), None, flat()).unwrap_err().to_string().contains("not 0"));
        let huge = || Images { height: usize::MAX, width: 2, ..good() };
        assert!(made(huge(), None, huge()).is_err());
    }

    #[test]
    fn an_unknown_name_is_named_with_the_mend() {
        let message = load("cifar11").unwrap_err().to_string();
        assert!(message.contains("`cifar11`") && message.contains("`cifar10`"), "{message}");
    }

    /// Counts and statistics as the README of the sets gives them.
    #[test]
    #[ignore = "needs the emoji32 sets, in the folder that ITOP_EMOJI32 names"]
    fn emoji32_has_the_counts_and_statistics_of_its_readme() {
        let root = std::env::var_os("ITOP_EMOJI32").expect("ITOP_EMOJI32 names the folder of the sets");
        let root = Path::new(&root);
        for (folder, classes, mean, std) in [
            ("emoji10-batches-bin", 10, [0.6084, 0.568, 0.5432], [0.3003, 0.2732, 0.2896]),
            ("emoji100-binary", 100, [0.6065, 0.5733, 0.545], [0.2983, 0.2676, 0.2882]),
        ] {
            let data = load(root.join(folder).to_str().unwrap()).unwrap();
            assert_eq!((data.name.as_str(), data.classes.len()), (folder, classes));
            assert_eq!((data.train.len(), data.test.len()), (10_000, 2_500));
            assert_eq!(data.train.pixels.len(), 10_000 * 3 * 32 * 32);
            for class in 0..classes as u32 {
                let count = |images: &Images| images.labels.iter().filter(|&&label| label == class).count();
                assert_eq!((count(&data.train), count(&data.test)), (10_000 / classes, 2_500 / classes));
            }
            assert_near(&data.mean, mean);
            assert_near(&data.std, std);
            assert_eq!(data.classes[0], if classes == 10 { "smileys" } else { "face-smiling" });
            assert!(describe(&data).contains(&data.classes[classes - 1]));
        }
    }

    /// Equal to the four digits of the READMEs.
    pub(super) fn assert_near(found: &[f32], expected: [f32; 3]) {
        assert!(
            found.len() == 3 && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 5.1e-5),
            "{found:?} {expected:?}"
        );
    }
}
