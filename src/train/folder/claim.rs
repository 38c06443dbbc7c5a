//! Which process trains in a run folder: claims that need nothing but a shared folder, also between machines.
//!
//! The attempts at the run in `RUN` are the files `RUN/claims/1.json`, `2.json`, … A process takes the run by creating the next
//! one, and creating a file that must not exist is atomic on every file system, NFS included: of several processes exactly one
//! gets it. It may be tried only when the last attempt has ended, which is written into the file, or its process is gone. Files
//! are never removed or reused, so nobody can mistake a new claim for the old one that they saw.
//!
//! A process is gone if it no longer exists, where that can be known (on the same machine, see `alive`). Elsewhere it is gone if
//! its file was not touched for [`STALE`] while another process watched. Only changes count, because clocks may differ.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::alive::{self, Sign};
use crate::train::run_folder::{FolderError, io_error};

/// How often a process touches its file.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// A process on another machine that has not touched its file for so long is gone.
pub const STALE: Duration = Duration::from_secs(60);

/// A claim's file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    process: alive::Process,
    /// Where it was made, which tells it from its copies; none where that cannot be told.
    #[serde(default)]
    made: Option<Made>,
    /// How it ended.
    ended: Option<String>,
}

/// The place of a claim's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Made {
    path: PathBuf,
    /// The file's number on its file system.
    file: u64,
}

impl Made {
    fn of(claim: &Path) -> Option<Self> {
        #[cfg(unix)]
        {
            let file = std::os::unix::fs::MetadataExt::ino(&fs::metadata(claim).ok()?);
            Some(Self { path: claim.canonicalize().ok()?, file })
        }
        // On Windows a copy's lock is free, and says so.
        #[cfg(not(unix))]
        {
            let _ = claim;
            None
        }
    }

    /// Whether the file `claim` is a copy of the one that was made. Both must differ: a folder that was moved keeps its files'
    /// numbers, and a file system that makes numbers up keeps its paths.
    fn is_another(&self, claim: &Path) -> bool {
        Self::of(claim).is_some_and(|now| now.path != self.path && now.file != self.file)
    }
}

/// A run folder that this process may write. Dropping it gives the folder back.
pub struct Claim {
    path: PathBuf,
    file: File,
    record: Record,
    beat: Option<(Sender<()>, JoinHandle<()>)>,
    /// Dropped last: a process that sees it gone finds the end written.
    _sign: Sign,
}

/// What came of asking for a run folder.
pub enum Taken {
    Mine(Claim),
    /// Another process trains there.
    Busy(String),
}

impl Claim {
    /// Takes the run folder `run`, which is made if it is not there, unless another process trains in it. Watches a process on
    /// another machine for up to `stale`. `lost` is called (on another thread) should this process no longer hold
    /// the folder: it was frozen for long and another one took over, or the folder was moved or removed.
    pub fn take(run: &Path, stale: Duration, lost: impl Fn() + Send + 'static) -> Result<Taken, FolderError> {
        let folder = run.join(FOLDER);
        fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
        let mut watched: Option<(usize, Option<SystemTime>, Instant)> = None;
        loop {
            let last = last_attempt(run)?;
            if last > 0 {
                let path = path(run, last);
                let record = read(&path);
                let busy = || Taken::Busy(name(record.as_ref()));
                match record.as_ref().and_then(|record| record.runs(&path)) {
                    Some(true) => return Ok(busy()),
                    Some(false) => {}
                    None => {
                        let touched = touched(&path);
                        match watched.filter(|&(attempt, ..)| attempt == last) {
                            None => watched = Some((last, touched, Instant::now())),
                            Some((_, before, _)) if before != touched => return Ok(busy()),
                            Some(_) => {}
                        }
                        if watched.is_some_and(|(_, _, since)| since.elapsed() < stale) {
                            thread::sleep(Duration::from_millis(200).min(stale));
                            continue;
                        }
                    }
                }
            }
            let [path, next] = [last + 1, last + 2].map(|attempt| path(run, attempt));
            // Before the claim, so that no claim is without it.
            let Some(sign) = alive::give_sign(&path).map_err(io_error("lock", &path))? else {
                thread::sleep(Duration::from_millis(20));
                continue;
            };
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Self::start((path, next), file, sign, lost).map(Taken::Mine),
                // Somebody was faster; look at them. (A network file system may take a moment to show them.)
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => thread::sleep(Duration::from_millis(20)),
                Err(error) => return Err(io_error("create", &path)(error)),
            }
        }
    }

    fn start(
        (path, next): (PathBuf, PathBuf),
        file: File,
        sign: Sign,
        lost: impl Fn() + Send + 'static,
    ) -> Result<Self, FolderError> {
        let record = Record { process: sign.process(), made: Made::of(&path), ended: None };
        let mut claim = Self { path, file, record, beat: None, _sign: sign };
        claim.write()?;
        let file = claim.file.try_clone().map_err(io_error("open", &claim.path))?;
        let (own, text) = (claim.path.clone(), claim.text()?);
        let (stop, stopped) = mpsc::channel();
        let beat = move || {
            while stopped.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                // The open file, not its name. A beat that fails is as one that was not seen: there will be another.
                file.set_modified(SystemTime::now()).ok();
                // Somebody came after this process, or moved its folder and put another one there.
                let gone = match fs::read(&own) {
                    Ok(found) => found != text,
                    Err(error) => error.kind() == io::ErrorKind::NotFound,
                };
                if gone || next.exists() {
                    return lost();
                }
            }
        };
        claim.beat = Some((stop, thread::spawn(beat)));
        Ok(claim)
    }

    fn text(&self) -> Result<Vec<u8>, FolderError> {
        serde_json::to_vec(&self.record).map_err(io::Error::from).map_err(io_error("write", &self.path))
    }

    fn write(&mut self) -> Result<(), FolderError> {
        let text = self.text()?;
        let mut write = || {
            self.file.rewind()?;
            self.file.write_all(&text)?;
            self.file.set_len(text.len() as u64)?;
            self.file.sync_all()
        };
        write().map_err(io_error("write", &self.path))
    }

    /// Ends the attempt and says how.
    pub fn end(mut self, how: &str) {
        self.record.ended = Some(how.into());
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((stop, beat)) = self.beat.take() {
            drop(stop);
            beat.join().ok();
        }
        self.record.ended.get_or_insert_with(|| "given up".into());
        // On a full disk the claim stays, and is taken over once this process is gone.
        self.write().ok();
    }
}

