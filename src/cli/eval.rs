//! `itop eval`: loss and accuracy of a trained network.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::progress::Plain;
use super::text::{number_of, percent};
use super::{Failure, GpuArgs};
use crate::shell;
use crate::train::kinds;
use crate::train::trained::{Trained, Unseen, Which};

#[derive(Args)]
pub struct EvalArgs {
    /// Run folder
    run: PathBuf,
    /// Checkpoint of the best epoch, or of the last one
    #[arg(long, value_enum, default_value = "best", ignore_case = true)]
    checkpoint: WhichName,
    /// The test images, or the validation images of the run
    #[arg(long, value_enum, default_value = "test", ignore_case = true)]
    split: SplitName,
    /// Path of the run's data, if it was moved
    #[arg(long, value_name = "PATH")]
    data: Option<String>,
    #[command(flatten)]
    gpu: GpuArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum WhichName {
    Best,
    Last,
}

#[derive(Clone, Copy, ValueEnum)]
enum SplitName {
    Val,
    Test,
}

pub fn run(args: &EvalArgs) -> Result<(), Failure> {
    let elsewhere = shell::command(["itop", "eval", &shell::path(&args.run), "--data", "PATH"]);
    let trained = Trained::open(&args.run, args.data.as_deref().map(kinds::data), elsewhere)?;
    let data = trained.load(&mut Plain)?;
    let gpu = args.gpu.open()?;
    let run_plan = trained.run_plan(&data, &gpu)?;
    let which = match args.checkpoint {
        WhichName::Best => Which::Best,
        WhichName::Last => Which::Last,
    };
    let (unseen, image) = match args.split {
        SplitName::Val => (Unseen::Validation, "validation image"),
        SplitName::Test => (Unseen::Test, "test image"),
    };
    let found = pollster::block_on(trained.evaluate(gpu, &run_plan, &data, (which, unseen)))?;
    let (step, per_epoch) = (found.step, run_plan.steps_per_epoch());
    let after = match step % per_epoch {
        0 => format!("epoch {}", step / per_epoch),
        _ => format!("step {step}"),
    };
    println!(
        "accuracy {}, loss {:.4} over {}, by the weights after {after}",
        percent(found.score.accuracy),
        found.score.loss,
        number_of(found.images, image),
    );
    Ok(())
}
