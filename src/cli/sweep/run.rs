//! `itop sweep run`: one or more worker processes per adapter, each running one row after the other.
//!
//! Workers are processes, because a driver that crashes then ends only one row, and because a GL context belongs to one thread. The
//! process that trains a row also claims it, so that no claim outlives its training, whichever process is killed.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow};
use clap::Args;

use super::row::{self, RowJob};
use super::worker::WorkerArgs;
use super::{Exit, Failure, duration, open, rows_done, status, text};
use crate::cli::tuning::TuningArgs;
use crate::cli::{BufferChecks, GpuArgs, Limits, interruption};
use crate::gpu;
use crate::shell;
use crate::sweep::{State, Sweep};
use crate::train::claim;
use crate::words::listed;

/// How often workers are looked at, and how often rows that other processes run.
const TICK: Duration = Duration::from_millis(50);
const LOOK: Duration = Duration::from_secs(1);

#[derive(Args)]
pub struct RunArgs {
    /// Folder of the sweep
    sweep: PathBuf,
    /// Run only this row, in this process; its result is the exit code
    #[arg(long, value_name = "N")]
    row: Option<usize>,
    /// `all` (every GPU once, through its first backend; software only if there is no GPU), or adapters as `itop train
    /// --adapter` takes them, separated by commas; one name may match several
    #[arg(long, default_value = "auto", value_name = "LIST")]
    adapters: String,
    /// Rows to run at once on each adapter, as far as their planned memory fits in --gpu-memory
    #[arg(long, default_value = "1", value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    per_adapter: u8,
    /// GPU memory for the rows of one adapter, in MiB [default: no limit, because no portable way tells the free memory]
    #[arg(long, value_name = "MIB")]
    gpu_memory: Option<u32>,
    /// Run row N only on adapter N (modulo their number): results of different adapters differ in the last digits
    #[arg(long)]
    pin: bool,
    /// Run failed rows again
    #[arg(long)]
    retry_failed: bool,
    /// Take over the row of a worker on another machine after this many seconds without a sign of life
    #[arg(long, default_value_t = claim::STALE.as_secs(), value_name = "SECONDS")]
    stale_after: u64,
    /// End with a checkpoint when a line arrives on the standard input (this is how the process that starts workers ends them)
    #[arg(long, hide = true, requires = "row")]
    end_by_input: bool,
    #[command(flatten)]
    tuning: TuningArgs,
}

pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let sweep = open(&args.sweep)?;
    let stale = Duration::from_secs(args.stale_after);
    if let Some(row) = args.row {
        if args.adapters.trim().eq_ignore_ascii_case("all") || args.adapters.contains(',') {
            return Err(Failure::input(anyhow!("--row takes one adapter, not --adapters {}", args.adapters)));
        }
        let adapter = args.adapters.clone();
        let gpu_memory = args.gpu_memory;
        let buffer_checks = BufferChecks::On;
        let gpu = GpuArgs { adapter, limits: Limits::Adapter, gpu_memory, checked_shaders: false, buffer_checks };
        let (retry_failed, end_by_input) = (args.retry_failed, args.end_by_input);
        return row::run(&sweep, &RowJob { row, retry_failed, stale, end_by_input, tuning: &args.tuning, gpu: &gpu });
    }
    Driver::new(args, sweep)?.drive()
}

/// The process that starts workers for the rows.
struct Driver<'a> {
    args: &'a RunArgs,
    sweep: Sweep,
    workers: Vec<Worker>,
    /// Bytes of GPU memory for the rows of one adapter.
    room: u64,
    /// Rows that this process need not look at again: done, failed, or tried.
    settled: HashSet<usize>,
    /// When the workers of other processes were last heard of, and since when they are silent.
    others: HashMap<usize, (Option<(usize, SystemTime)>, Instant)>,
    interrupted: Arc<AtomicBool>,
}

/// One place to run rows.
struct Worker {
    adapter: String,
    /// Its adapter's number and how many there are, where rows are bound to adapters.
    pin: Option<(usize, usize)>,
    busy: Option<(usize, Child)>,
    /// Its adapter or its disk is of no use.
    closed: bool,
}

