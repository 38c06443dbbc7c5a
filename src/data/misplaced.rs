//! The message for a folder that is no data set: where a data set is nearby, or what is missing.

use std::path::{Path, PathBuf};

use super::{
    DataError, cifar,
    folder::{entries, file_name, first_image, is_part},
    idx, known,
};

/// How deep a data set is looked for: an archive that was unpacked twice, into folders of its own name, lies in the second.
const DEPTH: usize = 3;
/// Folders that are looked into.
const MOST: usize = 1000;

/// Why `path`, a folder, is no data set.
pub(super) fn explain(path: &Path) -> DataError {
    let found = within(path, DEPTH, &mut { MOST });
    let whole = path.canonicalize().ok().and_then(|full| full.parent().map(Path::to_path_buf));
    let folders = folders(path);
    let classes: Vec<String> =
        folders.iter().filter(|path| first_image(path).is_some()).map(|path| file_name(path)).collect();
    let has_part = folders.iter().any(|path| is_part(path, false) && has_images(path));
    let image = first_image(path);
    let path = path.to_path_buf();
    match (whole, image) {
        _ if !found.is_empty() => DataError::Nested { path, found },
        (Some(whole), _) if is_part(&path, true) && is_data_set(&whole) => DataError::PartOnly { path, whole },
        _ if has_part => DataError::NoTrain { path },
        _ if !classes.is_empty() => DataError::NoParts { path, classes },
        (_, Some(image)) => DataError::NoClass { path: image, part: path.join("train") },
        _ => DataError::NoLayout { path },
    }
}

/// The data sets in the folders of `path`, the nearest to it only; not more than `left` folders are looked into.
fn within(path: &Path, depth: usize, left: &mut usize) -> Vec<PathBuf> {
    let is_set = |path: &PathBuf| if path.is_dir() { is_data_set(path) } else { known::is_archive(&file_name(path)) };
    let found: Vec<PathBuf> = entries(path).unwrap_or_default().into_iter().filter(is_set).collect();
    if !found.is_empty() || depth <= 1 {
        return found;
    }
    let mut deeper = Vec::new();
    for folder in folders(path) {
        if *left == 0 {
            break;
        }
        *left -= 1;
        deeper.extend(within(&folder, depth - 1, left));
    }
    deeper
}

fn folders(path: &Path) -> Vec<PathBuf> {
    entries(path).unwrap_or_default().into_iter().filter(|path| path.is_dir()).collect()
}

/// Whether `folder` is a data set, as far as its first files show.
fn is_data_set(folder: &Path) -> bool {
    let is = |path: &PathBuf| match path.is_dir() {
        true => file_name(path).eq_ignore_ascii_case("train") && has_images(path),
        false => cifar::is_images(&file_name(path)) || idx::is_part(&file_name(path)),
    };
    entries(folder).unwrap_or_default().iter().any(is)
}

/// Whether images lie in `part`, or in its class folders.
fn has_images(part: &Path) -> bool {
    first_image(part).is_some() || folders(part).iter().any(|class| first_image(class).is_some())
}
