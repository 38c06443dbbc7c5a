//! Image folders: `train/<class>/*.png` and `test/<class>/*.png`, all of one size.

use std::path::{Path, PathBuf};

use super::{DataError, Dataset, Images, normalisation};

/// Reads the folder; classes are the sorted names of the folders in `train`.
pub(super) fn read(name: &str, root: &Path) -> Result<Dataset, DataError> {
    let classes: Vec<String> = children(&root.join("train"))?
        .iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    let mut first = None;
    let train = split(root, "train", &classes, &mut first)?;
    if train.is_empty() {
        return Err(DataError::NoLayout { place: root.display().to_string() });
    }
    if !root.join("test").is_dir() {
        return Err(DataError::NoTest { file: "test/" });
    }
    let test = split(root, "test", &classes, &mut first)?;
    if test.is_empty() {
        return Err(DataError::Empty { file: root.join("test").display().to_string() });
    }
    let (mean, std) = normalisation(&train);
    Ok(Dataset { name: name.into(), classes, train, test, mean, std })
}

fn children(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |source| DataError::Io { path: folder.into(), source };
    let entries = std::fs::read_dir(folder).map_err(io)?;
    let mut paths = entries.map(|entry| Ok(entry.map_err(io)?.path())).collect::<Result<Vec<_>, DataError>>()?;
    paths.sort();
    Ok(paths)
}

fn split(
    root: &Path,
    part: &str,
    classes: &[String],
    first: &mut Option<(PathBuf, (u32, u32))>,
) -> Result<Images, DataError> {
    let mut images = Images { channels: 3, ..Images::default() };
    for folder in children(&root.join(part))?.into_iter().filter(|path| path.is_dir()) {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let label = classes.iter().position(|class| *class == name);
        let label = label.ok_or_else(|| DataError::UnknownClass { path: folder.clone() })?;
        for path in children(&folder)?.into_iter().filter(|path| path.is_file()) {
            let fail = |message: String| DataError::Image { path: path.clone(), message };
            let bytes = std::fs::read(&path).map_err(|source| DataError::Io { path: path.clone(), source })?;
            let image = image::load_from_memory(&bytes).map_err(|error| fail(error.to_string()))?.into_rgb8();
            let size = image.dimensions();
            let (first_path, first_size) = first.get_or_insert_with(|| (path.clone(), size));
            if size != *first_size {
                let (first, first_size) = (first_path.clone(), *first_size);
                return Err(DataError::ImageSize { path, size, first, first_size });
            }
            for channel in 0..3 {
                images.pixels.extend(image.pixels().map(|pixel| pixel.0[channel]));
            }
            images.labels.push(label as u32);
            (images.width, images.height) = (size.0 as usize, size.1 as usize);
        }
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use crate::data::load;

    fn write(root: &std::path::Path, path: &str, size: u32, red: u8) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_pixel(size, size, image::Rgb([red, 1, 2])).save(path).unwrap();
    }

    #[test]
    fn classes_are_folders() {
        let place = tempfile::tempdir().unwrap();
        write(place.path(), "train/cat/1.png", 8, 10);
        write(place.path(), "train/ant/1.png", 8, 20);
        let load = || load(place.path().to_str().unwrap());
        assert!(load().unwrap_err().to_string().contains("test/"));
        write(place.path(), "test/cat/x.png", 8, 30);
        let dataset = load().unwrap();
        assert_eq!(
            (dataset.classes, dataset.train.labels, dataset.test.labels),
            (vec!["ant".into(), "cat".into()], vec![0, 1], vec![1])
        );
        assert_eq!((dataset.test.pixels[0], dataset.test.pixels[64], dataset.test.height), (30, 1, 8));
        write(place.path(), "test/dog/x.png", 8, 30);
        assert!(load().unwrap_err().to_string().contains("dog"));
        std::fs::remove_dir_all(place.path().join("test/dog")).unwrap();
        write(place.path(), "test/cat/y.png", 9, 30);
        assert!(load().unwrap_err().to_string().contains("one size"));
        std::fs::write(place.path().join("test/cat/y.png"), b"no image").unwrap();
        assert!(load().unwrap_err().to_string().contains("y.png"));
    }
}
