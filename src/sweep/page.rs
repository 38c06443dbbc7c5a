//! The page of a sweep: first the answer, then the recipe, the table of settings, figures, and the rows.

use super::answer::Answer;
use super::collect::{Collected, CollectedRow, Group};
use super::table;
use crate::report::chart::{Chart, Look, escape};
use crate::report::plot::{Mark, Marks, Row, marks, rows};
use crate::report::setting::{Setting, Settings};
use crate::report::{Y, charts, document, facts, html_table};
use crate::train::{Method, names};
use crate::words::{number_are, number_of};

/// What is drawn: metric, name, axis, and how the names of its files begin.
const DRAWN: [(&str, &str, Y, &str); 2] =
    [("test_accuracy", "Test accuracy", Y::Share, "accuracy"), ("itop_rate", "ITOP rate Rs", Y::Value, "Rs")];

/// Different values up to which they stand at equal distances on an axis.
const NAMED_VALUES: usize = 8;

/// The settings of the rows, each with its group.
struct Drawn<'a> {
    settings: Settings,
    groups: &'a [Group],
    /// Of each group the number of its setting.
    of: Vec<usize>,
}

impl<'a> Drawn<'a> {
    fn of(collected: &'a Collected) -> Self {
        let settings = Settings::of(collected.rows.iter().map(|row| &row.config));
        let setting = |group: &Group| {
            let row = collected.rows.iter().find(|row| group.rows.first() == Some(&row.row))?;
            settings.find(&row.config)
        };
        let of = collected.groups.iter();
        let of = of.map(|group| setting(group).expect("a group is of rows, and each row has a setting")).collect();
        Self { settings, groups: &collected.groups, of }
    }

    /// Settings with their groups, in the settings' order.
    fn each(&self) -> impl Iterator<Item = (&Setting, &Group)> {
        let group = |number: usize| self.of.iter().position(|&of| of == number).map(|at| &self.groups[at]);
        self.settings.all.iter().enumerate().filter_map(move |(number, setting)| Some((setting, group(number)?)))
    }

    fn level(&self, setting: &Setting, group: &Group, metric: &str) -> Option<Marks> {
        self.kind(&setting.label, vec![mark(group, 0.0, metric)?], Look::Dashed)
    }

    fn kind(&self, label: &str, marks: Vec<Mark>, look: Look) -> Option<Marks> {
        (!marks.is_empty()).then(|| Marks { label: label.into(), colour: self.settings.colour(label), marks, look })
    }
}

/// The plots, each with the name of its file.
pub fn plots(collected: &Collected) -> Vec<(String, Chart)> {
    let drawn = Drawn::of(collected);
    let mut plots: Vec<Option<Chart>> =
        DRAWN.iter().map(|&(metric, name, y, file)| by_setting(&drawn, (metric, name, y, file))).collect();
    plots.push(against_rate(&drawn));
    for key in drawn.settings.numeric_keys() {
        plots.extend(DRAWN.iter().map(|&shown| against_key(&drawn, key, shown)));
    }
    plots.into_iter().flatten().map(|plot| (plot.name.clone(), plot)).collect()
}

/// The page. `place`: the sweep's folder as an address, as seen from the page's.
pub fn page(collected: &Collected, answer: &Answer, place: &str) -> String {
    let (head, cells) = table::cells(collected);
    let all = Settings::of(collected.rows.iter().map(|row| &row.config));
    let (rows, done) = (collected.rows.len(), collected.done());
    let title = format!("Sweep of {}, {}", number_of(all.all.len(), "setting"), number_of(rows, "run"));
    let list = |class: &str, lines: &[String]| {
        let items: String = lines.iter().map(|line| format!("<li>{}</li>", escape(line))).collect();
        if items.is_empty() { items } else { format!("<ul class=\"{class}\">{items}</ul>\n") }
    };
    let state =
        if done == rows { String::new() } else { format!("<p>{done} of {} done.</p>\n", number_are(rows, "run")) };
    let plots: Vec<Chart> = plots(collected).into_iter().map(|(_, plot)| plot).collect();
    let (row_heads, row_cells, links) = row_table(collected, &all, place);
    let text = format!(
        "<h1>{title}</h1>\n{}{}{state}{}<p>Means over seeds ± sample standard deviation; on charts it is the bar at a point, or the \
         band around a dashed level.</p>\n{}<p>{}</p>\n<section>{}</section>\n<section>\n<h2>Rows</h2>\n{}</section>\n",
        list("answer", &answer.sentences()),
        list("notes", &answer.cautions),
        facts(&recipe(collected, &all)),
        html_table(&head, &cells, &[]),
        escape(&table::note(collected).join(" ")),
        charts(&plots),
        html_table(&row_heads, &row_cells, &links)
    );
    document(&format!("{title} – itop"), &text)
}

