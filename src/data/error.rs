use std::{io, path::PathBuf};

use thiserror::Error;

use super::describe::shortened;
use crate::words::number_of;

/// Why a dataset could not be loaded. A file inside an archive is shown as `archive.tar.gz/name`.
#[derive(Debug, Error)]
pub enum DataError {
    #[error(
        "no data set `{spec}`: give `sample`, `cifar10`, `cifar100`, or the path of a folder or .tar.gz ({source})"
    )]
    NotFound { spec: String, source: io::Error },

    #[error(
        "no {name} here: looked for {}. `itop data fetch {spec}` downloads it. Or download {archive} (the binary version) \
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
         (CIFAR-100; the binary versions, not the Python ones), train-images-idx3-ubyte and its kin (MNIST), or folders train/CLASS and test/CLASS of PNG or JPEG images"
    )]
    NoLayout { path: PathBuf },

    #[error(
        "{path} holds files of more than one layout: CIFAR-10 (data_batch_N.bin), CIFAR-100 (train.bin), IDX \
         (train-images-idx3-ubyte); keep only one of them there"
    )]
    TwoLayouts { path: PathBuf },

    #[error("{path} lacks {name}")]
    MissingFile { path: PathBuf, name: &'static str },

    #[error("{path} lacks {name}; put it there, {SPLIT}")]
    MissingTestFile { path: PathBuf, name: &'static str },

    #[error(
        "{path} lacks {name}, one of the five files of train images; put it back, or put all train images into one \
         data_batch_1.bin"
    )]
    MissingBatch { path: PathBuf, name: String },

    #[error("{path} holds the same images twice: {first} and {second} are equal; download them again, or remove one")]
    EqualFiles { path: PathBuf, first: String, second: String },

    #[error("{path} is no IDX file of this kind: {what}; download it again")]
    Idx { path: PathBuf, what: String },

    #[error("{path} holds no data set, but {}", there(.found))]
    Nested { path: PathBuf, found: Vec<PathBuf> },

    #[error("{path} is one part of a data set; give the path of the whole: {}", .whole.display())]
    PartOnly { path: PathBuf, whole: PathBuf },

    #[error("{path} has no folder `train`; an image folder holds train/CLASS and test/CLASS with the images in them")]
    NoTrain { path: PathBuf },

    #[error("{path} holds class folders ({}), but no `train` and `test` with these in them; make them, {SPLIT}", shortened(.classes))]
    NoParts { path: PathBuf, classes: Vec<String> },

    #[error("{path} has no folder `test` with images that training does not see; make it, {SPLIT}{}", val_is_not_test(.val.as_deref()))]
    NoTest { path: PathBuf, val: Option<String> },

    #[error("{path} has a test set of its own; leave out `test` (it is {share})")]
    TestGiven { path: PathBuf, share: f64 },

    #[error("`test` = {share} must be from 0 to 0.9: the share of each class that becomes the test set")]
    TestShare { share: f64 },

    #[error(
        "`test` = {share} leaves no test image: {path} has {}, and of a class one stays; take a larger share, or more images",
        number_of(*.images, "image")
    )]
    TestEmpty { path: PathBuf, share: f64, images: usize },

    #[error("{path} holds both `{first}` and `{second}`; keep one of them")]
    TwoParts { path: PathBuf, first: String, second: String },

    #[error("{path} is not in a class folder, so its class is unknown; move it into {}", .part.join("CLASS").display())]
    NoClass { path: PathBuf, part: PathBuf },

    #[error("{path} is a folder in a class folder; the images belong into {} itself", .class.display())]
    FolderInClass { path: PathBuf, class: PathBuf },

    #[error("{path} is an archive of images; image folders are read unpacked: unpack it, and give the folder")]
    PackedImages { path: PathBuf },

    #[error("{path} is empty")]
    Empty { path: PathBuf },

    #[error(
        "{path} has {size} bytes, which is not a whole number of {record}-byte records ({excess} too many): \
         the file is cut or not of this layout"
    )]
    PartialRecord { path: PathBuf, size: usize, record: usize, excess: usize },

    #[error("{path} has {size} bytes; class names take at most {most}")]
    ClassNames { path: PathBuf, size: usize, most: usize },

    #[error("{path}: record {record} has label {label}, and there {} (0 to {})", are(*.classes), .classes.saturating_sub(1))]
    Label { path: PathBuf, record: usize, label: u32, classes: usize },

    #[error("{path} is neither .png nor .jpg; convert it, or move it out of the data set")]
    NotAnImage { path: PathBuf },

    #[error("cannot decode {path}: {reason}")]
    Image { path: PathBuf, reason: String },

    #[error(
        "{path} is {}x{} pixels, but {} of the {images} images are {}x{}; all images must have one size: resize what differs, \
         or move it out of the data set", .found.0, .found.1, .images - .odd, .usual.0, .usual.1
    )]
    ImageSize { path: PathBuf, found: (usize, usize), usual: (usize, usize), odd: usize, images: usize },

    #[error(
        "{path} is {width}x{height} pixels, and {most}x{most} is the most; resize the images of the data set, all to one size \
         (the networks were made for 32x32)"
    )]
    TooLarge { path: PathBuf, width: u32, height: u32, most: u32 },

    #[error("{path} holds no images (.png or .jpg); add some, or remove the folder")]
    NoImages { path: PathBuf },

    #[error("{path} is a class that the train folder lacks; add images of it there, or remove this folder")]
    UnknownClass { path: PathBuf },

    #[error(
        "`{}` lies in the data set `{}`, where it would count as a class or a part of one; choose a folder elsewhere, as --out ../runs",
        .out.display(), .data.display()
    )]
    OutInside { out: PathBuf, data: PathBuf },

    #[error("the {part} images of `{name}` {wrong}")]
    Given { name: String, part: &'static str, wrong: String },

    #[error("a held-out fraction of {fraction} is not in 0 <= fraction < 1")]
    HeldOut { fraction: f64 },
}

/// `are 10 classes`
fn are(classes: usize) -> String {
    format!("{} {}", if classes == 1 { "is" } else { "are" }, number_of(classes, "class"))
}

/// How a data set without a test set gets one.
const SPLIT: &str = "or use a share of each class, always the same images, as the test set: --test 0.2 (in a configuration: \
                     test = 0.2)";

/// What to know of a validation set where the test set is missing.
fn val_is_not_test(val: Option<&str>) -> String {
    val.map_or_else(String::new, |val| {
        format!(
            ". `{val}` chooses the best epoch, so it cannot be the test set too; if it is the test set, name it `test`"
        )
    })
}

/// Where data sets are instead.
fn there(paths: &[PathBuf]) -> String {
    match paths {
        [one] => format!("{} does: give that path instead", one.display()),
        many => {
            let names: Vec<String> = many.iter().map(|path| path.display().to_string()).collect();
            format!("these do: {}; give the path of one of them instead", shortened(&names))
        }
    }
}
