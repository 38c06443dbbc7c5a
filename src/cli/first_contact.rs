//! The check before the first run on an adapter, once for each adapter, driver and version of the kernels: does it compute
//! correctly?

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::anyhow;
use serde::{Deserialize, Serialize};

use super::Failure;
use crate::gpu::{Gpu, shader};
use crate::ops::Storage;
use crate::train::run_folder::{MOST_TUNING, SCHEMA, read_up_to, write_whole};
use crate::verify::{self, Device};

/// The adapters that computed right.
#[derive(Default, Serialize, Deserialize)]
struct Verified {
    schema: u32,
    adapters: BTreeSet<String>,
}

impl Verified {
    fn path() -> PathBuf {
        super::cache::folder().join("verified.json")
    }

    /// None if there are none, or the file cannot be read: then all are looked at again.
    fn read() -> Self {
        let text = read_up_to(&Self::path(), MOST_TUNING).unwrap_or_default();
        let read = serde_json::from_slice::<Self>(&text).ok().filter(|read| read.schema == SCHEMA);
        read.unwrap_or(Self { schema: SCHEMA, ..Self::default() })
    }
}

fn key(gpu: &Gpu, what: &str) -> String {
    let kernels = shader::fingerprint();
    format!("{}, tier {}, {what}, kernels {kernels:016x}", gpu.summary, gpu.tier())
}

/// Everything that `itop verify` compares, with the checks in shaders: by one version of the program, whose plans are its own.
const WITH_CHECKS: &str = concat!("all with checks by itop ", env!("CARGO_PKG_VERSION"));

/// Whether all kernels have passed `itop verify` on this adapter with all checks on.
pub fn has_passed_with_checks(gpu: &Gpu) -> bool {
    Verified::read().adapters.contains(&key(gpu, WITH_CHECKS))
}

/// `gpu` computed all right.
pub fn remember_all(gpu: &Gpu) {
    let with_checks = gpu.checked_shaders.then_some(WITH_CHECKS);
    keep(gpu, Storage::ALL.iter().map(|storage| storage.name()).chain(with_checks));
}

/// `gpu` computed right with activations in `storage`.
pub fn remember(gpu: &Gpu, storage: Storage) {
    keep(gpu, [storage.name()].into_iter());
}

fn keep<'a>(gpu: &Gpu, passed: impl Iterator<Item = &'a str>) {
    let mut verified = Verified::read();
    verified.adapters.extend(passed.map(|what| key(gpu, what)));
    let text = serde_json::to_vec_pretty(&verified);
    let path = Verified::path();
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = folder.map_err(anyhow::Error::from).and_then(|()| Ok(write_whole(&path, &text?)?));
    if let Err(error) = written {
        message!("warning: that this adapter computes right cannot be kept, and is checked again next time: {error}");
    }
}

/// Runs [`verify::short`] if `gpu` was never verified.
pub fn check(gpu: &Gpu, storage: Storage) -> Result<(), Failure> {
    if Verified::read().adapters.contains(&key(gpu, storage.name())) {
        return Ok(());
    }
    eprintln!("checking that this adapter computes right: once, for some seconds (--no-verify leaves it out)");
    let device = Device::new(gpu.clone());
    let compared = verify::all(&[device], &verify::short(gpu, storage), |_| ()).map_err(Failure::run)?;
    if let Some(first) = compared.iter().find(|comparison| !comparison.agrees()) {
        return Err(Failure::run(anyhow!(
            "this adapter computes something else than the processor, and would train wrong; the first difference is {first}; \
             update its driver, or choose another with --adapter; `itop verify` looks at everything, and --no-verify goes on \
             nonetheless"
        )));
    }
    remember(gpu, storage);
    Ok(())
}
