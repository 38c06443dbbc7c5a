//! Plots over the groups of a sweep, and the page that shows them under the table.

use serde_json::Value;

use super::collect::{Collected, Group};
use super::comparison::Answer;
use super::table;
use crate::report::chart::Chart;
use crate::report::plot::{Line, Mark, Marks, marks};
use crate::report::{Y, document, escape, html_table};

/// What is drawn over what is varied: metric, name, axis.
const DRAWN: [(&str, &str, Y); 2] =
    [("test_accuracy", "Test accuracy", Y::Share), ("itop_rate", "ITOP rate Rs", Y::Value)];

/// The plots, each with the name of its file.
pub fn plots(collected: &Collected) -> Vec<(String, Chart)> {
    let mut plots: Vec<(String, Chart)> =
        against_rate(collected).map(|plot| ("accuracy-Rs".into(), plot)).into_iter().collect();
    for key in collected.keys.iter().filter(|key| *key != "seed") {
        for (metric, name, y) in DRAWN {
            let file = format!("{}-{key}", metric.replace("test_", "").replace("itop_rate", "Rs"));
            plots.extend(against_key(collected, key, (metric, name, y)).map(|plot| (file, plot)));
        }
    }
    plots
}

/// The page with the answer, the table and the plots.
pub fn page(collected: &Collected, answer: &Answer) -> String {
    let (head, rows) = table::cells(collected);
    let figures: String = plots(collected).iter().map(|(_, plot)| plot.html()).collect();
    let title = format!("Sweep of {} runs", collected.rows.len());
    let list = |lines: Vec<String>| -> String {
        let items: String = lines.iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect();
        if items.is_empty() { items } else { format!("<ul>\n{items}</ul>\n") }
    };
    // The answer first; what to beware of right under it.
    let (answers, cautions) = (list(answer.sentences()), list(answer.cautions.clone()));
    let note = escape(&table::note(collected).join(" "));
    let text = format!(
        "<h1>{title}</h1>\n{answers}{cautions}<p>{note}</p>\n<p>{} of them are done. Charts are means over seeds ± their sample standard deviation, where there \
         are two seeds or more.</p>\n{}<section><div class=\"charts\">\n{figures}</div></section>\n",
        collected.done(),
        html_table(&head, &rows)
    );
    document(&format!("{title} – itop"), &text)
}

/// Accuracy over the ITOP rate that the runs reached.
fn against_rate(collected: &Collected) -> Option<Chart> {
    let kinds = kinds(&collected.groups, &|key| key != "method");
    let kind = |(label, groups): (String, Vec<&Group>)| {
        let mark = |group: &&Group| mark(group, group.metric("itop_rate")?.mean, "test_accuracy");
        Marks { label, marks: groups.iter().filter_map(mark).collect(), line: Line::None }
    };
    let series: Vec<Marks> = kinds.into_iter().map(kind).filter(|kind| !kind.marks.is_empty()).collect();
    marks("Test accuracy against the ITOP rate Rs", "Rs", Vec::new(), series, Y::Share)
}

/// A metric over the values of `key`, a line for each combination of the others. Groups that do not have the key are levels.
fn against_key(collected: &Collected, key: &str, (metric, name, y): (&str, &str, Y)) -> Option<Chart> {
    let values = values(&collected.groups, key);
    let (with, without): (Vec<&Group>, Vec<&Group>) =
        collected.groups.iter().partition(|group| group.varied.contains_key(key));
    let mut series = Vec::new();
    for (label, groups) in kinds(with.iter().copied(), &|other| other == key) {
        let place = |group: &&Group| {
            let place = values.iter().position(|value| Some(value) == group.varied.get(key))?;
            mark(group, place as f64, metric)
        };
        let mut marks: Vec<Mark> = groups.iter().filter_map(place).collect();
        marks.sort_by(|a, b| a.x.total_cmp(&b.x));
        let curve = values.iter().all(Value::is_number) && marks.windows(2).all(|pair| pair[0].x < pair[1].x);
        let line = if curve { Line::Solid } else { Line::None };
        series.push(Marks { label, marks, line });
    }
    series.retain(|kind| !kind.marks.is_empty());
    // Points one above the other are no curve.
    if !series.iter().any(|kind| kind.marks.iter().any(|mark| mark.x != kind.marks[0].x)) {
        return None;
    }
    for (label, groups) in kinds(without.iter().copied(), &|_| false) {
        let level = |place: usize| mark(groups[0], place as f64, metric).map(|mark| Mark { error: None, ..mark });
        let marks: Vec<Mark> = [0, values.len() - 1].into_iter().filter_map(level).collect();
        series.extend((!marks.is_empty()).then_some(Marks { label, marks, line: Line::Dashed }));
    }
    let ticks: Vec<String> = values.iter().map(plain).collect();
    marks(&format!("{name} against {key}"), key, ticks, series, y)
}

