//! `itop shaders`: every kernel permutation, as WGSL or in a driver's language.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, text};
use crate::gpu::{Target, Tier};
use crate::plan::permutations;

#[derive(Args)]
pub struct ShadersArgs {
    /// `wgsl`, `spirv`, `hlsl` (for DXC), `hlsl-fxc`, `msl` or `glsl`
    #[arg(long, default_value = "wgsl")]
    target: Target,
    /// Write one file a permutation; without this, count them
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(args: &ShadersArgs) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut seen = BTreeSet::new();
    for tier in Tier::ALL {
        let (mut written, mut refused) = (0, Vec::new());
        for kernel in permutations(tier) {
            let name = kernel.to_string();
            if !seen.insert(name.clone()) {
                continue;
            }
            match kernel.translate(tier, args.target) {
                Ok(bytes) => {
                    written += 1;
                    if let Some(folder) = &args.out {
                        let folder = folder.join(tier.name());
                        let path = folder.join(format!("{name}.{}", args.target.extension()));
                        let save = || std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, bytes));
                        save().map_err(|error| {
                            Failure::input(anyhow::anyhow!(
                                "cannot write `{}`: {error}; choose another folder with --out",
                                path.display()
                            ))
                        })?;
                    }
                }
                Err(error) => refused.push(error),
            }
        }
        if let Some(error) = refused.first() {
            eprintln!("tier {}: {} permutations have no {}: {error}", tier.name(), refused.len(), args.target.name());
        }
        rows.push(vec![tier.name().to_string(), written.to_string(), refused.len().to_string()]);
    }
    print!("{}", text::table(&["tier", args.target.name(), "not expressible"], &rows));
    Ok(())
}
