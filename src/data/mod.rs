//! Datasets in memory: CIFAR's binary layouts (folder or archive), image folders, and an embedded sample.

mod archive;
mod cifar;
mod describe;
mod error;
mod folder;
mod sample;
mod split;

pub use cifar::{Format, parse_records};
pub use describe::describe;
pub use error::DataError;
pub use split::{Split, epoch_order};

use std::path::{Path, PathBuf};

/// Labelled 8-bit images of one size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// `n × channels × height × width`, planar as in CIFAR.
    pub pixels: Vec<u8>,
    pub labels: Vec<u32>,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// A dataset with its official training and test images.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    pub name: String,
    pub classes: Vec<String>,
    pub train: Images,
    pub test: Images,
    /// Normalisation of each channel: `(pixel / 255 − mean) / std`.
    pub mean: [f32; 3],
    pub std: [f32; 3],
}

/// Loads what `--data` names: `sample`, `cifar10`, `cifar100`, a folder or archive in a CIFAR layout with any number of
/// records a file, or an image folder (`train/<class>/*.png`, `test/<class>/*.png`).
pub fn load(spec: &str) -> Result<Dataset, DataError> {
    match spec {
        "sample" => sample::load(),
        "cifar10" => official(Format::Cifar10),
        "cifar100" => official(Format::Cifar100),
        path => at(Path::new(path)),
    }
}

/// A dataset at a path, whatever it is.
fn at(path: &Path) -> Result<Dataset, DataError> {
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
    if path.is_file() {
        return cifar::assemble(&name, &archive::read(path)?);
    }
    if !path.is_dir() {
        return Err(DataError::NotFound { path: path.into() });
    }
    if path.join("train").is_dir() { folder::read(&name, path) } else { cifar::assemble(&name, &cifar::files(path)?) }
}

/// CIFAR itself, under `$ITOP_DATA` or `./data`, unpacked or as the archive that it is published as.
fn official(format: Format) -> Result<Dataset, DataError> {
    let root = std::env::var_os("ITOP_DATA").map_or_else(|| PathBuf::from("data"), PathBuf::from);
    let (spec, folder, archive) = match format {
        Format::Cifar10 => ("cifar10", "cifar-10-batches-bin", "cifar-10-binary.tar.gz"),
        Format::Cifar100 => ("cifar100", "cifar-100-binary", "cifar-100-binary.tar.gz"),
    };
    let tried = [root.join(folder), root.join(archive)];
    let path = tried.iter().find(|path| path.exists());
    let path = path.ok_or_else(|| DataError::Absent { spec, folder, archive, root })?;
    let mut dataset = at(path)?;
    dataset.name = spec.into();
    // The ITOP code's constants (`reference/itop.md` 3.1).
    (dataset.mean, dataset.std) = match format {
        Format::Cifar10 => ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]),
        Format::Cifar100 => ([0.50708, 0.48655, 0.44092], [0.26733, 0.25644, 0.27615]),
    };
    Ok(dataset)
}

/// Mean and standard deviation of each channel of `pixel / 255`, over all images; a constant channel gets 1.
pub(crate) fn normalisation(images: &Images) -> ([f32; 3], [f32; 3]) {
    let plane = images.height * images.width;
    let mut sums = [[0u64; 2]; 3];
    for (at, plane) in images.pixels.chunks(plane.max(1)).enumerate() {
        let [sum, squares] = &mut sums[at % images.channels.max(1) % 3];
        for &pixel in plane {
            *sum += u64::from(pixel);
            *squares += u64::from(pixel) * u64::from(pixel);
        }
    }
    let count = (images.len() * plane).max(1) as f64;
    let mean = sums.map(|[sum, _]| sum as f64 / count / 255.0);
    let std = std::array::from_fn(|c| {
        let variance = sums[c][1] as f64 / count / (255.0 * 255.0) - mean[c] * mean[c];
        if variance > 1e-12 { variance.sqrt() as f32 } else { 1.0 }
    });
    (mean.map(|m| m as f32), std)
}
