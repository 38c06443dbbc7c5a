//! `itop data`: download and describe data sets. Also finds the data of a run again.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Failure, flags};
use crate::data::{self, Dataset, Record, Source, fetch};
use crate::train::run_folder::RunFolder;
use crate::train::{Config, kinds};

#[derive(Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Subcommand)]
enum DataCommand {
    /// Download a data set into `$ITOP_DATA` or ./data; resumes an interrupted download
    Fetch {
        /// `cifar10` or `cifar100`
        #[arg(value_parser = ["cifar10", "cifar100"])]
        data: String,
        /// A mirror: the address without the file name
        #[arg(long, value_name = "URL", default_value = fetch::HOME)]
        from: String,
    },
    /// Read a data set, describe it, and warn of what is missing
    Info {
        /// `sample`, `cifar10`, `cifar100`, a folder, or a `.tar.gz`
        #[arg(default_value = "sample")]
        data: String,
        /// Share of each class that becomes the test set, if the data has none
        #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = flags::number("test"))]
        test: f64,
    },
}

pub fn run(args: &DataArgs) -> Result<(), Failure> {
    match &args.command {
        DataCommand::Fetch { data, from } => {
            let terminal = std::io::stderr().is_terminal();
            let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
            let bar = ProgressBar::with_draw_target(None, target);
            if let Ok(style) =
                ProgressStyle::with_template("[{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            let done = fetch::fetch(data, from, &mut |at, total| {
                bar.set_length(total.unwrap_or(at));
                bar.set_position(at);
            });
            bar.finish_and_clear();
            println!("{data}: {}", done.map_err(Failure::run)?.display());
            Ok(())
        }
        DataCommand::Info { data, test } => {
            let dataset = Source { test: *test, ..Source::new(&kinds::data(data)) }.load().map_err(Failure::input)?;
            print!("{}", data::describe(&dataset));
            if *test > 0.0 {
                println!("  the test set is drawn from the train images by --test {test}");
            }
            for warning in data::warnings(&dataset) {
                eprintln!("warning: {warning}");
            }
            Ok(())
        }
    }
}

/// The data of a new run, and what it is to keep of it.
pub fn load(config: &Config) -> Result<(Dataset, Record), Failure> {
    let dataset = config.source().load().map_err(Failure::input)?;
    let record = Record::of(&dataset, config.validation).map_err(Failure::input)?;
    Ok((dataset, Record { root: data::root_of(&config.data), ..record }))
}

/// The data of the run in `folder`, by `config`, found again: the very images and classes that it began with. `elsewhere` is
/// the command with another `--data`.
pub fn load_again(folder: &Path, config: &Config, elsewhere: &str) -> Result<(Dataset, Record), Failure> {
    let kept = RunFolder::read_data(folder).map_err(Failure::input)?;
    let root = kept.as_ref().and_then(|kept| kept.root.as_deref());
    let mut dataset = Source { root, ..config.source() }
        .load()
        .map_err(|error| Failure::input(anyhow!("{error}; if the run's data was moved, give its path: {elsewhere}")))?;
    let found = Record::of(&dataset, config.validation).map_err(Failure::input)?;
    let Some(kept) = kept else {
        eprintln!(
            "warning: `{}` was begun by an older version, which recorded nothing about its data: it cannot be checked whether `{}` is still \
             the same",
            folder.display(),
            config.data
        );
        return Ok((dataset, found));
    };
    let differences = kept.differences(&found);
    if !differences.is_empty() {
        return Err(Failure::input(anyhow!(
            "`{}` is not the data that `{}` was trained on: {}; restore it, or give the path of the original data: {elsewhere}",
            config.data,
            folder.display(),
            differences.join("; ")
        )));
    }
    // The network knows pixels as they were normalised then.
    (dataset.mean, dataset.std) = (kept.mean, kept.std);
    Ok((dataset, kept))
}

/// Fails if the run in `folder` has other images than `record` tells of, though both are to be compared.
pub fn check_alike(folder: &Path, record: &Record) -> Result<(), Failure> {
    let Some(other) = RunFolder::read_data(folder).map_err(Failure::input)? else { return Ok(()) };
    let differences = other.image_differences(record);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Failure::input(anyhow!(
        "the data was changed since `{}` was trained on it: {}; restore it, or plan the sweep again in another folder",
        folder.display(),
        differences.join("; ")
    )))
}
