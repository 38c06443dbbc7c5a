//! The `itop` command: parse, call, print the error.

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    itop::cli::main()
}

#[cfg(target_arch = "wasm32")]
fn main() {}
