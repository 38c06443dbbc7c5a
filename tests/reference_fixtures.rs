//! The CPU references against PyTorch's fixtures, without an adapter: `$ITOP_FIXTURES`, or the part
//! of them in `tests/fixtures`.

#[path = "fixture/reference.rs"]
mod reference;
// Shared with the tests that need an adapter: each uses its part.
#[allow(dead_code)]
#[path = "fixture/tensors.rs"]
mod tensors;

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::env::var_os("ITOP_FIXTURES").map_or_else(own, PathBuf::from)
}

#[test]
fn every_operation() {
    let folder = folder();
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (mut files, mut compared, mut failures) = (0, 0, Vec::new());
    for path in &paths {
        match reference::check(path) {
            Ok(0) => {}
            Ok(count) => (files, compared) = (files + 1, compared + count),
            Err(error) => failures.push(format!("{}: {error}", path.display())),
        }
    }
    assert!(failures.is_empty(), "{} files fail:\n{}", failures.len(), failures.join("\n"));
    assert!(files > 0, "no fixtures of operations in {}", folder.display());
    println!("{compared} comparisons in {files} files of {}", folder.display());
}