/// The mark of a group's `metric` at `x`.
fn mark(group: &Group, x: f64, metric: &str) -> Option<Mark> {
    group.metric(metric).map(|figure| Mark { x, y: figure.mean, error: figure.std })
}

/// The different values of `key`: numbers in rising order, else as they come.
fn values(groups: &[Group], key: &str) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    for value in groups.iter().filter_map(|group| group.varied.get(key)) {
        if !values.contains(value) {
            values.push(value.clone());
        }
    }
    if values.iter().all(Value::is_number) {
        values.sort_by(|a, b| a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)));
    }
    values
}

/// Groups that agree in all keys but those that are `left_out`, named by them.
fn kinds<'a>(
    groups: impl IntoIterator<Item = &'a Group>,
    left_out: &dyn Fn(&str) -> bool,
) -> Vec<(String, Vec<&'a Group>)> {
    let mut kinds: Vec<(String, Vec<&Group>)> = Vec::new();
    for group in groups {
        let named = group.varied.iter().filter(|(key, _)| !left_out(key)).map(|(key, value)| match key.as_str() {
            "method" | "model" | "data" => plain(value),
            _ => format!("{key} {}", plain(value)),
        });
        let label = named.collect::<Vec<_>>().join(", ");
        match kinds.iter_mut().find(|(known, _)| *known == label) {
            Some((_, members)) => members.push(group),
            None => kinds.push((label, vec![group])),
        }
    }
    let alone = kinds.len() == 1;
    for (label, _) in kinds.iter_mut().filter(|(label, _)| label.is_empty()) {
        *label = if alone { "all runs".into() } else { "the others".into() };
    }
    kinds
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::collect::MeanStd;
    use super::*;

    fn group(varied: &[(&str, Value)], accuracy: f64) -> Group {
        let figure = |mean| MeanStd { n: 2, mean, std: Some(0.01) };
        let metrics = BTreeMap::from([("test_accuracy", figure(accuracy)), ("itop_rate", figure(accuracy / 2.0))]);
        let varied = varied.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
        Group { varied, rows: vec![1, 2], done: 2, metrics }
    }

    #[test]
    fn keys_are_axes_methods_are_lines_and_what_lacks_the_key_is_a_level() {
        let of = |method: &str, delta_t: i64| [("delta_t", delta_t.into()), ("method", method.into())];
        let groups = vec![
            group(&of("set", 100), 0.5),
            group(&of("set", 25), 0.6),
            group(&of("rigl", 100), 0.7),
            group(&of("rigl", 25), 0.8),
            group(&[("method", "dense".into())], 0.9),
        ];
        assert_eq!(values(&groups, "delta_t"), [Value::from(25), Value::from(100)]);
        let keys = vec!["delta_t".to_string(), "method".into(), "seed".into()];
        let collected = Collected { schema: 1, keys, rows: Vec::new(), groups };
        let plots = plots(&collected);
        let names: Vec<&str> = plots.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["accuracy-Rs", "accuracy-delta_t", "Rs-delta_t", "accuracy-method", "Rs-method"]);
        let file = plots[1].1.file();
        assert!(
            file.contains("stroke-dasharray") && [">set<", ">rigl<", ">dense<"].iter().all(|name| file.contains(name))
        );
        assert_eq!(file.matches("<circle").count(), 4, "{file}");
        assert!(page(&collected, &Answer::default()).matches("<figure>").count() == 5);
    }

    #[test]
    fn one_value_is_no_curve() {
        let groups = vec![group(&[("lr", 0.1.into())], 0.5)];
        let collected = Collected { schema: 1, keys: vec!["lr".into()], rows: Vec::new(), groups };
        assert_eq!(plots(&collected).len(), 1);
    }
}
