//! First active sets that are more than a draw: their scores beside the references in `f64`, and runs that start with them.

mod common;

use common::{f64s, gpu};
use itop::data::{self, Dataset};
use itop::model::{self, Graph, Op, Shape};
use itop::ops::Storage;
use itop::ops::reference::loss;
use itop::sparsity::{Init, InitChoice, Lottery, Structure, exact_nnz, init};
use itop::train::first_set::{self, Batch, DenseNetwork, FirstSet, LayerSet};
use itop::train::{Config, Hold, Method, Opening, RunData, RunPlan, Session, Target, Trainer};
use itop::verify::{Reference, noise};

const CLASSES: usize = 4;
const IMAGES: usize = 6;

/// A network of one residual block, with pooling, and one without norms, with biases.
fn graphs() -> Vec<Graph> {
    let mlp = "name = 'plain'\n[[layer]]\nop = 'conv'\nchannels = 6\nkernel = 3\npadding = 1\n[[layer]]\nop = 'relu'\n\
               [[layer]]\nop = 'max_pool'\nkernel = 2\n[[layer]]\nop = 'flatten'\n[[layer]]\nop = 'linear'\nchannels = 12\n\
               [[layer]]\nop = 'relu'\n[[layer]]\nop = 'linear'\n";
    let image = Shape::new(3, 8, 8);
    vec![
        model::resnet::basic("tiny", &[1], &[8], CLASSES, image).unwrap(),
        model::Network::parse("plain", mlp).unwrap().build(CLASSES, image).unwrap(),
    ]
}

fn values(graph: &Graph) -> Vec<Vec<f32>> {
    graph.params.iter().enumerate().map(|(id, param)| init::values(7, id, param, None)).collect()
}

fn batches(graph: &Graph, count: usize) -> Vec<Batch> {
    let batch = |number: usize| Batch {
        input: noise(40 + number as u32, IMAGES * graph.tensors[0].len()),
        labels: (0..IMAGES).map(|i| (i + number) % CLASSES).collect(),
    };
    (0..count).map(batch).collect()
}

fn dense(graph: &Graph, images: usize) -> DenseNetwork {
    pollster::block_on(DenseNetwork::new(&gpu(), graph, images)).unwrap_or_else(|_| panic!("no network"))
}

/// The mean gradient of every parameter at `values` in `f64`.
fn gradient(graph: &Graph, values: &[Vec<f64>], batches: &[Batch]) -> Vec<Vec<f64>> {
    let mut sums: Vec<Vec<f64>> = values.iter().map(|values| vec![0.0; values.len()]).collect();
    for batch in batches {
        let reference = Reference::new(graph, IMAGES, values.to_vec(), vec![None; values.len()]);
        let head = |logits: &[f64]| loss::forward_backward(logits, &batch.labels, 0.0).gradient;
        let found = reference.gradients(&f64s(&batch.input), head);
        for (sum, found) in sums.iter_mut().flatten().zip(found.iter().flatten()) {
            *sum += found / batches.len() as f64;
        }
    }
    sums
}

fn prunable<T: Clone>(graph: &Graph, all: &[T]) -> Vec<T> {
    graph.prunable().map(|(id, _)| all[id].clone()).collect()
}