impl Record {
    /// Whether its process still trains; none if that cannot be known from here.
    fn runs(&self, claim: &Path) -> Option<bool> {
        match self.ended {
            Some(_) => Some(false),
            // It may live, but not here.
            None => self
                .process
                .lives(claim)
                .map(|lives| lives && !self.made.as_ref().is_some_and(|made| made.is_another(claim))),
        }
    }
}

/// Who trains in `run`, if somebody does. A silent process on another machine counts until it is watched by [`Claim::take`].
pub fn running(run: &Path) -> Option<String> {
    let (record, runs) = last(run)?;
    (runs != Some(false)).then(|| name(record.as_ref()))
}

/// Why [`Claim::take`] will have to watch the last claim of `run`, if it does, in words: its process did not say that it ended,
/// and it cannot be known from here whether it lives; or nobody can read it.
pub fn doubt(run: &Path) -> Option<String> {
    let (record, runs) = last(run)?;
    let file = path(run, last_attempt(run).ok()?);
    runs.is_none().then(|| match record {
        Some(record) => format!("{} was the last to train in `{}`", record.process, run.display()),
        None => format!("`{}` says nothing of the process that made it: it is cut or was edited", file.display()),
    })
}

/// The last claim of `run`, if there was one, and whether its process still trains. A file that was just created, or is torn,
/// has no record.
fn last(run: &Path) -> Option<(Option<Record>, Option<bool>)> {
    let attempt = last_attempt(run).ok().filter(|&attempt| attempt > 0)?;
    let path = path(run, attempt);
    let record = read(&path);
    let runs = record.as_ref().and_then(|record| record.runs(&path));
    Some((record, runs))
}

fn name(record: Option<&Record>) -> String {
    record.map_or("an unknown process".into(), |record| record.process.to_string())
}

/// When the last process in `run` was heard of, to see it change.
pub fn last_beat(run: &Path) -> Option<(usize, SystemTime)> {
    let last = last_attempt(run).ok().filter(|&last| last > 0)?;
    Some((last, touched(&path(run, last))?))
}

/// Where a run folder keeps its claims.
const FOLDER: &str = "claims";

fn path(run: &Path, attempt: usize) -> PathBuf {
    run.join(FOLDER).join(format!("{attempt}.json"))
}

/// The number of the last attempt; 0 if there was none. Attempts have no gaps.
fn last_attempt(run: &Path) -> Result<usize, FolderError> {
    let mut last = 0;
    loop {
        let path = path(run, last + 1);
        match path.try_exists() {
            Ok(true) => last += 1,
            Ok(false) => return Ok(last),
            Err(error) => return Err(io_error("look for", &path)(error)),
        }
    }
}

fn read(path: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Opening the file first makes a network file system ask its server.
fn touched(path: &Path) -> Option<SystemTime> {
    File::open(path).and_then(|file| file.metadata()?.modified()).ok()
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
