//! `itop compare` on the adapters present, SwiftShader among them where Chromium has brought it: one report of all of them,
//! what must be the same on all is the same, and bad input is told.

use std::path::Path;
use std::process::{Command, Output};

/// Where Linux distributions keep the driver that comes with Chromium.
const SWIFTSHADER: [&str; 3] = [
    "/usr/lib/chromium/vk_swiftshader_icd.json",
    "/usr/lib/chromium-browser/vk_swiftshader_icd.json",
    "/opt/google/chrome/vk_swiftshader_icd.json",
];

fn compare(folder: &Path, args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_itop"));
    if let Some(driver) = SWIFTSHADER.iter().find(|path| Path::new(path).exists()) {
        command.env("VK_ADD_DRIVER_FILES", driver);
    }
    command.arg("compare").args(args.split_whitespace()).current_dir(folder).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Sets of random growth and augmented images are the same bits on every adapter; each repeats itself, and its losses are
/// those of the CPU references.
#[test]
fn adapters_agree() {
    let place = tempfile::tempdir().unwrap();
    // Of this seed no two weights at the threshold of a prune are so near that drivers order them differently
    // (docs/backends.md); of the default one, two are.
    let args =
        "--model resnet8 --batch-size 4 --steps 4 --delta-t 2 --reference-steps 1 --rounds 3 --out report --seed 2";
    let output = compare(place.path(), args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let json = std::fs::read(place.path().join("report/compare.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let adapters = report["adapters"].as_array().unwrap();
    assert!(report["schema"] == 1 && !adapters.is_empty());
    assert_eq!(report["reference"].as_array().unwrap().len(), 1);
    for side in adapters {
        eprintln!("compared: {} ({})", side["name"], side["backend"]);
        assert_eq!(side["same_input"], true, "{side}");
        let (timing, memory) = (&side["step_ms"], side["gpu_bytes"].as_u64());
        assert!(
            timing["low"].as_f64() <= timing["median"].as_f64() && timing["samples"].as_array().unwrap().len() == 3
        );
        assert!(memory > Some(1 << 20) && !side["passes"].as_object().unwrap().is_empty());
        for method in side["methods"].as_array().unwrap() {
            assert_eq!(method["losses"].as_array().unwrap().len(), 4);
            assert_eq!(method["repeats"], true, "{method}");
            assert!(method["loss_drift"].as_f64().unwrap() < 1e-3, "{method}");
            assert!(method["reference_drift"].as_f64().unwrap() < 1e-5, "{method}");
            assert_eq!(method["updates"].as_array().unwrap().len(), 2, "{method}");
            if method["method"] == "set" {
                assert!(method["first_divergence"].is_null(), "{method}");
            }
        }
    }
    let page = std::fs::read_to_string(place.path().join("report/compare.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("src=\"http"), "a page that needs nothing else");
    assert_eq!(page.matches("<table>").count(), page.matches("</table>").count());
}

#[test]
fn bad_input_is_told() {
    let place = tempfile::tempdir().unwrap();
    for (args, words) in [
        ("--adapters voodoo", "voodoo"),
        ("--model resnet33", "resnet34"),
        ("--steps 0", "--steps"),
        ("--rounds 0", "--rounds"),
        ("--delta-t 1", "--delta-t"),
        ("--sparsity 1.5", "sparsity"),
        ("--batch-size 0", "batch_size"),
    ] {
        let output = compare(place.path(), args);
        let text = text(&output);
        assert!(output.status.code() == Some(2) && text.contains(words), "{args}: {text}");
        assert!(!text.contains("panicked"), "{text}");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing is written");
}
