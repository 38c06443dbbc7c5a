//! A sweep as a Slurm job array: task N runs row N.

use std::path::Path;

/// What the site wants to know.
#[derive(Clone, Debug, Default)]
pub struct SlurmOptions {
    pub partition: Option<String>,
    /// `gpu:1`
    pub gres: Option<String>,
    /// `04:00:00`
    pub time: Option<String>,
    /// Most rows at once.
    pub throttle: Option<usize>,
    pub adapter: String,
    /// What else `itop sweep run` is told.
    pub flags: Vec<&'static str>,
}

/// The batch script for `rows` of the sweep in `sweep`, run by the program `itop`. Both paths are absolute.
///
/// Slurm warns two minutes before the time limit (USR1) and on preemption (TERM). Both signals come to the shell, which asks
/// `itop` for a checkpoint and puts the task back into the queue; it then continues from there.
pub fn script(itop: &Path, sweep: &Path, rows: &[usize], options: &SlurmOptions) -> String {
    let mut head = vec![
        "job-name=itop-sweep".to_string(),
        format!("array={}{}", ranges(rows), options.throttle.map_or(String::new(), |most| format!("%{most}"))),
        // Percent signs are Slurm's own.
        format!("output=\"{}/logs/slurm-%A_%a.log\"", sweep.display().to_string().replace('%', "%%")),
        "open-mode=append".into(),
        "requeue".into(),
        "signal=B:USR1@120".into(),
    ];
    for (key, value) in [("partition", &options.partition), ("gres", &options.gres), ("time", &options.time)] {
        head.extend(value.as_ref().map(|value| format!("{key}={value}")));
    }
    let head: String = head.iter().map(|line| format!("#SBATCH --{line}\n")).collect();
    let (itop, sweep, adapter) = (quote(itop), quote(sweep), quote(Path::new(&options.adapter)));
    let flags: String = options.flags.iter().map(|flag| format!(" {flag}")).collect();
    format!(
        r#"#!/bin/bash
# Written by `itop sweep submit`. Task N runs row N; a task that is stopped early goes back into the queue and on from its
# checkpoint.
{head}
warned=
warn() {{
    warned=yes
    kill -TERM "$worker" 2>/dev/null
}}
{itop} sweep run {sweep} --row "$SLURM_ARRAY_TASK_ID" --adapters {adapter}{flags} &
worker=$!
trap warn USR1 TERM

# A signal ends `wait` with 128 and its number: 138 for USR1, 143 for TERM.
wait "$worker"
code=$?
while [ "$code" = 138 ] || [ "$code" = 143 ]; do
    wait "$worker"
    code=$?
done

# 130: interrupted, the checkpoint is kept. 127: it ended before it could keep one. 75: another worker has the row.
if [ -n "$warned" ] && {{ [ "$code" = 130 ] || [ "$code" = 127 ]; }}; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}" && exit 0
fi
exit "$code"
"#
    )
}

/// For a shell, whatever the path holds.
fn quote(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// `1-3,7` for 1, 2, 3, 7.
fn ranges(rows: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &row in rows {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == row => *last = row,
            _ => ranges.push((row, row)),
        }
    }
    let text =
        |&(first, last): &(usize, usize)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_ranges() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), "1-3,7,9-10");
        assert_eq!(ranges(&[4]), "4");
    }

    #[test]
    fn the_script_says_what_was_asked_for() {
        let options = SlurmOptions {
            partition: Some("gpu".into()),
            gres: Some("gpu:1".into()),
            throttle: Some(2),
            adapter: "auto".into(),
            flags: vec!["--retry-failed", "--autotune"],
            ..SlurmOptions::default()
        };
        let text = script(Path::new("/opt/it's/itop"), Path::new("/data/my sweep"), &[1, 2, 5], &options);
        for line in [
            "#SBATCH --array=1-2,5%2",
            "#SBATCH --partition=gpu",
            "#SBATCH --gres=gpu:1",
            "#SBATCH --signal=B:USR1@120",
            "#SBATCH --output=\"/data/my sweep/logs/slurm-%A_%a.log\"",
            r#"'/opt/it'\''s/itop' sweep run '/data/my sweep' --row "$SLURM_ARRAY_TASK_ID" --adapters 'auto' --retry-failed --autotune &"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(!text.contains("--time"));
    }
}