/// What all rows have in common, and what a citation needs.
fn recipe(collected: &Collected, settings: &Settings) -> Vec<(String, String)> {
    let mut facts = settings.common();
    let list = |values: Vec<String>| {
        let mut different: Vec<String> = Vec::new();
        values.into_iter().for_each(|value| {
            if !different.contains(&value) {
                different.push(value);
            }
        });
        different.join(", ")
    };
    let images = |of: fn(&CollectedRow) -> Option<usize>| {
        list(collected.rows.iter().filter_map(of).map(|images| images.to_string()).collect())
    };
    for (name, of) in
        [("validation images", images(|row| row.held_out_images)), ("test images", images(|row| row.test_images))]
    {
        facts.extend((!of.is_empty()).then(|| (name.to_string(), of)));
    }
    facts.push(("seeds".into(), list(collected.rows.iter().map(|row| row.config.seed.to_string()).collect())));
    let version = |row: &CollectedRow| Some(row.summary.as_ref()?.version.clone());
    let versions = list(collected.rows.iter().filter_map(version).collect());
    // Who made the page, and the runs: they may have been others.
    let own = crate::words::version();
    facts.push((
        "itop".into(),
        match versions.is_empty() || versions == own {
            true => own,
            false => format!("runs by {versions}, page by {own}"),
        },
    ));
    facts
}

type RowTable = (Vec<String>, Vec<Vec<String>>, Vec<String>);

/// Each row with its result and the address of its own page, or of its folder while it has none.
fn row_table(collected: &Collected, settings: &Settings, place: &str) -> RowTable {
    let heads = ["row", "setting", "seed", "state", "best epoch", "validation accuracy", "test accuracy", "Rs"];
    let (mut cells, mut links) = (Vec::new(), Vec::new());
    for row in &collected.rows {
        let summary = row.summary.as_ref();
        let of = |text: Option<String>| text.unwrap_or_else(|| "–".into());
        let percent = |share: f64| format!("{:.2} %", 100.0 * share);
        let setting = settings.find(&row.config).map(|at| settings.all[at].label.clone());
        cells.push(vec![
            row.row.to_string(),
            of(setting),
            row.config.seed.to_string(),
            row.error.as_ref().map_or_else(|| row.state.to_string(), |error| format!("{}: {error}", row.state)),
            of(summary.map(|summary| format!("{} of {}", summary.best_epoch, summary.epochs))),
            of(summary.and_then(|summary| summary.best_val_accuracy).map(percent)),
            of(summary.map(|summary| percent(summary.test_accuracy))),
            of(summary.map(|summary| format!("{:.3}", summary.itop_rate))),
        ]);
        let page = if summary.is_some() { "/report.html" } else { "/" };
        links.push(format!("{place}/{}{page}", row.run));
    }
    (heads.map(String::from).to_vec(), cells, links)
}

/// A metric of each setting.
fn by_setting(drawn: &Drawn, (metric, name, y, file): (&str, &str, Y, &str)) -> Option<Chart> {
    let row = |(setting, group): (&Setting, &Group)| {
        if says_nothing(setting, metric) {
            return None;
        }
        let figure = group.metric(metric)?;
        let colour = drawn.settings.colour(&setting.label);
        Some(Row { label: setting.label.clone(), colour, value: figure.mean, error: figure.std })
    };
    let title = format!("{name} by setting");
    rows(&format!("{file}-setting"), &title, name, drawn.each().filter_map(row).collect(), y)
}

