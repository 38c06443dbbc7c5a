//! Collected results as tables for papers.

use serde_json::{Map, Value};

use super::collect::{Collected, CollectedRow, Group, MeanStd};
use crate::train::{Config, names};
use crate::words::number_of;

/// A figure that tables show of a group.
struct Shown {
    metric: &'static str,
    head: &'static str,
    latex: &'static str,
    factor: f64,
    decimals: usize,
}

const SHOWN: [Shown; 5] = [
    Shown {
        metric: "test_accuracy",
        head: "test accuracy (%)",
        latex: "\\shortstack{Test\\\\accuracy (\\%)}",
        factor: 100.0,
        decimals: 2,
    },
    Shown {
        metric: "best_val_accuracy",
        head: "validation accuracy (%)",
        latex: "\\shortstack{Validation\\\\accuracy (\\%)}",
        factor: 100.0,
        decimals: 2,
    },
    Shown { metric: "itop_rate", head: "ITOP rate Rs", latex: "$R_s$", factor: 1.0, decimals: 3 },
    Shown {
        metric: "reliable_itop_rate",
        head: "reliable Rs",
        latex: "\\shortstack{Reliable\\\\$R_s$}",
        factor: 1.0,
        decimals: 3,
    },
    Shown {
        metric: "training_flops_ratio",
        head: "training FLOPs (of dense)",
        latex: "\\shortstack{Training FLOPs\\\\(fraction of dense)}",
        factor: 1.0,
        decimals: 3,
    },
];

impl Shown {
    fn mean(&self, figure: MeanStd) -> String {
        format!("{:.*}", self.decimals, self.factor * figure.mean)
    }

    /// None where there is no deviation to speak of.
    fn std(&self, figure: MeanStd) -> Option<String> {
        let text = format!("{:.*}", self.decimals, self.factor * figure.std?);
        text.contains(|digit: char| ('1'..='9').contains(&digit)).then_some(text)
    }

    /// What all of several groups have, to the digit, if they do.
    fn constant(&self, collected: &Collected) -> Option<String> {
        let figures: Vec<MeanStd> = collected.groups.iter().filter_map(|group| group.metric(self.metric)).collect();
        let first = *figures.first()?;
        let same = |figure: &MeanStd| self.mean(*figure) == self.mean(first) && self.std(*figure).is_none();
        (self.metric != "test_accuracy" && collected.groups.len() > 1 && figures.iter().all(same))
            .then(|| self.mean(first))
    }
}

/// The table over groups: what differs is in columns, what does not in the note.
struct Layout<'a> {
    keys: Vec<&'a String>,
    /// Whether groups have different numbers of runs.
    counts: bool,
    shown: Vec<&'static Shown>,
}

impl<'a> Layout<'a> {
    fn of(collected: &'a Collected) -> Self {
        let groups = &collected.groups;
        let varies = |key: &&String| {
            *key != "seed" && groups.iter().any(|group| group.varied.get(*key) != groups[0].varied.get(*key))
        };
        let known = |shown: &&Shown| groups.iter().any(|group| group.metric(shown.metric).is_some());
        Self {
            keys: collected.keys.iter().filter(varies).collect(),
            counts: groups.iter().any(|group| group.done != groups[0].done || group.done != group.rows.len()),
            shown: SHOWN.iter().filter(|shown| known(shown) && shown.constant(collected).is_none()).collect(),
        }
    }

    fn runs(group: &Group) -> String {
        match group.done == group.rows.len() {
            true => group.done.to_string(),
            false => format!("{} of {}", group.done, group.rows.len()),
        }
    }
}

fn value(varied: &Map<String, Value>, key: &str) -> String {
    varied.get(key).map_or("–".into(), |value| names::value(key, value))
}

/// A key as the head of a column, with its unit.
fn head(key: &str) -> String {
    if names::in_percent(key) { format!("{} (%)", names::key(key)) } else { names::key(key) }
}

