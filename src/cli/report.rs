//! `itop report`: the page, or the terminal's summary, of one or more runs.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::Failure;
use crate::report::{self, Run};
use crate::train::run_folder::write_whole;

#[derive(Args)]
pub struct ReportArgs {
    /// Run folders; or one of a sweep, which is then collected
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Where the page goes [default: the folder of the first run]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the pictures too: charts and maps as PNG, the maps over the updates as RUN-film.gif
    #[arg(long)]
    png: bool,
    /// Print a summary here, and write nothing
    #[arg(long, conflicts_with = "png")]
    text: bool,
}

impl ReportArgs {
    /// Whether all that it does is to print.
    pub fn only_prints(&self) -> bool {
        self.text
    }
}

pub fn run(args: &ReportArgs) -> Result<(), Failure> {
    for folder in &args.runs {
        if !folder.is_dir() {
            return Err(Failure::input(anyhow!("`{}` is no folder; give the folders of runs", folder.display())));
        }
    }
    if let [folder] = &args.runs[..] {
        if folder.join("plan.jsonl").is_file() {
            return super::sweep::collect(folder, &Vec::new(), args.out.as_deref());
        }
        let page = folder.join("compare.html");
        if page.is_file() {
            println!("report: {} (of a comparison, as itop compare wrote it)", page.display());
            return Ok(());
        }
    }
    let runs: Vec<Run> = args.runs.iter().map(|folder| report::read(folder)).collect();
    if runs.iter().all(Run::is_empty) {
        let notes = runs.iter().flat_map(|run| &run.notes).cloned().collect::<Vec<_>>().join("; ");
        return Err(Failure::input(anyhow!(
            "there is nothing to report: {notes}; give the folders of runs, or that of a sweep"
        )));
    }
    if args.text {
        runs.iter().for_each(|run| print!("{}", report::text(run)));
        return Ok(());
    }
    for run in &runs {
        run.notes.iter().for_each(|note| eprintln!("warning: {}: {note}", run.name));
    }
    let out = args.out.as_ref().unwrap_or(&args.runs[0]);
    println!("report: {}", write(&runs, out).map_err(Failure::run)?.display());
    let pictures = if args.png { report::pictures(&runs) } else { Vec::new() };
    for (name, picture) in pictures {
        let path = out.join(name);
        write_whole(&path, &picture).map_err(Failure::run)?;
        println!("picture: {}", path.display());
    }
    Ok(())
}

/// Writes `report.html` into `folder`, which is made if it is not there.
pub fn write(runs: &[Run], folder: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder).map_err(|error| anyhow!("cannot create `{}`: {error}", folder.display()))?;
    let path = folder.join("report.html");
    write_whole(&path, report::page(runs).as_bytes())?;
    Ok(path)
}
