//! Small runs of the binary, and what they leave.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The files of a CIFAR-10 folder of `train` training and `test` test images of flat colours: a class is a colour.
fn files(train: usize, test: usize) -> BTreeMap<String, Vec<u8>> {
    let record = |i: usize| {
        let class = (i % 4) as u8;
        std::iter::once(class).chain((0..3072).map(move |p| class * 60 + ((p * 31 + i * 17) % 40) as u8))
    };
    let file = |name: &str, count: usize| (name.to_string(), (0..count).flat_map(record).collect());
    BTreeMap::from([file("data_batch_1.bin", train), file("test_batch.bin", test)])
}

/// The data set in a folder, with 8 test images.
pub fn dataset(folder: &Path, train: usize) {
    dataset_of(folder, train, 8);
}

/// The same with `test` test images.
pub fn dataset_of(folder: &Path, train: usize, test: usize) {
    std::fs::create_dir_all(folder).unwrap();
    files(train, test).iter().for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).unwrap());
}

/// The data set in memory.
pub fn in_memory(train: usize) -> itop::data::Dataset {
    itop::data::from_files(Path::new("toy"), files(train, 8)).unwrap()
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_itop"));
    command.args(args).current_dir(folder);
    command
}

/// The binary, running, and silent. [`interrupt`] can reach it.
pub fn start(folder: &Path, args: &[&str]) -> Child {
    let mut command = command(folder, args);
    // Ctrl-C goes to everybody at a console.
    #[cfg(windows)]
    {
        const CREATE_NEW_CONSOLE: u32 = 0x10;
        std::os::windows::process::CommandExt::creation_flags(&mut command, CREATE_NEW_CONSOLE);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Ctrl-C for a process that [`start`] started.
#[cfg(unix)]
pub fn interrupt(child: &Child) {
    signal("-INT", child.id().into());
}

#[cfg(unix)]
pub fn signal(name: &str, pid: u64) {
    Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
}

/// Ctrl-C for a process that [`start`] started: pressed at its console, by a process that has no other.
#[cfg(windows)]
pub fn interrupt(child: &Child) {
    let mut press = Command::new(std::env::current_exe().unwrap());
    press.args(["--exact", "toy::press_ctrl_c", "--ignored"]).env("ITOP_PRESS_CTRL_C", child.id().to_string());
    let done = press.stdout(Stdio::null()).status().unwrap();
    assert!(done.success(), "no console of process {} to press Ctrl-C at: {done}", child.id());
}

#[cfg(windows)]
#[test]
#[ignore = "it is no test, but the process that `interrupt` starts"]
fn press_ctrl_c() {
    use windows_sys::Win32::System::Console::{
        AttachConsole, CTRL_C_EVENT, FreeConsole, GenerateConsoleCtrlEvent, SetConsoleCtrlHandler,
    };
    // This process is not meant.
    unsafe extern "system" fn passed_over(_event: u32) -> i32 {
        1
    }
    let Some(id) = std::env::var("ITOP_PRESS_CTRL_C").ok().and_then(|id| id.parse().ok()) else { return };
    // SAFETY: calls without memory of ours; the handler is a function that does nothing.
    let pressed = unsafe {
        FreeConsole();
        SetConsoleCtrlHandler(Some(passed_over), 1);
        AttachConsole(id) != 0 && GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) != 0
    };
    // Nothing is printed any more: that would go to the other's console.
    std::process::exit(if pressed { 0 } else { 1 });
}

/// Ends a process that is no child of this one, at once.
pub fn kill(pid: u64) {
    #[cfg(unix)]
    signal("-KILL", pid);
    #[cfg(windows)]
    Command::new("taskkill").args(["/F", "/PID", &pid.to_string()]).stdout(Stdio::null()).status().unwrap();
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
