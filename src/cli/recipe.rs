//! The first lines of a run: network, data, recipe, expected exploration.

use super::text::{count, fold, number_of, percent, short};
use crate::data::Dataset;
use crate::sparsity::{Init, Structure};
use crate::train::config_builder::ConfigBuilder;
use crate::train::keys;
use crate::train::lr::LrSchedule;
use crate::train::presets::preset;
use crate::train::{Config, RunPlan};

/// Where a configuration comes from.
#[derive(Clone, Debug, Default)]
pub enum Origin {
    /// The defaults, and what was given.
    #[default]
    Defaults,
    Preset(String),
    /// A file, a run's folder or a sweep's row, by its name.
    Named(String),
}

impl Origin {
    /// `preset quick with delta_t 5`
    fn words(&self, config: &Config) -> String {
        match self {
            Self::Defaults => "no preset".into(),
            Self::Named(name) => name.clone(),
            Self::Preset(name) => {
                let Ok(base) = preset(name).and_then(ConfigBuilder::finish) else { return format!("preset {name}") };
                let own = ["data", "model", "seed"];
                let changes: Vec<String> = keys::differences(&base, config)
                    .into_iter()
                    .filter(|(key, _)| !own.contains(&key.name))
                    .map(|(key, value)| format!("{} {}", key.name, value.to_string().trim_matches('"')))
                    .collect();
                if changes.is_empty() {
                    format!("preset {name}")
                } else {
                    format!("preset {name} with {}", changes.join(", "))
                }
            }
        }
    }
}

/// The lines, each of at most 100 columns.
pub fn lines(run_plan: &RunPlan, dataset: &Dataset, origin: &Origin) -> String {
    let config = &run_plan.config;
    let train = run_plan.split.train.len();
    let structure = match config.structure {
        Structure::Unstructured => String::new(),
        structure => format!(" in {structure}"),
    };
    let run = format!(
        "{} on {}: {}, {} active{structure} of {} weights, {} of {} of {}",
        config.model_name(),
        dataset.name,
        config.method.name,
        count(run_plan.active()),
        count(run_plan.prunable()),
        number_of(config.total_epochs(), "epoch"),
        number_of(run_plan.steps_per_epoch(), "step"),
        number_of(config.batch_size.min(train), "image")
    );
    let recipe = format!("recipe: {}, seed {};", origin.words(config), config.seed);
    let rule = format!(
        "  momentum {}{}, weight decay {}, label smoothing {}, augment {}, storage {}",
        config.momentum,
        if config.nesterov { " (Nesterov)" } else { "" },
        config.weight_decay,
        config.label_smoothing,
        config.augment.name(),
        config.storage.name()
    );
    let val = run_plan.split.val.len();
    let one = || percent(1.0 / val as f64);
    let chooses = match (&dataset.val, val) {
        (_, 0) => "none held out (the last epoch counts)".into(),
        (Some(_), _) => {
            format!("{} of the data's own validation set to choose the epoch (one is {})", count(val), one())
        }
        (None, _) => {
            let share = config.validation;
            format!("{} held out to choose the epoch (validation {share}; one is {})", count(val), one())
        }
    };
    let drawn = if config.test > 0.0 { format!(", drawn by test {}", config.test) } else { String::new() };
    let images = format!("images: {} train, {chooses}, {} test{drawn}", count(train), count(dataset.test.len()));
    let rate = format!("  {};", rate(config));
    [run, recipe, rate, rule, images, exploration(run_plan)].iter().map(|line| fold(line)).collect()
}

/// How the active set moves, and how far that explores.
fn exploration(run_plan: &RunPlan) -> String {
    let config = &run_plan.config;
    match (config.init(), run_plan.updates()) {
        (Init::Dense, _) => "exploration: none, all weights are active".into(),
        _ if config.method.shrinks => shrinking(run_plan),
        (_, 0) => format!("exploration: none, the active set stays as it is (Rs {:.3})", run_plan.expected_itop_rate()),
        (_, updates) => {
            let rate = &config.prune_rate;
            let steps = run_plan.total_steps();
            let ends = [1, updates].map(|update| rate.at(update * config.delta_t, steps));
            let stop = rate.end(steps);
            let stop = if stop < steps { format!(" until step {}", count(stop)) } else { String::new() };
            let goes_on = run_plan.explored.as_ref().map_or_else(String::new, |explored| {
                let now = run_plan.expected_itop_rate_after(explored.step, Some(explored));
                format!("goes on from Rs {now:.4}, explored by step {}, and ", count(explored.step))
            });
            format!(
                "exploration: {} every {}{stop}, prune rate {:.3} to {:.3}; random growth {goes_on}reaches Rs {:.3}",
                number_of(updates, "update"),
                number_of(config.delta_t, "step"),
                ends[0],
                ends[1],
                run_plan.expected_itop_rate()
            )
        }
    }
}

