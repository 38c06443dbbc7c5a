//! Warnings of runs that are allowed but cannot do what they were meant for: what will happen, and what to change.

use super::{Augment, Method, RunPlan};
use crate::model::{Op, reach};
use crate::ops::augment::PAD;
use crate::sparsity::Distribution;
use crate::words::number_of;

/// Below this rate a run is said to explore little: most positions were never tried, so that it says little about a method whose
/// idea it is to try them.
///
/// The half is a convention of this program, neither a result of the ITOP paper nor derived. The paper has accuracy grow with Rs
/// and no threshold; the table that its authors publish with both (ResNet-50 on ImageNet at 90 %) has 67.7 % at Rs 0.10 (static), 73.8 % at 0.83 and 75.5 %
/// at 0.89, and nothing between. What speaks for a half: at 95 %, the paper's recipe for SET (ΔT 1500, 250 epochs) explores 0.44
/// to 0.53 in expectation (`sparsity::expected`), and five times the training, which the paper goes on to, 0.86 to 0.97.
pub const LOW_ITOP_RATE: f64 = 0.5;

/// Below this many held-out images, one image more or less moves the accuracy by over two per cent.
const FEW_HELD_OUT: usize = 50;

/// Fewer expected classes without a path than this are none.
const SURELY_NONE: f64 = 1e-6;

impl RunPlan {
    /// What a user should know before this run: that it cannot learn, or will not do what its method promises, or that its
    /// numbers will tell little. `train`, `train --dry-run` and `sweep plan` print the same. Costs next to nothing, but for a
    /// network so sparse that its paths have to be looked for (a second for twenty million weights).
    pub fn warnings(&self) -> Vec<String> {
        let groups = [
            self.of_the_data(),
            self.of_the_recipe(),
            self.of_the_density().into_iter().collect(),
            self.of_the_updates(),
        ];
        groups.into_iter().flatten().collect()
    }

    /// That random growth explores too little to tell dynamic from static training, if it moves at all.
    pub fn low_exploration(&self) -> Option<String> {
        let rate = self.expected_itop_rate();
        (self.updates() > 0 && rate < LOW_ITOP_RATE).then(|| {
            format!(
                "low exploration: random growth reaches an ITOP rate of about {rate:.2} in {}; below {LOW_ITOP_RATE} \
                 most weights are never tried, which is no fair test of a method that tries them",
                number_of(self.updates(), "update")
            )
        })
    }

    fn of_the_data(&self) -> Vec<String> {
        let (config, train, val) = (&self.config, self.split.train.len(), self.split.val.len());
        let mut found = self.data_warnings.clone();
        if config.batch_size > train {
            found.push(format!(
                "batch_size {} is larger than the {}: every epoch is one step of {train}; choose at most {train}, better a \
                 few dozen, with `batch_size`",
                config.batch_size,
                number_of(train, "training image")
            ));
        }
        if config.validation > 0.0 && val == 0 {
            found.push(format!(
                "validation {} holds out no image, since no class has enough of them: the last epoch counts instead of the \
                 best; raise `validation`, or set it to 0",
                config.validation
            ));
        } else if (1..FEW_HELD_OUT).contains(&val) {
            let more = match self.own_validation {
                true => "a larger validation set would choose better".to_string(),
                false => format!("hold out more by `validation` (now {})", config.validation),
            };
            let one = 100.0 / val as f64;
            let choose = if val == 1 { "chooses" } else { "choose" };
            let images = number_of(val, "image");
            found.push(format!("{images} {choose} the best epoch: one image more or less is {one:.1} %; {more}"));
        }
        let image = self.graph.tensors[0];
        if config.augment != Augment::None && image.height.min(image.width) <= PAD {
            found.push(format!(
                "images of {}×{} are moved by up to {PAD} pixels, so that crops can miss all of the image; use `augment = none`",
                image.height, image.width
            ));
        }
        found
    }

