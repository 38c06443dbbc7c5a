//! The command line: one file per subcommand; turns arguments into calls of the modules below, and prints.

// First, because all modules below use its `print!` and similar macros.
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
mod methods;
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

/// Trains sparse convolutional networks from scratch, on GPUs of any vendor.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a network (with no options: the `quick` preset on the bundled sample)
    #[command(args_override_self = true)]
    Train(Box<train::TrainArgs>),
    /// Measure a trained network's loss and accuracy
    Eval(eval::EvalArgs),
    /// List the GPUs that can be used
    Adapters(adapters::AdaptersArgs),
    /// Download and describe data sets
    Data(data::DataArgs),
    /// Predict how much a run will explore
    Explore(explore::ExploreArgs),
    /// Run the same steps on several adapters: which is fastest, and do they agree?
    Compare(compare::CompareArgs),
    /// Check that a GPU computes correctly, kernel by kernel
    Verify(verify::VerifyArgs),
    /// Run many configurations from one specification: plan, run, status, collect, submit
    Sweep(sweep::SweepArgs),
    /// Make a page with curves, layers and maps of one or more runs
    Report(report::ReportArgs),
    /// Write every kernel as WGSL or in a driver's language
    Shaders(shaders::ShadersArgs),
    /// Measure speed
    Bench(bench::BenchArgs),
    /// Serve the page that trains in the browser (to this machine only)
    Web(web::WebArgs),
}

impl Command {
    /// Whether it only prints.
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
    /// Buffer limits: the adapter's own, or the minimum that every WebGPU implementation offers
    #[arg(long, value_enum, default_value = "adapter", ignore_case = true)]
    limits: Limits,
    /// Use at most this much GPU memory, in MiB; if a run needs more, the error names the largest batch that fits
    #[arg(long, value_name = "MIB")]
    gpu_memory: Option<u32>,
    /// Keep the bounds checks in shaders (normally removed)
    #[arg(long)]
    checked_shaders: bool,
    /// The driver's checks that no kernel leaves its buffers (Vulkan); `auto`: off with drivers where they cost much, once
    /// `itop verify --checked-shaders` has passed
    #[arg(long, value_enum, default_value = "on", ignore_case = true)]
    buffer_checks: BufferChecks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum BufferChecks {
    Auto,
    On,
    Off,
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
            unchecked_buffers: self.buffer_checks == BufferChecks::Off,
            memory: self.gpu_memory.map(|mib| u64::from(mib) << 20),
            to_compile: false,
        }
    }

    /// The same as arguments of another command, without defaults.
    fn flags(&self) -> Vec<String> {
        let adapter = (!self.adapter.eq_ignore_ascii_case("auto")).then(|| ["--adapter".into(), self.adapter.clone()]);
        let limits = matches!(self.limits, Limits::Webgpu).then(|| ["--limits".into(), "webgpu".into()]);
        let memory = self.gpu_memory.map(|mib| ["--gpu-memory".into(), mib.to_string()]);
        let checks = match self.buffer_checks {
            BufferChecks::On => None,
            BufferChecks::Auto => Some(["--buffer-checks".into(), "auto".into()]),
            BufferChecks::Off => Some(["--buffer-checks".into(), "off".into()]),
        };
        [adapter, limits, memory, checks].into_iter().flatten().flatten().collect()
    }

    /// Opens the adapter.
    fn open_quietly(&self) -> Result<Gpu, Failure> {
        let open = |options: &GpuOptions| pollster::block_on(Gpu::open(options)).map_err(Failure::adapter);
        let gpu = open(&self.options())?;
        match self.does_without_checks(&gpu) {
            true => open(&GpuOptions { unchecked_buffers: true, ..self.options() }),
            false => Ok(gpu),
        }
    }

    /// Whether `gpu`, which was opened with the driver's checks of buffers, is to be used without.
    fn does_without_checks(&self, gpu: &Gpu) -> bool {
        self.may_do_without_checks(gpu) && first_contact::has_passed_with_checks(gpu)
    }

    fn may_do_without_checks(&self, gpu: &Gpu) -> bool {
        let is_plain = !self.checked_shaders && matches!(self.limits, Limits::Adapter);
        is_plain && self.buffer_checks == BufferChecks::Auto && gpu.summary.has_costly_checks()
    }

    /// Opens the adapter and says so in line 1.
    fn open(&self) -> Result<Gpu, Failure> {
        let gpu = introduce(self.open_quietly()?);
        if self.may_do_without_checks(&gpu) && !gpu.summary.unchecked_buffers {
            message!(
                "note: this driver writes a check of its buffer into every load of a kernel, which makes kernels slower; once \
                 `itop verify --checked-shaders` has passed, runs with --buffer-checks auto do without"
            );
        }
        Ok(gpu)
    }

    /// The same of a device that only has to compile.
    fn open_to_compile(&self) -> Result<Gpu, Failure> {
        let options = GpuOptions { to_compile: true, ..self.options() };
        let gpu = introduce(pollster::block_on(Gpu::open(&options)).map_err(Failure::adapter)?);
        if !gpu.executes {
            message!(
                "warning: this device executes nothing: kernels are only compiled, and times and results mean nothing"
            );
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
            "note: this adapter uses Windows' old shader compiler, FXC: it compiles slowly, and it lacks subgroups, which the fastest \
             kernels need; put `dxcompiler.dll` of github.com/microsoft/DirectXShaderCompiler next to itop.exe to use DXC \
             (or try --adapter vulkan)"
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

/// Sets `interrupted` at the first line of the standard input. Its end means nothing: the process behind it may be killed.
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
            // A user who interrupts a command knows it, and the command has said what it kept.
            if failure.exit != Exit::Interrupted {
                eprintln!("error: {}", failure.message());
            }
            ExitCode::from(failure.exit.code())
        }
    }
}
