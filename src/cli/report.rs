//! `itop report`: a page, or a summary in the terminal, of one or more runs.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;

use super::Failure;
use crate::report::{self, Run};
use crate::train::run_folder::{RunFolder, write_whole};

#[derive(Args)]
pub struct ReportArgs {
    /// Run folders, or the folder of a sweep, which is then collected
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Folder for the page [default: the run folder; for several runs report-of-N-runs, numbered if taken]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also write pictures: charts and maps as PNG, the maps over time as RUN-film.gif
    #[arg(long)]
    png: bool,
    /// Print a summary in the terminal, and write nothing
    #[arg(long, conflicts_with = "png")]
    text: bool,
}

impl ReportArgs {
    /// Whether it only prints.
    pub fn only_prints(&self) -> bool {
        self.text
    }
}

pub fn run(args: &ReportArgs) -> Result<(), Failure> {
    let folders = distinct(&args.runs)?;
    if let Some(out) = &args.out {
        check_out(&folders, out)?;
    }
    if let [folder] = &folders[..] {
        if folder.join("plan.jsonl").is_file() {
            return super::sweep::collect(folder, &Vec::new(), args.out.as_deref());
        }
        let page = folder.join("compare.html");
        if page.is_file() {
            println!("report: {} (of a comparison, written by itop compare)", page.display());
            return Ok(());
        }
    } else if let Some(sweep) = folders.iter().find(|folder| folder.join("plan.jsonl").is_file()) {
        return Err(Failure::input(anyhow!(
            "`{0}` is a sweep, which has a page of its own; give runs only, those of the sweep are in `{1}`",
            sweep.display(),
            sweep.join("rows").display()
        )));
    }
    let runs: Vec<Run> = folders.iter().map(|folder| report::read(folder)).collect();
    if runs.iter().all(Run::is_empty) {
        let notes = runs.iter().flat_map(|run| &run.notes).cloned().collect::<Vec<_>>().join("; ");
        return Err(Failure::input(anyhow!(
            "there is nothing to report: {notes}; give run folders, or the folder of a sweep"
        )));
    }
    if args.text {
        runs.iter().for_each(|run| print!("{}", report::text(run)));
        return Ok(());
    }
    for run in &runs {
        run.notes.iter().for_each(|note| message!("warning: {}: {note}", run.name));
    }
    let place = Place::of(&folders, &runs, args.out.as_deref());
    let pictures = if args.png { report::pictures(&runs) } else { Vec::new() };
    let pictures: Vec<(PathBuf, Vec<u8>)> =
        pictures.into_iter().map(|(name, picture)| (place.picture(&name), picture)).collect();
    if let Some((taken, _)) = pictures.iter().find(|(path, _)| !place.ours && path.exists()) {
        return Err(Failure::input(anyhow!(
            "`{}` exists already, and is not a picture of these runs; choose another --out",
            taken.display()
        )));
    }
    println!("report: {}", place.write(&runs).map_err(Failure::run)?.display());
    for (path, picture) in pictures {
        write_whole(&path, &picture).map_err(Failure::run)?;
        println!("picture: {}", path.display());
    }
    Ok(())
}

/// The folders, each once.
fn distinct(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in given {
        if !folder.is_dir() {
            return Err(Failure::input(anyhow!("`{}` is not a folder; give run folders", folder.display())));
        }
        match folders.iter().any(|known| same(known, folder)) {
            true => message!("warning: `{}` is given more than once and counts once", folder.display()),
            false => folders.push(folder.clone()),
        }
    }
    Ok(folders)
}

/// Whether two paths are one folder.
fn same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.into());
    real(a) == real(b)
}

/// What has a page of its own in its folder is never the place for another one.
fn check_out(folders: &[PathBuf], out: &Path) -> Result<(), Failure> {
    if matches!(folders, [folder] if same(folder, out)) {
        return Ok(());
    }
    let holds = |file: &str| out.join(file).exists();
    let what = match () {
        () if RunFolder::occupied(out) => "a run",
        () if holds("plan.jsonl") => "a sweep",
        () if holds("compare.html") || holds("compare.json") => "a comparison",
        () => return Ok(()),
    };
    Err(Failure::input(anyhow!(
        "`{}` is the folder of {what}, which has its own report; choose another --out",
        out.display()
    )))
}

/// Where a page and its pictures go.
struct Place {
    folder: PathBuf,
    /// Without its ending.
    page: String,
    /// Whether what is there is an earlier page of the same runs.
    ours: bool,
}

impl Place {
    /// One run's page belongs to its folder; another place is taken where it is free, or holds the page of the very runs.
    fn of(folders: &[PathBuf], runs: &[Run], out: Option<&Path>) -> Self {
        let ours = |page: &Path| std::fs::read(page).is_ok_and(|page| report::is_page_of(&page, runs));
        let usable = |place: Self| {
            let page = place.file();
            let ours = ours(&page);
            // A folder that somebody else has made is not ours to fill.
            let taken = if out.is_none() { place.folder.exists() } else { page.exists() };
            (ours || !taken).then_some(Self { ours, ..place })
        };
        let numbered = |name: &str, number: usize| match number {
            1 => name.to_string(),
            _ => format!("{name}-{number}"),
        };
        let candidate = |number: usize| match out {
            Some(out) => Self { folder: out.into(), page: numbered("report", number), ours: false },
            None => {
                let folder = numbered(&format!("report-of-{}-runs", runs.len()), number).into();
                Self { folder, page: "report".into(), ours: false }
            }
        };
        match folders {
            [folder] if out.is_none_or(|out| same(folder, out)) => {
                Self { folder: folder.clone(), page: "report".into(), ours: true }
            }
            _ => (1..).map(candidate).find_map(usable).unwrap_or_else(|| candidate(1)),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.html", self.page))
    }

    fn picture(&self, name: &str) -> PathBuf {
        let prefix = if self.page == "report" { String::new() } else { format!("{}-", self.page) };
        self.folder.join(prefix + name)
    }

    fn write(&self, runs: &[Run]) -> anyhow::Result<PathBuf> {
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot create `{}`; choose another --out", self.folder.display()))?;
        write_whole(&self.file(), report::page(runs).as_bytes())?;
        Ok(self.file())
    }
}

/// Writes `report.html` into the folder of a run.
pub fn write(run: Run, folder: &Path) -> anyhow::Result<PathBuf> {
    Place { folder: folder.into(), page: "report".into(), ours: true }.write(&[run])
}
