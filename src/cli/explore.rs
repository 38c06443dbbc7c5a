//! `itop explore`: how much random growth is expected to explore, and which settings explore more.

use anyhow::anyhow;
use clap::Args;

use super::Failure;
use super::flags::{self, KeyFlags};
use super::recipe::Origin;
use super::text::{count, fold, number_of, table};
use crate::data::{self, Dataset, Split};
use crate::model::{self, Graph, Shape};
use crate::shell;
use crate::sparsity::{PruneRate, expected};
use crate::train::config_builder::ConfigBuilder;
use crate::train::keys::{self, Key};
use crate::train::presets::preset;
use crate::train::{Config, LOW_ITOP_RATE};

#[derive(Args)]
pub struct ExploreArgs {
    /// A named recipe to start from, as in `itop train` [default: the paper's SET, itop-set-cifar100-98]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Number of classes [default: as in the data]
    #[arg(long, value_name = "N", value_parser = flags::count(1_000_000))]
    classes: Option<usize>,
    /// Number of training images, without held-out ones [default: as in the data]
    #[arg(long, value_name = "N", value_parser = flags::count(1_000_000_000))]
    images: Option<usize>,
    /// Also print which ΔT, and how many epochs, reach this ITOP rate
    #[arg(long, value_name = "RATE", value_parser = flags::number("prune_rate.stop_at"))]
    target_rs: Option<f64>,
    #[command(flatten)]
    keys: KeyFlags<Exploring>,
}

/// The paper's SET.
const USUAL: &str = "itop-set-cifar100-98";

/// What exploration depends on.
struct Exploring;

impl flags::Choice for Exploring {
    fn has(key: &Key) -> bool {
        let own = [
            "model",
            "data",
            "sparsity",
            "distribution",
            "epochs",
            "epoch_multiplier",
            "batch_size",
            "delta_t",
            "validation",
            "test",
        ];
        own.contains(&key.name) || key.name.starts_with("prune_rate.")
    }
}

/// The command that looks for what explores more than the run of `config` does.
pub fn command(config: &Config, origin: &Origin) -> String {
    let mut words = vec!["itop".to_string(), "explore".into()];
    let base = match origin {
        Origin::Preset(name) => {
            words.extend(["--preset".into(), name.clone()]);
            name
        }
        _ => USUAL,
    };
    let base = preset(base).and_then(ConfigBuilder::finish).unwrap_or_default();
    for (key, value) in keys::differences(&base, config) {
        if <Exploring as flags::Choice>::has(key) {
            let value = match value.as_str() {
                // The file of a network of one's own is known to the user alone.
                Some(_) if key.name == "model" && config.model_name() != config.model => "FILE.toml".into(),
                Some(text) => text.to_string(),
                None => value.to_string(),
            };
            words.extend([format!("--{}", key.flag), value]);
        }
    }
    words.extend(["--target-rs".into(), LOW_ITOP_RATE.to_string()]);
    shell::command(words)
}

/// The longest training that is looked at for `--target-rs`, in epochs.
const EPOCHS_MOST: usize = 100_000;

/// The most updates that are looked at: the closed form walks over them.
const UPDATES_MOST: usize = 1_000_000;

/// A plan for random growth.
struct Plan {
    graph: Graph,
    densities: Vec<f64>,
    prune_rate: PruneRate,
    steps_per_epoch: usize,
}

impl Plan {
    fn rate(&self, delta_t: usize, epochs: usize) -> expected::ExpectedItopRate {
        let steps = self.steps_per_epoch * epochs;
        expected::itop_rate(&self.graph, &self.densities, &self.prune_rate, delta_t, steps)
    }

    fn updates(&self, delta_t: usize, epochs: usize) -> usize {
        self.prune_rate.updates(delta_t, self.steps_per_epoch * epochs).count()
    }

