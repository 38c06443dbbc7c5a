//! Collected results as CSV, for other programs.

use serde_json::Value;

use super::answer::Answer;
use super::collect::Collected;

/// A line a row: state, what is varied, and the result.
pub fn rows(collected: &Collected) -> String {
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
        let config = serde_json::to_value(&row.config).expect("a configuration is JSON");
        let result = row.result.as_ref().unwrap_or(&config);
        let first = [row.row.to_string(), row.state.to_string()];
        let own = varied.iter().map(|key| cell(row.varied.get(*key)));
        let known = KEYS.iter().map(|key| cell(result.get(key)));
        text += &line(first.into_iter().chain(own).chain(known).chain([row.error.clone().unwrap_or_default()]));
    }
    text
}

/// A line a row that is done: what depends on the machine.
pub fn times(collected: &Collected) -> String {
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

/// Comparisons with the baseline as numbers, a line each; differences and margins are shares.
pub fn comparisons(answer: &Answer) -> String {
    let head = [
        "setting",
        "baseline",
        "row",
        "baseline_row",
        "seeds",
        "mean_difference",
        "std",
        "low_95",
        "high_95",
        "test_images",
        "test_margin_95",
        "verdict",
    ];
    let mut text = line(head.iter().map(ToString::to_string));
    for comparison in &answer.comparisons {
        let json = serde_json::to_value(comparison).expect("a comparison is JSON");
        let seeds: Vec<String> = comparison.seeds.iter().map(ToString::to_string).collect();
        let first = [comparison.setting.clone(), comparison.baseline.clone()];
        let rows = comparison.rows.map(|row| row.to_string());
        let numbers =
            ["mean", "std", "low", "high", "test_images", "test_margin", "verdict"].map(|key| cell(json.get(key)));
        text += &line(first.into_iter().chain(rows).chain([seeds.join(" ")]).chain(numbers));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::collect::collect;
    use super::super::collect::tests::example;
    use super::*;

    #[test]
    fn a_half_done_sweep_has_all_its_rows() {
        let place = tempfile::tempdir().unwrap();
        let sweep = example(&place, 4);
        sweep.record_failure(5, "it\nbroke").unwrap();
        let collected = collect(&sweep);
        let text = rows(&collected);
        assert!(text.contains("\"it\nbroke\""), "{text}");
        assert_eq!(text.lines().next().unwrap().split(',').count(), 23);
        assert!(text.contains("\n6,to do,resnet8,sample,dense,3,12,,64,"), "{text}");
        let times = times(&collected);
        assert!(times.contains("\"a, \"\"b\"\"\"") && times.lines().count() == 5, "{times}");
    }
}
