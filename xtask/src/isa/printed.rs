//! What a driver has to say and no call for.

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result};

/// What the driver writes to this process's standard output, which is what Apple's compiler does with its code.
pub struct Printed {
    file: File,
    /// Standard output as it was.
    output: File,
}

unsafe extern "C" {
    /// The C library's: with no stream, writes out what all of them hold.
    fn fflush(stream: *mut c_void) -> c_int;
}

impl Printed {
    /// From now on.
    pub fn new() -> Result<Self> {
        let output: OwnedFd = std::io::stdout().as_fd().try_clone_to_owned()?;
        let path = std::env::temp_dir().join(format!("itop-isa-{}", std::process::id()));
        let file = File::options().read(true).append(true).create_new(true).open(&path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        std::fs::remove_file(&path)?;
        rustix::stdio::dup2_stdout(&file)?;
        Ok(Self { file, output: output.into() })
    }

    /// Forgets what was written.
    pub fn clear(&self) -> Result<()> {
        Self::flush();
        Ok(self.file.set_len(0)?)
    }

    /// What was written since; `None`: nothing.
    pub fn take(&self) -> Result<Option<String>> {
        Self::flush();
        let mut text = Vec::new();
        let mut file = &self.file;
        file.rewind()?;
        file.read_to_end(&mut text)?;
        Ok((!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned()))
    }

    /// Writes a line to where standard output went before.
    pub fn report(&self, line: &str) -> Result<()> {
        Ok(writeln!(&self.output, "{line}")?)
    }

    fn flush() {
        // SAFETY: without a stream it takes all of them.
        unsafe { fflush(std::ptr::null_mut()) };
    }
}
