//! CIFAR as it is published: a `.tar.gz`, read in memory. Nothing is unpacked to disk, so no path in it matters.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use super::{DataError, cifar};

/// Most bytes an archive may unpack to; CIFAR has 185 MB.
const LIMIT: u64 = 2 << 30;

/// The wanted files of an archive, wherever in it they lie.
pub(super) fn read(path: &Path) -> Result<cifar::Files, DataError> {
    let file = std::fs::File::open(path).map_err(|source| DataError::Io { path: path.into(), source })?;
    parse(path, file, LIMIT)
}

fn parse(path: &Path, reader: impl Read, limit: u64) -> Result<cifar::Files, DataError> {
    let fail = |error: std::io::Error| DataError::Archive { path: path.into(), message: error.to_string() };
    let mut left = limit;
    let mut archive = tar::Archive::new(GzDecoder::new(std::io::BufReader::new(reader)).take(limit));
    let mut files = cifar::Files::new();
    for entry in archive.entries().map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path_in = entry.path().map_err(fail)?;
        let name = path_in.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !entry.header().entry_type().is_file() || !cifar::wanted(&name) {
            continue;
        }
        let mut bytes = Vec::new();
        entry.take(left + 1).read_to_end(&mut bytes).map_err(fail)?;
        left = left.checked_sub(bytes.len() as u64).ok_or_else(|| DataError::TooLarge { path: path.into(), limit })?;
        files.push((name, bytes));
    }
    files.sort();
    if files.is_empty() {
        return Err(DataError::NoLayout { place: path.display().to_string() });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;
    use crate::data::load;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            // Written by hand: the crate refuses names that leave the folder.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn the_published_archive_is_read_as_it_is() {
        let record = vec![3u8; 3073];
        let bytes = archive(&[
            ("cifar-10-batches-bin/data_batch_1.bin", &record),
            ("../../data_batch_2.bin", &record),
            ("cifar-10-batches-bin/test_batch.bin", &record),
            ("cifar-10-batches-bin/readme.html", b"x"),
        ]);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("cifar-10-binary.tar.gz");
        std::fs::write(&path, bytes).unwrap();
        let dataset = load(path.to_str().unwrap()).unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len()), (2, 1));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing is unpacked");
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let path = Path::new("a.tar.gz");
        let message = |bytes: &[u8], limit| parse(path, bytes, limit).unwrap_err().to_string();
        assert!(message(b"not gzip", LIMIT).contains("a.tar.gz"));
        assert!(message(&archive(&[("x", b"y")]), LIMIT).contains("holds no dataset"));
        let mut cut = archive(&[("train.bin", &[7u8; 100_000])]);
        cut.truncate(cut.len() / 2);
        assert!(message(&cut, LIMIT).contains("a.tar.gz"));
        let bomb = archive(&[("train.bin", &[0u8; 1 << 20])]);
        assert!(message(&bomb, 1 << 16).contains("a.tar.gz"), "a bomb is not unpacked");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = parse(Path::new("r"), bytes.as_slice(), 1 << 20);
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(&bytes).unwrap();
            let _ = parse(Path::new("r"), gzip.finish().unwrap().as_slice(), 1 << 20);
        }
    }
}
