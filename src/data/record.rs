//! `data.json` of a run folder: which images a run has seen, so that it is not resumed or evaluated with others.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{DataError, Dataset, Images, Split};

/// What a run keeps of its data set. Digests are of decoded pixels, so that a set may move, and be packed in another way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub schema: u32,
    /// [`Dataset::name`].
    pub name: String,
    /// Where a published data set was found.
    pub root: Option<PathBuf>,
    /// Channels, height and width.
    pub image: [usize; 3],
    /// What pixels are normalised by: a number for each channel.
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
    /// By label.
    pub classes: Vec<String>,
    pub train: PartRecord,
    /// The validation set, if the data has one of its own.
    pub val: Option<PartRecord>,
    pub test: PartRecord,
    pub split: SplitRecord,
}

/// A train, validation or test set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PartRecord {
    /// Images of each class.
    pub images: Vec<usize>,
    /// Of each class: SHA-256 (its first half) of its images in whatever order.
    pub digests: Vec<String>,
    /// SHA-256 of images and labels in their order.
    pub digest: String,
}

/// What is trained on and what is held out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitRecord {
    pub train: usize,
    pub val: usize,
    /// SHA-256 of the numbers of the images that choose the best epoch.
    pub digest: String,
}

/// Version of the schema.
const SCHEMA: u32 = 1;

impl Record {
    /// That of `data`, of whose train set a share of `validation` is held out.
    ///
    /// # Errors
    /// When `validation` is no share.
    pub fn of(data: &Dataset, validation: f64) -> Result<Self, DataError> {
        let split = Split::of(data, validation)?;
        let part = |images: &Images| PartRecord::of(images, data.classes.len());
        Ok(Self {
            schema: SCHEMA,
            name: data.name.clone(),
            root: None,
            image: [data.train.channels, data.train.height, data.train.width],
            mean: data.mean.clone(),
            std: data.std.clone(),
            classes: data.classes.clone(),
            train: part(&data.train),
            val: data.val.as_ref().map(part),
            test: part(&data.test),
            split: SplitRecord::of(&split),
        })
    }
}

impl PartRecord {
    fn of(images: &Images, classes: usize) -> Self {
        let bytes = images.channels * images.height * images.width;
        let mut of_class: Vec<Vec<[u8; 32]>> = vec![Vec::new(); classes];
        let mut all = Sha256::new();
        for (pixels, &label) in images.pixels.chunks_exact(bytes.max(1)).zip(&images.labels) {
            let digest: [u8; 32] = Sha256::digest(pixels).into();
            all.update(label.to_le_bytes());
            all.update(digest);
            if let Some(class) = of_class.get_mut(label as usize) {
                class.push(digest);
            }
        }
        let digest = |digests: &mut Vec<[u8; 32]>| {
            digests.sort_unstable();
            hex(&Sha256::digest(digests.concat())[..16])
        };
        Self {
            images: of_class.iter().map(Vec::len).collect(),
            digests: of_class.iter_mut().map(digest).collect(),
            digest: hex(&all.finalize()),
        }
    }
}

impl SplitRecord {
    fn of(split: &Split) -> Self {
        let mut digest = Sha256::new();
        split.val.iter().for_each(|image| digest.update(image.to_le_bytes()));
        Self { train: split.train.len(), val: split.val.len(), digest: hex(&digest.finalize()) }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A set of images of one pixel; of each the label and the pixel, in train and test.
    pub(in crate::data) fn set(classes: &[&str], train: &[(u32, u8)], test: &[(u32, u8)]) -> Dataset {
        let images = |list: &[(u32, u8)]| {
            let mut images = Images::new(1, 1);
            images.pixels = list.iter().flat_map(|&(_, pixel)| [pixel; 3]).collect();
            images.labels = list.iter().map(|&(label, _)| label).collect();
            images
        };
        let classes = classes.iter().map(|name| (*name).to_owned()).collect();
        Dataset::new("set".into(), classes, images(train), None, images(test))
    }

    /// Other programs may make it: SHA-256 as `docs/run-folder.md` has it.
    #[test]
    fn digests_are_as_documented() {
        let record = Record::of(&set(&["a"], &[(0, 7), (0, 9)], &[(0, 1)]), 0.0).unwrap();
        let image = |pixel: u8| Sha256::digest([pixel; 3]).to_vec();
        let mut sorted = [image(7), image(9)];
        sorted.sort();
        assert_eq!(record.train.digests, [hex(&Sha256::digest(sorted.concat())[..16])]);
        let ordered = [&[0; 4][..], &image(7), &[0; 4], &image(9)].concat();
        assert_eq!(record.train.digest, hex(&Sha256::digest(ordered)));
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }
}
