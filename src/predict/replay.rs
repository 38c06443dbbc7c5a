//! The loads of kernels, recorded in the order in which [`super::simulate`] takes them, and read again by one core of this
//! processor.

use std::hint::black_box;
use std::time::Instant;

use super::{GpuModel, Layer, Work, layer_of, simulate_kernel, trace};
use crate::gpu::{Command, Label};
use crate::model::Graph;
use crate::plan::Plan;

/// Bytes of a line of a cache: what moves between the caches of a processor.
pub(super) const LINE: u64 = 64;

/// Bits of a place that say which line of its region it is; those above say the region.
const LINE_BITS: u32 = 30;

/// The lines of memory that a kernel's loads lie in, in the order in which they are read. A load of part of a line is one of the
/// line. Each entry of the list costs the same instructions, so that only caches make a difference between two lines.
#[derive(Clone, Debug, Default)]
pub struct Loads {
    lines: Vec<u32>,
    /// Lines of the input, the gradient of the output and the weights.
    regions: [u32; 3],
}

impl Loads {
    /// Adds a piece at an address as of a trace. None: a line's number is too large for the list.
    fn push(&mut self, address: u64, bytes: u64) -> Option<()> {
        let (region, inside) = ((address / trace::APART) as usize, address % trace::APART);
        let (first, end) = (inside / LINE, (inside + bytes).div_ceil(LINE));
        let known = self.regions.get_mut(region)?;
        if end >> LINE_BITS != 0 {
            return None;
        }
        *known = (*known).max(end as u32);
        self.lines.extend((first..end).map(|line| (region as u32) << LINE_BITS | line as u32));
        Some(())
    }

    /// Lines in the order of `lines`.
    pub(super) fn of_lines(lines: impl Iterator<Item = u32>) -> Self {
        let lines: Vec<u32> = lines.collect();
        let end = lines.iter().map(|line| line + 1).max().unwrap_or(0);
        Self { lines, regions: [end, 0, 0] }
    }

    /// Number of lines that are read.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// Bytes of the lines that are read.
    pub fn bytes(&self) -> u64 {
        LINE * self.lines.len() as u64
    }

    /// Bytes of the list itself, which a replay reads too.
    pub fn list_bytes(&self) -> u64 {
        std::mem::size_of_val(self.lines.as_slice()) as u64
    }

    /// Puts the regions one behind the other.
    fn placed(mut self) -> Self {
        let mut at = 0;
        let starts = self.regions.map(|lines| {
            at += lines;
            at - lines
        });
        for line in &mut self.lines {
            *line = starts[(*line >> LINE_BITS) as usize] + (*line & ((1 << LINE_BITS) - 1));
        }
        self.lines.shrink_to_fit();
        self
    }
}

/// A line of memory.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u32; LINE as usize / 4]);

/// What loads are read from. Its content does not matter.
pub(super) struct Memory(Vec<Line>);

impl Memory {
    /// Room for each of `all`.
    pub fn of<'a>(all: impl IntoIterator<Item = &'a Loads>) -> Self {
        let most = all.into_iter().map(|loads| loads.regions.iter().sum()).max().unwrap_or(0);
        // Written, so that each page is there.
        Self(vec![Line([1; LINE as usize / 4]); most.max(NEAR) as usize])
    }

    /// Reads a word of every line, and returns their sum. `at` says which line is read for an entry.
    fn read(&self, loads: &Loads, at: impl Fn(u32) -> u32) -> u32 {
        loads.lines.iter().fold(0, |sum, &line| sum.wrapping_add(self.0[at(line) as usize].0[0]))
    }

    fn timed(&self, loads: &Loads, at: impl Fn(u32) -> u32) -> f64 {
        let start = Instant::now();
        black_box(self.read(black_box(loads), at));
        start.elapsed().as_secs_f64()
    }

    /// Seconds that all lines take.
    pub fn seconds(&self, loads: &Loads) -> f64 {
        self.timed(loads, |line| line)
    }

    /// Seconds that as many lines take that the first cache has: the list, the loop and the first cache.
    pub fn least_seconds(&self, loads: &Loads) -> f64 {
        self.timed(loads, |line| line % NEAR)
    }
}

/// Lines that any first cache has.
const NEAR: u32 = 64;

/// The loads of a dispatch, and what the caches of a model say of them: stores and multiply-adds are left out.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub label: Label,
    pub loads: Loads,
    pub work: Work,
}

