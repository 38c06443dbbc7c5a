//! Where a data set is read from.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::cifar::Files;
use super::files::ordinary;
use super::{DataError, Dataset, MOST_TEST, archive, cifar, folder, idx, known, misplaced, sample, test_set_exists};

/// A data set that somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Source<'a> {
    /// As [`load`] takes it.
    pub spec: &'a str,
    /// Share of each class of the train images that becomes the test set, where there is none.
    pub test: f64,
    /// Where a published data set is looked for too, after the usual places.
    pub root: Option<&'a Path>,
}

impl<'a> Source<'a> {
    /// The data set `spec` with the test set that it has.
    pub fn new(spec: &'a str) -> Self {
        Self { spec, test: 0.0, root: None }
    }

    /// Loads it.
    ///
    /// # Errors
    /// As [`load`]; and when a test set is to be drawn where there is one.
    pub fn load(&self) -> Result<Dataset, DataError> {
        let Self { spec, test, root } = *self;
        if !(0.0..=MOST_TEST).contains(&test) {
            return Err(DataError::TestShare { share: test });
        }
        if spec == "sample" {
            test_set_exists(Path::new(spec), true, test)?;
            return sample::load();
        }
        match known::named(spec) {
            Some(known) => {
                known.load(&[known::roots(), root.map(Path::to_path_buf).into_iter().collect()].concat(), test)
            }
            None => load_path(Path::new(spec), test),
        }
    }
}

/// Loads `sample` (embedded), `cifar10` or `cifar100` (from `$ITOP_DATA` or `./data`), or else the path of a folder in
/// CIFAR-10 or CIFAR-100 binary layout with any number of records a file, or with the IDX files of MNIST, of a `.tar.gz` of
/// one, or of an image folder (`train/CLASS/*.png`, `test/CLASS/*.png`). A path that is named like a dataset is written `./sample`.
///
/// # Errors
/// When there is no such dataset, or a file of it is missing, cut or inconsistent; the message names the file.
pub fn load(spec: &str) -> Result<Dataset, DataError> {
    Source::new(spec).load()
}

/// `spec` in a form that names the same data set from every working folder: paths become absolute, links in them stay.
pub fn absolute(spec: &str) -> String {
    if spec == "sample" || known::named(spec).is_some() {
        return spec.to_owned();
    }
    let path = std::path::absolute(spec).ok().and_then(|path| path.into_os_string().into_string().ok());
    path.unwrap_or_else(|| spec.to_owned())
}

/// One spelling of the data set `spec`, to tell it from others: `x`, `./x`, `x/` and a link to `x` are the same.
pub fn place(spec: &str) -> String {
    if spec == "sample" || known::named(spec).is_some() {
        return spec.to_owned();
    }
    let path = Path::new(spec).canonicalize().or_else(|_| std::path::absolute(spec));
    // What is not there (yet, or on this machine) keeps its `..`: they may lead out of links.
    let plain = path.ok().map(|path| path.components().collect::<PathBuf>());
    plain.and_then(|path| path.into_os_string().into_string().ok()).unwrap_or_else(|| spec.to_owned())
}

/// Fails if `out`, which is to be made, lies in the image folder `spec`: what is in there is classes and images.
///
/// # Errors
/// [`DataError::OutInside`] only; what is wrong with the data is told by who loads it.
pub fn check_outside(spec: &Source, out: &Path) -> Result<(), DataError> {
    let data = Path::new(spec.spec);
    let is_known = spec.spec == "sample" || known::named(spec.spec).is_some();
    if is_known || !matches!(folder::layout(data, spec.test), Ok(Some(_))) {
        return Ok(());
    }
    // As far as it is there already: links may lead anywhere.
    let full = std::path::absolute(out).unwrap_or_else(|_| out.into());
    let there = full.ancestors().find_map(|path| path.canonicalize().ok());
    match data.canonicalize() {
        Ok(root) if there.is_some_and(|path| path.starts_with(&root)) => {
            Err(DataError::OutInside { out: out.into(), data: data.into() })
        }
        _ => Ok(()),
    }
}

/// The folder in which the published data set `spec` is found here, as an absolute path.
pub fn root_of(spec: &str) -> Option<PathBuf> {
    let root = known::named(spec)?.root()?;
    std::path::absolute(&root).ok()
}

/// The data set in the folder or archive at `path`, or with `test` of each class as its test set.
pub(super) fn load_path(path: &Path, test: f64) -> Result<Dataset, DataError> {
    let found =
        fs::metadata(path).and_then(|kind| if kind.is_dir() { fs::read_dir(path).map(|_| kind) } else { Ok(kind) });
    let kind = found.map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => DataError::Read { path: path.into(), source },
        _ => DataError::NotFound { spec: path.display().to_string(), source },
    })?;
    if !kind.is_dir() {
        return parse(path, archive::read(path)?, test);
    }
    if let Some(layout) = folder::layout(path, test)? {
        return folder::read(&layout, test);
    }
    let files = read_folder(path)?;
    if files.is_empty() { Err(misplaced::explain(path)) } else { parse(path, files, test) }
}

/// Whether a file of this name is part of the layout of a data set.
pub(super) fn is_part(name: &str) -> bool {
    cifar::is_part(name) || idx::is_part(name)
}

/// Reads the files of `folder` that are part of a layout.
fn read_folder(folder: &Path) -> Result<Files, DataError> {
    let failed = |source| DataError::Read { path: folder.to_path_buf(), source };
    let mut files = Files::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| is_part(name)) {
            let bytes = ordinary(&path)
                .and_then(|()| fs::read(&path))
                .map_err(|source| DataError::Read { path: path.clone(), source })?;
            files.insert(name.to_owned(), bytes);
        }
    }
    Ok(files)
}

/// The data set in `files`, which came from `source`; their names tell the layout.
pub(super) fn parse(source: &Path, files: Files, test: f64) -> Result<Dataset, DataError> {
    match (files.keys().any(|name| idx::is_part(name)), files.keys().any(|name| cifar::is_part(name))) {
        (true, true) => Err(DataError::TwoLayouts { path: source.into() }),
        (true, false) => idx::parse(source, files, test),
        (false, _) => cifar::parse(source, files, test),
    }
}

/// What to call the dataset at `path`: its last component, also of `.` and `..`.
pub(super) fn name_of(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = full.file_name().unwrap_or(full.as_os_str()).to_string_lossy().into_owned();
    name.trim_end_matches(".tar.gz").to_owned()
}
