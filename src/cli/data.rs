//! `itop data`: download and describe data sets.

use std::io::IsTerminal;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Failure, flags};
use crate::data::{self, Source, fetch};
use crate::train::kinds;

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
        #[arg(ignore_case = true, value_parser = ["cifar10", "cifar100"])]
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
            let done = fetch::fetch(&data.to_lowercase(), from, &mut |at, total| {
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
                message!("warning: {warning}");
            }
            Ok(())
        }
    }
}
