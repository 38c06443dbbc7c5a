//! Whether the process that made a claim is still there.
//!
//! On Linux, its number and start time tell. On Windows, a process holds a lock on a file next to its claim, and the system
//! releases the lock when the process ends in any way. Elsewhere it cannot be known, and the heartbeat of the claim is watched.

use std::fmt::{Display, Formatter};
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A process as a claim names it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Process {
    pub host: String,
    /// Where it can be known of this process whether it lives; none where that cannot be known.
    pub scope: Option<String>,
    pub pid: u32,
    /// When the process started, as the kernel counts: process numbers are used again.
    pub started: Option<u64>,
}

impl Display for Process {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, process {}", self.host, self.pid)
    }
}

impl Process {
    /// Whether it lives, which made the claim in the file `claim`; none if that cannot be known from here.
    pub fn lives(&self, claim: &Path) -> Option<bool> {
        if self.scope.is_some() && self.scope == scope() { system::lives(self, claim) } else { None }
    }
}

/// What shows as long as it is kept that this process lives.
pub struct Sign(system::Sign);

impl Sign {
    /// This process.
    pub fn process(&self) -> Process {
        let pid = std::process::id();
        let scope = scope().filter(|_| self.0.shows());
        Process { host: host(), scope, pid, started: system::start_of(pid) }
    }
}

/// Shows that this process lives, before it makes the claim in the file `claim`; none if another one is about to make it.
pub fn give_sign(claim: &Path) -> io::Result<Option<Sign>> {
    Ok(system::give_sign(claim)?.map(Sign))
}

fn host() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let variable = || ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok());
    kernel.or_else(variable).map_or("unknown host".into(), |name| name.trim().to_string())
}

use system::scope;

#[cfg(target_os = "linux")]
mod system {
    use super::{Path, Process, fs, io};

    pub struct Sign;

    impl Sign {
        pub fn shows(&self) -> bool {
            true
        }
    }

    pub fn give_sign(_claim: &Path) -> io::Result<Option<Sign>> {
        Ok(Some(Sign))
    }

    /// The boot, the process namespace and the user: within them a process number means the same process and can be seen.
    pub fn scope() -> Option<String> {
        use std::os::unix::fs::MetadataExt;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
        let user = fs::metadata("/proc/self").ok()?.uid();
        start_of(std::process::id())?;
        Some(format!("{} {} {user}", boot.trim(), namespace.display()))
    }

    /// When a living process started, in the kernel's ticks.
    pub fn start_of(pid: u32) -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; then come the state and 18 fields up to the start.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        if ["Z", "X"].contains(&state) { None } else { fields.nth(18)?.parse().ok() }
    }

    pub fn lives(process: &Process, _claim: &Path) -> Option<bool> {
        Some(start_of(process.pid) == process.started)
    }
}

#[cfg(windows)]
mod system {
    use std::fs::{File, TryLockError};
    use std::path::PathBuf;

    use super::{Path, Process, fs, io};

    /// The locked file; none where the file system has no locks.
    pub struct Sign(Option<File>);

    impl Sign {
        pub fn shows(&self) -> bool {
            self.0.is_some()
        }
    }

    /// Beside the claim, which must stay readable: nobody else can read what is locked.
    fn lock(claim: &Path) -> PathBuf {
        claim.with_extension("lock")
    }

    pub fn give_sign(claim: &Path) -> io::Result<Option<Sign>> {
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(lock(claim))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Sign(Some(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(_)) => Ok(Some(Sign(None))),
        }
    }

    /// The machine: over a network a lock is as good as the connection, and the heartbeat counts.
    pub fn scope() -> Option<String> {
        std::env::var("COMPUTERNAME").ok().map(|name| format!("lock of {name}"))
    }

    /// A lock says more.
    pub fn start_of(_pid: u32) -> Option<u64> {
        None
    }

    pub fn lives(_process: &Process, claim: &Path) -> Option<bool> {
        let file = match File::open(lock(claim)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(false),
            file => file.ok()?,
        };
        // Shared, so that two who look do not take each other for the owner.
        match file.try_lock_shared() {
            Ok(()) => Some(false),
            Err(TryLockError::WouldBlock) => Some(true),
            Err(TryLockError::Error(_)) => None,
        }
    }
}

#[cfg(not(any(target_os = "linux", windows)))]
mod system {
    use super::{Path, Process, io};

    pub struct Sign;

    impl Sign {
        pub fn shows(&self) -> bool {
            false
        }
    }

    pub fn give_sign(_claim: &Path) -> io::Result<Option<Sign>> {
        Ok(Some(Sign))
    }

    pub fn scope() -> Option<String> {
        None
    }

    pub fn start_of(_pid: u32) -> Option<u64> {
        None
    }

    pub fn lives(_process: &Process, _claim: &Path) -> Option<bool> {
        None
    }
}
