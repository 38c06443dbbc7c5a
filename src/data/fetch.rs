//! CIFAR from its home page: downloaded with resume, checked, and unpacked whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest, Md5};
use sha2::Sha256;
use thiserror::Error;

use super::known::{self, Known};
use super::{DataError, archive, source::load_path};
use crate::disk;

/// Where the datasets are published.
pub const HOME: &str = "https://www.cs.toronto.edu/~kriz";

/// More than any of the archives has.
const MOST: u64 = 1 << 30;
/// Attempts in a row that bring nothing.
const RETRIES: u32 = 4;
/// The longest silence of a server.
const SILENCE: Duration = Duration::from_secs(30);

/// Why a dataset could not be fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    #[error("no data set `{0}` can be fetched: use `cifar10` or `cifar100`")]
    Unknown(String),
    #[error(
        "cannot fetch {url}: {message}. What has arrived is kept, and the same command continues from there. By hand: download \
         the file elsewhere, check that its SHA-256 is {sha256} (MD5, as published: {md5}), and put it, packed or unpacked, \
         into `{}`", .root.display()
    )]
    Failed { url: String, message: String, md5: &'static str, sha256: &'static str, root: PathBuf },
    #[error(
        "{url} gave a file with the {hash} {found} instead of {wanted}; it was dropped. Try again, or another --from"
    )]
    Checksum { url: String, hash: &'static str, found: String, wanted: &'static str },
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Data(#[from] DataError),
}

/// Bytes that have come, and of how many if that is known.
pub type Heard<'a> = &'a mut dyn FnMut(u64, Option<u64>);

/// Fetches `spec` from `base` (a URL without the file's name) into `$ITOP_DATA` or `./data`; the folder it is in then.
///
/// # Errors
/// When it cannot be reached, is damaged, or cannot be written; the message says how to do it by hand.
pub fn fetch(spec: &str, base: &str, heard: Heard) -> Result<PathBuf, FetchError> {
    let known = known::named(spec).ok_or_else(|| FetchError::Unknown(spec.into()))?;
    let root = known::roots().swap_remove(0);
    fetch_into(known, base, &root, SILENCE, heard)
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    move |source| FetchError::Io { action, path: path.into(), source }
}

fn fetch_into(known: &Known, base: &str, root: &Path, silence: Duration, heard: Heard) -> Result<PathBuf, FetchError> {
    let folder = root.join(known.folder);
    if folder.exists() {
        load_path(&folder, 0.0)?;
        return Ok(folder);
    }
    fs::create_dir_all(root).map_err(io_error("create", root))?;
    let url = format!("{}/{}", base.trim_end_matches('/'), known.archive);
    let part = root.join(format!("{}.part", known.archive));
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(silence))
        .timeout_recv_response(Some(silence))
        .timeout_per_read(Some(silence));
    let agent = secured(config).build().into();
    let failed = |message| {
        let Known { md5, sha256, .. } = *known;
        FetchError::Failed { url: url.clone(), message, md5, sha256, root: root.to_path_buf() }
    };
    download(&agent, &url, &part, heard).map_err(|stop| match stop {
        Stop::Final(message) | Stop::Retry(message) => failed(message),
        Stop::Disk(source) => io_error("write", &part)(source),
    })?;

    let [md5, sha256] = hashes(&part).map_err(io_error("read", &part))?;
    for (hash, found, wanted) in [("MD5", md5, known.md5), ("SHA-256", sha256, known.sha256)] {
        if found != wanted {
            fs::remove_file(&part).map_err(io_error("remove", &part))?;
            return Err(FetchError::Checksum { url, hash, found, wanted });
        }
    }
    unpack(&part, &folder)?;
    fs::remove_file(&part).map_err(io_error("remove", &part))?;
    Ok(folder)
}

/// The system's own TLS where it has one, so that nothing but Rust is compiled there.
fn secured(
    config: ureq::config::ConfigBuilder<ureq::typestate::AgentScope>,
) -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
    let provider = if cfg!(any(windows, target_vendor = "apple")) {
        ureq::tls::TlsProvider::NativeTls
    } else {
        ureq::tls::TlsProvider::Rustls
    };
    config.tls_config(ureq::tls::TlsConfig::builder().provider(provider).build())
}

