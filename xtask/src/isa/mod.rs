//! `cargo xtask isa`: what compilers of GPUs that are not here make of the kernels. Each GPU's driver runs in Debian unstable
//! (`scripts/debian-sid.sh`) with a shim under it, in a process of its own: this program once more, as a worker.

mod baseline;
mod driver;
mod flow;
mod gpus;
mod listing;
mod printed;
mod statistics;
mod table;
mod worker;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;

use driver::Robustness;
use gpus::{GPUS, Gpu, PACKAGES};
use listing::Loop;
use worker::{Header, Row, Which};
pub use worker::{WorkerArguments, work};

#[derive(Args)]
pub struct Arguments {
    /// GPUs, with commas between them; all if nothing is said
    #[arg(long, value_delimiter = ',', value_parser = Gpu::named)]
    gpu: Vec<&'static Gpu>,
    /// Only kernels with this in their names
    #[arg(long)]
    kernel: Option<String>,
    /// Which kernels
    #[arg(long, value_enum, default_value = "default")]
    which: Which,
    /// `--which all`: every permutation
    #[arg(long)]
    all: bool,
    /// Print the machine code too
    #[arg(long)]
    asm: bool,
    /// Write all rows as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Which bounds checks of buffers to ask the driver for
    #[arg(long, value_enum, default_value = "full")]
    robustness: Robustness,
    /// No table: fail if a kernel does not compile or spills, and (default kernels) if it grew beyond xtask/isa-baseline.tsv
    #[arg(long)]
    check: bool,
    /// Write xtask/isa-baseline.tsv anew
    #[arg(long)]
    bless: bool,
}

#[derive(Args)]
pub struct OnArguments {
    /// GPUs, with commas between them; all if nothing is said
    #[arg(long, value_delimiter = ',', value_parser = Gpu::named)]
    gpu: Vec<&'static Gpu>,
    /// The command, after `--`
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// What came of one GPU.
#[derive(Debug, Serialize)]
struct Report {
    gpu: &'static str,
    title: &'static str,
    #[serde(flatten)]
    header: Header,
    rows: Vec<Row>,
}

impl Report {
    fn kernels(&self) -> BTreeMap<&str, Kernel<'_>> {
        let weight = |row: &Row| row.result.as_ref().map_or((i64::MAX, 0, 0), |statistics| statistics.weight());
        let mut kernels: BTreeMap<&str, Kernel> = BTreeMap::new();
        for row in &self.rows {
            let kernel = kernels.entry(&row.kernel).or_insert(Kernel { pipelines: 0, most: row, innermost: None });
            kernel.pipelines += 1;
            if weight(row) > weight(kernel.most) {
                kernel.most = row;
            }
            let longer = |known: &Loop| row.innermost.as_ref().is_some_and(|of| of.instructions > known.instructions);
            if kernel.innermost.is_none_or(longer) {
                kernel.innermost = row.innermost.as_ref();
            }
        }
        kernels
    }
}

/// The pipelines of one kernel: they differ by constants.
struct Kernel<'a> {
    pipelines: usize,
    /// The one that takes most.
    most: &'a Row,
    /// The longest of their innermost loops: where one has few rounds, compilers unroll it.
    innermost: Option<&'a Loop>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let which = if arguments.all { Which::All } else { arguments.which };
    let of_baseline = which == Which::Default && arguments.kernel.is_none() && arguments.robustness == Robustness::Full;
    ensure!(
        !(arguments.check && which == Which::All),
        "--check goes with what a GPU is offered: say `--which offered` or `--which default`"
    );
    ensure!(!arguments.bless || of_baseline, "--bless goes with all default kernels: leave the other choices out");
    let root = prepare()?;
    let wanted = all_or(&arguments.gpu);
    let reports = compile_all(root, &wanted, arguments, which)?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&serde_json::json!({"schema": 1, "gpus": reports}))?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let path = root.join("xtask/isa-baseline.tsv");
    if arguments.bless {
        return baseline::write(&path, &reports);
    }
    if !arguments.check {
        reports.iter().for_each(table::print);
        return Ok(());
    }
    let mut wrong = Vec::new();
    for report in &reports {
        println!("{}", table::summary(report));
        wrong.extend(baseline::failures(report));
    }
    if of_baseline {
        wrong.extend(baseline::compare(&path, &reports)?);
    }
    for line in &wrong {
        println!("{line}");
    }
    ensure!(
        wrong.is_empty(),
        "{} kernels are not as they should be; if that is meant: cargo xtask isa --bless",
        wrong.len()
    );
    Ok(())
}

