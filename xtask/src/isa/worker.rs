//! What runs beside the driver of one GPU, in Debian unstable: makes plans for that GPU as a run on it would, compiles their
//! kernels and says what came out, a line of JSON a kernel.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use itop::gpu::{Command, Gpu, GpuOptions, Kernel, Target, Tier};
use itop::ops::{Storage, Tuning};
use itop::train::{Config, Method, RunPlan};
use serde::{Deserialize, Serialize};

use super::driver::{Driver, Robustness};
use super::listing::Loop;
use super::printed::Printed;
use super::statistics::Statistics;

/// Which kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// What ResNet-34, VGG-C and the MLP run where nothing was measured
    Default,
    /// Every candidate that is offered to this GPU
    Offered,
    /// Every permutation there is, whichever GPU it is for
    All,
}

#[derive(Args)]
pub struct WorkerArguments {
    #[arg(value_enum)]
    which: Which,
    /// Only kernels with this in their names
    #[arg(long)]
    kernel: Option<String>,
    /// With the machine code
    #[arg(long)]
    asm: bool,
    /// Which bounds checks of buffers to ask the driver for
    #[arg(long, value_enum, default_value = "full")]
    robustness: Robustness,
}

/// The first line: who compiles.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    pub adapter: String,
    pub driver: String,
    pub tier: String,
    pub pipelines: usize,
}

/// A compiled pipeline, or why it is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its shader and defines.
    pub kernel: String,
    /// Its constants differ from those of others with the same name.
    pub constants: String,
    pub result: Result<Statistics, String>,
    /// The innermost loop, where the driver prints its code.
    pub innermost: Option<Loop>,
    pub listing: Option<String>,
}

pub fn work(arguments: &WorkerArguments) -> Result<()> {
    // First: the driver also prints kernels of its own when a device is opened.
    let printed = Printed::new()?;
    let options = GpuOptions { adapter: "vulkan".into(), to_compile: true, ..GpuOptions::default() };
    let gpu = pollster::block_on(Gpu::open(&options)).context("wgpu opens no device")?;
    let mut kernels = match arguments.which {
        Which::Default => default(&gpu)?,
        Which::Offered => itop::plan::candidates(&Tuning::for_gpu(&gpu)),
        Which::All => Tier::ALL.into_iter().flat_map(itop::plan::permutations).collect(),
    };
    let mut seen = BTreeSet::new();
    kernels.retain(|kernel| seen.insert(identity(&gpu, kernel)));
    kernels.retain(|kernel| arguments.kernel.as_ref().is_none_or(|part| kernel.to_string().contains(part)));

    let driver = Driver::open(arguments.robustness)?;
    let header = Header {
        adapter: gpu.summary.name.clone(),
        driver: gpu.summary.driver.clone(),
        tier: gpu.tier().into(),
        pipelines: kernels.len(),
    };
    printed.report(&serde_json::to_string(&header)?)?;
    for kernel in &kernels {
        let compiled = kernel.translate(Tier::of(kernel), Target::Spirv).map_err(anyhow::Error::from);
        let compiled = compiled.and_then(|spirv| driver.compile(&spirv, &printed));
        let listing = compiled.as_ref().ok().and_then(|compiled| compiled.listing.as_ref());
        let (kernel, constants) = identity(&gpu, kernel);
        let row = Row {
            kernel,
            constants,
            innermost: listing.and_then(|(syntax, text)| syntax.innermost(text)),
            listing: listing.map(|(_, text)| text.clone()).filter(|_| arguments.asm),
            result: compiled.map(|compiled| compiled.statistics).map_err(|error| format!("{error:#}")),
        };
        printed.report(&serde_json::to_string(&row)?)?;
    }
    Ok(())
}

/// The name of a kernel's permutation, and the constants that it is compiled with.
fn identity(gpu: &Gpu, kernel: &Kernel) -> (String, String) {
    let pipeline = kernel.pipeline(gpu);
    let constants: Vec<_> = pipeline.constants.iter().map(|(name, value)| format!("{name}={value}")).collect();
    (pipeline.to_string(), constants.join(" "))
}

/// The pipelines of whole runs on CIFAR-10 with RigL, as `itop train --no-autotune` makes them.
fn default(gpu: &Gpu) -> Result<Vec<Kernel>> {
    let dataset = itop::data::outline("cifar10").context("CIFAR-10 is unknown")?;
    let mut kernels = Vec::new();
    for (model, sparsity) in [("resnet34", 0.9), ("resnet34", 0.98), ("vgg_c", 0.9), ("mlp_cifar10", 0.9)] {
        for storage in Storage::ALL.into_iter().filter(|&storage| storage != Storage::F16 || gpu.f16) {
            let config = Config {
                model: model.into(),
                data: "cifar10".into(),
                method: Method::RIGL,
                sparsity,
                storage,
                ..Config::default()
            };
            let plan = RunPlan::new(config, &dataset, gpu)?.plan;
            let fetch = [plan.fetch_train, plan.fetch_eval];
            for pass in [plan.index, plan.train, plan.update, plan.eval, plan.map].iter().flatten().chain(&fetch) {
                if let Command::Dispatch { kernel, .. } = pass {
                    kernels.push(kernel.clone());
                }
            }
        }
    }
    Ok(kernels)
}