/// Head and cells of the table over groups: mean ± sample standard deviation over seeds. What all have in common is in
/// [`note`].
pub fn cells(collected: &Collected) -> (Vec<String>, Vec<Vec<String>>) {
    let layout = Layout::of(collected);
    let keys = layout.keys.iter().map(|key| head(key));
    let counts = layout.counts.then(|| "seeds".to_string());
    let heads = keys.chain(counts).chain(layout.shown.iter().map(|shown| shown.head.to_string())).collect();
    let row = |group: &Group| {
        let keys = layout.keys.iter().map(|key| value(&group.varied, key));
        let counts = layout.counts.then(|| Layout::runs(group));
        let figures = layout.shown.iter().map(|shown| match group.metric(shown.metric) {
            None => "–".into(),
            Some(figure) => match shown.std(figure) {
                Some(std) => format!("{} ± {std}", shown.mean(figure)),
                None => shown.mean(figure),
            },
        });
        keys.chain(counts).chain(figures).collect()
    };
    (heads, collected.groups.iter().map(row).collect())
}

/// What the rows of the table have in common, in sentences: settings, seeds, images, figures that do not differ.
pub fn note(collected: &Collected) -> Vec<String> {
    let mut sentences = vec![common(collected)];
    let layout = Layout::of(collected);
    let seeds = collected.groups.iter().map(|group| group.done).max().unwrap_or(0);
    let over = if layout.counts { "the seeds that are done".into() } else { number_of(seeds, "seed") };
    let images = |of: fn(&CollectedRow) -> Option<usize>| {
        let mut counts: Vec<usize> = collected.rows.iter().filter_map(of).collect();
        counts.sort_unstable();
        counts.dedup();
        counts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
    };
    let (tested, held_out) = (images(|row| row.test_images), images(|row| row.held_out_images));
    sentences.push(match seeds {
        0 => "No row is done.".into(),
        1 => "One seed, so there is no deviation.".into(),
        _ => format!("Mean ± sample standard deviation over {over}, unless it rounds to 0."),
    });
    let of = |number: &str| if number == "1" { "image" } else { "images" };
    if !tested.is_empty() {
        let epoch = match held_out.as_str() {
            "" | "0" => "; the last epoch counts".to_string(),
            held_out => format!("; {held_out} validation {} chose the epoch", of(held_out)),
        };
        sentences.push(format!("Tested on {tested} {}{epoch}.", of(&tested)));
    }
    for shown in &SHOWN {
        if let Some(constant) = shown.constant(collected) {
            sentences.push(format!("{} {constant} throughout.", capital(shown.head)));
        }
    }
    sentences
}

