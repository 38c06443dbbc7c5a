use std::{io, path::PathBuf};

use thiserror::Error;

/// Why a dataset could not be loaded. A file inside an archive is shown as `archive.tar.gz/name`.
#[derive(Debug, Error)]
pub enum DataError {
    #[error(
        "no data set `{spec}`: give `sample`, `cifar10`, `cifar100`, or the path of a folder or .tar.gz ({source})"
    )]
    NotFound { spec: String, source: io::Error },

    #[error(
        "no {name} here: looked for {}. `itop data fetch {spec}` brings it. Or download {archive} (the binary version) \
         from https://www.cs.toronto.edu/~kriz/cifar.html and put it, packed or unpacked, into ./data, or into a folder \
         that the environment variable ITOP_DATA names",
        .looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    Absent { spec: &'static str, name: &'static str, archive: &'static str, looked: Vec<PathBuf> },

    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },

    #[error("{path} is not a gzip archive; give a .tar.gz or a folder")]
    NotGzip { path: PathBuf },

    #[error("{path} holds {name} more than once; give an archive of one data set")]
    Duplicate { path: PathBuf, name: String },

    #[error(
        "{path} holds no data set: expected data_batch_N.bin and test_batch.bin (CIFAR-10), train.bin and test.bin \
         (CIFAR-100; the binary versions, not the Python ones), or folders train/CLASS and test/CLASS of PNG images"
    )]
    NoLayout { path: PathBuf },

    #[error("{path} holds both CIFAR-10 files (data_batch_N.bin) and CIFAR-100 files (train.bin); part them")]
    TwoLayouts { path: PathBuf },

    #[error("{path} lacks {name}")]
    MissingFile { path: PathBuf, name: &'static str },

    #[error("{path} is empty")]
    Empty { path: PathBuf },

    #[error(
        "{path} has {size} bytes, which is not a whole number of {record}-byte records ({excess} too many): \
         the file is cut or not of this layout"
    )]
    PartialRecord { path: PathBuf, size: usize, record: usize, excess: usize },

    #[error("{path} has {size} bytes; class names take at most {most}")]
    ClassNames { path: PathBuf, size: usize, most: usize },

    #[error("{path}: record {record} has label {label}, but there are {classes} classes (0 to {})", classes.saturating_sub(1))]
    Label { path: PathBuf, record: usize, label: u32, classes: usize },

    #[error("{path} is neither .png nor .jpg; convert it, or move it out of the data set")]
    NotAnImage { path: PathBuf },

    #[error("cannot decode {path}: {source}")]
    Image { path: PathBuf, source: image::ImageError },

    #[error("{path} is {}x{} pixels, but the first image is {}x{}; all images must have one size", found.0, found.1, first.0, first.1)]
    ImageSize { path: PathBuf, found: (usize, usize), first: (usize, usize) },

    #[error("{path} holds no images")]
    NoImages { path: PathBuf },

    #[error("{path} is a class that the train folder lacks")]
    UnknownClass { path: PathBuf },

    #[error("a held-out fraction of {fraction} is not in 0 <= fraction < 1")]
    HeldOut { fraction: f64 },
}