/// Accuracy over the ITOP rate that the runs reached, with dense training as a level.
fn against_rate(drawn: &Drawn) -> Option<Chart> {
    let kind = |(setting, group): (&Setting, &Group)| {
        if setting.method == Method::DENSE {
            return drawn.level(setting, group, "test_accuracy");
        }
        let rate = group.metric("itop_rate")?;
        let mark = mark(group, rate.mean, "test_accuracy")?;
        drawn.kind(&setting.label, vec![Mark { x_error: rate.std, ..mark }], Look::Dots)
    };
    let kinds: Vec<Marks> = drawn.each().filter_map(kind).collect();
    if kinds.iter().all(|kind| kind.look == Look::Dashed) {
        return None;
    }
    marks("accuracy-Rs", ["ITOP rate Rs", "Test accuracy"], &[], kinds, Y::Share)
}

/// A metric over the numbers that `key` has, a curve for each combination of the other keys. Settings that it has no effect on
/// are levels. None without a curve.
fn against_key(drawn: &Drawn, key: &str, (metric, name, y, file): (&str, &str, Y, &str)) -> Option<Chart> {
    let mut values: Vec<f64> = drawn.each().filter_map(|(setting, _)| setting.number(key)).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let named = values.len() <= NAMED_VALUES;
    let mut kinds: Vec<Marks> = Vec::new();
    let mut levels: Vec<Marks> = Vec::new();
    for (setting, group) in drawn.each().filter(|(setting, _)| !says_nothing(setting, metric)) {
        let Some(value) = setting.number(key) else {
            levels.extend(drawn.level(setting, group, metric));
            continue;
        };
        let place = values.iter().position(|&known| known == value).expect("these are the values of all settings");
        let Some(mark) = mark(group, if named { place as f64 } else { value }, metric) else { continue };
        let label = drawn.settings.curve(setting, key);
        match kinds.iter_mut().find(|kind| kind.label == label) {
            Some(kind) => kind.marks.push(mark),
            None => kinds.extend(drawn.kind(&label, vec![mark], Look::Dots)),
        }
    }
    for kind in kinds.iter_mut().filter(|kind| kind.marks.len() > 1) {
        kind.marks.sort_by(|a, b| a.x.total_cmp(&b.x));
        kind.look = Look::Joined;
    }
    if kinds.iter().all(|kind| kind.look == Look::Dots) {
        return None;
    }
    kinds.append(&mut levels);
    let text = |value: &f64| {
        let setting = drawn.settings.all.iter().find(|setting| setting.number(key) == Some(*value));
        setting.and_then(|setting| setting.text(key)).expect("a value is some setting's")
    };
    let ticks: Vec<String> = if named { values.iter().map(text).collect() } else { Vec::new() };
    marks(&format!("{file}-{}", key.replace('.', "-")), [&names::key(key), name], &ticks, kinds, y)
}

/// A dense network explores everything by definition, and would press all others into a corner of the chart.
fn says_nothing(setting: &Setting, metric: &str) -> bool {
    setting.method == Method::DENSE && metric == "itop_rate"
}

/// The mark of a group's `metric` at `x`.
fn mark(group: &Group, x: f64, metric: &str) -> Option<Mark> {
    group.metric(metric).map(|figure| Mark { x, y: figure.mean, error: figure.std, x_error: None })
}

#[cfg(test)]
mod tests {
    use super::super::collect::MeanStd;
    use super::*;
    use crate::train::Config;

    /// A sweep of these configurations, all done, two seeds each.
    fn collected(configs: Vec<(Config, f64)>) -> Collected {
        let mut collected = Collected { schema: 1, keys: Vec::new(), rows: Vec::new(), groups: Vec::new() };
        for (number, (config, accuracy)) in (1..).zip(configs) {
            let figure = |mean| MeanStd { n: 2, mean, std: Some(0.01) };
            let metrics = [("test_accuracy", figure(accuracy)), ("itop_rate", figure(accuracy / 2.0))].into();
            collected.groups.push(Group { varied: Default::default(), rows: vec![number], done: 1, metrics });
            collected.rows.push(CollectedRow {
                row: number,
                state: "done",
                varied: Default::default(),
                config,
                result: None,
                error: None,
                run: format!("rows/{number:04}"),
                held_out_images: Some(20),
                test_images: Some(100),
                warnings: Vec::new(),
                summary: None,
            });
        }
        collected
    }

    fn of(method: Method, delta_t: usize) -> Config {
        Config { method, delta_t, ..Config::default() }
    }

