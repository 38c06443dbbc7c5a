//! `cargo xtask web`: the page, in `target/web`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

const TRIPLE: &str = "wasm32-unknown-unknown";

/// Compiles the module in `profile`, generates what calls it from JavaScript, and puts the page beside.
pub fn build(profile: &str) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let out = target.join("web");

    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--package", "itop-web", "--target", TRIPLE, "--profile", profile]);
    let built = cargo.status().context("cargo does not start")?;
    ensure!(
        built.success(),
        "the module does not compile; is the target there? `rustup target add {TRIPLE}` brings it"
    );

    let folder = if profile == "dev" { "debug" } else { profile };
    let module = target.join(TRIPLE).join(folder).join("itop_web.wasm");
    std::fs::remove_dir_all(&out).ok();
    std::fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(&module)
        .web(true)?
        .typescript(false)
        .generate(&out)
        .with_context(|| format!("cannot generate the JavaScript of {}", module.display()))?;
    let page = root.join("web/page");
    for entry in std::fs::read_dir(&page).with_context(|| format!("cannot read {}", page.display()))? {
        let path = entry?.path();
        if let Some(name) = path.file_name() {
            std::fs::copy(&path, out.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    let size = std::fs::metadata(out.join("itop_web_bg.wasm"))?.len();
    println!("{}: the module has {:.1} MB. Serve it with: itop web", out.display(), size as f64 / 1e6);
    Ok(())
}
