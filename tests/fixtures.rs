//! Every file of the fixture folder, by the prefix of its name as the folder's README describes: `$ITOP_FIXTURES`, or
//! `tests/fixtures`. An unknown prefix and an empty folder fail.

mod common;
mod fixture;

use std::path::{Path, PathBuf};

use fixture::tensors::File;
use fixture::{dst, inits, layers, models, networks, schedules, sgd};

/// Number of comparisons made in a file; none: it only accompanies others.
fn check(path: &Path) -> Result<Option<usize>, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    let count = match (stem, extension) {
        ("README" | "LICENSES", "md") | ("tolerances", "json") => return Ok(None),
        ("schedules", "json") => schedules::check_schedules(path)? + sgd::check(path)?,
        ("dst_index", "json") => dst::check_index(path)?,
        (stem, "json") if stem.starts_with("dst_itop_sequence") => dst::check_sequence_json(path)?,
        (stem, "json") if stem.starts_with("curve_") || stem.ends_with("_full") => return Ok(None),
        (stem, "json") if stem.starts_with("model_small") => models::check_small_resnet(path)?,
        (stem, "json") if stem.starts_with("model_") => models::check_model_json(path)?,
        (stem, "safetensors") => {
            let file = File::open(path)?;
            match stem {
                _ if stem.starts_with("init_") => inits::check(&file)?,
                _ if stem.starts_with("layers_") => layers::check(&file)?,
                _ if stem.starts_with("dst_") => dst::check(&file)?,
                _ if stem.starts_with("model_small") => networks::check_small(&file)?,
                _ if stem.starts_with("model_") && stem.ends_with("_full") => networks::check_full(&file)?,
                _ if stem.starts_with("curve_") && stem.ends_with("_init") => networks::check_curve(&file)?,
                _ if stem.starts_with("curve_") => networks::check_curve_step(&file)?,
                _ => return Err(format!("{name}: unknown prefix")),
            }
        }
        _ => return Err(format!("{name}: unknown prefix")),
    };
    if count == 0 { Err(format!("{name}: nothing was compared")) } else { Ok(Some(count)) }
}

fn folder() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::env::var_os("ITOP_FIXTURES").map_or_else(own, PathBuf::from)
}

#[test]
fn every_file() {
    let folder = folder();
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut failures = Vec::new();
    let mut checked = 0;
    for path in &paths {
        let start = std::time::Instant::now();
        match check(path) {
            Ok(Some(count)) => {
                checked += 1;
                println!("{count:>6} comparisons {:>6.1} s  {}", start.elapsed().as_secs_f64(), path.display());
            }
            Ok(None) => {}
            Err(error) => failures.push(format!("{}: {error}", path.display())),
        }
    }
    assert!(failures.is_empty(), "{} of {} files fail:\n{}", failures.len(), paths.len(), failures.join("\n"));
    assert!(checked > 0, "no fixtures in {}", folder.display());
    println!("{checked} files of {}", folder.display());
}

#[test]
fn a_strange_file_fails() {
    let place = tempfile::tempdir().unwrap();
    for name in ["strange.safetensors", "layers_strange.safetensors", "notes.txt", "strange.json"] {
        let path = place.path().join(name);
        let tensors: Vec<(&str, safetensors::tensor::TensorView)> = Vec::new();
        std::fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
        assert!(check(&path).is_err(), "{name}");
    }
}
