//! Where the files of a run are: in a folder on disk, or in memory (in a browser).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk;

/// The files of a run that is kept in memory, by name; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Memory {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file `name`, if there is one.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.files().get(name).cloned()
    }

    /// All files in an archive, inside of `folder`: unpacked it is a run folder.
    ///
    /// # Errors
    /// When `folder` is too long a name for an archive.
    pub fn tar(&self, folder: &str) -> io::Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in self.files().iter() {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, format!("{folder}/{name}"), bytes.as_slice())?;
        }
        archive.into_inner()
    }
}

/// A run's files, with its logs open for appending.
pub(in crate::train) enum Store {
    Disk { folder: PathBuf, logs: BTreeMap<&'static str, File> },
    Memory(Memory),
}

impl Store {
    /// The files in `folder`, without a log open.
    pub fn disk(folder: &Path) -> Self {
        Self::Disk { folder: folder.into(), logs: BTreeMap::new() }
    }

    /// Opens `log` for appending, also after it was written anew.
    pub fn open_log(&mut self, log: &'static str) -> io::Result<()> {
        if let Self::Disk { folder, logs } = self {
            logs.insert(log, OpenOptions::new().create(true).append(true).open(folder.join(log))?);
        }
        Ok(())
    }

    /// Closes the logs, for they are to be written anew: not every file system on Windows replaces a file that is open.
    pub fn close_logs(&mut self) {
        if let Self::Disk { logs, .. } = self {
            logs.clear();
        }
    }

    /// Appends to one of the logs.
    pub fn append(&mut self, log: &'static str, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Disk { logs, .. } => logs.get_mut(log).ok_or(io::ErrorKind::NotFound)?.write_all(bytes),
            Self::Memory(memory) => {
                memory.files().entry(log.into()).or_default().extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Puts `log` on the disk.
    pub fn sync(&self, log: &'static str) -> io::Result<()> {
        match self {
            Self::Disk { logs, .. } => logs.get(log).map_or(Ok(()), File::sync_data),
            Self::Memory(_) => Ok(()),
        }
    }

    /// Takes away what a stopped run may have left of the incomplete file `name`.
    pub fn remove_temporary(&self, name: &str) {
        if let Self::Disk { folder, .. } = self {
            fs::remove_file(temporary(&folder.join(name))).ok();
        }
    }

    /// Writes a file that is there as a whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Disk { folder, .. } => replace(&folder.join(name), bytes),
            Self::Memory(memory) => {
                memory.files().insert(name.into(), bytes.to_vec());
                Ok(())
            }
        }
    }

    /// A whole file, unless it has more than `most` bytes.
    pub fn read(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::Disk { folder, .. } => read_up_to(&folder.join(name), most),
            Self::Memory(memory) => memory.read(name).ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }

    /// Whether the folder is not there any more.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Disk { folder, .. } if !folder.is_dir())
    }

    pub fn holds(&self, name: &str) -> bool {
        match self {
            Self::Disk { folder, .. } => folder.join(name).exists(),
            Self::Memory(memory) => memory.files().contains_key(name),
        }
    }
}

/// A whole file, unless it has more than `most` bytes.
pub fn read_up_to(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

/// The name of a file that is not complete yet.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// Writes a file so that its name never holds a part of it, and holds the old content until the new is on the disk:
/// temporary name, sync, rename, sync of the folder.
pub(in crate::train) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let fill = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    let write = || {
        // Closed by then: Windows moves no file that is open.
        fill()?;
        disk::rename(&temporary, path)?;
        disk::sync_rename(path)
    };
    write().inspect_err(|_| {
        fs::remove_file(&temporary).ok();
    })
}
