//! Records on disk which candidate the autotuner is about to run. A kernel may end the process, the device or the whole machine,
//! and the next start must know which one it was.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A candidate on an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub adapter: String,
    pub candidate: String,
}

/// The attempt of this process. Its file is locked while the process lives, and the lock ends with it however it ends.
#[derive(Debug, Default)]
pub struct Journal {
    file: Option<(File, PathBuf)>,
}

impl Journal {
    /// A journal in `folder`, and what ended processes were at when they ended. Without a folder that can be written nothing
    /// is kept, and everything else continues.
    pub fn open(folder: &Path) -> (Self, Vec<Attempt>) {
        fs::create_dir_all(folder).ok();
        let mut left = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_journal = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
            let Some(mut file) = is_journal.then(|| open(&path, false)).flatten() else { continue };
            if file.try_lock().is_err() {
                // Its process is alive.
                continue;
            }
            let mut text = Vec::new();
            if Read::by_ref(&mut file).take(MOST).read_to_end(&mut text).is_ok() {
                left.extend(serde_json::from_slice::<Attempt>(&text).ok());
            }
            fs::remove_file(&path).ok();
        }
        let path = (0..).map(|number| folder.join(format!("{PREFIX}{}-{number}.json", std::process::id())));
        let path = path.take(1000).find(|path| !path.exists());
        let own = path.and_then(|path| Some((open(&path, true)?, path)));
        let file = own.filter(|(file, _)| file.try_lock().is_ok());
        (Self { file }, left)
    }

    /// From now on `attempt` runs.
    pub fn begin(&mut self, attempt: &Attempt) {
        match serde_json::to_vec(attempt) {
            Ok(text) => self.put(&text),
            Err(error) => log::warn!("what is measured cannot be noted: {error}"),
        }
    }

    /// It ran.
    pub fn end(&mut self) {
        self.put(&[]);
    }

    fn put(&mut self, text: &[u8]) {
        let Some((file, _)) = &mut self.file else { return };
        let put = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(text)?;
            // On the disk before the kernel runs: the machine itself may stand still. What ran needs no such care.
            if text.is_empty() { Ok(()) } else { file.sync_data() }
        };
        if let Err(error) = put(file) {
            log::warn!("what is measured cannot be noted: {error}");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some((file, path)) = self.file.take() {
            drop(file);
            fs::remove_file(path).ok();
        }
    }
}

/// Of the files' names.
const PREFIX: &str = "measuring-";

/// Bytes that a journal may have.
const MOST: u64 = 64 << 10;

fn open(path: &Path, create: bool) -> Option<File> {
    File::options().read(true).write(true).create_new(create).open(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(candidate: &str) -> Attempt {
        Attempt { adapter: "a GPU".into(), candidate: candidate.into() }
    }

    #[test]
    fn what_was_under_way_is_found_once_its_process_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (mut alive, left) = Journal::open(folder.path());
        assert_eq!(left, []);
        alive.begin(&attempt("forward dense 8x4"));
        // Another process starts meanwhile.
        assert_eq!(Journal::open(folder.path()).1, []);
        // One that ends in the middle leaves its file, and no lock.
        let (mut ends, _) = Journal::open(folder.path());
        ends.begin(&attempt("grad_weight sparse subgroup"));
        ends.begin(&attempt("forward sparse"));
        drop(ends.file.take());
        assert_eq!(Journal::open(folder.path()).1, [attempt("forward sparse")]);
        assert_eq!(Journal::open(folder.path()).1, [], "it is said once");
        alive.end();
        drop(alive);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn damaged_journals_and_folders_that_cannot_be_do_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        for (number, text) in ["", "{", "[]", "\0", r#"{"adapter": 3}"#].into_iter().enumerate() {
            fs::write(folder.path().join(format!("{PREFIX}{number}.json")), text).unwrap();
        }
        assert_eq!(Journal::open(folder.path()).1, []);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let (mut none, left) = Journal::open(&file.join("below"));
        none.begin(&attempt("forward sparse"));
        none.end();
        assert!(none.file.is_none() && left.is_empty());
    }
}