    fn names(plots: &[(String, Chart)]) -> Vec<&str> {
        plots.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn methods_are_curves_over_keys_and_what_has_no_key_is_a_level_with_its_band() {
        let collected = collected(vec![
            (of(Method::SET, 100), 0.5),
            (of(Method::SET, 25), 0.6),
            (of(Method::RIGL, 100), 0.7),
            (of(Method::RIGL, 25), 0.8),
            (of(Method::DENSE, 100), 0.9),
        ]);
        let plots = plots(&collected);
        assert_eq!(names(&plots), ["accuracy-setting", "Rs-setting", "accuracy-Rs", "accuracy-delta_t", "Rs-delta_t"]);
        let file = plots[3].1.file();
        for name in ["\nSET\n", "\nRigL\n", "\ndense\n", "\n25\n", "\n100\n"] {
            assert!(file.contains(name), "{name} is not in {file}");
        }
        assert!(!file.contains("Test accuracy against"), "a paper has a caption");
        // Four means and two signs of the legend; the level's band.
        assert_eq!((file.matches("<circle").count(), file.matches("<polygon").count()), (6, 1), "{file}");
        // Each setting has one colour, in the rows and against the rate.
        let colour = |html: &str, label: &str| {
            let key = html.split("<li>").find(|key| key.contains(&format!(">{label}<"))).unwrap();
            key.split("color:").nth(1).unwrap().split('"').next().unwrap().to_string()
        };
        let against_rate = plots[2].1.html();
        assert_ne!(colour(&against_rate, "SET ΔT 25"), colour(&against_rate, "SET ΔT 100"));
        assert_eq!(colour(&against_rate, "dense"), colour(&plots[3].1.html(), "dense"));
        assert!(!plots[4].1.html().contains("dense"), "its rate is 1");
    }

    /// What differs by more than one key, as the lists of a specification do, is compared all the same.
    #[test]
    fn lists_have_a_chart_by_setting() {
        let collected = collected(vec![(of(Method::STATIC, 5), 0.5), (of(Method::SET, 5), 0.6)]);
        let plots = plots(&collected);
        assert_eq!(names(&plots), ["accuracy-setting", "Rs-setting", "accuracy-Rs"]);
        let html = plots[0].1.html();
        assert!(html.contains("\nstatic\n") && html.contains("\nSET ΔT 5\n"), "{html}");
    }

    #[test]
    fn the_page_says_what_was_run_and_leads_to_the_rows() {
        let rows = collected(vec![(of(Method::STATIC, 5), 0.5), (of(Method::SET, 5), 0.6)]);
        let answer = Answer { cautions: vec!["SET < static".into()], ..Answer::default() };
        let page = page(&rows, &answer, "..");
        for wanted in [
            "<li>SET &lt; static</li>",
            "<dd>ResNet-34</dd>",
            "<dd>CIFAR-100</dd>",
            "<dd>90 %</dd>",
            "<dt>epochs</dt><dd>250</dd>",
            "<dt>batch size</dt><dd>128</dd>",
            "<dt>ΔT</dt><dd>5</dd>",
            "<dt>seeds</dt><dd>17</dd>",
            "<dt>validation images</dt><dd>20</dd>",
            "<dt>test images</dt><dd>100</dd>",
            // With no run done too: who collects is known.
            concat!("<dt>itop</dt><dd>", env!("CARGO_PKG_VERSION")),
            "<a href=\"../rows/0001/\">1</a>",
        ] {
            assert!(page.contains(wanted), "{wanted} is not in {page}");
        }
        assert!(page.find("SET &lt; static") < page.find("<table"), "the answer is first");
        assert_eq!(page.matches("<figure>").count(), 3);
    }

    #[test]
    fn one_setting_is_no_plot() {
        let collected = collected(vec![(of(Method::SET, 5), 0.5)]);
        // One point, which says how much was explored.
        assert_eq!(names(&plots(&collected)), ["accuracy-Rs"]);
    }

    /// Forty draws of a learning rate have an axis of numbers.
    #[test]
    fn many_values_are_numbers() {
        let draw = |i: usize| (Config { lr: 0.01 * (i + 1) as f64, ..of(Method::SET, 5) }, 0.5 + 0.01 * i as f64);
        let plots = plots(&collected((0..40).map(draw).collect()));
        let (_, plot) = plots.iter().find(|(name, _)| name == "accuracy-lr").unwrap();
        let html = plot.html();
        assert!(html.contains("\n0.2\n") && !html.contains("\n0.07\n"), "{html}");
    }
}
