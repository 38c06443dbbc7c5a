//! What the default kernels took when somebody last looked: `xtask/isa-baseline.tsv`, a row a kernel, a column a GPU, each
//! with registers, instructions and cycles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};

use super::Report;
use super::statistics::Statistics;

/// By how many percent a kernel may grow before somebody should look.
const GROWTH: i64 = 5;
/// What stands where a kernel stands, in the row of the drivers.
const DRIVER: &str = "driver";

/// What one GPU takes for one kernel. Nothing spills in a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    registers: i64,
    instructions: i64,
    /// 0 where the driver does not say.
    cycles: i64,
}

impl Cell {
    fn of(statistics: &Statistics) -> Self {
        let Statistics { registers, instructions, cycles, .. } = *statistics;
        Self { registers, instructions, cycles: cycles.unwrap_or(0) }
    }

    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self { registers: next()?, instructions: next()?, cycles: next()? })
    }

    /// In what this one is more than `before` by more than is allowed.
    fn grew(&self, before: &Self) -> bool {
        let more = |now: i64, before: i64| 100 * now > (100 + GROWTH) * before;
        more(self.instructions, before.instructions) || more(self.cycles, before.cycles)
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.registers, self.instructions, self.cycles)
    }
}

/// Of each GPU its driver and its kernels.
type Baseline = BTreeMap<String, (String, BTreeMap<String, Cell>)>;

/// What must never be, whatever was before.
pub fn failures(report: &Report) -> Vec<String> {
    let of = |row: &super::Row| match &row.result {
        Err(error) => Some(format!("{}: {} is refused: {error}", report.gpu, row.kernel)),
        Ok(statistics) if statistics.spills() => Some(format!(
            "{}: {} spills ({} stores and loads, {} bytes), with {}",
            report.gpu, row.kernel, statistics.spills, statistics.scratch, row.constants
        )),
        Ok(_) => None,
    };
    report.kernels().values().filter_map(|kernel| of(kernel.most)).collect()
}

/// What is worse than in the file, or not in it.
pub fn compare(path: &Path, reports: &[Report]) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}; `cargo xtask isa --bless` writes it", path.display()))?;
    let before = parse(&text).with_context(|| format!("{} is damaged; write it anew with --bless", path.display()))?;
    let mut wrong = Vec::new();
    for (gpu, (driver, now)) in of(reports) {
        let Some((driver_before, before)) = before.get(&gpu) else {
            wrong.push(format!("{gpu}: is not in the baseline"));
            continue;
        };
        let (other_driver, lines) = (*driver_before != driver, differences(&gpu, before, &now));
        if other_driver {
            println!("{gpu}: the baseline is of {driver_before}, this is {driver}: what differs may be the compiler's");
        }
        for (is_wrong, line) in lines {
            match is_wrong && !other_driver {
                true => wrong.push(line),
                false => println!("{line}"),
            }
        }
    }
    Ok(wrong)
}

/// What changed, and whether that is wrong.
fn differences(gpu: &str, before: &BTreeMap<String, Cell>, now: &BTreeMap<String, Cell>) -> Vec<(bool, String)> {
    let mut lines = Vec::new();
    for (kernel, cell) in now {
        match before.get(kernel) {
            None => lines.push((true, format!("{gpu}: {kernel} is new"))),
            Some(old) if old != cell => lines.push((
                cell.grew(old),
                format!("{gpu}: {kernel}: registers, instructions, cycles were {old} and are {cell}"),
            )),
            Some(_) => {}
        }
    }
    let gone = before.keys().filter(|kernel| !now.contains_key(*kernel));
    lines.extend(gone.map(|kernel| (true, format!("{gpu}: {kernel} is no longer run by default"))));
    lines
}

/// Writes what `reports` say; of other GPUs the file keeps what it has.
pub fn write(path: &Path, reports: &[Report]) -> Result<()> {
    let mut all = std::fs::read_to_string(path).ok().and_then(|text| parse(&text)).unwrap_or_default();
    all.extend(of(reports));
    std::fs::write(path, print(&all)).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}: {} GPUs", path.display(), all.len());
    Ok(())
}

