//! The statistics of exploration, recomputed by brute force from the sets of every update of real training runs: twenty
//! updates of SET and RigL, one a step, with layers that ERK makes dense, interrupted and resumed on the way.

mod common;

use common::gpu;
use itop::data;
use itop::ops::reference::topology::prune;
use itop::ops::topology::{AGE_BINS, Counters, age_bin};
use itop::sparsity::prune_count;
use itop::train::{Config, Method, Problem, Trainer};
use itop::verify::to_mask;

/// What a person would keep of a layer, position by position.
#[derive(Clone)]
struct Seen {
    initial: Vec<bool>,
    explored: Vec<bool>,
    reliable: Vec<bool>,
    ages: Vec<usize>,
}

fn count(is: impl Iterator<Item = bool>) -> u32 {
    is.filter(|&is| is).count() as u32
}

fn sets(trainer: &Trainer) -> Vec<Option<(Vec<bool>, Vec<f32>)>> {
    let plan = &trainer.problem.plan;
    let layer = |layer: &itop::plan::LayerPlan| {
        let sparse = layer.sparse?;
        let read = |slice| pollster::block_on(trainer.machine.read(slice)).unwrap();
        let active = to_mask(&read(sparse.active), layer.numel);
        let list: Vec<f32> = pollster::block_on(trainer.machine.read(sparse.value)).unwrap();
        let mut values = list.into_iter();
        let weight = active.iter().map(|&set| if set { values.next().unwrap() } else { 0.0 }).collect();
        Some((active, weight))
    };
    plan.layers.iter().map(layer).collect()
}

fn check(method: Method) {
    let dataset = data::load("sample").unwrap();
    let config = Config {
        model: "resnet8".into(),
        data: "sample".into(),
        method,
        sparsity: 0.6,
        delta_t: 1,
        batch_size: 16,
        epochs: 2,
        // In the f32 of the GPU a learning rate of 0: weights stay as they are read, so that the prune can be repeated.
        lr: 1e-60,
        ..Config::default()
    };
    let problem = Problem::new(config, &dataset, &gpu()).unwrap();
    assert!(problem.plan.layers.iter().any(|layer| layer.sparse.is_none()), "no layer is dense");
    let start = || pollster::block_on(Trainer::new(gpu(), &problem, &dataset, &mut ())).unwrap();
    let mut trainer = start();
    trainer.initialise();
    let mut before = sets(&trainer);
    let new = |(active, _): &(Vec<bool>, Vec<f32>)| Seen {
        initial: active.clone(),
        explored: active.clone(),
        reliable: vec![false; active.len()],
        ages: vec![0; active.len()],
    };
    let mut seen: Vec<Option<Seen>> = before.iter().map(|layer| layer.as_ref().map(new)).collect();
    let folder = tempfile::tempdir().unwrap();
    for step in 1..=20 {
        if step == 11 {
            let bytes = pollster::block_on(trainer.capture()).unwrap();
            let path = folder.path().join("state.safetensors");
            itop::train::checkpoint::save(&path, &bytes).unwrap();
            trainer = start();
            trainer.restore(&path).unwrap();
        }
        trainer.step();
        let counters: Vec<Counters> = pollster::block_on(trainer.machine.read(problem.plan.counters)).unwrap();
        let after = sets(&trainer);
        for (number, layer) in problem.plan.layers.iter().enumerate() {
            let (Some((old, weight)), Some((now, _)), Some(seen)) =
                (&before[number], &after[number], &mut seen[number])
            else {
                continue;
            };
            let pruned = prune_count(problem.death_rate(step), layer.active);
            let kept = prune(weight, old, pruned);
            let all = || 0..now.len();
            let (row, taps) = (layer.conv.row_length(), layer.conv.kernel * layer.conv.kernel);
            let dead_input = |c: usize| all().all(|i| !now[i] || i % row / taps != c);
            let young = |i: usize| old[i] && seen.ages[i] == 0;
            let aged = |i: usize| if kept[i] { seen.ages[i] + 1 } else { 0 };
            let mut ages = [0; AGE_BINS];
            all().filter(|&i| now[i]).for_each(|i| ages[age_bin(aged(i))] += 1);
            let mut wanted = Counters {
                active: count(now.iter().copied()),
                pruned: pruned as u32,
                grown: count(all().map(|i| now[i] && !kept[i])),
                regrown: count(all().map(|i| now[i] && !kept[i] && old[i])),
                newly_explored: count(all().map(|i| now[i] && !seen.explored[i])),
                explored: count(all().map(|i| now[i] || seen.explored[i])),
                reliable: count(all().map(|i| kept[i] || seen.reliable[i])),
                threshold: all().filter(|&i| kept[i]).map(|i| weight[i].abs().to_bits()).min().unwrap(),
                dead_outputs: count(now.chunks(row).map(|row| !row.contains(&true))),
                initial_kept: count(all().map(|i| now[i] && seen.initial[i])),
                young: count(all().map(young)),
                young_kept: count(all().map(|i| young(i) && kept[i])),
                young_magnitude: 0,
                dead_inputs: count((0..layer.conv.input.channels).map(dead_input)),
                ages,
                ..Counters::default()
            };
            let magnitude: f64 = all().filter(|&i| young(i)).map(|i| f64::from(weight[i].abs())).sum();
            let found = f64::from(f32::from_bits(counters[number].young_magnitude));
            assert!((found - magnitude).abs() <= 1e-5 * magnitude, "{}: {found} for {magnitude}", layer.name);
            wanted.young_magnitude = counters[number].young_magnitude;
            assert_eq!(counters[number], wanted, "{method:?}, update {step}, {}", layer.name);
            let ages: Vec<usize> = all().map(aged).collect();
            seen.ages = ages;
            all().for_each(|i| {
                seen.explored[i] |= now[i];
                seen.reliable[i] |= kept[i];
            });
        }
        before = after;
    }
}

#[test]
fn random_growth() {
    check(Method::Set);
}

#[test]
fn gradient_growth() {
    check(Method::Rigl);
}
