//! The summary of a run for a terminal.

use super::read::Run;
use super::setting::Settings;
use crate::sparsity::Structure;
use crate::train::names;
use crate::words::number_of;

/// A few lines with sparklines.
pub fn text(run: &Run) -> String {
    let shown = |key: &str, value: serde_json::Value| names::value(key, &value);
    let mut text = format!("{}\n", run.name);
    if let Some(config) = &run.config {
        let settings = Settings::of([config]);
        let setting = settings.all.first().map_or("", |setting| &setting.label);
        let structure = match config.structure {
            Structure::Unstructured => String::new(),
            structure => format!(" ({structure})"),
        };
        let sparse = if config.has_effect("sparsity") {
            format!(", {} % sparse{structure}", shown("sparsity", config.sparsity.into()))
        } else {
            String::new()
        };
        text += &format!(
            "  {} on {}: {setting}, seed {}{sparse}, {}\n",
            shown("model", config.model.as_str().into()),
            shown("data", config.data.as_str().into()),
            config.seed,
            number_of(config.total_epochs(), "epoch")
        );
    }
    let mut row = |name: &str, values: Vec<f64>, unit: &dyn Fn(f64) -> String| {
        if let (Some(&first), Some(&last)) = (values.first(), values.last()) {
            text += &format!("  {name:<20} {}  {} → {}\n", sparkline(&values), unit(first), unit(last));
        }
    };
    let percent = |value: f64| format!("{:.2} %", 100.0 * value);
    let plain = |value: f64| format!("{value:.4}");
    row("loss", run.epochs.iter().map(|epoch| epoch.loss).collect(), &plain);
    row("accuracy", run.epochs.iter().map(|epoch| epoch.accuracy).collect(), &percent);
    row("validation accuracy", run.epochs.iter().filter_map(|epoch| epoch.val_accuracy).collect(), &percent);
    row("ever active (Rs)", run.updates.iter().map(|line| line.itop_rate).collect(), &plain);
    row("reliably explored", run.updates.iter().map(|line| line.reliable_itop_rate).collect(), &plain);
    if let Some(summary) = &run.summary {
        if let Some(accuracy) = summary.best_val_accuracy {
            text += &format!(
                "  best epoch {} of {}, validation accuracy {}\n",
                summary.best_epoch,
                summary.epochs,
                percent(accuracy)
            );
        }
        text += &format!(
            "  test accuracy {}, {:.0} img/s, {:.0} s of training on {}\n",
            percent(summary.test_accuracy),
            summary.images_per_second,
            summary.seconds_training,
            summary.adapter.name
        );
    }
    for note in &run.notes {
        text += &format!("  note: {note}\n");
    }
    text
}

/// At most sixty bars from the least to the largest value.
fn sparkline(values: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let bar = |value: f64| match (value - low) / (high - low) {
        share if share.is_finite() => BARS[((share * 7.0).round() as usize).min(7)],
        _ => BARS[0],
    };
    let width = values.len().min(60);
    (0..width).map(|i| bar(values[i * values.len() / width])).collect()
}

#[cfg(test)]
mod tests {
    use super::sparkline;

    #[test]
    fn sparklines() {
        assert_eq!(sparkline(&[0.0, 1.0, 2.0]), "▁▅█");
        assert_eq!(sparkline(&[3.0]), "▁");
        assert_eq!(sparkline(&[f64::NAN, 1.0, 2.0]), "▁▁█");
        assert_eq!(sparkline(&(0..600).map(f64::from).collect::<Vec<_>>()).chars().count(), 60);
    }
}