fn of(reports: &[Report]) -> Baseline {
    let kernels = |report: &Report| {
        let kernels = report.kernels().into_iter();
        kernels
            .filter_map(|(name, kernel)| Some((name.to_string(), Cell::of(kernel.most.result.as_ref().ok()?))))
            .collect()
    };
    reports.iter().map(|report| (report.gpu.to_string(), (report.header.driver.clone(), kernels(report)))).collect()
}

fn print(all: &Baseline) -> String {
    let kernels: BTreeSet<&String> = all.values().flat_map(|(_, kernels)| kernels.keys()).collect();
    let gpus: Vec<&str> = all.keys().map(String::as_str).collect();
    let drivers: Vec<&str> = all.values().map(|(driver, _)| driver.as_str()).collect();
    let mut text =
        String::from("# Registers, instructions and cycles of the default kernels: cargo xtask isa --bless\n");
    text.push_str(&format!("kernel\t{}\n{DRIVER}\t{}\n", gpus.join("\t"), drivers.join("\t")));
    for kernel in kernels {
        let cell = |(_, cells): &(String, BTreeMap<String, Cell>)| cells.get(kernel).map(Cell::to_string);
        let cells: Vec<String> = all.values().map(|of| cell(of).unwrap_or_default()).collect();
        text.push_str(&format!("{kernel}\t{}\n", cells.join("\t")));
    }
    text
}

/// `None`: that is no baseline.
fn parse(text: &str) -> Option<Baseline> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t'));
    let gpus: Vec<&str> = lines.next()?.skip(1).collect();
    let mut drivers = lines.next()?;
    if drivers.next() != Some(DRIVER) {
        return None;
    }
    let mut all: Baseline =
        gpus.iter().zip(drivers).map(|(gpu, driver)| (gpu.to_string(), (driver.into(), BTreeMap::new()))).collect();
    for mut line in lines {
        let kernel = line.next()?;
        for (gpu, cell) in gpus.iter().zip(line).filter(|(_, cell)| !cell.is_empty()) {
            all.get_mut(*gpu)?.1.insert(kernel.to_string(), Cell::read(cell)?);
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernels(cells: &[(&str, [i64; 3])]) -> BTreeMap<String, Cell> {
        let cell = |&[registers, instructions, cycles]: &[i64; 3]| Cell { registers, instructions, cycles };
        cells.iter().map(|(name, numbers)| (name.to_string(), cell(numbers))).collect()
    }

    #[test]
    fn files_are_read_as_written() {
        let all = Baseline::from([
            ("a".into(), ("Mesa 1".into(), kernels(&[("scan", [1, 2, 3]), ("loss", [4, 5, 0])]))),
            ("b".into(), ("Mesa 2".into(), kernels(&[("scan", [7, 8, 9])]))),
        ]);
        assert_eq!(parse(&print(&all)), Some(all));
        for damaged in ["", "kernel\ta\n", "kernel\ta\nscan\t1 2 3\n", "kernel\ta\ndriver\tM\nscan\t1 2\n"] {
            assert_eq!(parse(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn growth_is_found() {
        let before = kernels(&[("same", [9, 100, 1000]), ("more", [9, 100, 1000]), ("gone", [9, 100, 1000])]);
        let wrong = |cells: &[(&str, [i64; 3])]| {
            let lines = differences("gpu", &before, &kernels(cells));
            lines
                .into_iter()
                .map(|(wrong, line)| (wrong, line.split(' ').nth(1).unwrap().to_string()))
                .collect::<Vec<_>>()
        };
        let with = |cells: [i64; 3]| wrong(&[("same", [9, 100, 1000]), ("more", cells), ("gone", [9, 100, 1000])]);
        assert_eq!(with([9, 100, 1000]), []);
        assert_eq!(with([9, 105, 1050]), [(false, "more:".to_string())]);
        assert_eq!(with([9, 106, 1000]), [(true, "more:".to_string())]);
        assert_eq!(with([9, 50, 1051]), [(true, "more:".to_string())]);
        assert_eq!(
            wrong(&[("same", [9, 100, 1000]), ("more", [9, 100, 1000]), ("new", [1, 1, 1])]),
            [(true, "new".to_string()), (true, "gone".to_string())]
        );
    }
}
