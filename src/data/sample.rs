//! The embedded sample: `assets/emoji32-mini`, 2000 train and 500 test images in ten classes.

use std::path::Path;

use image::imageops::crop_imm;

use super::{DataError, Dataset, Images, cifar::class_names, folder::decode};

const PNG: &[u8] = include_bytes!("../../assets/emoji32-mini/emoji32-mini.png");
const LABELS: &[u8] = include_bytes!("../../assets/emoji32-mini/labels.bin");
const NAMES: &[u8] = include_bytes!("../../assets/emoji32-mini/class_names.txt");

const SIDE: u32 = 32;
/// Tiles a row of the sheet.
const COLUMNS: u32 = 50;
/// The train images come first.
const TRAIN: usize = 2000;

pub(super) fn load() -> Result<Dataset, DataError> {
    let sheet = decode(PNG, Path::new("assets/emoji32-mini/emoji32-mini.png"))?;
    let mut train = Images::new(SIDE as usize, SIDE as usize);
    let mut test = train.clone();
    for (tile, &label) in (0..).zip(LABELS) {
        let (x, y) = (tile % COLUMNS * SIDE, tile / COLUMNS * SIDE);
        let part = if train.len() < TRAIN { &mut train } else { &mut test };
        part.push(&crop_imm(&sheet, x, y, SIDE, SIDE).to_image(), label.into());
    }
    Ok(Dataset::new("sample".to_owned(), class_names(NAMES), train, None, test))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::assert_near, *};

    /// As the sample's README gives it.
    #[test]
    fn counts_and_statistics() {
        let data = load().unwrap();
        assert_eq!((data.train.len(), data.test.len(), data.classes.len()), (2000, 500, 10));
        assert_eq!(data.test.pixels.len(), 500 * 3 * 32 * 32);
        for class in 0..10 {
            let count = |images: &Images| images.labels.iter().filter(|&&label| label == class).count();
            assert_eq!((count(&data.train), count(&data.test)), (200, 50));
        }
        assert_near(&data.mean, [0.607, 0.5662, 0.5482]);
        assert_near(&data.std, [0.3072, 0.2807, 0.2988]);
    }
}
