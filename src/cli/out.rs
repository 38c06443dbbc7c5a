//! Output of the command line. The standard `println!` and similar macros panic if the reader is gone (`itop … | head`) or the disk
//! behind a redirection is full. The macros of the same names here do not: a command with work to do continues silently, and a
//! command that only prints ends.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use super::text;

/// Whether the command is done for once nobody reads.
static ONLY_PRINTS: AtomicBool = AtomicBool::new(false);
/// Whether it was said that the standard output takes nothing.
static COMPLAINED: AtomicBool = AtomicBool::new(false);

/// From here on the command does nothing but print: it ends, quietly, when its output is closed.
pub fn only_prints() {
    ONLY_PRINTS.store(true, Ordering::Relaxed);
}

/// Writes `text` to the standard output.
pub fn to_stdout(text: Arguments) {
    handle(io::stdout().lock().write_fmt(text));
}

/// Writes what is left in the standard output's buffer.
pub fn flush() {
    handle(io::stdout().flush());
}

/// Writes `text` to the standard error; if that cannot be, nobody is there to be told.
pub fn to_stderr(text: Arguments) {
    io::stderr().lock().write_fmt(text).ok();
}

fn handle(written: io::Result<()>) {
    let Err(error) = written else { return };
    let closed = error.kind() == ErrorKind::BrokenPipe;
    if !closed && !COMPLAINED.swap(true, Ordering::Relaxed) {
        to_stderr(format_args!("warning: the standard output takes nothing more: {error}\n"));
    }
    if ONLY_PRINTS.load(Ordering::Relaxed) {
        // As the reader wanted; but what a full disk cut off is a failure.
        if closed {
            std::process::exit(0);
        }
        super::Exit::Failed.now();
    }
}

/// Writes `text` to the standard error, its words on lines that fit.
pub fn message(text: Arguments) {
    to_stderr(format_args!("{}", text::fold_to(&text.to_string(), text::columns(&io::stderr()))));
}

/// Prose for people beside what a command prints: warnings, notes. An error stays on one line, for programs.
macro_rules! message {
    ($($text:tt)*) => { $crate::cli::out::message(format_args!($($text)*)) };
}

macro_rules! print {
    ($($text:tt)*) => { $crate::cli::out::to_stdout(format_args!($($text)*)) };
}

macro_rules! println {
    () => { $crate::cli::out::to_stdout(format_args!("\n")) };
    ($($text:tt)*) => { $crate::cli::out::to_stdout(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprintln {
    ($($text:tt)*) => { $crate::cli::out::to_stderr(format_args!("{}\n", format_args!($($text)*))) };
}
