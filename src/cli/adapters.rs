//! `itop adapters`: lists the GPUs.

use clap::Args;

use super::{Failure, text};
use crate::gpu::{self, Gpu, GpuError, GpuOptions};

#[derive(Args)]
pub struct AdaptersArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &AdaptersArgs) -> Result<(), Failure> {
    let adapters = pollster::block_on(gpu::list());
    // Listed is not opened: a driver may give no device, or one that executes nothing.
    let open = |a: &gpu::AdapterSummary| {
        let options = GpuOptions { adapter: a.index.to_string(), ..Default::default() };
        pollster::block_on(Gpu::open(&options)).err().map(|error| error.to_string())
    };
    let errors: Vec<Option<String>> = adapters.iter().map(open).collect();
    if args.json {
        let rows: Vec<_> = adapters
            .iter()
            .zip(&errors)
            .map(|(a, error)| {
                serde_json::json!({
                    "index": a.index, "name": a.name, "backend": a.backend, "type": a.kind, "driver": a.driver,
                    "error": error,
                    "compiler": a.compiler.map(|compiler| compiler.to_string()),
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&rows).map_err(Failure::run)?);
        return Ok(());
    }
    if adapters.is_empty() {
        return Err(Failure::adapter(GpuError::NoAdapter));
    }
    let driver = |a: &gpu::AdapterSummary| match a.compiler {
        Some(compiler) => format!("{}, {compiler}", a.driver),
        None => a.driver.clone(),
    };
    let row =
        |a: &gpu::AdapterSummary| vec![format!("[{}] {}", a.index, a.name), a.backend.into(), a.kind.into(), driver(a)];
    let rows: Vec<_> = adapters.iter().map(row).collect();
    print!("{}", text::table(&["adapter", "backend", "type", "driver"], &rows));
    for (a, error) in adapters.iter().zip(&errors) {
        if let Some(error) = error {
            println!("[{}] cannot be used: {error}", a.index);
        }
    }
    Ok(())
}
