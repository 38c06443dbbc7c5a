//! The examples, run as their `main` runs them: the second reads what the first has trained.

#[allow(dead_code, reason = "its `main`")]
#[path = "../examples/read_run_folder.rs"]
mod read_run_folder;
#[allow(dead_code, reason = "its `main`")]
#[path = "../examples/train_custom_dataset.rs"]
mod train_custom_dataset;

#[allow(dead_code, reason = "its `main`")]
#[path = "../examples/add_growth_rule.rs"]
mod add_growth_rule;

/// What is grown where no weight was yet explores more than random growth does.
#[test]
fn a_rule_of_ones_own_grows() {
    let set = add_growth_rule::explored(itop::sparsity::Method::SET).unwrap();
    let own = add_growth_rule::explored(add_growth_rule::unseen_first()).unwrap();
    assert!(own > set && set > 1000, "{own} for {set}");
}

#[test]
fn one_trains_and_the_other_reads() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let summary = train_custom_dataset::train(&folder).unwrap();
    assert!(summary.epochs == 2 && summary.steps >= 8, "{} epochs of {} steps in all", summary.epochs, summary.steps);
    assert!(train_custom_dataset::train(&folder).is_err(), "the second run takes the folder of the first");
    let text = read_run_folder::describe(&folder).unwrap();
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(line("resnet8 on halves"), "resnet8 on halves, set, sparsity 0.9");
    for start in ["epoch 1: ", "epoch 2: ", "step 4: "] {
        line(start);
    }
    let weights = |line: &str| line.split_whitespace().nth(1)?.parse::<usize>().ok();
    let active: usize = text.lines().filter(|line| line.ends_with(')')).filter_map(weights).sum();
    assert!(active > 0 && active <= summary.active_parameters, "{active}: {text}");
}
