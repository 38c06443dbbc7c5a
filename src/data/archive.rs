//! The dataset files in a `.tar.gz`, read into memory: nothing is ever unpacked to disk, so paths and links in the
//! archive cannot reach anything.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use super::{DataError, cifar::Files, files::is_hidden, folder::is_image, source::is_part};

/// Unpacked bytes that any archive may have, and that the largest may have; CIFAR has 184 MB.
const LEAST: u64 = 64 << 20;
const MOST: u64 = 2 << 30;
/// How many times its packed size an archive may have unpacked: photographs hardly pack at all.
const RATIO: u64 = 20;

/// Reads the regular files of the archive at `path` that are part of a layout, by their last path component.
pub(super) fn read(path: &Path) -> Result<Files, DataError> {
    let failed = |source| DataError::Read { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(failed)?;
    let packed = file.metadata().map_err(failed)?.len();
    read_from(file, path, limit(packed))
}

/// The same of an archive in memory, which `path` names in messages.
pub(super) fn read_bytes(packed: &[u8], path: &Path) -> Result<Files, DataError> {
    read_from(packed, path, limit(packed.len() as u64))
}

/// Bytes to which an archive of `packed` bytes may unpack.
fn limit(packed: u64) -> u64 {
    packed.saturating_mul(RATIO).clamp(LEAST, MOST)
}

/// What the gzip file in `packed` holds, which `path` names in messages.
pub(super) fn gunzip(packed: &[u8], path: &Path) -> Result<Vec<u8>, DataError> {
    let limit = limit(packed.len() as u64);
    let mut bytes = Vec::new();
    let read = Bounded { inner: MultiGzDecoder::new(packed), left: limit, limit }.read_to_end(&mut bytes);
    read.map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
    Ok(bytes)
}

fn read_from(packed: impl Read, path: &Path, limit: u64) -> Result<Files, DataError> {
    let decoder = MultiGzDecoder::new(packed);
    if decoder.header().is_none() {
        return Err(DataError::NotGzip { path: path.to_path_buf() });
    }
    let failed = |source| DataError::Read { path: path.to_path_buf(), source };
    let mut archive = tar::Archive::new(Bounded { inner: decoder, left: limit, limit });
    let mut files = Files::new();
    let mut images = false;
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        // Regular files only: links point elsewhere, and a sparse file could unpack to more than its archive does.
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path().map_err(failed)?.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        images |= name.as_ref().is_some_and(|name| is_image(Path::new(name)) && !is_hidden(name));
        let Some(name) = name.filter(|name| is_part(name)) else { continue };
        let mut bytes = Vec::new();
        let size = entry.size();
        entry.read_to_end(&mut bytes).map_err(failed)?;
        if (bytes.len() as u64) < size {
            return Err(failed(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{name} is cut"))));
        }
        if files.insert(name.clone(), bytes).is_some() {
            return Err(DataError::Duplicate { path: path.to_path_buf(), name });
        }
    }
    // The checksum stands at the end of the stream, behind the end of the tar.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(failed)?;
    if files.is_empty() && images { Err(DataError::PackedImages { path: path.to_path_buf() }) } else { Ok(files) }
}

/// A reader that fails after `limit` bytes, where [`Read::take`] would pretend that the stream had ended.
struct Bounded<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            let message = format!("it unpacks to more than the allowed {} bytes", self.limit);
            io::Error::new(io::ErrorKind::FileTooLarge, message)
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::{super::cifar::tests::records, *};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A tar of `entries` with their names exactly as given (the builder's own checks would refuse `..`).
    fn tar_of(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for &(name, kind, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(kind);
            header.set_size(bytes.len() as u64);
            if kind.is_symlink() {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            builder.append(&header, bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn read_within(packed: &[u8], limit: u64) -> Result<Files, DataError> {
        read_from(packed, Path::new("a.tar.gz"), limit)
    }

    const FILE: tar::EntryType = tar::EntryType::Regular;

    #[test]
    fn an_archive_of_a_cifar_folder_is_a_dataset() {
        let (train, test) = (records(2, &[3, 99]), records(2, &[5]));
        let packed = gzip(&tar_of(&[
            ("cifar-100-binary/", tar::EntryType::Directory, b""),
            ("cifar-100-binary/train.bin", FILE, &train),
            ("cifar-100-binary/._test.bin", FILE, b"resource fork"),
            ("cifar-100-binary/test.bin", FILE, &test),
        ]));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.tar.gz");
        std::fs::write(&path, packed).unwrap();
        let data = super::super::load(path.to_str().unwrap()).unwrap();
        assert_eq!((data.name.as_str(), data.train.labels, data.test.labels), ("mine", vec![3, 99], vec![5]));
    }

    #[test]
    fn evil_paths_and_links_reach_nothing() {
        let packed = gzip(&tar_of(&[
            ("../../train.bin", FILE, b"train"),
            ("/etc/passwd", FILE, b"root"),
            ("x/test.bin", tar::EntryType::Symlink, b""),
            ("x/batches.meta.txt", tar::EntryType::Link, b""),
            ("x/..", FILE, b""),
        ]));
        let files = read_within(&packed, MOST).unwrap();
        assert_eq!(files.into_iter().collect::<Vec<_>>(), [("train.bin".to_owned(), b"train".to_vec())]);
    }

    #[test]
    fn bombs_are_bounded() {
        let zeros = vec![0; 8 << 20];
        for name in ["train.bin", "other"] {
            let packed = gzip(&tar_of(&[(name, FILE, &zeros)]));
            let message = read_within(&packed, 1 << 20).unwrap_err().to_string();
            assert!(message.contains("a.tar.gz") && message.contains("1048576 bytes"), "{message}");
            assert!(read_within(&packed, 9 << 20).is_ok());
        }
        assert!(read_within(&gzip(&zeros), 1 << 20).is_err(), "bytes behind the end of the tar count too");
    }

    #[test]
    fn broken_archives_are_refused() {
        let tar = tar_of(&[("train.bin", FILE, &records(2, &[0])), ("test.bin", FILE, &records(2, &[0]))]);
        let packed = gzip(&tar);
        assert!(matches!(read_within(b"PK not gzip", MOST), Err(DataError::NotGzip { .. })));
        assert!(matches!(read_within(b"", MOST), Err(DataError::NotGzip { .. })));
        for cut in [packed.len() / 2, packed.len() - 1] {
            assert!(matches!(read_within(&packed[..cut], MOST), Err(DataError::Read { .. })), "cut at {cut}");
        }
        let message = read_within(&gzip(&tar[..2000]), MOST).unwrap_err().to_string();
        assert!(message.contains("train.bin is cut"), "{message}");
        let mut flipped = packed.clone();
        *flipped.iter_mut().nth_back(6).unwrap() ^= 1;
        assert!(read_within(&flipped, MOST).is_err(), "a wrong checksum");

        let twice = gzip(&tar_of(&[("a/train.bin", FILE, b"1"), ("b/train.bin", FILE, b"2")]));
        assert!(matches!(read_within(&twice, MOST), Err(DataError::Duplicate { .. })));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = read_within(&bytes, 1 << 20);
            let _ = read_within(&gzip(&bytes), 1 << 20);
        }

        /// Headers of any content with a right checksum, so that the reader gets past it.
        #[test]
        fn random_headers_never_panic(
            blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 512), 1..4),
            kind in prop::sample::select(b"0123457KLSxg".to_vec()),
            size in 0..1u64 << 40,
        ) {
            let mut bytes = Vec::new();
            for block in blocks {
                let mut header = tar::Header::new_gnu();
                header.as_mut_bytes().copy_from_slice(&block);
                header.as_old_mut().name = [0; 100];
                header.as_old_mut().name[..9].copy_from_slice(b"train.bin");
                header.set_entry_type(tar::EntryType::new(kind));
                header.set_size((size % 4096) << (size % 3 * 15));
                header.set_cksum();
                bytes.extend(header.as_bytes());
            }
            bytes.extend([1; 4096]);
            let _ = read_within(&gzip(&bytes), 1 << 20);
        }
    }
}