    fn of_the_recipe(&self) -> Vec<String> {
        let config = &self.config;
        let mut found = Vec::new();
        if config.label_smoothing == 1.0 {
            found.push(
                "label_smoothing 1 makes every class equally right: there is nothing to learn; 0.1 is usual, 0 is none"
                    .into(),
            );
        }
        let (length, spe) = (config.length(self.steps_per_epoch()), self.steps_per_epoch());
        let epochs = config.total_epochs();
        // The rate changes between epochs, or (one-cycle) is highest at a third: 64 points see what there is to see.
        let points = (0..epochs).step_by(epochs.div_ceil(64)).flat_map(|epoch| [epoch * spe, epoch * spe + spe / 2]);
        let rates: Vec<(usize, f64)> =
            points.map(|step| (step, config.lr_schedule.at(config.lr, step, length))).collect();
        let highest = rates.iter().map(|rate| rate.1).fold(0.0, f64::max);
        // A weight of 0.1 in 24 bits does not feel steps below this.
        const NOTHING: f64 = 1e-10;
        if highest < NOTHING {
            found.push(format!(
                "the learning rate is {highest:e} at most: weights do not change; raise `lr` (0.1 is usual)"
            ));
        } else if let Some(first) = rates.iter().rev().take_while(|rate| rate.1 < NOTHING).last() {
            let epoch = first.0 / spe.max(1);
            // Schedules that end at nothing are at home in the last epochs.
            if epoch < epochs - epochs / 10 - 1 {
                found.push(format!(
                    "the learning rate is 0 from epoch {} of {epochs} on: weights no longer change; see lr_schedule",
                    epoch + 1
                ));
            }
        }
        let decay = highest * config.weight_decay;
        if decay >= 1.0 {
            found.push(format!(
                "lr × weight_decay is {decay:.3e}: a step takes away all of a weight; lower `weight_decay` (0.0005 is usual)"
            ));
        }
        if config.batch_size == 1 || self.split.train.len() == 1 {
            let single = |node: &&crate::model::Node| {
                let shape = self.graph.tensors[node.input];
                matches!(node.op, Op::Pointwise { norm: Some(_), .. }) && shape.height * shape.width == 1
            };
            if let Some(node) = self.graph.nodes.iter().find(single) {
                found.push(format!(
                    "`{}` normalises over one value, since a step has one image: it gives 0 for every image, and the network \
                     cannot learn; raise `batch_size`",
                    node.name
                ));
            }
        }
        found
    }

    fn of_the_density(&self) -> Option<String> {
        let config = &self.config;
        if config.method == Method::DENSE {
            return None;
        }
        let plan = &self.plan.layers;
        if plan.iter().all(|layer| layer.sparse.is_none()) {
            return Some(format!(
                "sparsity {} leaves every weight active: method `{}` has nothing to move; raise `sparsity` (0.9 is usual), or \
                 say `method = dense`",
                config.sparsity, config.method.name
            ));
        }
        if reach::classes_expected_unreached(&self.graph, &self.densities) > SURELY_NONE {
            let sets = self.initial_sets();
            let numbers: Vec<Option<usize>> =
                (0..self.graph.params.len()).map(|id| plan.iter().position(|layer| layer.param == id)).collect();
            let active = |param: usize, i: usize| {
                numbers[param].is_none_or(|n| {
                    let position = plan[n].conv.position_of(i);
                    sets[n][position / 32] >> (position % 32) & 1 == 1
                })
            };
            let (reached, classes) = (reach::classes_reached(&self.graph, active), self.graph.classes);
            let mend = match self.sparsity_with_paths() {
                Some(sparsity) => format!("lower it (`sparsity = {sparsity}` has paths), or take a larger network"),
                None => "lower it, or take a larger network".into(),
            };
            // Growth may close a path; chance decides.
            let fate = match self.updates() {
                0 => "and that does not change",
                _ => "unless growth happens to make a path",
            };
            if reached == 0 {
                return Some(format!(
                    "at sparsity {} no path of active weights leads from the image to any class: the network answers every \
                     image alike, {fate}; {mend}",
                    config.sparsity
                ));
            }
            if reached < classes {
                return Some(format!(
                    "at sparsity {} no path of active weights leads from the image to {} of {}: {} the same for every \
                     image, {fate}; {mend}",
                    config.sparsity,
                    classes - reached,
                    number_of(classes, "class"),
                    if classes - reached == 1 { "its score is" } else { "their scores are" }
                ));
            }
        }
        let starved = plan.iter().filter(|layer| layer.active == 1 && layer.numel > 1).count();
        (starved > 0).then(|| {
            format!(
                "at sparsity {} a single weight is active in {} of {}; lower `sparsity`, or use `distribution = {}`",
                config.sparsity,
                number_of(starved, "layer"),
                plan.len(),
                if config.distribution == Distribution::Uniform { "erk" } else { "uniform" }
            )
        })
    }

