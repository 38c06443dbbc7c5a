//! `itop data`: look at datasets.

use clap::{Args, Subcommand};

use super::Failure;
use crate::data;

#[derive(Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Subcommand)]
enum DataCommand {
    /// Read a dataset and say what is in it
    Info {
        /// `sample`, `cifar10`, `cifar100`, a folder, or a `.tar.gz`
        #[arg(default_value = "sample")]
        data: String,
    },
}

pub fn run(args: &DataArgs) -> Result<(), Failure> {
    match &args.command {
        DataCommand::Info { data } => {
            let dataset = data::load(data).map_err(Failure::input)?;
            print!("{}", data::describe(&dataset));
            Ok(())
        }
    }
}