/// Why an attempt ended before the file did.
enum Stop {
    /// Trying again will not help.
    Final(String),
    Retry(String),
    Disk(io::Error),
}

/// Brings `part` to the length of the file at `url`, going on where it ends.
fn download(agent: &ureq::Agent, url: &str, part: &Path, heard: Heard) -> Result<(), Stop> {
    let size = || fs::metadata(part).map_or(0, |file| file.len());
    let mut failures = 0;
    loop {
        let before = size();
        let message = match attempt(agent, url, part, before, heard) {
            Err(Stop::Retry(message)) => message,
            done => return done,
        };
        failures = if size() > before { 0 } else { failures + 1 };
        if failures > RETRIES {
            return Err(Stop::Retry(message));
        }
        std::thread::sleep(Duration::from_millis(50 << failures));
    }
}

fn attempt(agent: &ureq::Agent, url: &str, part: &Path, have: u64, heard: Heard) -> Result<(), Stop> {
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let mut response = request.call().map_err(|error| match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Stop::Final(error.to_string()),
        other => Stop::Retry(other.to_string()),
    })?;
    let status = response.status().as_u16();
    let start = match status {
        200 => 0,
        206 if range_start(&response) == Some(have) => have,
        // Nothing is left to send; the checksum says whether it is the right file.
        416 => return Ok(()),
        206 | 500.. => return Err(Stop::Retry(format!("the server answered {}", response.status()))),
        _ => return Err(Stop::Final(format!("the server answered {}", response.status()))),
    };
    let length = response.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let total = length.map(|length| start.saturating_add(length));
    if total.is_some_and(|total| total > MOST) {
        return Err(Stop::Final("the file is far larger than the data set".into()));
    }
    let mut file = OpenOptions::new().create(true).write(true).truncate(start == 0).append(start > 0).open(part);
    if start == 0 {
        file = File::create(part);
    }
    let mut file = file.map_err(Stop::Disk)?;
    let mut body = response.body_mut().as_reader();
    let (mut at, mut buffer) = (start, vec![0; 64 << 10]);
    loop {
        heard(at, total);
        let count = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Err(Stop::Retry(error.to_string())),
        };
        file.write_all(&buffer[..count]).map_err(Stop::Disk)?;
        at += count as u64;
        if at > MOST {
            return Err(Stop::Final("the file is far larger than the data set".into()));
        }
    }
    file.sync_all().map_err(Stop::Disk)?;
    match total {
        Some(total) if at < total => Err(Stop::Retry(format!("the connection ended at {at} of {total} bytes"))),
        _ => Ok(()),
    }
}

/// Where the part of a 206 answer begins.
fn range_start<B>(response: &ureq::http::Response<B>) -> Option<u64> {
    let range = response.headers().get("content-range")?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// MD5 (what is published) and SHA-256 (what nobody forges) of a file.
fn hashes(path: &Path) -> io::Result<[String; 2]> {
    let (mut file, mut md5, mut sha256, mut buffer) = (File::open(path)?, Md5::new(), Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok([hex(&md5.finalize()), hex(&sha256.finalize())]),
            count => {
                md5.update(&buffer[..count]);
                sha256.update(&buffer[..count]);
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the files of the archive into a new folder, which gets its name when all of them are there and can be read.
fn unpack(packed: &Path, folder: &Path) -> Result<(), FetchError> {
    let mut unfinished = folder.as_os_str().to_owned();
    unfinished.push(".tmp");
    let unfinished = PathBuf::from(unfinished);
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(io_error("remove", &unfinished))?;
    }
    fs::create_dir_all(&unfinished).map_err(io_error("create", &unfinished))?;
    for (name, bytes) in archive::read(packed)? {
        let path = unfinished.join(name);
        let write = || File::create(&path).and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
        write().map_err(io_error("write", &path))?;
    }
    load_path(&unfinished, 0.0)?;
    disk::rename(&unfinished, folder).map_err(io_error("name", folder))
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