/// Largest difference of scores, as a share of the largest score; and how many of the chosen weights differ though their scores
/// lie further from the threshold than that.
fn compare(graph: &Graph, got: &[Vec<f32>], wanted: &[Vec<f64>], tolerance: f64) {
    let most = wanted.iter().flatten().fold(0.0f64, |most, score| most.max(score.abs()));
    assert!(most > 0.0);
    for ((got, wanted), (_, param)) in got.iter().zip(wanted).zip(graph.prunable()) {
        let (error, at) = common::worst(got, wanted);
        assert!(error <= tolerance * most, "{}: score {at} is {} for {}", param.name, got[at], wanted[at]);
    }
    let count = exact_nnz(0.3, wanted.iter().map(Vec::len).sum());
    let narrow: Vec<Vec<f32>> =
        wanted.iter().map(|scores| scores.iter().map(|&score| score as f32).collect()).collect();
    let [mine, reference] =
        [got, &narrow].map(|scores| first_set::choose_by(graph, Structure::Unstructured, scores, 0.3).concat());
    assert_eq!(mine.iter().filter(|&&set| set).count(), count);
    let flat: Vec<f64> = wanted.concat();
    let mut sorted = flat.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let threshold = sorted[count - 1];
    for i in (0..flat.len()).filter(|&i| mine[i] != reference[i]) {
        assert!(
            (flat[i] - threshold).abs() <= 2.0 * tolerance * most,
            "weight {i}, of score {} at {threshold}",
            flat[i]
        );
    }
}

#[test]
fn snip_scores_are_those_of_the_reference() {
    for graph in graphs() {
        let (values, batches) = (values(&graph), batches(&graph, 3));
        let network = dense(&graph, IMAGES);
        let got = pollster::block_on(first_set::snip(&network, &values, &batches, &mut |_| ())).unwrap();
        let wide: Vec<Vec<f64>> = values.iter().map(|values| f64s(values)).collect();
        let gradient = gradient(&graph, &wide, &batches);
        let score = |(w, g): (&Vec<f64>, &Vec<f64>)| w.iter().zip(g).map(|(w, g)| (w * g).abs()).collect();
        let wanted: Vec<Vec<f64>> = wide.iter().zip(&gradient).map(score).collect();
        compare(&graph, &got, &prunable(&graph, &wanted), 1e-5);
    }
}

/// The network of `graph` without norms, and the flow through every weight of `magnitudes`, in `f64` without scales.
fn flow(graph: &Graph, magnitudes: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut plain = graph.clone();
    for node in &mut plain.nodes {
        if let Op::Pointwise { norm, .. } = &mut node.op {
            *norm = None;
        }
    }
    let reference = Reference::new(&plain, 1, magnitudes.to_vec(), vec![None; magnitudes.len()]);
    let gradients = reference.gradients(&vec![1.0; graph.tensors[0].len()], |logits| vec![1.0; logits.len()]);
    let score = |(w, g): (&Vec<f64>, &Vec<f64>)| w.iter().zip(g).map(|(w, g)| (w * g).abs()).collect();
    magnitudes.iter().zip(&gradients).map(score).collect()
}

/// Every round in `f64`, by sorting; how near the nearest score came to a threshold, as a share of it.
fn synflow(graph: &Graph, values: &[Vec<f32>], density: f64, rounds: usize) -> (Vec<bool>, f64) {
    let mut magnitudes: Vec<Vec<f64>> =
        values.iter().map(|values| values.iter().map(|&v| f64::from(v.abs())).collect()).collect();
    let ids: Vec<usize> = graph.prunable().map(|(id, _)| id).collect();
    let places: Vec<(usize, usize)> =
        ids.iter().flat_map(|&id| (0..magnitudes[id].len()).map(move |i| (id, i))).collect();
    let (mut active, mut nearest) = (vec![true; places.len()], f64::INFINITY);
    for round in 1..=rounds {
        let flow = flow(graph, &magnitudes);
        let count = exact_nnz(density.powf(round as f64 / rounds as f64), places.len());
        let mut order: Vec<usize> = (0..places.len()).filter(|&at| active[at]).collect();
        let score = |at: usize| flow[places[at].0][places[at].1];
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
        let [last, next] = [count - 1, count].map(|at| order.get(at).map_or(0.0, |&at| score(at)));
        nearest = nearest.min((last - next) / last);
        for &at in &order[count.min(order.len())..] {
            active[at] = false;
            magnitudes[places[at].0][places[at].1] = 0.0;
        }
    }
    (active, nearest)
}

