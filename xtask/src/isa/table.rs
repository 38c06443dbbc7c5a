//! What a person reads.

use super::Report;

/// A line on a GPU: who compiled, how much, how much of it spills.
pub fn summary(report: &Report) -> String {
    let kernels = report.kernels();
    let spill =
        kernels.values().filter(|kernel| kernel.most.result.as_ref().is_ok_and(|statistics| statistics.spills()));
    let refused = kernels.values().filter(|kernel| kernel.most.result.is_err());
    format!(
        "{} ({}, {}): tier {}, {} pipelines of {} kernels, {} spill, {} refused",
        report.title,
        report.header.adapter.trim(),
        report.header.driver,
        report.header.tier,
        report.rows.len(),
        kernels.len(),
        spill.count(),
        refused.count()
    )
}

/// A table of all kernels.
pub fn print(report: &Report) {
    println!("{}", summary(report));
    let titles = [
        "kernel",
        "pipelines",
        "registers",
        "spills",
        "scratch",
        "waves",
        "instructions",
        "cycles",
        "loop",
        "loads",
        "waits",
    ];
    let mut rows = vec![titles.map(String::from)];
    for (name, kernel) in report.kernels() {
        let Ok(statistics) = &kernel.most.result else { continue };
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let innermost = |of: fn(&super::listing::Loop) -> String| or_none(kernel.innermost.map(of));
        rows.push([
            name.into(),
            kernel.pipelines.to_string(),
            statistics.registers.to_string(),
            statistics.spills.to_string(),
            statistics.scratch.to_string(),
            statistics.waves.to_string(),
            statistics.instructions.to_string(),
            or_none(statistics.cycles.map(|cycles| cycles.to_string())),
            innermost(|found| found.instructions.to_string()),
            innermost(|found| found.loads.map(|count| count.to_string()).join("/")),
            innermost(|found| found.waits.to_string()),
        ]);
    }
    let widths: Vec<usize> =
        (0..titles.len()).map(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0)).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(i, (cell, &width))| match i {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        println!("{}", cells.collect::<Vec<_>>().join("  "));
    }
    for (name, kernel) in report.kernels() {
        if let Err(error) = &kernel.most.result {
            println!("{name}: {error}");
        }
    }
    for row in &report.rows {
        if let Some(listing) = &row.listing {
            println!("\n== {} {} {}\n{listing}", report.gpu, row.kernel, row.constants);
        }
    }
    println!();
}