/// The settings that all rows share: `ResNet-8 on flowers, sparsity 95 %, 10 epochs, batch size 64.`
fn common(collected: &Collected) -> String {
    const KEYS: [&str; 9] =
        ["model", "data", "method", "sparsity", "delta_t", "epochs", "epoch_multiplier", "batch_size", "lr"];
    let configs: Vec<&Config> = collected.rows.iter().map(|row| &row.config).collect();
    // A length of 1 is none to speak of.
    let plain = configs.iter().all(|config| config.epoch_multiplier == 1);
    let columns = Layout::of(collected).keys;
    let said = |key: &&str| (plain && *key == "epoch_multiplier") || columns.iter().any(|column| column == key);
    let keys: Vec<&str> = KEYS.into_iter().filter(|key| !said(key)).collect();
    names::common(&configs, &keys) + "."
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Groups as a Markdown table, and under it what they have in common.
pub fn markdown(collected: &Collected) -> String {
    let (head, rows) = cells(collected);
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    // Text to the left, numbers to the right.
    let words = text_columns(collected);
    let rule = (0..head.len()).map(|column| if column < words { "---".into() } else { "---:".to_string() }).collect();
    let table: String = [head, rule].iter().chain(&rows).map(|cells| line(cells)).collect();
    format!("{table}\n{}\n", note(collected).join(" "))
}

/// How many of the first columns hold text.
fn text_columns(collected: &Collected) -> usize {
    let number =
        |key: &&&String| collected.groups.iter().filter_map(|group| group.varied.get(**key)).all(Value::is_number);
    let keys = Layout::of(collected).keys;
    keys.len() - keys.iter().rev().take_while(number).count()
}

/// A `table` for a paper, as it is: rules of `booktabs`, numbers aligned, what does not differ in the caption. `remarks` become
/// comments.
pub fn latex(collected: &Collected, remarks: &[String]) -> String {
    let layout = Layout::of(collected);
    let words = text_columns(collected);
    let deviates = |shown: &&Shown| {
        collected
            .groups
            .iter()
            .any(|group| group.metric(shown.metric).is_some_and(|figure| shown.std(figure).is_some()))
    };
    let (mut columns, mut heads) = ("l".repeat(words), Vec::new());
    for (number, key) in layout.keys.iter().enumerate() {
        columns += if number < words { "" } else { "r" };
        heads.push(latex_head(key));
    }
    if layout.counts {
        columns.push('r');
        heads.push("Seeds".into());
    }
    for shown in &layout.shown {
        // A mean and its deviation are two columns, so that both align.
        columns += if deviates(shown) { "r@{\\,}l" } else { "r" };
        heads.push(if deviates(shown) {
            format!("\\multicolumn{{2}}{{c}}{{{}}}", shown.latex)
        } else {
            shown.latex.into()
        });
    }
    let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
    let row = |group: &Group| {
        let mut cells: Vec<String> = layout.keys.iter().map(|key| escape(&value(&group.varied, key))).collect();
        cells.extend(layout.counts.then(|| Layout::runs(group)));
        for shown in &layout.shown {
            let figure = group.metric(shown.metric);
            cells.push(figure.map_or("--".into(), |figure| shown.mean(figure)));
            if deviates(shown) {
                let std = figure.and_then(|figure| shown.std(figure));
                cells.push(std.map_or_else(String::new, |std| format!("$\\pm$ {std}")));
            }
        }
        line(cells)
    };
    let mut text = "% needs \\usepackage{booktabs}\n".to_string();
    text.extend(remarks.iter().map(|remark| format!("% {}\n", remark.replace(['\n', '\r'], " "))));
    // Captions of LaTeX's own classes leave no room below them.
    text += "\\begin{table}\n\\centering\n\\setlength{\\belowcaptionskip}{6pt}\n";
    let mut caption = note(collected);
    if layout.shown.iter().any(|shown| shown.metric == "itop_rate") {
        caption.push("ITOP rate Rs: share of the weights that were active at some time.".into());
    }
    text += &format!("\\caption{{{}}}\n\\label{{tab:itop-sweep}}\n", escape(&caption.join(" ")));
    text += &format!("\\begin{{tabular}}{{{columns}}}\n\\toprule\n{}\\midrule\n", line(heads));
    text.extend(collected.groups.iter().map(row));
    text + "\\bottomrule\n\\end{tabular}\n\\end{table}\n"
}

fn latex_head(key: &str) -> String {
    escape(&capital(&head(key)))
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
            'Δ' => text += "$\\Delta$",
            letter => text.push(letter),
        }
    }
    // Symbols, in what stands in words everywhere else.
    text.replace("$\\Delta$T", "$\\Delta T$")
        .replace("ITOP rate Rs", "ITOP rate $R_s$")
        .replace("Reliable Rs", "Reliable $R_s$")
}

#[cfg(test)]
mod tests {
    use super::super::collect::collect;
    use super::super::collect::tests::{example, sweep_of};
    use super::*;

