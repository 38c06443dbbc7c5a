//! The statistics of exploration, recomputed by brute force from the sets of every update of real training runs: twenty
//! updates of SET and RigL, one a step, with layers that ERK makes dense, interrupted and resumed on the way; and as a run
//! writes them into its folder, with the maps, for static sets too.

mod common;
#[path = "common/toy.rs"]
mod toy;

use common::gpu;
use itop::data;
use itop::ops::reference;
use itop::ops::reference::topology::prune;
use itop::ops::topology::{AGE_BINS, UpdateStats, age_bin};
use itop::sparsity::{Structure, prune_count};
use itop::train::frames::FrameLine;
use itop::train::run_folder::ExplorationLine;
use itop::train::{Config, Method, RunData, RunPlan, Session, Trainer};
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

/// Of each sparse layer its set, and the magnitude of each position.
fn sets(trainer: &Trainer) -> Vec<Option<(Vec<bool>, Vec<f32>)>> {
    let plan = &trainer.network.plan;
    let layer = |layer: &itop::plan::LayerPlan| {
        let sparse = layer.sparse?;
        let read = |slice| pollster::block_on(trainer.network.executor.read(slice)).unwrap();
        let active = to_mask(&read(sparse.active), layer.conv.positions());
        let list: Vec<f32> = pollster::block_on(trainer.network.executor.read(sparse.value)).unwrap();
        let mut entries = list.chunks_exact(layer.conv.block);
        let magnitude = |block: &[f32]| block.iter().map(|weight| weight.abs()).sum();
        let weight = active.iter().map(|&set| if set { magnitude(entries.next().unwrap()) } else { 0.0 }).collect();
        Some((active, weight))
    };
    plan.layers.iter().map(layer).collect()
}

fn config(method: Method, structure: Structure) -> Config {
    Config {
        model: "resnet8".into(),
        data: "sample".into(),
        method,
        structure,
        sparsity: 0.6,
        delta_t: 1,
        batch_size: 16,
        epochs: 2,
        // In the f32 of the GPU a learning rate of 0: weights stay as they are read, so that the prune can be repeated.
        lr: 1e-60,
        ..Config::default()
    }
}

