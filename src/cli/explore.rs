//! `itop explore`: how much of the parameter space random growth can be expected to explore, and what it takes to explore more.

use anyhow::anyhow;
use clap::Args;

use super::Failure;
use super::text::{count, table};
use crate::model::{self, Graph, Shape};
use crate::sparsity::{DeathRate, Distribution, expected};

#[derive(Args)]
pub struct ExploreArgs {
    #[arg(long, default_value = "resnet34")]
    model: String,
    #[arg(long, default_value_t = 100)]
    classes: usize,
    /// Share of the weights that is not there
    #[arg(long, default_value_t = 0.98)]
    sparsity: f64,
    /// Steps between two topology updates
    #[arg(long, default_value_t = 1500)]
    delta_t: usize,
    #[arg(long, default_value_t = 250)]
    epochs: usize,
    #[arg(long, default_value_t = 128)]
    batch_size: usize,
    /// Training images without those held out, by default CIFAR's 50,000 less a tenth
    #[arg(long, default_value_t = 45_000)]
    images: usize,
    /// Share of the active weights that the first update prunes; it decays to 0.005 along a cosine
    #[arg(long, default_value_t = 0.5)]
    death_rate: f64,
    /// How layers share the weights: `erk` or `uniform`
    #[arg(long, default_value = "erk")]
    distribution: String,
    /// Also say which ΔT, and how many epochs, reach this ITOP rate
    #[arg(long, value_name = "RATE")]
    target_rs: Option<f64>,
}

/// The longest training that is looked at for `--target-rs`, in epochs.
const EPOCHS_MOST: usize = 100_000;

/// The most updates that are looked at: the closed form walks over them.
const UPDATES_MOST: usize = 1_000_000;

/// A plan for random growth.
struct Plan {
    graph: Graph,
    densities: Vec<f64>,
    death_rate: DeathRate,
    steps_per_epoch: usize,
}

impl Plan {
    fn rate(&self, delta_t: usize, epochs: usize) -> expected::ExpectedItopRate {
        let steps = self.steps_per_epoch * epochs;
        expected::itop_rate(&self.graph, &self.densities, &self.death_rate, delta_t, steps)
    }

    fn updates(&self, delta_t: usize, epochs: usize) -> usize {
        self.death_rate.updates(delta_t, self.steps_per_epoch * epochs).count()
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

pub fn run(args: &ExploreArgs) -> Result<(), Failure> {
    let refuse = |message: String| Err(Failure::input(anyhow!(message)));
    for (name, value) in [
        ("--delta-t", args.delta_t),
        ("--epochs", args.epochs),
        ("--batch-size", args.batch_size),
        ("--images", args.images),
        ("--classes", args.classes),
    ] {
        if value == 0 {
            return refuse(format!("{name} 0 makes no run; use at least 1"));
        }
    }
    let steps_per_epoch = args.images.div_ceil(args.batch_size);
    if args.epochs > EPOCHS_MOST || steps_per_epoch > usize::MAX / EPOCHS_MOST / 4 {
        return refuse(format!("--epochs {} of {steps_per_epoch} steps are too many", args.epochs));
    }
    let updates = steps_per_epoch * args.epochs / args.delta_t;
    if updates > UPDATES_MOST {
        return refuse(format!("{updates} updates are too many; raise --delta-t or lower --epochs"));
    }
    if let Some(target) = args.target_rs.filter(|target| !(0.0..=1.0).contains(target)) {
        return refuse(format!("--target-rs {target} is outside 0 to 1"));
    }
    let death_rate = DeathRate { initial: args.death_rate, ..DeathRate::default() };
    death_rate.validate().map_err(Failure::input)?;
    let distribution: Distribution = args.distribution.parse().map_err(Failure::input)?;
    let graph = model::build(&args.model, args.classes, Shape::new(3, 32, 32)).map_err(Failure::input)?;
    let densities = distribution.densities(&graph, 1.0 - args.sparsity).map_err(Failure::input)?;
    let plan = Plan { graph, densities, death_rate, steps_per_epoch };

    let rate = plan.rate(args.delta_t, args.epochs);
    let rows: Vec<Vec<String>> = plan
        .graph
        .maskable()
        .zip(plan.densities.iter().zip(&rate.layers))
        .map(|((_, param), (density, rate))| {
            let number = count(param.numel());
            vec![param.name.clone(), number, format!("{density:.4}"), format!("{rate:.3}")]
        })
        .collect();
    print!("{}", table(&["layer", "weights", "density", "expected Rs"], &rows));
    println!(
        "{} at {} sparsity: expected ITOP rate {:.3} after {} updates (every {} of {} steps)",
        args.model,
        args.sparsity,
        rate.total,
        count(plan.updates(args.delta_t, args.epochs)),
        count(args.delta_t),
        count(steps_per_epoch * args.epochs)
    );
    if let Some(target) = args.target_rs {
        match plan.delta_t(target, args.epochs) {
            Some(delta_t) => println!("Rs {target} in {} epochs: delta_t of at most {}", args.epochs, count(delta_t)),
            None => println!("Rs {target} in {} epochs: out of reach, even with an update every step", args.epochs),
        }
        match plan.epochs(target, args.delta_t) {
            Some(epochs) => println!("Rs {target} at delta_t {}: {} epochs", args.delta_t, count(epochs)),
            None => println!(
                "Rs {target} at delta_t {}: not within {} epochs and {} updates",
                args.delta_t,
                count(EPOCHS_MOST),
                count(UPDATES_MOST)
            ),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_undoes_the_plan() {
        let graph = model::build("resnet8", 10, Shape::new(3, 32, 32)).unwrap();
        let densities = Distribution::Erk.densities(&graph, 0.05).unwrap();
        let plan = Plan { graph, densities, death_rate: DeathRate::default(), steps_per_epoch: 100 };
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
