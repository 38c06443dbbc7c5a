//! Image folders: `train/CLASS/*.png|jpg` and `test/CLASS/*.png|jpg`, all images of one size. The rules: `docs/data.md`.

use std::{
    collections::BTreeMap,
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use image::{ImageFormat, ImageReader, Limits, RgbImage};

use super::{DataError, Dataset, Images, Parts, files::is_hidden, files::ordinary, test_set_exists};

/// The folders of an image folder's parts.
pub(super) struct Layout {
    root: PathBuf,
    /// Holds a folder a class.
    train: PathBuf,
    val: Option<PathBuf>,
    test: Option<PathBuf>,
}

/// The parts of `root`, or none if it is no image folder. Where a `share` is to become the test set, `root` may also hold
/// the class folders themselves.
pub(super) fn layout(root: &Path, share: f64) -> Result<Option<Layout>, DataError> {
    let folders: Vec<PathBuf> = entries(root)?.into_iter().filter(|path| path.is_dir()).collect();
    let part = |names: &[&str]| {
        let mut found = folders.iter().filter(|path| names.contains(&file_name(path).to_lowercase().as_str()));
        match (found.next(), found.next()) {
            (Some(first), Some(second)) => {
                let (first, second) = (file_name(first), file_name(second));
                Err(DataError::TwoParts { path: root.into(), first, second })
            }
            (first, _) => Ok(first.cloned()),
        }
    };
    let (train, val, test) = (part(TRAIN)?, part(VAL)?, part(TEST)?);
    let bare =
        share > 0.0 && val.is_none() && test.is_none() && folders.iter().any(|folder| first_image(folder).is_some());
    let train = train.or_else(|| bare.then(|| root.to_path_buf()));
    Ok(train.map(|train| Layout { root: root.into(), train, val, test }))
}

/// Names of the folders of parts, in any case.
const TRAIN: &[&str] = &["train"];
const VAL: &[&str] = &["val", "valid", "validation"];
const TEST: &[&str] = &["test"];

/// Whether `folder` is named as a part of an image folder; of `train` too, if that is asked for.
pub(super) fn is_part(folder: &Path, train_too: bool) -> bool {
    let name = file_name(folder).to_lowercase();
    let is = |names: &[&str]| names.contains(&name.as_str());
    is(VAL) || is(TEST) || (train_too && is(TRAIN))
}

/// The first image that lies directly in `folder`.
pub(super) fn first_image(folder: &Path) -> Option<PathBuf> {
    entries(folder).ok()?.into_iter().find(|path| is_image(path) && !path.is_dir())
}

/// Whether a file of this name is a PNG or JPEG image.
pub(super) fn is_image(path: &Path) -> bool {
    ImageFormat::from_path(path).is_ok_and(|format| [ImageFormat::Png, ImageFormat::Jpeg].contains(&format))
}

/// Reads the image folder; `share` of each class of its train set becomes the test set if it has none.
pub(super) fn read(layout: &Layout, share: f64) -> Result<Dataset, DataError> {
    let Layout { root, train, val, test } = layout;
    if !test_set_exists(root, test.is_some(), share)? {
        let val = val.as_deref().map(file_name);
        return Err(DataError::NoTest { path: root.clone(), val });
    }
    let folders = entries(train)?.into_iter().filter(|path| path.is_dir());
    let classes: Vec<String> = folders.map(|path| file_name(&path)).collect();
    // All files are looked at before the first one is decoded, which takes long.
    let listed = |part: &PathBuf| list(part, &classes);
    let train = listed(train)?;
    let (val, test) = (val.as_ref().map(listed).transpose()?, test.as_ref().map(listed).transpose()?);
    if let Some(class) = (0..classes.len()).find(|class| !train.iter().any(|file| file.label as usize == *class)) {
        return Err(DataError::NoImages { path: layout.train.join(&classes[class]) });
    }
    let all: Vec<&File> = [Some(&train), val.as_ref(), test.as_ref()].into_iter().flatten().flatten().collect();
    let size = all.iter().find_map(|file| size(&file.path).ok());
    let decoded = |files: &Vec<File>| decode_all(files, size.unwrap_or_default(), &all);
    let (val, test) = (val.as_ref().map(decoded).transpose()?, test.as_ref().map(decoded).transpose()?);
    let train = decoded(&train)?;
    Dataset::assemble(root, Parts { classes, train, val, test }, share)
}

/// An image's file, and the class of the folder it lies in.
struct File {
    path: PathBuf,
    label: u32,
}

/// The images in the class folders of `part`, by class and name. There is one at least.
fn list(part: &Path, classes: &[String]) -> Result<Vec<File>, DataError> {
    let mut files = Vec::new();
    for folder in entries(part)? {
        if !folder.is_dir() {
            // Lists of labels and the like may lie here; an image may not, for it would be left out in silence.
            if is_image(&folder) {
                return Err(DataError::NoClass { path: folder, part: part.into() });
            }
            continue;
        }
        let label = classes.iter().position(|class| *class == file_name(&folder));
        let label = label.ok_or_else(|| DataError::UnknownClass { path: folder.clone() })? as u32;
        for path in entries(&folder)? {
            if path.is_dir() {
                return Err(DataError::FolderInClass { path, class: folder });
            }
            if !is_image(&path) {
                return Err(DataError::NotAnImage { path });
            }
            files.push(File { path, label });
        }
    }
    if files.is_empty() { Err(DataError::NoImages { path: part.into() }) } else { Ok(files) }
}

/// Width and height of the image at `path`, as its header says.
fn size(path: &Path) -> image::ImageResult<(usize, usize)> {
    ordinary(path)?;
    let (width, height) = ImageReader::open(path)?.with_guessed_format()?.into_dimensions()?;
    Ok((width as usize, height as usize))
}

/// The pixels of `files`, which have to be of `size` (width, height), as `all` of the data set.
fn decode_all(files: &[File], size: (usize, usize), all: &[&File]) -> Result<Images, DataError> {
    let mut images = Images::new(size.1, size.0);
    for File { path, label } in files {
        let bytes = ordinary(path)
            .and_then(|()| fs::read(path))
            .map_err(|source| DataError::Read { path: path.clone(), source })?;
        let image = decode(&bytes, path)?;
        if (image.width() as usize, image.height() as usize) != size {
            return Err(odd_size(all));
        }
        images.push(&image, *label);
    }
    Ok(images)
}

/// Names the first of `files` that has not the most frequent size.
fn odd_size(files: &[&File]) -> DataError {
    let sizes: Vec<(&Path, (usize, usize))> =
        files.iter().filter_map(|file| Some((file.path.as_path(), size(&file.path).ok()?))).collect();
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (_, size) in &sizes {
        *counts.entry(*size).or_default() += 1;
    }
    let most = counts.values().max().copied().unwrap_or_default();
    // Of sizes that are equally frequent, that of the first image.
    let usual = sizes.iter().map(|(_, size)| *size).find(|size| counts[size] == most).unwrap_or_default();
    let (path, found) = sizes.iter().copied().find(|(_, size)| *size != usual).unwrap_or((Path::new(""), usual));
    DataError::ImageSize { path: path.into(), found, usual, odd: sizes.len() - most, images: sizes.len() }
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
    // Before a pixel is decoded, and in a user's words.
    let header = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok();
    if let Some((width, height)) = header.and_then(|reader| reader.into_dimensions().ok())
        && width.max(height) > MOST_SIDE
    {
        return Err(DataError::TooLarge { path: path.into(), width, height, most: MOST_SIDE });
    }
    let broken = |reason: String| DataError::Image { path: path.to_path_buf(), reason };
    // Some decoders break their messages into lines.
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let reader = reader.with_guessed_format().map_err(|error| broken(error.to_string()))?;
    let is_jpeg = reader.format() == Some(ImageFormat::Jpeg);
    let image = reader.decode().map_err(|error| broken(one_line(error.to_string())))?;
    if is_jpeg && !jpeg_ends(bytes) {
        return Err(broken("it is cut: the end of the JPEG is missing; fetch it anew".into()));
    }
    Ok(image.into_rgb8())
}

/// Whether a JPEG file has its end marker. Decoders fill the rest of one that was cut with gray, and say nothing.
fn jpeg_ends(bytes: &[u8]) -> bool {
    const END: u8 = 0xD9;
    const SCAN: u8 = 0xDA;
    let mut at = 2;
    let mut scanning = false;
    while let Some(&[first, marker]) = bytes.get(at..at + 2).and_then(|two| two.first_chunk()) {
        match marker {
            // Bytes of a scan, with stuffed zeros and restarts in them.
            _ if first != 0xFF => at += 1,
            0x00 | 0xD0..=0xD7 if scanning => at += 2,
            // Markers may be filled up with 0xFF.
            0xFF => at += 1,
            END => return true,
            // A segment is as long as it says: it may hold a preview with an end of its own.
            _ => {
                let length =
                    bytes.get(at + 2..at + 4).map_or(0, |length| usize::from(length[0]) << 8 | usize::from(length[1]));
                scanning = marker == SCAN;
                at += 2 + length;
            }
        }
    }
    false
}

/// What `folder` holds, by name, without hidden files.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = |source| DataError::Read { path: folder.to_path_buf(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.retain(|path| !is_hidden(&file_name(path)));
    paths.sort();
    Ok(paths)
}

