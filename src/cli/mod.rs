//! The command line: one file per subcommand; turns arguments into calls of the rooms below, and prints.

// First, for its `print!` and kin are those of all that follow.
#[macro_use]
mod out;

mod adapters;
mod bench;
mod cache;
mod compare;
mod data;
mod dry_run;
mod eval;
mod explore;
mod failure;
mod first_contact;
mod flags;
mod progress;
mod recipe;
mod report;
mod shaders;
mod sweep;
mod text;
mod train;
mod tuning;
mod verify;
mod web;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, Parser, Subcommand};

use crate::gpu::{Gpu, GpuOptions, HlslCompiler, LimitChoice};
use failure::{Exit, Failure};

/// Trains sparse convolutional networks from scratch on any GPU.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a network; without further words, a small one on the embedded sample
    #[command(args_override_self = true)]
    Train(Box<train::TrainArgs>),
    /// Measure a trained network's loss and accuracy
    Eval(eval::EvalArgs),
    /// List the GPUs that can be used
    Adapters(adapters::AdaptersArgs),
    /// Fetch datasets, and look at them
    Data(data::DataArgs),
    /// Plan how much a run will explore
    Explore(explore::ExploreArgs),
    /// Run the same steps on several adapters: which is faster, and do they compute the same
    Compare(compare::CompareArgs),
    /// Check that a GPU computes what it should
    Verify(verify::VerifyArgs),
    /// Many runs from one specification: plan, run, look, collect
    Sweep(sweep::SweepArgs),
    /// Draw what runs did
    Report(report::ReportArgs),
    /// Write every kernel as WGSL or in a driver's language
    Shaders(shaders::ShadersArgs),
    /// Measure speed
    Bench(bench::BenchArgs),
    /// Serve the page that trains in a browser, to this machine only
    Web(web::WebArgs),
}

impl Command {
    /// Whether all that it does is to print.
    fn only_prints(&self) -> bool {
        match self {
            Self::Adapters(_) | Self::Explore(_) => true,
            Self::Train(args) => args.only_prints(),
            Self::Report(args) => args.only_prints(),
            Self::Sweep(args) => args.only_prints(),
            Self::Bench(args) => args.json().is_none(),
            // Whether all is well is for scripts too, which may read the exit code alone; the others write files.
            Self::Verify(_) | Self::Compare(_) | Self::Eval(_) | Self::Data(_) | Self::Shaders(_) | Self::Web(_) => {
                false
            }
        }
    }
}

/// Which GPU, and how.
#[derive(Args, Clone)]
struct GpuArgs {
    /// `auto`, a backend (`vulkan`, `metal`, `dx12`, `gl`), an index from `itop adapters`, or part of a name
    #[arg(long, default_value = "auto")]
    adapter: String,
    /// Buffer limits: the adapter's own, or what every WebGPU implementation offers
    #[arg(long, value_enum, default_value = "adapter", ignore_case = true)]
    limits: Limits,
    /// The most GPU memory to take, in MiB; what does not fit is refused, with the largest batch that does
    #[arg(long, value_name = "MIB")]
    gpu_memory: Option<u32>,
    /// Keep the bounds checks in shaders that are else left out
    #[arg(long, hide = true)]
    checked_shaders: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Limits {
    Adapter,
    Webgpu,
}

impl GpuArgs {
    /// What to ask of the adapter.
    fn options(&self) -> GpuOptions {
        let limits = match self.limits {
            Limits::Adapter => LimitChoice::Adapter,
            Limits::Webgpu => LimitChoice::WebGpu,
        };
        GpuOptions {
            adapter: self.adapter.clone(),
            limits,
            checked_shaders: self.checked_shaders,
            memory: self.gpu_memory.map(|mib| u64::from(mib) << 20),
            to_compile: false,
        }
    }

    /// The same as words of another command, but for defaults.
    fn flags(&self) -> Vec<String> {
        let adapter = (!self.adapter.eq_ignore_ascii_case("auto")).then(|| ["--adapter".into(), self.adapter.clone()]);
        let limits = matches!(self.limits, Limits::Webgpu).then(|| ["--limits".into(), "webgpu".into()]);
        let memory = self.gpu_memory.map(|mib| ["--gpu-memory".into(), mib.to_string()]);
        [adapter, limits, memory].into_iter().flatten().flatten().collect()
    }

    /// Opens the adapter.
    fn open_quietly(&self) -> Result<Gpu, Failure> {
        pollster::block_on(Gpu::open(&self.options())).map_err(Failure::adapter)
    }

    /// Opens the adapter and says so in line 1.
    fn open(&self) -> Result<Gpu, Failure> {
        self.open_quietly().map(introduce)
    }

    /// The same of a device that only has to compile.
    fn open_to_compile(&self) -> Result<Gpu, Failure> {
        let options = GpuOptions { to_compile: true, ..self.options() };
        let gpu = introduce(pollster::block_on(Gpu::open(&options)).map_err(Failure::adapter)?);
        if !gpu.executes {
            message!("warning: this device executes nothing: kernels are compiled, times and results mean nothing");
        }
        Ok(gpu)
    }
}

/// Says in line 1 which adapter it is, and what to know of it.
fn introduce(gpu: Gpu) -> Gpu {
    print!("{}", text::fold(&format!("adapter: {}, tier {}", gpu.summary, gpu.tier())));
    if let Some(note) = &gpu.note {
        message!("warning: {note}");
    }
    if gpu.summary.compiler == Some(HlslCompiler::Fxc) {
        message!(
            "note: Windows' old compiler of shaders, FXC, serves this adapter: it compiles slowly, and the fastest kernels need \
             subgroups, which it lacks; with `dxcompiler.dll` of github.com/microsoft/DirectXShaderCompiler beside itop.exe, \
             DXC serves it (or try --adapter vulkan)"
        );
    }
    if gpu.summary.is_software() {
        message!("warning: this adapter is software: it computes the same on the processor, much slower than a GPU");
    }
    gpu
}

/// What Ctrl-C and SIGTERM (on Windows Ctrl-Break) set; a second one ends the process at once.
fn interruption() -> Result<Arc<AtomicBool>, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            Exit::Interrupted.now();
        }
    };
    ctrlc::set_handler(handler).map_err(Failure::run)?;
    Ok(interrupted)
}

/// Sets `interrupted` at the first line of the standard input. Its end means nothing: who holds it may be killed.
fn interrupt_by_input(interrupted: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        if std::io::stdin().read_line(&mut String::new()).is_ok_and(|bytes| bytes > 0) {
            interrupted.store(true, Ordering::Relaxed);
        }
    });
}

/// Runs the command line; returns the exit code.
pub fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::new().filter("ITOP_LOG")).init();
    let parsed = Cli::try_parse_from(flags::spelled(std::env::args_os()));
    let command = parsed.unwrap_or_else(|error| flags::mended(error).exit()).command;
    if command.only_prints() {
        out::only_prints();
    }
    let done = match command {
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Adapters(args) => adapters::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Explore(args) => explore::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Shaders(args) => shaders::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Web(args) => web::run(&args),
        Command::Sweep(args) => sweep::run(&args),
    };
    out::flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Who interrupts a command knows it, and the command said what it kept.
            if failure.exit != Exit::Interrupted {
                eprintln!("error: {}", failure.message());
            }
            ExitCode::from(failure.exit.code())
        }
    }
}