impl Worker {
    fn is_free(&self) -> bool {
        self.busy.is_none() && !self.closed
    }

    fn takes(&self, row: usize) -> bool {
        self.pin.is_none_or(|(number, of)| (row - 1) % of == number)
    }
}

impl<'a> Driver<'a> {
    fn new(args: &'a RunArgs, sweep: Sweep) -> Result<Self, Failure> {
        let adapters = adapters(&args.adapters)?;
        let room = args.gpu_memory.map_or(u64::MAX, |mib| u64::from(mib) << 20);
        if let Some(row) = sweep.rows.iter().find(|row| row.estimate.gpu_bytes > room) {
            let (label, wanted, room) = (row.label(), text::bytes(row.estimate.gpu_bytes), text::bytes(room));
            let error = anyhow!("row {} ({label}) needs {wanted} of GPU memory, --gpu-memory allows {room}", row.row);
            return Err(Failure::input(error));
        }
        let worker = |(number, adapter): (usize, &String)| Worker {
            adapter: adapter.clone(),
            pin: args.pin.then_some((number, adapters.len())),
            busy: None,
            closed: false,
        };
        // An adapter after the other, so that few rows are spread over all of them.
        let workers = (0..args.per_adapter).flat_map(|_| adapters.iter().enumerate().map(worker)).collect();
        let interrupted = interruption()?;
        Ok(Self { args, sweep, workers, room, settled: HashSet::new(), others: HashMap::new(), interrupted })
    }

    fn busy(&self) -> bool {
        self.workers.iter().any(|worker| worker.busy.is_some())
    }

    fn drive(mut self) -> Result<(), Failure> {
        println!("{}", status::summary(&self.sweep));
        let largest = self.sweep.rows.iter().map(|row| row.estimate.gpu_bytes).max().unwrap_or_default();
        let most = text::bytes(self.room.min(largest * u64::from(self.args.per_adapter)));
        println!("workers: {}; at most about {most} of GPU memory on an adapter", self.workers.len());
        let mut waiting = false;
        while !self.interrupted.load(Ordering::Relaxed) {
            if self.workers.iter().any(Worker::is_free) {
                let open = self.hand_out()?;
                if !self.busy() {
                    if !open || self.workers.iter().any(|worker| worker.closed) {
                        return self.end();
                    }
                    if !std::mem::replace(&mut waiting, true) {
                        self.tell_of_waiting();
                    }
                }
            } else if !self.busy() {
                return self.end();
            }
            self.wait()?;
        }
        println!("interrupted: rows keep a checkpoint and end");
        self.workers.iter_mut().filter_map(|worker| worker.busy.as_mut()).for_each(|(_, child)| ask_to_end(child));
        while self.busy() {
            std::thread::sleep(TICK);
            self.look_after_all()?;
        }
        println!("{}", status::summary(&self.sweep));
        println!("interrupted; the same command continues");
        Err(Failure::interrupted())
    }

    /// Says which rows others run, and what becomes of those that nobody is heard of.
    fn tell_of_waiting(&self) {
        let rows = self.sweep.rows.iter().map(|row| row.row).filter(|row| !self.settled.contains(row));
        let waiting: Vec<String> = rows
            .filter_map(|row| match self.sweep.state(row) {
                State::Running(owner) => Some(format!("row {row} ({owner})")),
                _ => None,
            })
            .collect();
        println!("waiting for rows that other processes run: {}", listed(", ", &waiting));
        let doubts = self.sweep.rows.iter().find_map(|row| claim::doubt(&self.sweep.run(row.row)));
        if let Some(why) = doubts {
            let wait = self.args.stale_after;
            message!("{why}; a row is taken over when nothing was heard of its process for {wait} s");
        }
    }

    /// Waits until a worker ends, but not longer than [`LOOK`].
    fn wait(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        while start.elapsed() < LOOK && !self.interrupted.load(Ordering::Relaxed) {
            std::thread::sleep(TICK);
            if self.look_after_all()? {
                break;
            }
        }
        Ok(())
    }