    /// A sparsity, lower than the run's, at which a path to every class is as good as certain.
    fn sparsity_with_paths(&self) -> Option<f64> {
        let candidates = [0.9999, 0.9995, 0.999, 0.998, 0.995, 0.99, 0.98, 0.95, 0.9, 0.8, 0.5];
        let certain = |sparsity: &f64| {
            let densities = self.config.distribution.densities(&self.graph, 1.0 - sparsity);
            densities.is_ok_and(|densities| reach::classes_expected_unreached(&self.graph, &densities) < 0.01)
        };
        candidates.into_iter().filter(|sparsity| *sparsity < self.config.sparsity).find(certain)
    }

    fn of_the_updates(&self) -> Vec<String> {
        let (config, steps) = (&self.config, self.total_steps());
        let rate = &config.prune_rate;
        // A set that shrinks has updates, or the run is refused.
        let moves = config.growth().is_some() && !config.method.shrinks;
        if !moves || self.plan.layers.iter().all(|layer| layer.sparse.is_none()) {
            return Vec::new();
        }
        let (method, delta_t) = (config.method.name, config.delta_t);
        if self.updates() == 0 {
            let (end, tenth) = (rate.end(steps), (rate.end(steps) / 10).max(1));
            let lower = format!("lower delta_t (`delta_t = {tenth}` gives {})", number_of(end / tenth, "update"));
            return vec![if delta_t > steps {
                let steps = number_of(steps, "step");
                format!(
                    "no topology update will happen: delta_t is {delta_t} and the run has {steps}, so `{method}` is static; \
                     {lower}"
                )
            } else {
                let or = if end == 0 { String::new() } else { format!(", or {lower}") };
                format!(
                    "no topology update will happen: they end with step {end} of {steps} (prune_rate.stop_at is {}), before \
                     the first one at step {delta_t}; raise `prune_rate.stop_at`{or}",
                    rate.stop_at
                )
            }];
        }
        let strongest = rate.updates(delta_t, steps).next().map_or(0.0, |step| self.prune_rate(step));
        if strongest == 0.0 {
            return vec![format!(
                "updates prune nothing: the prune rate is 0 at the first of them, so `{method}` is static; raise `prune_rate` \
                 (now {})",
                rate.initial
            )];
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::train::config_builder::ConfigBuilder;

    fn sample() -> Dataset {
        crate::data::load("sample").unwrap()
    }

    fn warnings(dataset: &Dataset, assignments: &[&str]) -> Vec<String> {
        let mut layers = ConfigBuilder::default();
        for assignment in [&["model=resnet8", "data=sample", "epochs=2"], assignments].concat() {
            layers.assign(assignment).unwrap();
        }
        RunPlan::anywhere(layers.finish().unwrap(), dataset).unwrap().warnings()
    }

    /// Ordinary runs are not talked to.
    #[test]
    fn presets_run_without_a_word() {
        let sample = sample();
        for name in crate::train::presets::names() {
            let config = crate::train::presets::preset(&name).unwrap().finish().unwrap();
            let outline = crate::data::outline(&config.data);
            let run_plan = RunPlan::anywhere(config, outline.as_ref().unwrap_or(&sample)).unwrap();
            assert_eq!(run_plan.warnings(), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn what_cannot_train_is_told_with_its_mend() {
        let dataset = sample();
        for (assignments, words) in [
            (&["sparsity=0.99999"][..], "no path of active weights leads from the image to any class"),
            (&["sparsity=0.99999"], "`sparsity = 0."),
            (&["sparsity=0.998"], "of 10 classes"),
            (&["method=static", "sparsity=0.99999"], "and that does not change"),
            (&["method=set", "sparsity=0.99999", "delta_t=5"], "unless growth"),
            (&["sparsity=0"], "every weight active"),
            (&["batch_size=4096"], "batch_size 4096 is larger than the 1,800 training images"),
            (&["validation=0.001"], "holds out no image"),
            (&["validation=0.01"], "20 images choose the best epoch: one image more or less is 5.0 %"),
            (&["label_smoothing=1"], "every class equally right"),
            (&["lr=1e-20"], "weights do not change"),
            (
                &["epochs=20", "lr_schedule.kind=multi-step", "lr_schedule.gamma=0"],
                "the learning rate is 0 from epoch 11 of 20 on",
            ),
            (&["weight_decay=1e9"], "takes away all of a weight"),
            (&["delta_t=1000"], "delta_t is 1000 and the run has 30 steps"),
            (&["delta_t=1000"], "`delta_t = 3` gives 10 updates"),
            (&["delta_t=20", "prune_rate.stop_at=0.5"], "end with step 15 of 30 (prune_rate.stop_at is 0.5)"),
            (&["delta_t=5", "prune_rate.initial=0", "prune_rate.min=0"], "updates prune nothing"),
            (&["model=vgg_c", "batch_size=1"], "normalises over one value"),
        ] {
            let found = warnings(&dataset, assignments);
            assert!(found.iter().any(|warning| warning.contains(words)), "{assignments:?}: {found:?}");
        }
    }

    #[test]
    fn what_the_data_lacks_is_told() {
        let whole = sample();
        let told = |dataset: &Dataset, words: &str| {
            let found = warnings(dataset, &[]);
            assert!(found.iter().any(|warning| warning.contains(words)), "{words}: {found:?}");
        };
        let few =
            crate::data::Images { labels: vec![0; 20], pixels: whole.test.pixels[..20 * 3072].to_vec(), ..whole.test };
        let data = Dataset { val: Some(few.clone()), test: few, ..whole };
        told(&data, "20 images choose the best epoch: one image more or less is 5.0 %; a larger validation set");
        told(&data, "9 of 10 classes have no test images");
        let few = &data.test;
        let one = crate::data::Images { labels: vec![0], pixels: few.pixels[..3072].to_vec(), ..few.clone() };
        let data = Dataset { val: Some(one), ..data };
        told(&data, "1 image chooses the best epoch: one image more or less is 100.0 %");
        assert!(warnings(&data, &["batch_size=1"]).iter().all(|warning| !warning.contains("1 images")));
        told(&data, "9 of 10 classes have no validation images");
    }

    /// The real set decides, not an estimate: a path may exist where chance was against it.
    #[test]
    fn paths_are_looked_for_in_the_set_of_the_seed() {
        let dataset = sample();
        let told = |seed: u64| {
            let found = warnings(&dataset, &["sparsity=0.998", "method=static", "delta_t=5", &format!("seed={seed}")]);
            found.iter().find(|warning| warning.contains("classes")).cloned()
        };
        let told: Vec<Option<String>> = (0..12).map(told).collect();
        assert!(told.iter().any(|one| *one != told[0]), "{told:?}");
    }
}
