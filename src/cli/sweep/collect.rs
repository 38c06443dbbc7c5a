//! `itop sweep collect`: tables and plots of what is done.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;

use super::{Failure, open};
use crate::sweep::collect::collect;
use crate::sweep::page::{page, plots};
use crate::sweep::table::{csv, latex, markdown, times_csv};
use crate::train::run_folder::write_whole;

#[derive(Args)]
pub struct CollectArgs {
    /// Folder of the sweep
    sweep: PathBuf,
    /// Folder for the tables and plots [default: DIR/collected]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(args: &CollectArgs) -> Result<(), Failure> {
    write(&args.sweep, args.out.as_deref())
}

/// The tables and plots of `sweep` into `out`, or into its own folder for them.
pub fn write(sweep: &Path, out: Option<&Path>) -> Result<(), Failure> {
    let opened = open(sweep)?;
    if let Some(mixed) = opened.mixed_data() {
        return Err(Failure::input(anyhow!(
            "{mixed}; one table cannot hold both: move the run folders of one kind out of `{}`, and run the sweep again",
            sweep.join("rows").display()
        )));
    }
    let collected = collect(&opened);
    let out = out.map_or_else(|| sweep.join("collected"), Path::to_path_buf);
    std::fs::create_dir_all(&out)
        .with_context(|| format!("cannot create `{}`", out.display()))
        .map_err(Failure::input)?;
    let json = serde_json::to_string_pretty(&collected).map_err(Failure::run)? + "\n";
    let table = markdown(&collected);
    print!("{table}");
    let mut files = vec![
        ("rows.csv".to_string(), csv(&collected)),
        ("times.csv".into(), times_csv(&collected)),
        ("sweep.json".into(), json),
        ("table.md".into(), table),
        ("table.tex".into(), latex(&collected)),
        ("report.html".into(), page(&collected)),
    ];
    files.extend(plots(&collected).into_iter().map(|(name, plot)| (format!("{name}.svg"), plot.file())));
    for (name, text) in &files {
        write_whole(&out.join(name), text.as_bytes()).map_err(Failure::run)?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    println!(
        "{} of {} rows are done: {}/{{{}}}",
        collected.done(),
        collected.rows.len(),
        out.display(),
        names.join(",")
    );
    Ok(())
}