/// Records the dispatches among `commands`, of a step of `plan`, whose loads the model knows. None: they read more than
/// `most` lines, or a tensor is too large for the list.
pub fn record(graph: &Graph, plan: &Plan, commands: &[Command], gpu: &GpuModel, most: usize) -> Option<Vec<Recorded>> {
    let mut all = Vec::new();
    for command in commands {
        let (label, kernel, grid) = match command {
            Command::Dispatch { label, kernel, workgroups, .. } => (label, kernel, *workgroups),
            Command::Copy { .. } | Command::Clear { .. } => continue,
        };
        let Some(number) = layer_of(graph, plan, &label.node).filter(|_| trace::is_known(kernel)) else { continue };
        let rows = Layer::new(&plan.layers[number], number).rows(label, kernel)?;
        let mut loads = Loads::default();
        let mut fits = true;
        let work = simulate_kernel(gpu, kernel, grid, &rows, |address, bytes| {
            fits = fits && loads.count() < most && loads.push(address, bytes).is_some();
        });
        if !fits {
            return None;
        }
        all.push(Recorded { label: label.clone(), loads: loads.placed(), work });
    }
    Some(all)
}

/// Seconds of one of the loads that took turns, round by round.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// All that is read, as it lies.
    pub replayed: Vec<f64>,
    /// As many lines that the first cache has: the list, the loop and the first cache.
    pub least: Vec<f64>,
}

/// The times of `rounds` rounds of each of `all`. All take turns, so that a slow minute meets all of them.
pub fn take_turns(all: &[Loads], rounds: usize) -> Vec<Times> {
    let memory = Memory::of(all);
    let mut times = vec![Times::default(); all.len()];
    for _ in 0..rounds {
        for (times, loads) in times.iter_mut().zip(all) {
            times.replayed.push(memory.seconds(loads));
            times.least.push(memory.least_seconds(loads));
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::super::GPUS;
    use super::super::tests::gather;
    use super::*;

    /// A first cache of 16 lines.
    const CORE: GpuModel = GpuModel { processors: 1, l1: 1024, line: LINE, sector: LINE, ..GPUS[0] };

    #[test]
    fn lists_are_what_the_model_asks_for() {
        // Row 0 multiplies the first pixel of both channels, row 1 the second pixel of the first channel.
        let rows = trace::Rows { start: vec![0, 2, 3], shift: vec![0, 144, 8] };
        let mut loads = Loads::default();
        let work = simulate_kernel(&CORE, &gather(), [1, 1, 1], &rows, |address, bytes| {
            loads.push(address, bytes).unwrap();
        });
        assert_eq!((loads.bytes() as f64, loads.list_bytes()), (work.busiest, 4 * loads.count() as u64));
        // Weights lie behind the 44 lines of the input.
        let loads = loads.placed();
        let counted: Vec<u32> = [44].into_iter().chain(0..8).chain(36..44).chain([44]).chain(2..10).collect();
        assert_eq!(loads.lines, counted);
        // Each line is read: the content of all is one.
        let memory = Memory::of([&loads]);
        assert_eq!((memory.0.len(), memory.read(&loads, |line| line)), (NEAR as usize, 26));
    }

    #[test]
    fn pieces_are_of_whole_lines() {
        let mut loads = Loads::default();
        for (address, bytes) in [(60, 8), (trace::APART + 64, 64), (2 * trace::APART, 1), (0, 0)] {
            loads.push(address, bytes).unwrap();
        }
        assert_eq!(loads.regions, [2, 2, 1]);
        assert_eq!(loads.placed().lines, [0, 1, 3, 4]);
    }

    #[test]
    fn addresses_of_no_region_are_refused() {
        let mut loads = Loads::default();
        for address in [3 * trace::APART, u64::MAX - 64, LINE << LINE_BITS] {
            assert_eq!(loads.push(address, 16), None, "{address:#x}");
        }
        assert_eq!((loads.count(), loads.bytes()), (0, 0));
    }

    #[test]
    fn all_take_turns() {
        let all = [Loads::of_lines(0..100), Loads::default()];
        let times = take_turns(&all, 3);
        assert!(times.iter().all(|times| times.replayed.len() == 3 && times.least.len() == 3));
        assert!(times.iter().flat_map(|times| &times.replayed).all(|&seconds| seconds >= 0.0));
    }
}
