//! The answer of a sweep: which settings are compared with which, the verdicts, and cautions.

use serde::Serialize;
use serde_json::{Map, Value};

use super::baseline;
use super::collect::{Collected, CollectedRow};
use super::comparison::Comparison;
use super::spec::{self, Assignments};
use super::statistics::{MeanStd, share_margin};
use crate::train::{Config, LOW_ITOP_RATE, Method, names};
use crate::words::{listed, number_of};

/// Below this many test images, the test set alone leaves about three points open at an accuracy of a half.
const FEW_TEST_IMAGES: usize = 1000;

/// From this many comparisons on, one that is decided by chance is to be reckoned with.
const MANY_COMPARISONS: usize = 5;

/// What the results say beyond the table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Answer {
    /// Keys and values of the settings that the others are compared with; none: nothing is compared.
    pub baseline: Option<Map<String, Value>>,
    pub comparisons: Vec<Comparison>,
    /// What to know before anything is concluded, in sentences.
    pub cautions: Vec<String>,
}

impl Answer {
    /// The comparisons in words, one each.
    pub fn sentences(&self) -> Vec<String> {
        self.comparisons.iter().map(Comparison::sentence).collect()
    }

    /// Of `collected`, against the settings that `baseline` names, or [`baseline::default`] if it names none.
    pub fn of(collected: &Collected, baseline: Option<&Assignments>) -> Self {
        let groups: Vec<Vec<&CollectedRow>> = collected.groups.iter().map(|group| collected.members(group)).collect();
        let chosen = baseline.cloned().or_else(|| baseline::default(collected, &groups));
        let mut answer = Self::default();
        let Some(chosen) = chosen else {
            if groups.len() > 1 {
                let example = collected.keys.iter().find_map(|key| {
                    let value = collected.groups.first()?.varied.get(key)?;
                    Some(format!("{key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_string)))
                });
                answer.cautions.push(format!(
                    "nothing is compared: several keys vary, and no baseline is named; name one, for example --baseline {}",
                    example.unwrap_or_else(|| "KEY=VALUE".into())
                ));
            }
            answer.cautions.extend(cautions(collected, &answer.comparisons));
            return answer;
        };
        let is_baseline = |rows: &Vec<&CollectedRow>| baseline::means(&chosen, &rows[0].config).unwrap_or(false);
        let (baselines, others): (Vec<_>, Vec<_>) = groups.iter().partition(|rows| is_baseline(rows));
        let mut alone = Vec::new();
        // Once each: there may be thousands.
        let values = |rows: &Vec<&CollectedRow>| -> Vec<Option<Value>> {
            collected.keys.iter().map(|key| names::value_of(&rows[0].config, key)).collect()
        };
        let baselines: Vec<(&Vec<&CollectedRow>, Vec<Option<Value>>)> =
            baselines.into_iter().map(|rows| (rows, values(rows))).collect();
        for setting in others {
            let own = values(setting);
            let equal = |moves_alike: bool| -> Vec<&Vec<&CollectedRow>> {
                let counts = |key: &String, other: &Config| {
                    !chosen.iter().any(|(named, _)| named == key) && counts(key, &setting[0].config, other, moves_alike)
                };
                let agrees = |(rows, values): &&(&Vec<&CollectedRow>, Vec<Option<Value>>)| {
                    let mut pairs = collected.keys.iter().zip(own.iter().zip(values));
                    setting[0].config.source() == rows[0].config.source()
                        && pairs.all(|(key, (own, other))| own == other || !counts(key, &rows[0].config))
                };
                baselines.iter().filter(agrees).map(|(rows, _)| *rows).collect()
            };
            let mut counterparts = equal(true);
            // Methods may each have a ΔT of their own: that is a part of the method then.
            if counterparts.is_empty() && chosen.iter().any(|(key, _)| key == "method") {
                counterparts = equal(false);
            }
            if counterparts.is_empty() {
                alone.push(names::setting(&setting[0].varied));
            }
            answer.comparisons.extend(counterparts.into_iter().map(|baseline| Comparison::new(setting, baseline)));
        }
        if !alone.is_empty() {
            let label = spec::label(spec::pairs(&chosen));
            answer.cautions.push(format!(
                "not compared, since no row with {label} is equal in all other keys: {}",
                listed("; ", &alone)
            ));
        }
        answer.cautions.extend(cautions(collected, &answer.comparisons));
        let json = |value: toml::Value| serde_json::to_value(value).expect("values of TOML are values of JSON");
        answer.baseline = Some(chosen.into_iter().map(|(key, value)| (key, json(value))).collect());
        answer
    }
}

/// Whether settings that differ in `key` are different: it has an effect on both, and, unless both must move alike, it is not
/// about how an active set moves.
fn counts(key: &str, setting: &Config, other: &Config, moves_alike: bool) -> bool {
    let still = Config { method: Method::STATIC, ..setting.clone() };
    key != "seed" && setting.has_effect(key) && other.has_effect(key) && (moves_alike || still.has_effect(key))
}

/// What makes results say less than they seem to.
fn cautions(collected: &Collected, comparisons: &[Comparison]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut say = |text: String| {
        if !found.contains(&text) {
            found.push(text);
        }
    };
    let done: Vec<&CollectedRow> = collected.rows.iter().filter(|row| row.accuracy().is_some()).collect();
    let few = |row: &&CollectedRow| row.test_images.filter(|&images| images < FEW_TEST_IMAGES);
    let mut seen = Vec::new();
    for (row, images) in done.iter().filter_map(|row| Some((row, few(row)?))) {
        let source = row.config.source();
        if seen.contains(&source) {
            continue;
        }
        seen.push(source);
        let same = done.iter().filter(|other| other.config.source() == source).filter_map(|row| row.accuracy());
        let mean = MeanStd::of(&same.collect::<Vec<_>>()).map_or(0.0, |figure| figure.mean);
        say(format!(
            "the test set of {} has {}: they leave an accuracy of {:.0} % open by ± {:.1} points (95 %), however many seeds \
             there are",
            names::value("data", &row.config.data.as_str().into()),
            number_of(images, "image"),
            100.0 * mean,
            100.0 * share_margin(mean, images)
        ));
    }
    collected.rows.iter().flat_map(|row| &row.warnings).for_each(|warning| say(warning.clone()));
    let moving = collected.groups.iter().filter(|group| collected.config(group).growth().is_some());
    let rates = moving.filter_map(|group| Some((names::setting(&group.varied), group.metric("itop_rate")?.mean)));
    low_exploration(rates).into_iter().for_each(&mut say);
    let compared = comparisons.iter().filter(|comparison| comparison.low.is_some()).count();
    if compared >= MANY_COMPARISONS {
        say(format!(
            "{compared} comparisons: about one in twenty is decided by chance alone, so repeat what matters with other seeds"
        ));
    }
    found
}

/// That settings, each with its ITOP rate, explore too little to judge their method by; none of none.
pub fn low_exploration(settings: impl IntoIterator<Item = (String, f64)>) -> Option<String> {
    let low = settings.into_iter().filter(|&(_, rate)| rate < LOW_ITOP_RATE);
    let low: Vec<String> = low.map(|(setting, rate)| format!("{setting} (Rs {rate:.3})")).collect();
    (!low.is_empty()).then(|| {
        format!(
            "low exploration: {}; with an ITOP rate below {LOW_ITOP_RATE} most weights were never tried, so that this is no fair test \
             of dynamic training (a rule of thumb: docs/sweeps.md); a lower delta_t or more epochs explore more",
            listed("; ", &low)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::collect::collect;
    use super::super::collect::tests::sweep_of;
    use super::super::comparison::Verdict;
    use super::*;

    /// The answer of the sweep that `spec` plans with these test accuracies and an ITOP rate of 0.6.
    fn answer(spec: &str, accuracies: &[Option<f64>], baseline: &[&str]) -> Answer {
        let place = tempfile::tempdir().unwrap();
        let results: Vec<_> = accuracies.iter().map(|accuracy| accuracy.map(|accuracy| (accuracy, 0.6))).collect();
        let sweep = sweep_of(&place, spec, &results);
        let named: Assignments = baseline.iter().map(|text| spec::assignment(text).unwrap()).collect();
        Answer::of(&collect(&sweep), (!named.is_empty()).then_some(&named))
    }

    const TWO: &str = "[base]\npreset = 'quick'\n[[list]]\nmethod = 'set'\ndelta_t = 5\n[[list]]\nmethod = 'static'\n\
        [grid]\nseed = [1, 2, 3]\n";

    fn some(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    /// The task of the reports: three seeds, no verdict. Numbers by scipy, see `statistics`.
    #[test]
    fn a_small_difference_of_three_seeds_is_not_decided() {
        let answer = answer(TWO, &some(&[0.25, 0.28, 0.27, 0.30, 0.27, 0.27]), &[]);
        let [one] = &answer.comparisons[..] else { panic!("{:?}", answer.comparisons) };
        assert_eq!(
            one.sentence(),
            "SET ΔT 5 against static: −1.33 points (95 % interval −9.32 to +6.65), 3 seeds, 500 test images: not decided"
        );
        assert_eq!((one.rows, one.seeds.as_slice(), one.verdict), ([1, 4], &[1, 2, 3][..], Verdict::NotDecided));
        assert!((one.std.unwrap() - 0.03214550253664319).abs() < 1e-12);
        assert_eq!(answer.baseline.unwrap()["method"], "static");
        let cautions = answer.cautions.join("\n");
        assert!(
            cautions.contains("the test set of sample has 500 images: they leave an accuracy of 27 % open by ± 3.9"),
            "{cautions}"
        );
    }

    #[test]
    fn a_verdict_needs_seeds_and_test_images() {
        // Seeds that agree: 1 point lower, each time within a tenth of a point, but 500 images say no more than five points.
        let on_these = answer(TWO, &some(&[0.289, 0.290, 0.291, 0.300, 0.300, 0.300]), &[]).comparisons[0].clone();
        assert_eq!(on_these.verdict, Verdict::OnThisTestSet);
        assert!(
            on_these.sentence().ends_with(
                "lower on these test images; for others not decided, since 500 test images leave 5.6 points open"
            ),
            "{}",
            on_these.sentence()
        );
        let lower = answer(TWO, &some(&[0.19, 0.20, 0.21, 0.40, 0.40, 0.40]), &[]).comparisons[0].clone();
        assert_eq!(lower.verdict, Verdict::Lower);
        assert!(lower.sentence().ends_with("500 test images: lower"), "{}", lower.sentence());
        let higher = answer(TWO, &some(&[0.60, 0.61, 0.62, 0.40, 0.40, 0.40]), &[]).comparisons[0].clone();
        assert_eq!(higher.verdict, Verdict::Higher);
    }

    #[test]
    fn what_does_not_deviate_has_no_made_up_interval() {
        let equal = answer(TWO, &some(&[0.3, 0.4, 0.5, 0.3, 0.4, 0.5]), &[]).comparisons[0].sentence();
        assert_eq!(
            equal,
            "SET ΔT 5 against static: 0.00 points in every seed, 3 seeds, 500 test images: no difference"
        );
        // Equal but for how numbers are rounded.
        let shifted = answer(TWO, &some(&[0.31, 0.41, 0.51, 0.3, 0.4, 0.5]), &[]).comparisons[0].clone();
        assert_eq!((shifted.low, shifted.std), (shifted.high, Some(0.0)));
        assert!(shifted.sentence().contains("+1.00 points in every seed") && shifted.verdict == Verdict::OnThisTestSet);
    }

    #[test]
    fn one_seed_and_none_are_said() {
        let one = TWO.replace("[1, 2, 3]", "[1]");
        let sentence = answer(&one, &some(&[0.25, 0.30]), &[]).comparisons[0].sentence();
        assert_eq!(
            sentence,
            "SET ΔT 5 against static: −5.00 points, 1 seed, 500 test images: not decided (one seed has no interval)"
        );
        let none = answer(&one, &[Some(0.25), None], &[]).comparisons[0].sentence();
        assert_eq!(
            none,
            "SET ΔT 5 against static: no seed is done in both, so there is nothing to compare; left out: seed 1 (not done for \
             static)"
        );
    }

    #[test]
    fn what_can_be_paired_is_paired() {
        let place = tempfile::tempdir().unwrap();
        let results = [Some((0.2, 0.6)), Some((0.3, 0.6)), None, None, Some((0.2, 0.6)), Some((0.4, 0.6))];
        let sweep = sweep_of(&place, TWO, &results);
        sweep.record_failure(3, "diverged").unwrap();
        let answer = Answer::of(&collect(&sweep), None);
        let [one] = &answer.comparisons[..] else { panic!("{:?}", answer.comparisons) };
        assert_eq!((one.seeds.as_slice(), one.verdict), (&[2][..], Verdict::OneSeed));
        assert_eq!(one.left_out, ["seed 1 (not done for static)", "seed 3 (failed for SET ΔT 5)"]);
    }

    /// Settings are compared that differ in what the baseline names, and in nothing else that has an effect on both.
    #[test]
    fn other_axes_are_equal_in_a_comparison() {
        let spec = "[base]\npreset = 'quick'\n[grid]\nmethod = ['set', 'rigl', 'static', 'dense']\ndelta_t = [5, 20]\n\
            sparsity = [0.9, 0.95]\nseed = [1, 2]\n";
        let rows = spec::rows("spec.toml", spec).unwrap().rows.len();
        // 2 ΔT × 2 sparsities of SET and RigL, 2 sparsities of static, dense once; each with two seeds.
        assert_eq!(rows, 2 * (4 + 4 + 2 + 1));
        let pairs = |baseline: &[&str]| -> Vec<String> {
            let answer = answer(spec, &[], baseline);
            answer.comparisons.iter().map(|one| format!("{} / {}", one.setting, one.baseline)).collect()
        };
        assert_eq!(
            pairs(&[]),
            [
                "SET ΔT 5, sparsity 90 % / static, sparsity 90 %",
                "SET ΔT 5, sparsity 95 % / static, sparsity 95 %",
                "SET ΔT 20, sparsity 90 % / static, sparsity 90 %",
                "SET ΔT 20, sparsity 95 % / static, sparsity 95 %",
                "RigL ΔT 5, sparsity 90 % / static, sparsity 90 %",
                "RigL ΔT 5, sparsity 95 % / static, sparsity 95 %",
                "RigL ΔT 20, sparsity 90 % / static, sparsity 90 %",
                "RigL ΔT 20, sparsity 95 % / static, sparsity 95 %",
                // Sparsity means nothing to it: it is compared with both.
                "dense / static, sparsity 90 %",
                "dense / static, sparsity 95 %",
            ]
        );
        assert_eq!(pairs(&["method=dense"]).len(), 10);
        assert_eq!(
            pairs(&["delta_t=5"]),
            [
                "SET ΔT 20, sparsity 90 % / SET ΔT 5, sparsity 90 %",
                "SET ΔT 20, sparsity 95 % / SET ΔT 5, sparsity 95 %",
                "RigL ΔT 20, sparsity 90 % / RigL ΔT 5, sparsity 90 %",
                "RigL ΔT 20, sparsity 95 % / RigL ΔT 5, sparsity 95 %",
            ]
        );
        let one = pairs(&["method=static", "sparsity=0.9"]);
        assert!(one.len() == 10 && one.iter().all(|pair| pair.ends_with("/ static, sparsity 90 %")), "{one:?}");
        let alone = answer(spec, &[], &["delta_t=5"]).cautions.join("\n");
        assert!(
            alone.contains(
                "not compared, since no row with delta_t = 5 is equal in all other keys: static, sparsity 90 %"
            ),
            "{alone}"
        );
    }

    #[test]
    fn a_baseline_is_found_without_a_word_where_there_is_one() {
        let of = |grid: &str| {
            let answer = answer(&format!("[base]\npreset = 'quick'\n[grid]\nseed = [1, 2]\n{grid}"), &[], &[]);
            (answer.baseline.map(|baseline| Value::Object(baseline).to_string()), answer.cautions.join("\n"))
        };
        assert_eq!(of("method = ['rigl', 'dense', 'static']").0.as_deref(), Some(r#"{"method":"static"}"#));
        assert_eq!(of("method = ['rigl', 'dense']").0.as_deref(), Some(r#"{"method":"dense"}"#));
        assert_eq!(of("method = ['rigl', 'set']").0.as_deref(), Some(r#"{"method":"set"}"#));
        assert_eq!(of("delta_t = [20, 5]").0.as_deref(), Some(r#"{"delta_t":20}"#));
        let (none, cautions) = of("delta_t = [20, 5]\nlr = [0.1, 0.2]");
        assert!(none.is_none() && cautions.contains("--baseline delta_t=20"), "{cautions}");
        assert_eq!(of(""), (None, String::new()));
    }

    /// As in the paper, where RigL's ΔT is longer than SET's; any other key must be equal.
    #[test]
    fn a_method_may_have_a_delta_t_of_its_own() {
        let spec = "base = 'quick'\n[[list]]\nmethod = 'set'\ndelta_t = 15\nlr = 0.1\n[[list]]\nmethod = 'rigl'\n\
            delta_t = 40\nlr = 0.1\n[[list]]\nmethod = 'rigl'\ndelta_t = 40\nlr = 0.2\n[grid]\nseed = [1]\n";
        let answer = answer(spec, &[], &[]);
        let pairs: Vec<_> =
            answer.comparisons.iter().map(|one| (one.setting.as_str(), one.baseline.as_str())).collect();
        assert_eq!(pairs, [("RigL ΔT 40, learning rate 0.1", "SET ΔT 15, learning rate 0.1")]);
        assert!(
            answer.cautions[0].ends_with("equal in all other keys: RigL ΔT 40, learning rate 0.2"),
            "{:?}",
            answer.cautions
        );
    }

    #[test]
    fn other_data_is_not_compared() {
        let place = tempfile::tempdir().unwrap();
        let other = place.path().join("other");
        std::fs::create_dir(&other).unwrap();
        let record = |class: u8| std::iter::once(class).chain([class * 60; 3072]);
        let images = |count: u8| (0..count).flat_map(|i| record(i % 4)).collect::<Vec<u8>>();
        std::fs::write(other.join("data_batch_1.bin"), images(40)).unwrap();
        std::fs::write(other.join("test_batch.bin"), images(8)).unwrap();
        let spec = format!(
            "[base]\npreset = 'quick'\nmodel = 'mlp_cifar10'\n[grid]\nmethod = ['set', 'static']\ndata = ['sample', '{}']\nseed = [1, 2]\n",
            other.display().to_string().replace('\\', "/")
        );
        let sweep = sweep_of(&place, &spec, &[Some((0.5, 0.6)); 8]);
        let answer = Answer::of(&collect(&sweep), None);
        let pairs: Vec<_> = answer
            .comparisons
            .iter()
            .map(|one| (one.setting.as_str(), one.baseline.as_str(), one.test_images))
            .collect();
        let expected =
            [("SET ΔT 25, sample", "static, sample", Some(500)), ("SET ΔT 25, other", "static, other", Some(8))];
        let short: Vec<_> = expected.iter().map(|(a, b, n)| (a.replace(" ΔT 25", ""), *b, *n)).collect();
        assert_eq!(pairs.iter().map(|(a, b, n)| (a.to_string(), *b, *n)).collect::<Vec<_>>(), short);
        assert!(
            answer.cautions.iter().any(|text| text.starts_with("the test set of other has 8 images")),
            "{:?}",
            answer.cautions
        );
    }

    #[test]
    fn low_exploration_and_few_held_out_images_are_said() {
        let place = tempfile::tempdir().unwrap();
        let spec = TWO.replace("[base]\n", "[base]\nvalidation = 0.01\n");
        let rates = [0.153, 0.153, 0.153, 0.05, 0.05, 0.05];
        let sweep = sweep_of(&place, &spec, &rates.map(|rate| Some((0.3, rate))));
        let cautions = Answer::of(&collect(&sweep), None).cautions.join("\n");
        assert!(cautions.contains("low exploration: SET ΔT 5 (Rs 0.153); with an ITOP rate below 0.5"), "{cautions}");
        assert!(!cautions.contains("static (Rs"), "{cautions}");
        assert_eq!(cautions.matches("20 images choose the best epoch").count(), 1, "{cautions}");
    }

    #[test]
    fn many_comparisons_are_a_lottery() {
        let spec = "[base]\npreset = 'quick'\nmethod = 'set'\n[grid]\ndelta_t = [5, 6, 7, 8, 9, 10]\nseed = [1, 2]\n";
        let cautions = answer(spec, &[Some(0.3); 12], &[]).cautions.join("\n");
        assert!(cautions.contains("5 comparisons: about one in twenty"), "{cautions}");
    }
}
