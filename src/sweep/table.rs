//! Collected results as tables for other programs and for papers.

use serde_json::{Map, Value};

use super::collect::{Collected, Group, MeanStd};

/// A line a row: state, what is varied, and the result.
pub fn csv(collected: &Collected) -> String {
    const KEYS: &[&str] = &[
        "model",
        "data",
        "method",
        "seed",
        "epochs",
        "steps",
        "batch_size",
        "sparsity_target",
        "density",
        "active_parameters",
        "maskable_parameters",
        "best_epoch",
        "best_val_accuracy",
        "test_accuracy",
        "test_loss",
        "itop_rate",
        "reliable_itop_rate",
        "inference_flops_ratio",
        "training_flops_ratio",
        "version",
    ];
    let varied: Vec<&str> = collected.keys.iter().map(String::as_str).filter(|key| !KEYS.contains(key)).collect();
    let head = [&["row", "state"], &varied[..], KEYS, &["error"]].concat();
    let mut text = line(head.iter().map(ToString::to_string));
    for row in &collected.rows {
        // An unfinished row has what its configuration says.
        let config = serde_json::to_value(&row.config).unwrap_or_default();
        let result = row.result.as_ref().unwrap_or(&config);
        let first = [row.row.to_string(), row.state.to_string()];
        let own = varied.iter().map(|key| cell(row.varied.get(*key)));
        let known = KEYS.iter().map(|key| cell(result.get(key)));
        text += &line(first.into_iter().chain(own).chain(known).chain([row.error.clone().unwrap_or_default()]));
    }
    text
}

/// A line a row that is done: what depends on the machine.
pub fn times_csv(collected: &Collected) -> String {
    let head = ["row", "adapter", "backend", "driver", "images_per_second", "seconds_training", "peak_gpu_bytes"];
    let mut text = line(head.iter().map(ToString::to_string));
    for (row, summary) in collected.rows.iter().filter_map(|row| Some((row.row, row.summary.as_ref()?))) {
        let adapter = &summary.adapter;
        text += &line(
            [
                row.to_string(),
                adapter.name.clone(),
                adapter.backend.clone(),
                adapter.driver.clone(),
                summary.images_per_second.to_string(),
                summary.seconds_training.to_string(),
                summary.peak_gpu_bytes.to_string(),
            ]
            .into_iter(),
        );
    }
    text
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let quoted = cells.map(|cell| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}

/// What the tables of papers show of a group: head, metric, factor, decimals.
const SHOWN: &[(&str, &str, f64, usize)] = &[
    ("test accuracy (%)", "test_accuracy", 100.0, 2),
    ("val accuracy (%)", "best_val_accuracy", 100.0, 2),
    ("ITOP rate", "itop_rate", 1.0, 3),
    ("reliable", "reliable_itop_rate", 1.0, 3),
    ("training FLOPs", "training_flops_ratio", 1.0, 3),
];

fn figure(figure: Option<MeanStd>, factor: f64, decimals: usize) -> String {
    let Some(MeanStd { mean, std, .. }) = figure else { return "–".into() };
    let mean = format!("{:.decimals$}", factor * mean);
    std.map_or(mean.clone(), |std| format!("{mean} ± {:.decimals$}", factor * std))
}

fn value(varied: &Map<String, Value>, key: &str) -> String {
    varied.get(key).map_or("–".into(), |value| cell(Some(value)))
}

/// Head and cells of the table over groups: mean ± standard deviation over seeds.
pub fn cells(collected: &Collected) -> (Vec<String>, Vec<Vec<String>>) {
    let keys: Vec<&String> = collected.keys.iter().filter(|key| *key != "seed").collect();
    let head = keys.iter().map(|key| key.to_string()).chain(["runs".to_string()]);
    let head = head.chain(SHOWN.iter().map(|(head, ..)| head.to_string())).collect();
    let row = |group: &Group| {
        let varied = keys.iter().map(|key| value(&group.varied, key));
        let runs = match group.done == group.rows.len() {
            true => group.done.to_string(),
            false => format!("{} of {}", group.done, group.rows.len()),
        };
        let figures = SHOWN.iter().map(|&(_, metric, factor, decimals)| figure(group.metric(metric), factor, decimals));
        varied.chain([runs]).chain(figures).collect()
    };
    (head, collected.groups.iter().map(row).collect())
}

/// Groups as a Markdown table.
pub fn markdown(collected: &Collected) -> String {
    let (head, rows) = cells(collected);
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = vec!["---".to_string(); head.len()];
    [head, rule].iter().chain(&rows).map(|cells| line(cells)).collect()
}

/// The same as a LaTeX `tabular` (rules of `booktabs`).
pub fn latex(collected: &Collected) -> String {
    let (head, rows) = cells(collected);
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
        format!("{} \\\\\n", cells.join(" & "))
    };
    let mut text = format!("\\begin{{tabular}}{{{}}}\n\\toprule\n", "l".repeat(head.len()));
    text += &line(&head);
    text += "\\midrule\n";
    text.extend(rows.iter().map(|cells| line(cells)));
    text + "\\bottomrule\n\\end{tabular}\n"
}

fn escape(cell: &str) -> String {
    let mut text = String::new();
    for letter in cell.chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => text.extend(['\\', letter]),
            '\\' => text += "\\textbackslash{}",
            '~' => text += "\\textasciitilde{}",
            '^' => text += "\\textasciicircum{}",
            '±' => text += "$\\pm$",
            '–' => text += "--",
            letter => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::collect::{collect, tests::example};
    use super::*;

    #[test]
    fn tables_of_a_half_done_sweep() {
        let place = tempfile::tempdir().unwrap();
        let sweep = example(&place, 4);
        sweep.record_failure(5, "it\nbroke").unwrap();
        let collected = collect(&sweep);
        let text = markdown(&collected);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("| method | runs | test accuracy (%) | val accuracy (%) | ITOP rate |"));
        assert!(lines[2].starts_with("| rigl | 3 | 50.00 ± 25.00 | – | 0.200 ± 0.000 |"), "{text}");
        assert!(lines[3].starts_with("| dense | 1 of 3 | 100.00 | – | 0.200 |"), "{text}");

        let text = latex(&collected);
        assert!(text.contains("test accuracy (\\%)") && text.contains("50.00 $\\pm$ 25.00 & --"), "{text}");
        assert!(text.lines().filter(|line| line.ends_with("\\\\")).all(|line| line.matches(" & ").count() == 6));

        let text = csv(&collected);
        assert!(text.contains("\"it\nbroke\""), "{text}");
        assert_eq!(text.lines().next().unwrap().split(',').count(), 23);
        assert!(text.contains("\n6,to do,resnet8,sample,dense,3,12,,64,"), "{text}");
        let times = times_csv(&collected);
        assert!(times.contains("\"a, \"\"b\"\"\"") && times.lines().count() == 5, "{times}");
    }

    #[test]
    fn latex_has_no_live_letters() {
        assert_eq!(escape("a_b & 5 % \\ ^"), "a\\_b \\& 5 \\% \\textbackslash{} \\textasciicircum{}");
    }
}
