//! What can be wrong with a dataset.

use std::path::PathBuf;

use thiserror::Error;

/// Names the file, what is wrong in it, and the mend.
#[derive(Debug, Error)]
pub enum DataError {
    #[error("no dataset at `{}`: it is neither `sample`, `cifar10`, `cifar100` nor a folder or file", .path.display())]
    NotFound { path: PathBuf },
    #[error(
        "{spec} is not under `{}`: download its binary version (`{archive}`) from the dataset's home page, \
         put it there as it is or unpacked as `{folder}`, or name another place by ITOP_DATA", .root.display()
    )]
    Absent { spec: &'static str, folder: &'static str, archive: &'static str, root: PathBuf },
    #[error("cannot read `{}`: {source}", .path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error(
        "`{place}` holds no dataset: expected data_batch_*.bin and test_batch.bin (CIFAR-10), train.bin and test.bin \
         (CIFAR-100), or folders train/<class>/ and test/<class>/ with PNG images"
    )]
    NoLayout { place: String },
    #[error("`{file}` is missing: the dataset has training files, and no test file")]
    NoTest { file: &'static str },
    #[error("`{file}` has no records")]
    Empty { file: String },
    #[error(
        "`{file}` has {bytes} bytes, {excess} more than whole records of {record}: it is truncated or not {layout}"
    )]
    Size { file: String, bytes: usize, excess: usize, record: usize, layout: &'static str },
    #[error("`{file}`, record {record}: label {label} is outside the {classes} classes")]
    Label { file: String, record: usize, label: u32, classes: usize },
    #[error("`{}` is no tar.gz of a dataset: {message}", .path.display())]
    Archive { path: PathBuf, message: String },
    #[error("`{}` unpacks to more than {limit} bytes: refused", .path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("`{}` is no image that can be read: {message}", .path.display())]
    Image { path: PathBuf, message: String },
    #[error("`{}` is {}×{} and `{}` was {}×{}: all images must have one size", .path.display(), .size.0, .size.1,
        .first.display(), .first_size.0, .first_size.1)]
    ImageSize { path: PathBuf, size: (u32, u32), first: PathBuf, first_size: (u32, u32) },
    #[error("`{}` has a class that the training images lack", .path.display())]
    UnknownClass { path: PathBuf },
}