#[test]
fn synflow_keeps_what_the_reference_keeps() {
    for graph in graphs() {
        let (values, density, rounds) = (values(&graph), 0.3, 8);
        let how = (Structure::Unstructured, density, rounds);
        let got = pollster::block_on(first_set::synflow(&gpu(), &graph, &values, how, &mut |_| ())).unwrap().concat();
        let (wanted, nearest) = synflow(&graph, &values, density, rounds);
        let differ = got.iter().zip(&wanted).filter(|(a, b)| a != b).count();
        // A score that is as near to a threshold as rounding may fall on either side, and another one with it.
        assert!(differ == 0 || nearest < 1e-5 && differ <= 4, "{}: {differ} differ, nearest {nearest}", graph.name);
    }
}

fn config(method: Method) -> Config {
    Config {
        model: "resnet8".into(),
        data: "sample".into(),
        method,
        batch_size: 64,
        epochs: 1,
        lr: 0.01,
        ..Config::default()
    }
}

fn found(config: &Config, dataset: &Dataset) -> FirstSet {
    let found = pollster::block_on(first_set::find(config, dataset, &gpu(), &mut ())).unwrap();
    (*found.expect("a set is found")).clone()
}

/// As many as the sparsity says, in every layer one, and the same again.
#[test]
fn a_found_set_is_exact_and_the_same_again() {
    let dataset = data::load("sample").unwrap();
    // A lottery ticket, which takes a training, has a test of its own.
    for method in [Method::SNIP, Method::SYNFLOW] {
        let config = config(method);
        let set = found(&config, &dataset);
        let numel: usize = set.layers.iter().map(|layer| layer.active.len()).sum();
        assert_eq!(set.counts().sum::<usize>(), exact_nnz(config.density(), numel), "{}", method.name);
        assert!(set.counts().all(|count| count > 0));
        assert_eq!(set, found(&config, &dataset));
        assert_ne!(set, found(&Config { seed: 5, ..config.clone() }, &dataset));
    }
}

const METHODS: [Method; 3] = [Method::SNIP, Method::SYNFLOW, Method::LTH];

/// Ten steps on the set, which stays as it is; a plan without its set is refused.
#[test]
fn every_method_trains_on_its_set() {
    let dataset = data::load("sample").unwrap();
    for method in METHODS {
        for (model, storage) in [("resnet8", Storage::F32), ("mlp_cifar10", Storage::Bf16)] {
            let config = Config { model: model.into(), storage, sparsity: 0.95, ..config(method) };
            let first = pollster::block_on(first_set::find(&config, &dataset, &gpu(), &mut ())).unwrap();
            let tuning = common::tuning();
            let run_plan = RunPlan::with(config.clone(), first, &dataset, &gpu(), tuning).unwrap();
            assert_eq!(run_plan.active(), exact_nnz(0.05, run_plan.prunable()));
            let mut trainer = pollster::block_on(Trainer::new(gpu(), &run_plan, &dataset, &mut ())).unwrap();
            trainer.initialise();
            (0..10).for_each(|_| trainer.step());
            let slots: Vec<[f32; 4]> =
                pollster::block_on(trainer.network.executor.read(run_plan.plan.metrics)).unwrap();
            let loss = |slot: &[f32; 4]| slot[0] / slot[2];
            assert!(slots[..10].iter().all(|slot| loss(slot).is_finite()), "{} of {model}", method.name);
            let mean = |slots: &[[f32; 4]]| slots.iter().map(loss).sum::<f32>() / slots.len() as f32;
            assert!(mean(&slots[5..10]) < loss(&slots[0]), "{} of {model}: {slots:?}", method.name);
            let sets = run_plan.initial_sets();
            for (layer, wanted) in run_plan.plan.layers.iter().zip(&sets) {
                let Some(sparse) = layer.sparse else { continue };
                let bits: Vec<u32> = pollster::block_on(trainer.network.executor.read(sparse.active)).unwrap();
                assert_eq!(&bits[..wanted.len()], wanted, "{}", layer.name);
                let count: u32 = bits.iter().map(|word| word.count_ones()).sum();
                assert_eq!(layer.entries(layer.active), count as usize);
            }
        }
    }
    let plan = RunPlan::new(config(Method::SNIP), &dataset, &gpu()).unwrap();
    let refused = pollster::block_on(Trainer::new(gpu(), &plan, &dataset, &mut ()));
    assert!(refused.is_err_and(|error| error.to_string().contains("first_set::find")));
}

