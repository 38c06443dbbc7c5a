//! CIFAR-10 and CIFAR-100 by name: where they are looked for, and the constants that published results use.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::{DataError, Dataset, Images, source::load_path, test_set_exists};

/// A published dataset; folder and archive are named as on its home page.
#[derive(Clone, Copy)]
pub(super) struct Known {
    spec: &'static str,
    name: &'static str,
    pub(super) folder: &'static str,
    pub(super) archive: &'static str,
    /// Of the archive, as published.
    #[cfg_attr(
        not(all(feature = "fetch", not(target_arch = "wasm32"))),
        expect(dead_code, reason = "nothing is fetched")
    )]
    pub(super) md5: &'static str,
    /// Of the same file, as those who pin it have found it.
    #[cfg_attr(
        not(all(feature = "fetch", not(target_arch = "wasm32"))),
        expect(dead_code, reason = "nothing is fetched")
    )]
    pub(super) sha256: &'static str,
    /// Train and test images.
    images: (usize, usize),
    classes: usize,
    mean: [f32; 3],
    std: [f32; 3],
}

/// Mean and deviation are those of the official ITOP code, kept so that results compare.
const KNOWN: [Known; 2] = [
    Known {
        spec: "cifar10",
        name: "CIFAR-10",
        folder: "cifar-10-batches-bin",
        archive: "cifar-10-binary.tar.gz",
        md5: "c32a1d4ab5d03f1284b67883e8d87530",
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        images: (50_000, 10_000),
        classes: 10,
        mean: [0.4914, 0.4822, 0.4465],
        std: [0.2023, 0.1994, 0.2010],
    },
    Known {
        spec: "cifar100",
        name: "CIFAR-100",
        folder: "cifar-100-binary",
        archive: "cifar-100-binary.tar.gz",
        md5: "03b5dce01913d631647c71ecec9e9cb8",
        sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        images: (50_000, 10_000),
        classes: 100,
        mean: [0.50708, 0.48655, 0.44092],
        std: [0.26733, 0.25644, 0.27615],
    },
];

/// The published dataset that is asked for as `spec`.
pub(super) fn named(spec: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.spec == spec)
}

/// Whether a file of this name is the archive of a published dataset.
pub(super) fn is_archive(name: &str) -> bool {
    KNOWN.iter().any(|known| known.archive == name)
}

/// Where datasets are looked for: `$ITOP_DATA`, if it is set, then `./data`.
pub(super) fn roots() -> Vec<PathBuf> {
    let chosen = env::var_os("ITOP_DATA").filter(|root| !root.is_empty()).map(PathBuf::from);
    chosen.into_iter().chain([PathBuf::from("data")]).collect()
}

/// `data` as the published dataset whose folder or archive it is named after; any other as it is.
pub(super) fn recognise(data: Dataset) -> Dataset {
    let is_named = |known: &&Known| data.name == known.folder || known.archive.trim_end_matches(".tar.gz") == data.name;
    match KNOWN.iter().find(is_named) {
        Some(known) => known.normalised(data),
        None => data,
    }
}

impl Known {
    /// Its folder and its archive in `root`.
    fn places(&self, root: &Path) -> [PathBuf; 2] {
        [root.join(self.folder), root.join(self.archive)]
    }

    /// The first of the usual roots that holds the dataset.
    pub(super) fn root(&self) -> Option<PathBuf> {
        roots().into_iter().find(|root| self.places(root).iter().any(|path| path.exists()))
    }

    /// Loads the first folder or archive of the dataset under `roots`, which has a test set: `test`, a share to draw one, is 0.
    pub(super) fn load(&self, roots: &[PathBuf], test: f64) -> Result<Dataset, DataError> {
        test_set_exists(Path::new(self.spec), true, test)?;
        let looked: Vec<PathBuf> = roots.iter().flat_map(|root| self.places(root)).collect();
        let Some(path) = looked.iter().find(|path| path.exists()) else {
            return Err(DataError::Absent { spec: self.spec, name: self.name, archive: self.archive, looked });
        };
        self.load_from(path)
    }

    /// The dataset's sizes and evenly spread labels, without a pixel.
    pub(super) fn outline(&self) -> Dataset {
        let images = |count: usize| {
            let labels = (0..count).map(|image| (image % self.classes) as u32).collect();
            Images { labels, ..Images::new(32, 32) }
        };
        Dataset {
            name: self.spec.to_owned(),
            classes: (0..self.classes).map(|class| class.to_string()).collect(),
            train: images(self.images.0),
            val: None,
            test: images(self.images.1),
            mean: self.mean.to_vec(),
            std: self.std.to_vec(),
            shared: Vec::new(),
        }
    }

    /// The constants hold for the original; a part of it keeps the normalisation of its own train set.
    fn load_from(&self, path: &Path) -> Result<Dataset, DataError> {
        Ok(self.normalised(load_path(path, 0.0)?))
    }

    fn normalised(&self, data: Dataset) -> Dataset {
        let data = Dataset { name: self.spec.to_owned(), ..data };
        let original = (data.train.len(), data.test.len()) == self.images;
        if original {
            Dataset { mean: self.mean.to_vec(), std: self.std.to_vec(), shared: Vec::new(), ..data }
        } else {
            data
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{super::cifar::tests::records, *};

    fn write_cifar100(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("train.bin"), records(2, &[1, 2])).unwrap();
        fs::write(folder.join("test.bin"), records(2, &[3])).unwrap();
    }

    #[test]
    fn absent_data_is_told_where_it_was_looked_for_and_how_to_get_it() {
        let message =
            named("cifar10").unwrap().load(&["a".into(), "b".into()], 0.0).unwrap_err().to_string().replace('\\', "/");
        for part in ["a/cifar-10-batches-bin, a/cifar-10-binary.tar.gz, b/", "kriz/cifar.html", "ITOP_DATA"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn the_original_has_the_published_constants_and_the_first_root_wins() {
        let root = tempfile::tempdir().unwrap();
        let (first, second) = (root.path().join("a"), root.path().join("b"));
        write_cifar100(&second.join("cifar-100-binary"));
        let known = Known { images: (2, 1), ..*named("cifar100").unwrap() };
        let data = known.load(&[first.clone(), second.clone()], 0.0).unwrap();
        assert_eq!((data.name.as_str(), data.mean, data.std), ("cifar100", known.mean.into(), known.std.into()));

        fs::create_dir_all(first.join("cifar-100-binary")).unwrap();
        assert!(matches!(known.load(&[first, second], 0.0), Err(DataError::NoLayout { .. })));
    }

    #[test]
    fn a_part_of_the_original_is_normalised_by_itself() {
        let root = tempfile::tempdir().unwrap();
        write_cifar100(&root.path().join("cifar-100-binary"));
        let known = named("cifar100").unwrap();
        let data = known.load(&[root.path().into()], 0.0).unwrap();
        assert_eq!((data.name.as_str(), data.train.len()), ("cifar100", 2));
        assert_ne!(data.mean, known.mean);
    }
}