    /// Gives rows to idle workers; false once every row is settled.
    fn hand_out(&mut self) -> Result<bool, Failure> {
        let mut open = false;
        for row in 1..=self.sweep.rows.len() {
            let mine = self.workers.iter().any(|worker| worker.busy.as_ref().is_some_and(|(busy, _)| *busy == row));
            if self.settled.contains(&row) || mine {
                open |= mine;
                continue;
            }
            let start = match self.sweep.state(row) {
                State::ToDo => true,
                State::Running(_) => self.is_silent(row),
                State::Failed(_) if self.args.retry_failed => true,
                State::Failed(_) | State::Done(_) => {
                    self.settled.insert(row);
                    continue;
                }
            };
            open = true;
            if !self.workers.iter().any(Worker::is_free) {
                break;
            }
            let fits = |worker: &Worker| worker.is_free() && worker.takes(row) && self.fits(row, &worker.adapter);
            let number = self.workers.iter().position(|worker| start && fits(worker));
            if let Some(worker) = number.map(|number| &mut self.workers[number]) {
                worker.busy = Some((row, start_worker(self.args, &self.sweep, row, &worker.adapter)?));
            }
        }
        Ok(open)
    }

    /// Whether `row` has room beside the rows that this process runs on `adapter`.
    fn fits(&self, row: usize, adapter: &str) -> bool {
        let bytes = |row: usize| self.sweep.row(row).map_or(0, |row| row.estimate.gpu_bytes);
        let busy =
            self.workers.iter().filter(|worker| worker.adapter == adapter).filter_map(|worker| worker.busy.as_ref());
        busy.map(|(row, _)| bytes(*row)).sum::<u64>() + bytes(row) <= self.room
    }

    /// Whether the process that runs `row` was silent for so long that a worker should have a look.
    fn is_silent(&mut self, row: usize) -> bool {
        let beat = claim::last_beat(&self.sweep.run(row));
        let (last, since) = self.others.entry(row).or_insert((beat, Instant::now()));
        let silent = *last == beat && since.elapsed() >= Duration::from_secs(self.args.stale_after);
        if *last != beat || silent {
            (*last, *since) = (beat, Instant::now());
        }
        silent
    }

    /// Takes note of what ended; true if anything did.
    fn look_after_all(&mut self) -> Result<bool, Failure> {
        let mut ended = false;
        for number in 0..self.workers.len() {
            let Some((row, child)) = &mut self.workers[number].busy else { continue };
            let Some(exit) = child.try_wait().map_err(Failure::run)? else { continue };
            let row = *row;
            self.workers[number].busy = None;
            self.take_note(number, row, exit)?;
            ended = true;
        }
        Ok(ended)
    }

    /// What came of a worker's row.
    fn take_note(&mut self, number: usize, row: usize, exit: ExitStatus) -> Result<(), Failure> {
        // Somebody else has it: it is looked at again later.
        let code = exit.code().and_then(Exit::of);
        if code == Some(Exit::Busy) {
            return Ok(());
        }
        let label = self.sweep.row(row).map_err(Failure::input)?.label();
        let log = self.sweep.log(row);
        self.settled.insert(row);
        match (self.sweep.result(row), code) {
            (State::Done(summary), _) => {
                // Of the test set nobody hears before the results are collected: it is not to choose by.
                let accuracy =
                    summary.best_val_accuracy.map(|share| format!("validation accuracy {}, ", text::percent(share)));
                println!(
                    "row {row} done ({label}): {}ITOP rate {:.4}, {}",
                    accuracy.unwrap_or_default(),
                    summary.itop_rate,
                    duration(summary.seconds_training)
                );
                println!("  {}", status::summary(&self.sweep));
            }
            (State::Failed(failed), _) => println!("row {row} failed ({label}): {}", failed.error),
            (_, Some(Exit::Interrupted)) => {
                println!("row {row} was interrupted ({label}); its checkpoint is kept")
            }
            // No fault of the row's: another worker may run it.
            (_, Some(code @ (Exit::Input | Exit::Adapter | Exit::Failed))) => {
                self.settled.remove(&row);
                self.workers[number].closed = true;
                let why = last_line(&log).unwrap_or_else(|| format!("exit code {}", code.code()));
                message!("warning: no more rows on adapter {}: {why}", self.workers[number].adapter);
            }
            _ => {
                let error = format!("the worker exited without writing a result ({exit}); see {}", log.display());
                println!("row {row} failed ({label}): {error}");
                self.sweep.record_failure(row, &error).map_err(Failure::run)?;
            }
        }
        Ok(())
    }