/// After as many epochs as the dense training has, a ticket goes back to where that ended: its weights are the largest of those.
#[test]
fn a_ticket_keeps_the_largest_weights_and_goes_back() {
    let dataset = data::load("sample").unwrap();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let mut config = Config { lottery: Lottery { rounds: 1, rewind: 1 }, batch_size: 64, ..config(Method::LTH) };
    let data = RunData::of(dataset, &config).unwrap();
    let opening = Opening::new_run(config.clone(), Target::Folder(folder.clone()), Hold::Nobody).unwrap();
    let first = pollster::block_on(opening.first_set(&data, &gpu(), &mut ())).unwrap().unwrap();
    let state = first.state.clone().expect("a state to go back to");
    let run_plan = RunPlan::with(config.clone(), Some(first.clone()), &data.dataset, &gpu(), common::tuning()).unwrap();
    let (graph, initial) = (&run_plan.graph, run_plan.initial());
    let magnitudes: Vec<Vec<f32>> =
        prunable(graph, &state.values).iter().map(|values| values.iter().map(|v| v.abs()).collect()).collect();
    let wanted = first_set::choose_by(graph, Structure::Unstructured, &magnitudes, config.density());
    assert!(first.layers.iter().zip(&wanted).all(|(layer, wanted)| layer.active == *wanted));
    for ((id, _), layer) in graph.prunable().zip(&first.layers) {
        let kept = state.values[id].iter().zip(&layer.active).filter(|(_, set)| **set).map(|(v, _)| *v);
        assert!(kept.eq(initial.values[id].iter().copied()), "{}", layer.name);
    }
    assert!(initial.running.is_some_and(|running| running == state.running));
    assert!(values(graph) != state.values, "the network was trained");
    assert!((run_plan.first_set_flops_ratio() - 1.0).abs() < 1e-12);
    // The folder keeps both, and a run that goes on has them again.
    pollster::block_on(Session::start(opening, gpu(), &run_plan, &data, &mut ())).unwrap();
    let opening = Opening::resume(&folder, Hold::Nobody, &mut (), |layers| layers.finish()).unwrap();
    assert_eq!(pollster::block_on(opening.first_set(&data, &gpu(), &mut ())).unwrap(), Some(first));
    // Rounds cost less and less.
    config.lottery = Lottery { rounds: 2, rewind: 0 };
    let found = found(&config, &data.dataset);
    assert_eq!(found.counts().sum::<usize>(), run_plan.active());
    assert!(found.state.is_none());
    let plan = RunPlan::with(config, Some(found.into()), &data.dataset, &gpu(), common::tuning()).unwrap();
    assert!((plan.first_set_flops_ratio() - 1.0 - 0.1f64.sqrt()).abs() < 1e-12);
}