pub(super) fn file_name(path: &Path) -> String {
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

    /// Decoders fill what is missing with gray.
    #[test]
    fn the_end_of_a_jpeg_is_seen() {
        let mut bytes = Vec::new();
        let noise = |x: u32, y: u32| Rgb([(x * 37 + y * 11) as u8, (x * y) as u8, (x * x + y) as u8]);
        let image = RgbImage::from_fn(40, 40, noise);
        image.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Jpeg).unwrap();
        // A preview with an end of its own, as cameras have it.
        let preview = [&[0xFF, 0xE1, 0, 8][..], &[0xFF, 0xD8, 0, 0, 0xFF, 0xD9]].concat();
        let with_preview = [&bytes[..2], &preview, &bytes[2..]].concat();
        for whole in [&bytes, &with_preview] {
            let path = Path::new("a.jpg");
            assert_eq!(decode(whole, path).unwrap().dimensions(), (40, 40));
            assert!(decode(&[whole.as_slice(), b"behind the end"].concat(), path).is_ok());
            for cut in 0..whole.len() {
                assert!(decode(&whole[..cut], path).is_err(), "{cut} of {}", whole.len());
            }
        }
    }

    /// The limit and the size, in pixels; no word of the decoder's.
    #[test]
    fn too_large_an_image_is_named_with_the_limit() {
        let root = folder();
        save(&root, "train/cat/c.png", 2049, 3);
        let text = message(&root);
        assert!(text.contains("c.png is 2049x3 pixels, and 2048x2048 is the most; resize"), "{text}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let root = folder();
        save(&root, "test/cat/wide.png", 4, 2);
        assert!(message(&root).contains("wide.png is 4x2 pixels, but 4 of the 5 images are 3x2"), "{}", message(&root));

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
