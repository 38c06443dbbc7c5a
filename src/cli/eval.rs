//! `itop eval`: loss and accuracy of a trained network.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::data::load_again;
use super::text::percent;
use super::{Failure, GpuArgs};
use crate::shell;
use crate::train::{Config, RunPlan, Trainer, kinds};

#[derive(Args)]
pub struct EvalArgs {
    /// Run folder
    run: PathBuf,
    /// Checkpoint of the best epoch, or of the last one
    #[arg(long, value_enum, default_value = "best", ignore_case = true)]
    checkpoint: Which,
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
enum Which {
    Best,
    Last,
}

#[derive(Clone, Copy, ValueEnum)]
enum SplitName {
    Val,
    Test,
}

pub fn run(args: &EvalArgs) -> Result<(), Failure> {
    let mut config = Config::of_run(&args.run).map_err(Failure::input)?;
    if let Some(data) = &args.data {
        config.data = kinds::data(data);
    }
    let elsewhere = shell::command(["itop", "eval", &shell::path(&args.run), "--data", "PATH"]);
    let (dataset, _) = load_again(&args.run, &config, &elsewhere)?;
    let gpu = args.gpu.open()?;
    let run_plan = RunPlan::new(config, &dataset, &gpu).map_err(Failure::input)?;
    let images = match args.split {
        SplitName::Val => run_plan.split.val.clone(),
        SplitName::Test => run_plan.test_images(&dataset),
    };
    if images.is_empty() {
        return Err(Failure::input(anyhow::anyhow!("the split is empty: the run held out nothing (`validation = 0`)")));
    }
    let mut trainer = pollster::block_on(Trainer::new(gpu, &run_plan, &dataset, &mut ())).map_err(Failure::start)?;
    let name = match args.checkpoint {
        Which::Best => "best.safetensors",
        Which::Last => "last.safetensors",
    };
    trainer.restore(&args.run.join(name)).map_err(Failure::start)?;
    let score = pollster::block_on(trainer.evaluate(&images)).map_err(Failure::run)?;
    let (step, per_epoch) = (trainer.progress.step, run_plan.steps_per_epoch());
    let after = match step % per_epoch {
        0 => format!("epoch {}", step / per_epoch),
        _ => format!("step {step}"),
    };
    println!(
        "accuracy {}, loss {:.4} over {} {} images, by the weights after {after}",
        percent(score.accuracy),
        score.loss,
        images.len(),
        match args.split {
            SplitName::Val => "validation",
            SplitName::Test => "test",
        }
    );
    Ok(())
}
