//! A sweep as a Slurm job array: task N runs row N.

use std::ffi::{OsStr, OsString};
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
    /// The command that runs a row, whose number is [`TASK`]. Its paths are absolute.
    pub worker: Vec<OsString>,
    /// Its exit code when it was interrupted, and kept a checkpoint.
    pub interrupted: u8,
}

/// The number of an array's task, as the script's shell knows it.
pub const TASK: &str = "$SLURM_ARRAY_TASK_ID";

/// The batch script for `rows` of the sweep in `sweep`, an absolute path.
///
/// Slurm warns two minutes before the time limit (USR1) and on preemption (TERM). Both signals come to the shell, which asks
/// `itop` for a checkpoint and puts the task back into the queue; it then goes on where it was.
pub fn script(sweep: &Path, rows: &[usize], options: &SlurmOptions) -> String {
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
    let worker = options.worker.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
    let interrupted = options.interrupted;
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
{worker} &
worker=$!
trap warn USR1 TERM

# A signal ends `wait` with 128 and its number: 138 for USR1, 143 for TERM.
wait "$worker"
code=$?
while [ "$code" = 138 ] || [ "$code" = 143 ]; do
    wait "$worker"
    code=$?
done

# {interrupted}: interrupted, the checkpoint is kept. 127: it ended before it could keep one.
if [ -n "$warned" ] && {{ [ "$code" = {interrupted} ] || [ "$code" = 127 ]; }}; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}" && exit 0
fi
exit "$code"
"#
    )
}

/// A word for a shell, whatever it holds; the task's number is put in by the shell.
fn quote(word: &OsStr) -> String {
    let text = word.display().to_string();
    let plain = ["sweep", "run"].contains(&text.as_str()) || text.starts_with("--");
    match text.as_str() {
        TASK => format!("\"{TASK}\""),
        _ if plain => text,
        _ => format!("'{}'", text.replace('\'', r"'\''")),
    }
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
        let words =
            ["/opt/it's/itop", "sweep", "run", "/data/my sweep", "--row", TASK, "--adapters", "auto", "--autotune"];
        let options = SlurmOptions {
            partition: Some("gpu".into()),
            gres: Some("gpu:1".into()),
            throttle: Some(2),
            worker: words.map(OsString::from).into(),
            interrupted: 130,
            ..SlurmOptions::default()
        };
        let text = script(Path::new("/data/my sweep"), &[1, 2, 5], &options);
        for line in [
            "#SBATCH --array=1-2,5%2",
            "#SBATCH --partition=gpu",
            "#SBATCH --gres=gpu:1",
            "#SBATCH --signal=B:USR1@120",
            "#SBATCH --output=\"/data/my sweep/logs/slurm-%A_%a.log\"",
            r#"'/opt/it'\''s/itop' sweep run '/data/my sweep' --row "$SLURM_ARRAY_TASK_ID" --adapters 'auto' --autotune &"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(!text.contains("--time"));
    }
}
