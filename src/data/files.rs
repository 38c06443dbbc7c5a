//! Which files of a folder are data: not those that a system or program left there, and not pipes or devices.

use std::path::Path;
use std::{fs, io};

/// What systems and programs leave in folders, in lower case; names that begin with a dot come on top of these.
const LITTER: [&str; 8] = [
    // Windows
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    // macOS, in archives
    "__macosx",
    // Linux, at the top of a file system
    "lost+found",
    // Synology
    "@eadir",
];

/// Whether a file or folder of this name is hidden, or left there by a system: it is no part of any data set.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || LITTER.contains(&name.to_lowercase().as_str())
}

/// An error unless `path` is a file of bytes: a pipe or a device may never end.
pub(super) fn ordinary(path: &Path) -> io::Result<()> {
    let what = "it is no ordinary file, but a pipe, a device or the like";
    if fs::metadata(path)?.is_file() { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, what)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn litter_is_told_from_data() {
        for name in [
            ".DS_Store",
            "._a.png",
            ".ipynb_checkpoints",
            "Thumbs.db",
            "Desktop.ini",
            "__MACOSX",
            "lost+found",
            "@eaDir",
        ] {
            assert!(is_hidden(name), "{name}");
        }
        for name in ["a.png", "cat", "_cat", "thumbs", "desktop", "__init__"] {
            assert!(!is_hidden(name), "{name}");
        }
    }
}
