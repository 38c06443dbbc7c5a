//! Disks that are full, read-only or gone: the run stops, says what it could not write, and damages nothing that was there.

#[path = "common/toy.rs"]
mod toy;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use toy::{dataset, expect, said};

const RUN: &[&str] =
    &["train", "--model", "resnet8", "--data", "toy", "--batch-size", "10", "--set", "delta_t=2", "--out", "run"];

/// A run that ends by itself only after hours.
fn start_endless(folder: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_itop"));
    command.args(RUN).args(["--epochs", "10000"]).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits until there is something in a file.
#[cfg(unix)]
fn wait_for(path: &Path, child: &mut Child) {
    while std::fs::metadata(path).map_or(0, |file| file.len()) == 0 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Makes writing `path` fail: as on a full disk, where the system has such a device; else because a folder has its name.
fn obstruct(path: &Path) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    return std::os::unix::fs::symlink("/dev/full", path);
    #[cfg(not(target_os = "linux"))]
    return std::fs::create_dir(path);
}

#[test]
fn a_full_disk_damages_nothing() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    let last = folder.join("run/last.safetensors");
    let mut child = start_endless(folder);
    let epochs = || {
        std::fs::read_to_string(folder.join("run/metrics.jsonl"))
            .map_or(0, |text| text.matches(r#""kind":"epoch""#).count())
    };
    while epochs() < 3 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    // From now on the next checkpoint goes where no byte finds room.
    let obstacle = folder.join("run/last.safetensors.tmp");
    while obstruct(&obstacle).is_err() {}
    let text = said(RUN, 4, &child.wait_with_output().unwrap());
    assert!(text.replace('\\', "/").contains("cannot write `run/last.safetensors`"), "{text}");
    assert!(!cfg!(target_os = "linux") || text.contains("No space left"), "{text}");
    assert!(text.contains("its last checkpoint is"), "{text}");
    expect(folder, 0, &["eval", "run", "--checkpoint", "last"]);
    // Without it a run that has got on does not silently start again.
    std::fs::rename(&last, folder.join("away")).unwrap();
    let log = std::fs::read(folder.join("run/metrics.jsonl")).unwrap();
    let text = expect(folder, 2, &["train", "--resume", "--out", "run"]);
    assert!(text.contains("last.safetensors") && text.contains("best.safetensors"), "{text}");
    assert!(log == std::fs::read(folder.join("run/metrics.jsonl")).unwrap());
    std::fs::rename(folder.join("away"), &last).unwrap();

    // With room again it goes on. (What is left of an incomplete file it takes away; a folder it would not.)
    std::fs::remove_dir(&obstacle).ok();
    let mut child = toy::start(folder, &["train", "--resume", "--out", "run"]);
    let before = std::fs::read(&last).unwrap();
    while std::fs::read(&last).unwrap() == before && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(child.try_wait().unwrap().is_none(), "the run did not go on");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    std::fs::write(folder.join("file"), "").unwrap();
    let mut places = vec!["file/run"];
    if cfg!(target_os = "linux") {
        // Read-only even for root.
        places.push("/proc/run");
    }
    for out in places {
        let text = expect(folder, 2, &[RUN, &["--epochs", "1", "--out", out]].concat());
        assert!(text.contains(out), "{text}");
    }
}

/// On Windows the logs that the run has open keep its folder, unless the file system is a late NTFS.
#[cfg(unix)]
#[test]
fn a_folder_that_vanishes_ends_the_run() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dataset(&folder.join("toy"), 25);
    let mut child = start_endless(folder);
    wait_for(&folder.join("run/metrics.jsonl"), &mut child);
    while std::fs::remove_dir_all(folder.join("run")).is_err() {}
    let text = said(RUN, 4, &child.wait_with_output().unwrap());
    assert!(text.replace('\\', "/").contains("cannot write `run/") && text.contains(".safetensors"), "{text}");
}