    /// The largest ΔT that reaches `target` in `epochs`.
    fn delta_t(&self, target: f64, epochs: usize) -> Option<usize> {
        let reaches = |delta_t: &usize| self.rate(*delta_t, epochs).total >= target;
        // More updates explore more: the rate falls with ΔT, but for the last few, where the number of updates steps.
        let steps = self.steps_per_epoch * epochs;
        let (mut low, mut high) = (steps.div_ceil(UPDATES_MOST).max(1), steps);
        if !reaches(&low) {
            return None;
        }
        while low < high {
            let middle = (low + high).div_ceil(2);
            if reaches(&middle) { low = middle } else { high = middle - 1 }
        }
        Some(low)
    }

    /// The fewest epochs that reach `target` with `delta_t`.
    fn epochs(&self, target: f64, delta_t: usize) -> Option<usize> {
        let reaches = |epochs: &usize| self.rate(delta_t, *epochs).total >= target;
        let most = EPOCHS_MOST.min(delta_t.saturating_mul(UPDATES_MOST) / self.steps_per_epoch).max(1);
        let (mut low, mut high) = (1, 1);
        while !reaches(&high) {
            if high == most {
                return None;
            }
            (low, high) = (high + 1, (2 * high).min(most));
        }
        while low < high {
            let middle = (low + high) / 2;
            if reaches(&middle) { high = middle } else { low = middle + 1 }
        }
        Some(high)
    }
}

/// What the data have to do with it.
struct Numbers {
    name: String,
    classes: usize,
    images: usize,
    shape: Shape,
}

impl Numbers {
    fn new(args: &ExploreArgs, config: &Config) -> Result<Self, Failure> {
        // Of a published data set all that counts is known, whether it is here or not.
        let dataset: Dataset = match data::outline(&config.data) {
            Some(outline) => outline,
            None => config.source().load().map_err(Failure::input)?,
        };
        let train = &dataset.train;
        let split = || Split::of(&dataset, config.validation).map(|split| split.train.len());
        let images = match args.images {
            Some(images) => images,
            None => split().map_err(Failure::input)?,
        };
        let classes = args.classes.unwrap_or(dataset.classes.len());
        Ok(Self { name: dataset.name, classes, images, shape: Shape::new(train.channels, train.height, train.width) })
    }
}

