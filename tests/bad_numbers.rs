//! Numbers that go bad stop the run, which says where they did first; the last good checkpoint stays.

#[path = "common/toy.rs"]
mod toy;

use toy::{dataset, expect, header};

const RUN: &[&str] =
    &["train", "--model", "resnet8", "--data", "toy", "--batch-size", "10", "--set", "delta_t=2", "--out", "run"];

#[test]
fn an_absurd_learning_rate_is_found_out() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    let text = expect(folder, 4, &[RUN, &["--epochs", "3", "--set", "lr=1e30"]].concat());
    assert!(text.contains("the first number to go bad is in `") && text.contains("lower `lr`"), "{text}");
    assert!(text.contains("before its first checkpoint"), "{text}");
    let again = [RUN, &["--epochs", "3", "--set", "lr=1e30", "--no-finite-check", "--out", "again"]].concat();
    let text = expect(folder, 4, &again);
    assert!(!text.contains("the first number") && text.contains("lower `lr`"), "{text}");
}

#[test]
fn a_bad_weight_is_named_and_the_checkpoint_kept() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    expect(folder, 0, &[RUN, &["--epochs", "1"]].concat());
    let path = folder.join("run/last.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let start = 8 + header(&bytes);
    let info: serde_json::Value = serde_json::from_slice(&bytes[8..start]).unwrap();
    let name = info.as_object().unwrap().keys().find(|key| key.starts_with("value.") && key.contains("conv2")).unwrap();
    let at = start + info[name]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let text = expect(folder, 4, &["train", "--resume", "--out", "run", "--epochs", "3"]);
    assert!(text.contains(&format!("`{name}` was bad already")) && text.contains("last.safetensors"), "{text}");
    assert!(bytes == std::fs::read(&path).unwrap());
}