fn check(method: Method, structure: Structure) {
    let dataset = data::load("sample").unwrap();
    let run_plan = RunPlan::new(config(method, structure), &dataset, &gpu()).unwrap();
    let of_blocks = |layer: &itop::plan::LayerPlan| layer.structure == structure && layer.sparse.is_some();
    assert!(run_plan.plan.layers.iter().any(of_blocks), "no layer is {structure}");
    assert!(run_plan.plan.layers.iter().any(|layer| layer.sparse.is_none()), "no layer is dense");
    let start = || pollster::block_on(Trainer::new(gpu(), &run_plan, &dataset, &mut ())).unwrap();
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
        let counters: Vec<UpdateStats> =
            pollster::block_on(trainer.network.executor.read(run_plan.plan.update_stats)).unwrap();
        let after = sets(&trainer);
        for (number, layer) in run_plan.plan.layers.iter().enumerate() {
            let (Some((old, weight)), Some((now, _)), Some(seen)) =
                (&before[number], &after[number], &mut seen[number])
            else {
                continue;
            };
            let rows = if layer.structure == Structure::FanIn { layer.conv.rows() } else { 1 };
            // What goes: the rate's share of the weights that are to be active after the update, and before it those that are too many.
            let size = run_plan.sizes.after(step)[number] / layer.conv.block;
            let grows = method.growth().is_some();
            let grown = if grows { prune_count(run_plan.prune_rate(step), size / rows) } else { 0 };
            let of_row = (count(old.iter().copied()) as usize - size) / rows + grown;
            let pruned = rows * of_row;
            assert_eq!(count(now.iter().copied()) as usize, size, "{}", layer.name);
            let lengths = old.len() / rows;
            let kept = weight.chunks(lengths).zip(old.chunks(lengths));
            let kept: Vec<bool> = kept.flat_map(|(weight, old)| prune(weight, old, of_row)).collect();
            if rows > 1 {
                let each = size / rows;
                let row = |now: &[bool]| now.iter().filter(|&&set| set).count();
                assert!(now.chunks(lengths).all(|now| row(now) == each), "{}: rows are not alike", layer.name);
            }
            let all = || 0..now.len();
            let (row, taps) = (layer.conv.row_length(), layer.conv.kernel * layer.conv.kernel);
            let dead_input = |c: usize| all().all(|i| !now[i] || i % row / taps != c);
            let young = |i: usize| old[i] && seen.ages[i] == 0;
            let aged = |i: usize| if kept[i] { seen.ages[i] + 1 } else { 0 };
            let mut ages = [0; AGE_BINS];
            all().filter(|&i| now[i]).for_each(|i| ages[age_bin(aged(i))] += 1);
            let mut wanted = UpdateStats {
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
                ..UpdateStats::default()
            };
            let magnitude: f64 = all().filter(|&i| young(i)).map(|i| f64::from(weight[i].abs())).sum();
            let found = f64::from(f32::from_bits(counters[number].young_magnitude));
            assert!((found - magnitude).abs() <= 1e-5 * magnitude, "{}: {found} for {magnitude}", layer.name);
            wanted.young_magnitude = counters[number].young_magnitude;
            assert_eq!(counters[number], wanted, "{method:?} {structure}, update {step}, {}", layer.name);
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
    Structure::ALL.into_iter().for_each(|structure| check(Method::SET, structure));
}

#[test]
fn momentum_growth() {
    [Structure::Unstructured, Structure::FanIn].into_iter().for_each(|structure| check(Method::MOMENTUM, structure));
}

#[test]
fn gradient_growth() {
    [Structure::Unstructured, Structure::Block(4)].into_iter().for_each(|structure| check(Method::RIGL, structure));
}

#[test]
fn sets_that_shrink() {
    check(Method::GMP, Structure::Unstructured);
    [Structure::Block(4), Structure::FanIn].into_iter().for_each(|structure| check(Method::GRANET, structure));
}

/// A whole run, and what it wrote: `(updates, frames)`. Every frame's cells add up to the counts of its update, and the
/// last frame is that of the last sets, position by position.
fn written(method: Method, structure: Structure) -> (Vec<ExplorationLine>, Vec<FrameLine>) {
    let config = Config { batch_size: 5, lr: 0.1, ..config(method, structure) };
    let data = RunData::of(toy::in_memory(25), &config).unwrap();
    let run_plan = RunPlan::new(config, &data.dataset, &gpu()).unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("run");
    let opening = common::new_run(&run_plan, &path);
    let mut session = pollster::block_on(Session::start(opening, gpu(), &run_plan, &data, &mut ())).unwrap();
    let first = sets(&session.trainer);
    pollster::block_on(session.run(async || Ok(gpu()), &mut ())).unwrap();
    let trainer = session.trainer;
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    let updates: Vec<ExplorationLine> =
        read("exploration.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let frames: Vec<FrameLine> = read("maps.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(updates.len(), run_plan.updates());
    assert_eq!(frames.len(), run_plan.updates() + 1, "a short run has all frames");

    let (last, mut sparse) = (sets(&trainer), 0);
    for (number, layer) in run_plan.plan.layers.iter().enumerate() {
        let slices = trainer.network.plan.layers[number].sparse;
        let (Some((start, _)), Some((now, _)), Some(slices)) = (&first[number], &last[number], slices) else {
            continue;
        };
        let cells = |frame: &FrameLine| frame.layers[sparse].unpack().expect("the cells fit to the grid");
        let ever = pollster::block_on(trainer.network.executor.read(slices.explored)).unwrap();
        let ever = to_mask(&ever, layer.conv.positions());
        let (grid, found) = cells(&frames[frames.len() - 1]);
        assert_eq!(frames[0].layers[sparse].name, layer.name);
        assert!(found == reference::topology_map::cells(&grid, now, &ever), "{method:?}: {}", layer.name);
        assert!(cells(&frames[0]).1 == reference::topology_map::cells(&grid, start, start), "the first sets");
        for (frame, update) in frames[1..].iter().zip(&updates) {
            let sum = |of: fn(&itop::ops::topology::map::Cell) -> u16| {
                cells(frame).1.iter().map(|cell| usize::from(of(cell))).sum::<usize>()
            };
            let line = &update.layers[number];
            // A line counts weights, a frame blocks of them.
            let block = layer.conv.block;
            assert_eq!((frame.step, block * sum(|cell| cell.active)), (update.step, line.active), "{}", line.name);
            assert_eq!(block * sum(|cell| cell.explored), line.explored, "{}", line.name);
        }
        if method == Method::STATIC {
            assert!(start == now && start == &ever, "{} moved", layer.name);
        }
        sparse += 1;
    }
    assert!(sparse > 0 && frames.iter().all(|frame| frame.layers.len() == sparse));
    if method == Method::STATIC {
        let density = run_plan.active() as f64 / run_plan.prunable() as f64;
        let progress = &trainer.progress;
        assert_eq!([progress.itop_rate, progress.reliable_itop_rate], [density; 2], "what never moves is reliable");
    }
    (updates, frames)
}

#[test]
fn a_run_writes_what_happened() {
    for structure in Structure::ALL {
        let (updates, frames) = written(Method::SET, structure);
        assert_eq!((frames[0].step, frames[0].update), (0, 0));
        assert!(updates.windows(2).all(|pair| pair[0].itop_rate <= pair[1].itop_rate));
        assert!(updates[updates.len() - 1].itop_rate > updates[0].itop_rate, "{structure}: nothing was explored");
    }
}

#[test]
fn a_run_that_shrinks_writes_what_happened() {
    let (updates, _) = written(Method::GRANET, Structure::Unstructured);
    let active = |line: &ExplorationLine| line.layers.iter().map(|layer| layer.active).sum::<usize>();
    assert!(updates.windows(2).all(|pair| active(&pair[0]) >= active(&pair[1])));
    assert!(5 * active(&updates[updates.len() - 1]) < 3 * active(&updates[0]));
}

#[test]
fn static_sets_stay() {
    let (updates, frames) = written(Method::STATIC, Structure::Unstructured);
    assert!(updates.is_empty() && frames.len() == 1);
}
