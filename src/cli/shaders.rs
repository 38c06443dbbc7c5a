//! `itop shaders`: every kernel permutation, as WGSL or in a driver's language.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, text};
use crate::gpu::{Target, Tier};
use crate::plan::permutations;

#[derive(Args)]
pub struct ShadersArgs {
    /// `wgsl`, `spirv`, `hlsl` (for DXC), `hlsl-fxc`, `msl` or `glsl`
    #[arg(long, default_value = "wgsl")]
    target: Target,
    /// Write one file per permutation (and for WGSL the values of its `override` constants in a real use, as
    /// `constants.json`); without this option, only count them
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(args: &ShadersArgs) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut seen = BTreeSet::new();
    for tier in Tier::ALL {
        let (mut written, mut refused) = (0, Vec::new());
        let mut constants: BTreeMap<String, BTreeMap<&str, u32>> = BTreeMap::new();
        let folder = args.out.as_ref().map(|folder| folder.join(tier.name()));
        for kernel in permutations(tier) {
            let name = kernel.to_string();
            if !seen.insert(name.clone()) {
                continue;
            }
            match kernel.translate(tier, args.target) {
                Ok(bytes) => {
                    written += 1;
                    if let Some(folder) = &folder {
                        save(&folder.join(format!("{name}.{}", args.target.extension())), &bytes)?;
                    }
                    // The others are in a uniform.
                    let text = String::from_utf8_lossy(&bytes);
                    let values = kernel.constants.iter().copied();
                    let values = values.filter(|(constant, _)| text.contains(&format!("override {constant}:")));
                    constants.insert(name, values.collect());
                }
                Err(error) => refused.push(error),
            }
        }
        // The other languages have them in their text.
        if let Some(folder) = folder.filter(|_| args.target == Target::Wgsl && written > 0) {
            let text = serde_json::to_vec_pretty(&constants).map_err(Failure::run)?;
            save(&folder.join("constants.json"), &text)?;
        }
        if let Some(error) = refused.first() {
            eprintln!(
                "tier {}: no {} for {}: {error}",
                tier.name(),
                args.target.name(),
                text::number_of(refused.len(), "permutation")
            );
        }
        rows.push(vec![tier.name().to_string(), written.to_string(), refused.len().to_string()]);
    }
    print!("{}", text::table(&["tier", args.target.name(), "not expressible"], &rows));
    Ok(())
}

/// Writes a file and the folder that it lies in.
fn save(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder.and_then(|()| std::fs::write(path, bytes)).map_err(|error| {
        Failure::input(anyhow::anyhow!("cannot write `{}`: {error}; choose another folder with --out", path.display()))
    })
}
