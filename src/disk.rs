//! Names of files, where systems differ: renaming over what somebody reads, and what of it a power loss leaves.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long Windows is asked again for a name that another program holds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Renames a file, over one that has the name, or a folder. Windows refuses that as long as another program (a virus scanner, an
/// indexer, a script that reads the file) has it open and did not allow it; such programs are through after a moment.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    insist(PATIENCE, || fs::rename(from, to))
}

/// Does `once` again while Windows says that somebody has the file, but not longer than `patience`.
fn insist(patience: Duration, once: impl Fn() -> io::Result<()>) -> io::Result<()> {
    // Access denied, sharing violation, lock violation.
    let held = |error: &io::Error| cfg!(windows) && matches!(error.raw_os_error(), Some(5 | 32 | 33));
    let pause = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        match once() {
            Err(error) if held(&error) && waited < patience => {
                std::thread::sleep(pause);
                waited += pause;
            }
            done => return done,
        }
    }
}

/// The folder that `path` is in.
#[cfg(any(unix, windows))]
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Puts the rename of `path` on the disk.
#[cfg(unix)]
pub fn sync_rename(path: &Path) -> io::Result<()> {
    fs::File::open(folder_of(path))?.sync_all()
}

/// Puts the rename of `path` on the disk, where the file system can: NTFS does; others refuse, and write names in an order of
/// their own. The content is on the disk in any case, so that a power loss leaves the old file or the new one.
#[cfg(windows)]
pub fn sync_rename(path: &Path) -> io::Result<()> {
    use std::os::windows::fs::OpenOptionsExt;
    // Without it Windows opens no folder.
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    let folder = fs::OpenOptions::new().write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(folder_of(path));
    match folder.and_then(|folder| folder.sync_all()) {
        // Invalid function, access denied, invalid handle, not supported: what refusals look like.
        Err(error) if !matches!(error.raw_os_error(), Some(1 | 5 | 6 | 50)) => Err(error),
        _ => Ok(()),
    }
}

/// There is no disk (a browser).
#[cfg(not(any(unix, windows)))]
pub fn sync_rename(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NTFS does so since Windows 10; older systems and Wine refuse, and the reader is waited for as below.
    #[cfg(unix)]
    #[test]
    fn a_file_is_replaced_while_it_is_read() {
        let place = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| place.path().join(name));
        fs::write(&old, "1").unwrap();
        fs::write(&new, "2").unwrap();
        let reader = fs::File::open(&old).unwrap();
        rename(&new, &old).unwrap();
        sync_rename(&old).unwrap();
        assert_eq!((fs::read_to_string(&old).unwrap(), io::read_to_string(reader).unwrap()), ("2".into(), "1".into()));
        assert!(!new.exists());
    }

    #[test]
    fn what_is_not_there_is_told_at_once() {
        let place = tempfile::tempdir().unwrap();
        let start = std::time::Instant::now();
        let error = rename(&place.path().join("none"), &place.path().join("new")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(start.elapsed() < PATIENCE);
        assert_eq!(sync_rename(&place.path().join("none/file")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    /// As most programs that are not written in Rust open a file.
    #[cfg(windows)]
    #[test]
    fn a_reader_that_allows_nothing_is_waited_for() {
        use std::os::windows::fs::OpenOptionsExt;
        let place = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| place.path().join(name));
        fs::write(&old, "1").unwrap();
        fs::write(&new, "2").unwrap();
        // It lets others read and write, but not remove.
        let reader = fs::OpenOptions::new().read(true).share_mode(3).open(&old).unwrap();
        assert!(insist(Duration::from_millis(100), || fs::rename(&new, &old)).is_err(), "nothing refused the rename");
        let close = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(500));
            drop(reader);
        });
        rename(&new, &old).unwrap();
        close.join().unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "2");
    }
}
