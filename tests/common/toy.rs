//! Small runs of the binary, and what they leave.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The files of a CIFAR-10 folder of `train` training and 8 test images of flat colours: a class is a colour.
fn files(train: usize) -> BTreeMap<String, Vec<u8>> {
    let record = |i: usize| {
        let class = (i % 4) as u8;
        std::iter::once(class).chain((0..3072).map(move |p| class * 60 + ((p * 31 + i * 17) % 40) as u8))
    };
    let file = |name: &str, count: usize| (name.to_string(), (0..count).flat_map(record).collect());
    BTreeMap::from([file("data_batch_1.bin", train), file("test_batch.bin", 8)])
}

/// The data set in a folder.
pub fn dataset(folder: &Path, train: usize) {
    std::fs::create_dir_all(folder).unwrap();
    files(train).iter().for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).unwrap());
}

/// The data set in memory.
pub fn in_memory(train: usize) -> itop::data::Dataset {
    itop::data::from_files(Path::new("toy"), files(train)).unwrap()
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_itop"));
    command.args(args).current_dir(folder);
    command
}

/// The binary, running, and silent.
pub fn start(folder: &Path, args: &[&str]) -> Child {
    command(folder, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Runs the binary, checks its exit code, returns what was printed.
#[track_caller]
pub fn expect(folder: &Path, code: i32, args: &[&str]) -> String {
    said(args, code, &command(folder, args).output().unwrap())
}

/// Checks an exit code, returns what was printed.
#[track_caller]
pub fn said(args: &[&str], code: i32, output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    assert!(!text.contains("panicked"), "{args:?}: {text}");
    text
}

/// The lines of a log, without times.
pub fn lines(path: &Path) -> Vec<Value> {
    let keep = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("images_per_second");
        line
    };
    std::fs::read_to_string(path).unwrap().lines().map(keep).collect()
}

/// A checkpoint's tensors, without the header, which holds times.
pub fn tensors(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    bytes[8 + header(&bytes)..].to_vec()
}

/// Bytes of a checkpoint's header.
pub fn header(bytes: &[u8]) -> usize {
    u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}