/// How a set shrinks.
fn shrinking(run_plan: &RunPlan) -> String {
    let (config, steps) = (&run_plan.config, run_plan.total_steps());
    let grows = match config.growth() {
        Some(growth) => {
            let [first, last] = [config.delta_t, steps].map(|step| config.prune_rate.at(step, steps));
            format!("; prune rate {first:.3} to {last:.3}, growth by {}", growth.name)
        }
        None => String::new(),
    };
    format!(
        "exploration: {} every {}, which shrink the set from {} to {} weights until step {}{grows} (Rs {:.3})",
        number_of(run_plan.updates(), "update"),
        number_of(config.delta_t, "step"),
        count(run_plan.first_active()),
        count(run_plan.active()),
        count(run_plan.sizes.settled()),
        run_plan.expected_itop_rate()
    )
}

/// The learning rate over the run.
fn rate(config: &Config) -> String {
    let lr = config.lr;
    match &config.lr_schedule {
        LrSchedule::Constant => format!("lr {lr} throughout"),
        LrSchedule::Cosine { min } => format!("lr {lr} to {min} along a cosine"),
        LrSchedule::MultiStep { milestones, gamma } => {
            let epochs: Vec<String> = LrSchedule::milestone_epochs(milestones, config.epochs, config.epoch_multiplier)
                .map(|epoch| epoch.to_string())
                .collect();
            match epochs.is_empty() {
                true => format!("lr {lr} throughout (no milestone in {})", number_of(config.total_epochs(), "epoch")),
                false => format!("lr {lr}, times {gamma} after epochs {}", epochs.join(", ")),
            }
        }
        LrSchedule::OneCycle { pct_start, div_factor, final_div_factor } => {
            let first = lr / div_factor;
            format!(
                "lr one-cycle from {} to {lr} in {} % of the steps, then to {}",
                short(first),
                short(100.0 * pct_start),
                short(first / final_div_factor)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config_builder::ConfigBuilder;

    fn lines_of(layers: ConfigBuilder, origin: Origin) -> String {
        let dataset = crate::data::load("sample").unwrap();
        lines(&RunPlan::anywhere(layers.finish().unwrap(), &dataset).unwrap(), &dataset, &origin)
    }

    #[test]
    fn a_preset_and_what_was_changed_of_it_are_said() {
        let mut layers = preset("quick").unwrap();
        layers.assign("delta_t=5").unwrap();
        layers.assign("seed=3").unwrap();
        let text = lines_of(layers, Origin::Preset("quick".into()));
        for words in [
            "resnet8 on sample: rigl",
            "12 epochs of 30 steps of 64 images\n",
            "recipe: preset quick with delta_t 5, seed 3; lr one-cycle from 0.008 to 0.2 in 30 % of the steps",
            "label smoothing 0.1",
            "augment none",
            "1,900 train, 100 held out",
            "72 updates every 5 steps, prune rate 0.500 to 0.005",
            "Rs 0.",
        ] {
            assert!(text.replace("\n  ", " ").contains(words), "{words}: {text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    /// One of a thing is not many of it.
    #[test]
    fn one_epoch_of_one_step() {
        let mut layers = ConfigBuilder::default();
        for assignment in ["model=resnet8", "data=sample", "epochs=1", "batch_size=65536", "delta_t=1", "validation=0"]
        {
            layers.assign(assignment).unwrap();
        }
        let text = lines_of(layers, Origin::Defaults).replace("\n  ", " ");
        for words in [
            "1 epoch of 1 step of 2,000 images\n",
            "no preset, seed 17; lr 0.1 throughout",
            "none held out",
            "1 update every 1 step,",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn methods_that_do_not_move_say_so() {
        for (assignments, words) in [
            (["method=static", "lr_schedule=cosine"], "the active set stays as it is (Rs 0.100)"),
            (["method=dense", "lr_schedule=cosine"], "all weights are active"),
            (["method=dense", "lr_schedule=cosine"], "lr 0.1 to 0 along a cosine"),
            (["method=set", "epochs=8"], "lr 0.1, times 0.1 after epochs 4, 6"),
            (["method=gmp", "delta_t=10"], "updates every 10 steps, which shrink the set from 77,360 to 7,735 weights"),
            (["method=granet", "delta_t=10"], "growth by gradient (Rs 1.000)"),
        ] {
            let mut layers = ConfigBuilder::default();
            for assignment in ["model=resnet8", "data=sample"].into_iter().chain(assignments) {
                layers.assign(assignment).unwrap();
            }
            let text = lines_of(layers, Origin::Defaults).replace("\n  ", " ");
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