/// Runs a command with the driver of each GPU; what it prints is printed when it has ended.
pub fn run_on(arguments: &OnArguments) -> Result<()> {
    let root = prepare()?;
    let wanted = all_or(&arguments.gpu);
    let ran = each(&wanted, |gpu| {
        let mut command = debian(root);
        command.args(["run", "env"]).args(gpu.environment()).args(&arguments.command);
        let ran = command.output();
        if let Ok(ran) = &ran {
            let text = [&ran.stdout[..], &ran.stderr[..]].concat();
            println!("== {}\n{}", gpu.title, String::from_utf8_lossy(&text));
        }
        ran
    });
    ensure!(ran.len() == wanted.len(), "a GPU was left out");
    for (ran, gpu) in ran.into_iter().zip(&wanted) {
        let ended = ran.context("scripts/debian-sid.sh does not start")?.status;
        ensure!(ended.success(), "{}: {ended}", gpu.title);
    }
    Ok(())
}

fn all_or(wanted: &[&'static Gpu]) -> Vec<&'static Gpu> {
    if wanted.is_empty() { GPUS.iter().collect() } else { wanted.to_vec() }
}

/// Installs what is missing, and says where the project is.
fn prepare() -> Result<&'static Path> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    let installed =
        debian(root).arg("install").args(PACKAGES).status().context("scripts/debian-sid.sh does not start")?;
    ensure!(
        installed.success(),
        "without Debian unstable's Mesa there are no compilers (scripts/debian-sid.sh says why)"
    );
    Ok(root)
}

fn debian(root: &Path) -> Command {
    let mut command = Command::new(root.join("scripts/debian-sid.sh"));
    command.current_dir(root);
    command
}

/// One worker a GPU.
fn compile_all(root: &Path, wanted: &[&'static Gpu], arguments: &Arguments, which: Which) -> Result<Vec<Report>> {
    let all = each(wanted, |gpu| compile(root, gpu, arguments, which));
    all.into_iter().zip(wanted).map(|(report, gpu)| report.with_context(|| gpu.title.to_string())).collect()
}

/// `work` on every GPU, as many side by side as there are cores.
fn each<T: Send>(wanted: &[&'static Gpu], work: impl Fn(&'static Gpu) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, done) = (Mutex::new(wanted.iter().enumerate()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..cores.min(wanted.len()) {
            scope.spawn(|| {
                let take = || next.lock().ok().and_then(|mut all| all.next());
                while let Some((place, gpu)) = take() {
                    let came = work(gpu);
                    if let Ok(mut done) = done.lock() {
                        done.insert(place, came);
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_default().into_values().collect()
}

fn compile(root: &Path, gpu: &'static Gpu, arguments: &Arguments, which: Which) -> Result<Report> {
    let mut command = debian(root);
    command.args(["run", "env"]).args(gpu.printing());
    command.arg(std::env::current_exe()?).arg("isa-worker").arg(clap_name(which));
    command.arg("--robustness").arg(clap_name(arguments.robustness));
    if let Some(kernel) = &arguments.kernel {
        command.args(["--kernel", kernel]);
    }
    command.args(arguments.asm.then_some("--asm"));
    let mut worker = command.stdout(Stdio::piped()).spawn().context("scripts/debian-sid.sh does not start")?;
    let mut lines = BufReader::new(worker.stdout.take().context("a worker without output")?).lines();
    let header: Option<Header> = lines.next().transpose()?.map(|line| serde_json::from_str(&line)).transpose()?;
    let rows = lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<Result<Vec<Row>>>();
    let ended = worker.wait()?;
    let (Some(header), Ok(rows), true) = (header, rows, ended.success()) else {
        bail!("the worker with its driver ended early ({ended}); what it printed stands above");
    };
    ensure!(rows.len() == header.pipelines, "{} of {} pipelines came back", rows.len(), header.pipelines);
    Ok(Report { gpu: gpu.name, title: gpu.title, header, rows })
}

fn clap_name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default()
}