    fn end(self) -> Result<(), Failure> {
        let rows = self.sweep.rows.len();
        let results: Vec<State> = (1..=rows).map(|row| self.sweep.result(row)).collect();
        let done = results.iter().filter(|state| matches!(state, State::Done(_))).count();
        let of_sweep = |command: &str| shell::command(["itop", "sweep", command, &shell::path(&self.args.sweep)]);
        if done == rows {
            println!("{}; collect by: {}", rows_done(done, rows), of_sweep("collect"));
            return Ok(());
        }
        let failed = results.iter().filter(|state| matches!(state, State::Failed(_))).count();
        let mend = if failed > 0 { "; --retry-failed tries failed ones again" } else { "" };
        Err(Failure::run(anyhow!("{}, {failed} failed; see: {}{mend}", rows_done(done, rows), of_sweep("status"))))
    }
}

/// The adapters that `list` names, as `--adapter` takes them: each word's GPUs once.
fn adapters(list: &str) -> Result<Vec<String>, Failure> {
    let found = pollster::block_on(gpu::list());
    let mut known: HashMap<usize, &str> = HashMap::new();
    let mut named = Vec::new();
    for word in list.split(',').map(str::trim) {
        for adapter in gpu::each_once(&found, word).map_err(Failure::adapter)? {
            // Twice in the list would be twice its memory.
            if let Some(other) = known.insert(adapter.index, word) {
                return Err(Failure::input(anyhow!(
                    "--adapters {list}: `{other}` and `{word}` both name {adapter}; name it once, and --per-adapter 2 for two \
                     rows at a time"
                )));
            }
            print!("{}", text::fold(&format!("adapter: {adapter}")));
            if adapter.is_software() {
                message!(
                    "warning: this adapter is software: it computes the same on the processor, much slower than a GPU"
                );
            }
            named.push(adapter.index.to_string());
        }
    }
    Ok(named)
}

fn start_worker(args: &RunArgs, sweep: &Sweep, row: usize, adapter: &str) -> Result<Child, Failure> {
    let path = sweep.log(row);
    let log = || -> std::io::Result<(File, File)> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok((file.try_clone()?, file))
    };
    let (out, err) = log().with_context(|| format!("cannot write `{}`", path.display())).map_err(Failure::run)?;
    let mut command = Command::new(std::env::current_exe().map_err(Failure::run)?);
    let worker = WorkerArgs {
        sweep: &args.sweep,
        adapter,
        stale_after: Some(args.stale_after),
        retry_failed: args.retry_failed,
        tuning: &args.tuning,
        gpu_memory: args.gpu_memory,
        end_by_input: true,
    };
    command.args(worker.words(row)).stdin(Stdio::piped()).stdout(out).stderr(err);
    // A terminal's Ctrl-C goes to this process alone, which passes it on once: twice would cut the checkpoint short.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    #[cfg(windows)]
    {
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
        std::os::windows::process::CommandExt::creation_flags(&mut command, CREATE_NEW_PROCESS_GROUP);
    }
    command.spawn().context("cannot start a worker").map_err(Failure::run)
}

/// Asks a worker for a checkpoint and its end: by a line, which every system has, where a signal is only for Unix.
fn ask_to_end(child: &mut Child) {
    // One that is gone hears nothing.
    child.stdin.as_mut().and_then(|input| input.write_all(b"end\n").ok());
}

fn last_line(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_string)
}