pub fn run(args: &ExploreArgs) -> Result<(), Failure> {
    let refuse = |message: String| Err(Failure::input(anyhow!(message)));
    let name = args.preset.as_deref().unwrap_or(USUAL);
    let mut layers = preset(name).map_err(Failure::input)?;
    args.keys.lay(&mut layers);
    let config = layers.finish().map_err(Failure::input)?;
    let data = Numbers::new(args, &config)?;
    let (delta_t, epochs) = (config.delta_t, config.total_epochs());
    let steps_per_epoch = data.images.div_ceil(config.batch_size);
    if epochs > EPOCHS_MOST {
        return refuse(format!("{} epochs are more than the supported {}", count(epochs), count(EPOCHS_MOST)));
    }
    if data.images == 0 {
        return refuse(format!("validation {} leaves no image to train on; lower it", config.validation));
    }
    let updates = steps_per_epoch * epochs / delta_t;
    if updates > UPDATES_MOST {
        return refuse(format!("{} updates are too many; raise --delta-t or lower --epochs", count(updates)));
    }
    let graph = model::build(&config.model, data.classes, data.shape).map_err(Failure::input)?;
    let densities = config.distribution.densities(&graph, 1.0 - config.sparsity).map_err(Failure::input)?;
    let plan = Plan { graph, densities, prune_rate: config.prune_rate, steps_per_epoch };

    let rate = plan.rate(delta_t, epochs);
    if args.preset.is_none() {
        print!(
            "{}",
            fold(&format!(
                "assumed: {name} ({}, {}, {}); or --preset, --model, --data",
                config.model_name(),
                number_of(data.classes, "class"),
                number_of(data.images, "image")
            ))
        );
    }
    print!(
        "{}",
        fold(&format!(
            "expected ITOP rate of random growth: {:.3} after {} (every {} of {})",
            rate.total,
            number_of(plan.updates(delta_t, epochs), "update"),
            count(delta_t),
            number_of(steps_per_epoch * epochs, "step")
        ))
    );
    if let Some(target) = args.target_rs {
        let length = number_of(epochs, "epoch");
        match plan.delta_t(target, epochs) {
            Some(most) => println!("Rs {target} in {length}: delta_t of at most {}", count(most)),
            None => println!("Rs {target} in {length}: out of reach, even with an update every step"),
        }
        match plan.epochs(target, delta_t) {
            Some(least) => println!("Rs {target} at delta_t {delta_t}: {}", number_of(least, "epoch")),
            None => println!(
                "Rs {target} at delta_t {delta_t}: not within {} epochs and {} updates",
                count(EPOCHS_MOST),
                count(UPDATES_MOST)
            ),
        }
    }
    let Shape { height, width, .. } = data.shape;
    let prune = &config.prune_rate;
    print!(
        "{}\n",
        fold(&format!(
            "in full: preset {}, {} at sparsity {} ({}); {} of {height}×{width} in {} (data {}); {} of {}; prune rate {} to {}{}",
            name,
            config.model_name(),
            config.sparsity,
            config.distribution,
            number_of(data.images, "training image"),
            number_of(data.classes, "class"),
            data.name,
            number_of(epochs, "epoch"),
            number_of(steps_per_epoch, "step"),
            prune.initial,
            prune.min,
            if prune.stop_at < 1.0 { format!(", until {} of the run", prune.stop_at) } else { String::new() },
        ))
    );
    let rows: Vec<Vec<String>> = plan
        .graph
        .prunable()
        .zip(plan.densities.iter().zip(&rate.layers))
        .map(|((_, param), (density, rate))| {
            let number = count(param.numel());
            vec![param.name.clone(), number, format!("{density:.4}"), format!("{rate:.3}")]
        })
        .collect();
    print!("{}", table(&["layer", "weights", "density", "expected Rs"], &rows));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparsity::Distribution;
    use clap::Parser;

    /// What a dry run suggests is understood, and is the same run.
    #[test]
    fn the_suggested_command_asks_of_the_same_run() {
        #[derive(Parser)]
        struct Cli {
            #[command(flatten)]
            explore: ExploreArgs,
        }
        let base = Config { data: "it's $x".into(), model: "resnet8".into(), sparsity: 0.97, ..Config::default() };
        let quick = preset("quick").and_then(ConfigBuilder::finish).unwrap();
        for (config, origin) in
            [(base, Origin::Defaults), (Config { delta_t: 5, ..quick }, Origin::Preset("quick".into()))]
        {
            let command = command(&config, &origin);
            let words = shlex::split(&command).unwrap();
            let args = Cli::try_parse_from(&words[1..]).unwrap_or_else(|error| panic!("{command}: {error}")).explore;
            let mut layers = preset(args.preset.as_deref().unwrap_or(USUAL)).unwrap();
            args.keys.lay(&mut layers);
            let understood = layers.finish().unwrap();
            let kept = |config: &Config| {
                (config.data.clone(), config.sparsity, config.delta_t, config.epochs, config.prune_rate)
            };
            assert_eq!(kept(&understood), kept(&config), "{command}");
        }
    }

    #[test]
    fn the_inverse_undoes_the_plan() {
        let graph = model::build("resnet8", 10, Shape::new(3, 32, 32)).unwrap();
        let densities = Distribution::Erk.densities(&graph, 0.05).unwrap();
        let plan = Plan { graph, densities, prune_rate: PruneRate::default(), steps_per_epoch: 100 };
        for target in [0.2, 0.5, 0.9] {
            let delta_t = plan.delta_t(target, 40).unwrap();
            assert!(plan.rate(delta_t, 40).total >= target);
            assert!(plan.rate(delta_t + delta_t / 5 + 1, 40).total < target, "{target}: {delta_t}");
            let epochs = plan.epochs(target, 50).unwrap();
            assert!(plan.rate(50, epochs).total >= target && plan.rate(50, epochs - 1).total < target);
        }
        assert_eq!(plan.delta_t(1.0, 1), None);
        assert_eq!(plan.epochs(1.0, usize::MAX), None);
    }
}
