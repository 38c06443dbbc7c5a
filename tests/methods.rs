//! Every method trains, and after every update as many weights are active as it promises.

mod common;

use common::gpu;
use itop::data;
use itop::ops::Storage;
use itop::ops::topology::UpdateStats;
use itop::sparsity::{Growth, Method, Override, Prune, Structure, growth, prune};
use itop::train::{Config, RunPlan, Trainer, first_set};

/// Active weights of each sparse layer after each of the updates of ten steps.
fn sizes(config: Config) -> Vec<Vec<usize>> {
    let dataset = data::load("sample").unwrap();
    // An epoch of 13 steps, so that a lottery ticket is soon drawn.
    let short = Config { data: "sample".into(), batch_size: 16, validation: 0.9, epochs: 1, ..config };
    let config = Config { delta_t: 2, sparsity: 0.8, ..short };
    let first = pollster::block_on(first_set::find(&config, &dataset, &gpu(), &mut ())).unwrap();
    let run_plan = RunPlan::with(config, first, &dataset, &gpu(), common::tuning()).unwrap();
    let mut trainer = pollster::block_on(Trainer::new(gpu(), &run_plan, &dataset, &mut ())).unwrap();
    trainer.initialise();
    let plan = &run_plan.plan;
    let of_layers: Vec<_> = plan.layers.iter().enumerate().filter_map(|(i, l)| Some((i, l, l.sparse?))).collect();
    let mut all = Vec::new();
    for step in 1..=10 {
        trainer.step();
        let executor = &trainer.network.executor;
        let words = |slice| pollster::block_on(executor.read::<u32>(slice)).unwrap();
        let counters: Vec<UpdateStats> = pollster::block_on(executor.read(plan.update_stats)).unwrap();
        let mut now = Vec::new();
        for &(number, layer, tensor) in &of_layers {
            let what = format!("{} of {}, step {step}", layer.name, run_plan.config.method.name);
            let set =
                tensor.conv.block * words(tensor.active).iter().map(|word| word.count_ones() as usize).sum::<usize>();
            let list = words(tensor.rows.start)[tensor.conv.rows()] as usize * tensor.conv.block;
            assert!(set == list && (1..=layer.capacity).contains(&set), "{what}: {set} in the set, {list} in the list");
            if run_plan.updates_after(step) {
                assert_eq!(counters[number].active as usize * tensor.conv.block, set, "{what}");
            }
            let values: Vec<f32> = pollster::block_on(executor.read(tensor.value)).unwrap();
            assert!(values.iter().all(|value| value.is_finite()), "{what}: {values:?}");
            assert!(values[set..].iter().all(|&value| value == 0.0), "{what}: the list has no end");
            now.push(set);
        }
        let sizes = run_plan.sizes.after(step);
        let wanted: usize = of_layers.iter().map(|&(number, ..)| sizes[number]).sum();
        assert_eq!(now.iter().sum::<usize>(), wanted, "{} in step {step}", run_plan.config.method.name);
        all.push(now);
    }
    all
}

fn each_method(model: &str, storage: Storage) {
    for method in Method::ALL {
        let sizes = sizes(Config { model: model.into(), method, storage, ..Config::default() });
        let moves = sizes.iter().any(|step| *step != sizes[0]);
        let shares = method.update.is_some_and(|update| update.redistribution.is_some());
        assert_eq!(moves, shares || method.shrinks, "{}: {sizes:?}", method.name);
    }
}

#[test]
fn residual_networks() {
    each_method("resnet8", Storage::F32);
    each_method("resnet8", Storage::Bf16);
}

#[test]
fn multilayer_perceptrons() {
    each_method("mlp_cifar10", Storage::F32);
    each_method("mlp_cifar10", Storage::Bf16);
}

/// Every rule that may take the place of RigL's.
#[test]
fn rules_in_place_of_the_methods() {
    let of = |prune: Override<Prune>, growth: Override<Growth>, structure| {
        let config = Config { model: "resnet8".into(), prune, growth, structure, ..Config::default() };
        let sizes = sizes(config);
        assert!(sizes.iter().all(|step| *step == sizes[0]), "{prune:?}, {growth:?}: {sizes:?}");
    };
    for rule in [&prune::TAYLOR, &prune::MEST] {
        of(Override(Some(rule)), Override(Some(&growth::MIXED)), Structure::Block(4));
    }
    for rule in [&prune::SET, &prune::THRESHOLD] {
        of(Override(Some(rule)), Override(Some(&growth::UNFIRED_FIRST)), Structure::Unstructured);
    }
}
