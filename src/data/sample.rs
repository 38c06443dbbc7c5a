//! The embedded sample: emoji32-mini, 2,000 training and 500 test images in 10 classes (`assets/emoji32-mini`).

use std::path::PathBuf;

use super::{DataError, Dataset, Images, normalisation};

const PNG: &[u8] = include_bytes!("../../assets/emoji32-mini/emoji32-mini.png");
const LABELS: &[u8] = include_bytes!("../../assets/emoji32-mini/labels.bin");
const NAMES: &str = include_str!("../../assets/emoji32-mini/class_names.txt");
const SIDE: usize = 32;
const TRAIN: usize = 2000;

/// Decodes the sheet of 50 × 50 tiles.
pub(super) fn load() -> Result<Dataset, DataError> {
    let fail = |message: String| DataError::Image { path: PathBuf::from("emoji32-mini.png"), message };
    let sheet = image::load_from_memory(PNG).map_err(|error| fail(error.to_string()))?.into_rgb8();
    let columns = sheet.width() as usize / SIDE;
    let tile = |tile: usize, pixels: &mut Vec<u8>| {
        let (left, top) = (tile % columns * SIDE, tile / columns * SIDE);
        for channel in 0..3 {
            for y in top..top + SIDE {
                pixels.extend((left..left + SIDE).map(|x| sheet.get_pixel(x as u32, y as u32).0[channel]));
            }
        }
    };
    let images = |range: std::ops::Range<usize>| {
        let mut pixels = Vec::with_capacity(range.len() * 3 * SIDE * SIDE);
        range.clone().for_each(|i| tile(i, &mut pixels));
        let labels = LABELS[range].iter().map(|&label| u32::from(label)).collect();
        Images { pixels, labels, channels: 3, height: SIDE, width: SIDE }
    };
    let (train, test) = (images(0..TRAIN), images(TRAIN..LABELS.len()));
    let (mean, std) = normalisation(&train);
    let classes = NAMES.lines().map(str::to_string).collect();
    Ok(Dataset { name: "sample".into(), classes, train, test, mean, std })
}

#[cfg(test)]
mod tests {
    #[test]
    fn as_its_readme_says() {
        let dataset = super::load().unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len(), dataset.classes.len()), (2000, 500, 10));
        for (got, wanted) in
            dataset.mean.iter().chain(&dataset.std).zip([0.607, 0.5662, 0.5482, 0.3072, 0.2807, 0.2988])
        {
            assert!((got - wanted).abs() < 1e-4, "{:?} {:?}", dataset.mean, dataset.std);
        }
        for class in 0..10 {
            let count = |labels: &[u32]| labels.iter().filter(|&&label| label == class).count();
            assert_eq!((count(&dataset.train.labels), count(&dataset.test.labels)), (200, 50));
        }
    }
}
