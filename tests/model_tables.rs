//! Models, densities, costs and schedules against PyTorch's (`$ITOP_FIXTURES`, or `../shared/fixtures`).

use std::env;
use std::path::{Path, PathBuf};

#[path = "fixture/models.rs"]
mod models;
#[path = "fixture/schedules.rs"]
mod schedules;

/// The fixtures, where there are any.
fn fixtures() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let dir = env::var_os("ITOP_FIXTURES").map_or_else(beside, PathBuf::from);
    if dir.is_dir() {
        return Some(dir);
    }
    eprintln!("skipped: no fixtures at {} (set ITOP_FIXTURES)", dir.display());
    None
}

#[test]
fn model_tables() {
    let Some(dir) = fixtures() else { return };
    for model in ["mlp_cifar10", "resnet18", "resnet34", "resnet50", "vgg_c"] {
        let checks = models::check_model_json(&dir.join(format!("model_{model}.json"))).unwrap();
        assert!(checks > 300, "{model}: only {checks} checks");
        println!("{model}: {checks} checks");
    }
}

#[test]
fn small_resnet_counts() {
    let Some(dir) = fixtures() else { return };
    assert_eq!(models::check_small_resnet(&dir.join("model_small_resnet.json")), Ok(14));
}

#[test]
fn schedule_tables() {
    let Some(dir) = fixtures() else { return };
    let checks = schedules::check_schedules(&dir.join("schedules.json")).unwrap();
    assert!(checks > 300, "only {checks} checks");
}
