//! `itop sweep collect`: tables, figures and the answer from the rows that are done.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use serde::Serialize;

use super::{Failure, open, rows_done};
use crate::sweep::answer::Answer;
use crate::sweep::baseline;
use crate::sweep::collect::{Collected, collect};
use crate::sweep::csv;
use crate::sweep::page::{page, plots};
use crate::sweep::spec::{self, Assignments};
use crate::sweep::table::{latex, markdown};
use crate::train::run_folder::write_whole;

#[derive(Args)]
pub struct CollectArgs {
    /// Folder of the sweep
    sweep: PathBuf,
    /// The setting to compare the others with, such as `method=static`; repeat it for several keys
    /// [default: [baseline] of the specification, else static, else dense, else set]
    #[arg(long, value_name = "KEY=VALUE")]
    baseline: Vec<String>,
    /// Folder for the tables and plots [default: DIR/collected]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(args: &CollectArgs) -> Result<(), Failure> {
    let assignment = |text: &String| {
        spec::assignment(text)
            .ok_or_else(|| Failure::input(anyhow!("`--baseline {text}` is not of the form key=value")))
    };
    let named = args.baseline.iter().map(assignment).collect::<Result<Assignments, _>>()?;
    write(&args.sweep, &named, args.out.as_deref())
}

/// The tables and plots of `sweep` into `out`, or into its own folder for them. An empty `baseline` is the specification's.
pub fn write(sweep: &Path, baseline: &Assignments, out: Option<&Path>) -> Result<(), Failure> {
    let opened = open(sweep)?;
    if let Some(mixed) = opened.mixed_data() {
        return Err(Failure::input(anyhow!(
            "{mixed}; one table cannot hold both: move the run folders of one kind out of `{}`, and run the sweep again",
            sweep.join("rows").display()
        )));
    }
    let collected = collect(&opened);
    let answer = answer(
        &collected,
        match baseline.is_empty() {
            true => opened.baseline().map_err(Failure::input)?,
            false => Some(baseline.clone()),
        },
    )?;
    // The rows as seen from the page; from elsewhere by their whole path.
    let place = match out {
        None => "..".to_string(),
        Some(_) => address(&sweep.canonicalize().unwrap_or_else(|_| sweep.into())),
    };
    let out = out.map_or_else(|| sweep.join("collected"), Path::to_path_buf);
    std::fs::create_dir_all(&out)
        .with_context(|| format!("cannot create `{}`", out.display()))
        .map_err(Failure::input)?;
    #[derive(Serialize)]
    struct Whole<'a> {
        /// Of the program that collected; each row's result has that of its own.
        version: String,
        #[serde(flatten)]
        collected: &'a Collected,
        #[serde(flatten)]
        answer: &'a Answer,
    }
    let whole = Whole { version: crate::words::version(), collected: &collected, answer: &answer };
    let json = serde_json::to_string_pretty(&whole).map_err(Failure::run)? + "\n";
    let remarks = [answer.sentences(), answer.cautions.clone()].concat();
    let list: String = remarks.iter().map(|remark| format!("- {remark}\n")).collect();
    let table = format!("{}\n{list}", markdown(&collected));
    print!("{table}");
    let files = vec![
        ("rows.csv".to_string(), csv::rows(&collected)),
        ("times.csv".into(), csv::times(&collected)),
        ("comparisons.csv".into(), csv::comparisons(&answer)),
        ("sweep.json".into(), json),
        ("table.md".into(), table),
        ("table.tex".into(), latex(&collected, &remarks)),
        ("report.html".into(), page(&collected, &answer, &place)),
    ];
    let mut files: Vec<(String, Vec<u8>)> = files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    for (name, plot) in plots(&collected) {
        files.push((format!("{name}.svg"), plot.file().into_bytes()));
        files.push((format!("{name}.pdf"), plot.pdf()));
    }
    for (name, content) in &files {
        write_whole(&out.join(name), content).map_err(Failure::run)?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    println!("{}; in {}: {}", rows_done(collected.done(), collected.rows.len()), out.display(), names.join(", "));
    Ok(())
}

/// What the results say, against the settings that `baseline` names.
fn answer(collected: &Collected, baseline: Option<Assignments>) -> Result<Answer, Failure> {
    if let Some(baseline) = &baseline {
        let configs: Vec<_> = collected.rows.iter().map(|row| &row.config).collect();
        baseline::check(baseline, &configs).map_err(|error| Failure::input(anyhow!("baseline: {error}")))?;
    }
    Ok(Answer::of(collected, baseline.as_ref()))
}

/// A path as an address of a page.
fn address(path: &Path) -> String {
    let mut address = String::from("file://");
    // On Windows `C:\…`, after what `canonicalize` puts before it.
    let text = path.display().to_string();
    let text = text.strip_prefix(r"\\?\").unwrap_or(&text).replace(std::path::MAIN_SEPARATOR, "/");
    if !text.starts_with('/') {
        address.push('/');
    }
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' | b':' => {
                address.push(char::from(byte))
            }
            byte => address += &format!("%{byte:02X}"),
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_addresses() {
        assert_eq!(address(Path::new("/a b/é?#%")), "file:///a%20b/%C3%A9%3F%23%25");
    }
}