    #[test]
    fn tables_of_a_half_done_sweep() {
        let place = tempfile::tempdir().unwrap();
        let sweep = example(&place, 4);
        sweep.record_failure(5, "it\nbroke").unwrap();
        let collected = collect(&sweep);
        let text = markdown(&collected);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "| method | seeds | test accuracy (%) |", "{text}");
        assert_eq!(lines[1], "| --- | ---: | ---: |", "{text}");
        assert_eq!(lines[2], "| RigL | 3 | 50.00 ± 25.00 |", "{text}");
        assert_eq!(lines[3], "| dense | 1 of 3 | 100.00 |", "{text}");
        assert_eq!(
            lines[5],
            "ResNet-8 on sample, sparsity 90 %, ΔT 25, 12 epochs, batch size 64, learning rate 0.2. Mean ± sample standard \
             deviation over the seeds that are done, unless it rounds to 0. Tested on 500 images; 100 validation images chose the epoch. ITOP \
             rate Rs 0.200 throughout. Reliable Rs 0.100 throughout. Training FLOPs (of dense) 0.200 throughout.",
            "{text}"
        );
    }

    /// How many columns the cells of a line take.
    fn width(line: &str) -> usize {
        let span = |cell: &str| -> usize {
            let spans = cell.trim().strip_prefix("\\multicolumn{").and_then(|rest| rest.split_once('}'));
            spans.map_or(1, |(span, _)| span.parse().unwrap())
        };
        line.strip_suffix(" \\\\").unwrap().split(" & ").map(span).sum()
    }

    /// As a paper takes it: no raw key, no deviation of zero, every line as many columns as the table has.
    #[test]
    fn a_table_for_a_paper() {
        let place = tempfile::tempdir().unwrap();
        let spec = "[base]\npreset = 'quick'\nsparsity = 0.95\n[grid]\nmethod = ['set', 'static']\ndelta_t = [5, 20]\nseed = [1, 2]\n";
        // SET ΔT 5, static, SET ΔT 20, as the grid has them.
        let rates = [0.41, 0.40, 0.05, 0.05, 0.2, 0.2];
        let accuracies = [0.22, 0.25, 0.30, 0.28, 0.21, 0.23];
        let results: Vec<_> = accuracies.into_iter().zip(rates).map(Some).collect();
        let collected = collect(&sweep_of(&place, spec, &results));
        let text = latex(&collected, &["SET against\nstatic".into()]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..4],
            ["% needs \\usepackage{booktabs}", "% SET against static", "\\begin{table}", "\\centering"]
        );
        let spec = "lrr@{\\,}lr@{\\,}l";
        let begin = format!("\\begin{{tabular}}{{{spec}}}");
        let start = lines.iter().position(|line| *line == begin).unwrap_or_else(|| panic!("{text}"));
        let expected = [
            "\\toprule",
            "Method & $\\Delta T$ & \\multicolumn{2}{c}{\\shortstack{Test\\\\accuracy (\\%)}} & \\multicolumn{2}{c}{$R_s$} \\\\",
            "\\midrule",
            "SET & 5 & 23.50 & $\\pm$ 2.12 & 0.405 & $\\pm$ 0.007 \\\\",
            "SET & 20 & 22.00 & $\\pm$ 1.41 & 0.200 &  \\\\",
            "static & -- & 29.00 & $\\pm$ 1.41 & 0.050 &  \\\\",
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
        ];
        assert_eq!(lines[start + 1..], expected, "{text}");
        assert!(lines.iter().filter(|line| line.ends_with("\\\\")).all(|line| width(line) == 6), "{text}");
        let caption = lines.iter().find(|line| line.starts_with("\\caption{")).unwrap();
        for words in [
            "ResNet-8 on sample, sparsity 95 \\%, 12 epochs",
            "Mean $\\pm$ sample standard deviation over 2 seeds, unless it rounds to 0.",
            "Tested on 500 images",
            "Training FLOPs (of dense) 0.200 throughout",
            "ITOP rate $R_s$: share of",
        ] {
            assert!(caption.contains(words), "{words}: {caption}");
        }
        for raw in ["delta_t", "delta\\_t", "0.000", "rigl", "Δ", "±", "–"] {
            assert!(!text.contains(raw), "{raw}: {text}");
        }
        // Nothing but the environments and commands that LaTeX and booktabs have.
        assert_eq!(text.matches("\\begin{").count(), text.matches("\\end{").count());
        assert_eq!(text.matches('{').count(), text.matches('}').count());
        assert!(text.matches('$').count().is_multiple_of(2));
    }

    #[test]
    fn latex_has_no_live_letters() {
        assert_eq!(escape("a_b & 5 % \\ ^"), "a\\_b \\& 5 \\% \\textbackslash{} \\textasciicircum{}");
        assert_eq!(escape("SET ΔT 5"), "SET $\\Delta T$ 5");
    }
}