/// A file's set starts a run that keeps it; gone it may be, changed it may not.
#[test]
fn a_mask_starts_a_run() {
    let place = tempfile::tempdir().unwrap();
    let (folder, mask) = (place.path().join("run"), place.path().join("mask.safetensors"));
    let data = RunData::of(data::load("sample").unwrap(), &config(Method::STATIC)).unwrap();
    let graph = RunPlan::new(config(Method::STATIC), &data.dataset, &gpu()).unwrap().graph;
    let every = |n: usize| FirstSet {
        layers: (graph.prunable())
            .map(|(_, param)| LayerSet {
                name: param.name.clone(),
                shape: param.shape.clone(),
                active: (0..param.numel()).map(|i| i % n == 1).collect(),
            })
            .collect(),
        state: None,
    };
    std::fs::write(&mask, every(7).to_bytes("test").unwrap()).unwrap();
    let config = Config { mask: mask.display().to_string(), sparsity: 0.5, ..config(Method::SET) };
    let run_plan = RunPlan::new(config.clone(), &data.dataset, &gpu()).unwrap();
    assert_eq!(run_plan.active(), every(7).counts().sum::<usize>());
    let opening = Opening::new_run(config, Target::Folder(folder.clone()), Hold::Nobody).unwrap();
    pollster::block_on(Session::start(opening, gpu(), &run_plan, &data, &mut ())).unwrap();
    let again = || {
        let opening = Opening::resume(&folder, Hold::Nobody, &mut (), |layers| layers.finish()).unwrap();
        pollster::block_on(opening.first_set(&data, &gpu(), &mut ())).map_err(|error| error.to_string())
    };
    assert_eq!(again().unwrap().as_deref(), Some(&every(7)));
    std::fs::write(&mask, every(8).to_bytes("test").unwrap()).unwrap();
    let message = again().unwrap_err();
    assert!(message.contains("has changed since the run began") && message.contains("conv1.weight"), "{message}");
    std::fs::remove_file(&mask).unwrap();
    assert_eq!(again().unwrap().as_deref(), Some(&every(7)));
}

/// Blocks and equal rows are chosen whole, and a method that moves its set begins with it.
#[test]
fn structures_and_updates_start_with_a_found_set() {
    let dataset = data::load("sample").unwrap();
    for structure in [Structure::Block(4), Structure::FanIn] {
        let config = Config { init: InitChoice::Snip, structure, ..config(Method::SET) };
        let set = found(&config, &dataset);
        set.check(structure).unwrap();
        let first = Some(std::sync::Arc::new(set));
        let run_plan = RunPlan::with(config, first, &dataset, &gpu(), common::tuning()).unwrap();
        assert_eq!(run_plan.config.init(), Init::Snip);
        assert!(run_plan.plan.layers.iter().any(|layer| layer.structure == structure));
        let share = run_plan.active() as f64 / run_plan.prunable() as f64;
        assert!((share - 0.1).abs() < 0.002, "{share}");
    }
}

/// A run that was stopped before its first checkpoint starts with the set that its folder keeps.
#[test]
fn a_run_goes_on_with_the_set_that_it_keeps() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let config = config(Method::SNIP);
    let data = RunData::of(data::load("sample").unwrap(), &config).unwrap();
    let opening = Opening::new_run(config.clone(), Target::Folder(folder.clone()), Hold::Nobody).unwrap();
    let first = pollster::block_on(opening.first_set(&data, &gpu(), &mut ())).unwrap();
    let plan = |first| RunPlan::with(config.clone(), first, &data.dataset, &gpu(), common::tuning()).unwrap();
    let run_plan = plan(first.clone());
    pollster::block_on(Session::start(opening, gpu(), &run_plan, &data, &mut ())).unwrap();
    let opening = Opening::resume(&folder, Hold::Nobody, &mut (), |layers| layers.finish()).unwrap();
    let again = pollster::block_on(opening.first_set(&data, &gpu(), &mut ())).unwrap();
    assert_eq!(again, first);
    let run_plan = plan(again);
    let session = pollster::block_on(Session::start(opening, gpu(), &run_plan, &data, &mut ())).unwrap();
    assert_eq!(session.trainer.progress.step, 0);
    // The folder without its set is no such run any more.
    std::fs::remove_file(folder.join("first.safetensors")).unwrap();
    let opening = Opening::resume(&folder, Hold::Nobody, &mut (), |layers| layers.finish()).unwrap();
    let error = pollster::block_on(opening.first_set(&data, &gpu(), &mut ())).unwrap_err().to_string();
    assert!(error.contains("first.safetensors"), "{error}");
}
