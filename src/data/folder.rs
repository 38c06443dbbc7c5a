//! Image folders: `train/CLASS/*.png|jpg` and `test/CLASS/*.png|jpg`, all images of one size.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use image::{ImageFormat, ImageReader, Limits, RgbImage};

use super::{DataError, Dataset, Images, name_of};

/// Reads the image folder `root`. Classes are the folders of `train`, by name; hidden files are passed over, and
/// transparency is dropped.
pub(super) fn read(root: &Path) -> Result<Dataset, DataError> {
    let (train, test) = (root.join("train"), root.join("test"));
    let mut classes = Vec::new();
    for path in entries(&train)?.iter().filter(|path| path.is_dir()) {
        if entries(path)?.is_empty() {
            return Err(DataError::NoImages { path: path.clone() });
        }
        classes.push(file_name(path));
    }
    let train = read_part(&train, &classes, None)?;
    let test = read_part(&test, &classes, Some((train.width, train.height)))?;
    Ok(Dataset::new(name_of(root), classes, train, test))
}

/// Reads the class folders of `part`; images have to be of `size` (width, height), or else of the first one's.
fn read_part(part: &Path, classes: &[String], size: Option<(usize, usize)>) -> Result<Images, DataError> {
    let mut images = size.map(|(width, height)| Images::new(height, width));
    for folder in entries(part)?.into_iter().filter(|path| path.is_dir()) {
        let label = classes.iter().position(|class| *class == file_name(&folder));
        let label = label.ok_or_else(|| DataError::UnknownClass { path: folder.clone() })? as u32;
        for path in entries(&folder)? {
            let format = ImageFormat::from_path(&path).ok();
            let format = format.filter(|format| [ImageFormat::Png, ImageFormat::Jpeg].contains(format));
            format.ok_or_else(|| DataError::NotAnImage { path: path.clone() })?;
            let bytes = fs::read(&path).map_err(|source| DataError::Read { path: path.clone(), source })?;
            let image = decode(&bytes, &path)?;
            let found = (image.width() as usize, image.height() as usize);
            let images = images.get_or_insert_with(|| Images::new(found.1, found.0));
            let first = (images.width, images.height);
            if found != first {
                return Err(DataError::ImageSize { path, found, first });
            }
            images.push(&image, label);
        }
    }
    images.filter(|images| !images.is_empty()).ok_or_else(|| DataError::NoImages { path: part.to_path_buf() })
}

/// Pixels that a side of an image may have: ten times what networks for small images take.
const MOST_SIDE: u32 = 2048;

/// The PNG or JPEG image `bytes`, which came from `path`; a small file that claims to be a huge image is refused.
pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<RgbImage, DataError> {
    let mut reader = ImageReader::new(Cursor::new(bytes));
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MOST_SIDE), Some(MOST_SIDE));
    limits.max_alloc = Some(u64::from(MOST_SIDE) * u64::from(MOST_SIDE) * 8);
    reader.limits(limits);
    let image = reader.with_guessed_format().map_err(image::ImageError::from).and_then(ImageReader::decode);
    let image = image.map_err(|source| DataError::Image { path: path.to_path_buf(), source })?;
    Ok(image.into_rgb8())
}

/// What `folder` holds, by name, without hidden files.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = |source| DataError::Read { path: folder.to_path_buf(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.retain(|path| !file_name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use tempfile::TempDir;

    use super::{super::load, *};

    fn save(root: &TempDir, name: &str, width: u32, height: u32) {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, 10 + y as u8, 200])).save(path).unwrap();
    }

    fn folder() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for name in ["train/cat/b.png", "train/ant/a.PNG", "train/cat/a.png", "test/cat/a.png"] {
            save(&root, name, 3, 2);
        }
        root
    }

    fn message(root: &TempDir) -> String {
        load(root.path().to_str().unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn classes_are_sorted_and_pixels_planar() {
        let root = folder();
        fs::write(root.path().join("train/cat/.DS_Store"), "x").unwrap();
        let data = load(root.path().to_str().unwrap()).unwrap();
        assert_eq!(data.classes, ["ant", "cat"]);
        assert_eq!((&data.train.labels[..], &data.test.labels[..]), (&[0, 1, 1][..], &[1][..]));
        assert_eq!((data.train.channels, data.train.height, data.train.width), (3, 2, 3));
        assert_eq!(data.test.pixels, [0, 1, 2, 0, 1, 2, 10, 10, 10, 11, 11, 11, 200, 200, 200, 200, 200, 200]);
        assert_eq!(data.std[2], 1.0);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let root = folder();
        save(&root, "test/cat/wide.png", 4, 2);
        assert!(message(&root).contains("wide.png is 4x2 pixels, but the first image is 3x2"), "{}", message(&root));

        let root = folder();
        fs::write(root.path().join("train/cat/note.txt"), "x").unwrap();
        assert!(message(&root).contains("note.txt is neither .png nor .jpg"));

        let root = folder();
        fs::write(root.path().join("train/cat/bad.png"), "x").unwrap();
        assert!(message(&root).contains("bad.png"));

        let root = folder();
        save(&root, "test/dog/a.png", 3, 2);
        assert!(message(&root).contains("dog is a class that the train folder lacks"));

        let root = folder();
        fs::create_dir(root.path().join("train/elk")).unwrap();
        assert!(message(&root).contains("elk holds no images"));

        let root = folder();
        fs::remove_file(root.path().join("test/cat/a.png")).unwrap();
        assert!(message(&root).contains("test holds no images"));

        let root = folder();
        fs::remove_dir_all(root.path().join("test")).unwrap();
        assert!(message(&root).contains("test"));
    }
}
