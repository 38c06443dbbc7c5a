//! Properties that every plan must have, looked up in its commands alone: a step is followed command by command, and each
//! number that a kernel reads must be the one that the graph says. What a kernel reads and writes is read off its shader.

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use itop::data;
use itop::gpu::{ALIGNMENT, Command, Family, Kind, Slice};
use itop::model::{self, Graph, Node, Op, ParamId, Shape, TensorId};
use itop::ops::augment::Padding;
use itop::ops::trial::Candidate;
use itop::ops::{Choice, Storage, Tuning};
use itop::plan::{Plan, PlanError, PlanInput};
use itop::sparsity::{Distribution, Method, Structure};
use itop::train::{Config, RunPlan, RunPlanError};
use naga::valid::{Capabilities, GlobalUse, ValidationFlags, Validator};

const IMAGES: usize = 1_000;

fn input<'a>(
    graph: &'a Graph,
    batch: usize,
    storage: Storage,
    (method, structure): (Method, Structure),
    density: f64,
) -> PlanInput<'a> {
    let densities = match density {
        1.0 => vec![1.0; graph.prunable().count()],
        _ => Distribution::Erk.densities(graph, density).unwrap(),
    };
    let shapes = || graph.prunable().map(|(_, param)| param.shape.as_slice());
    let active: Vec<usize> =
        densities.iter().zip(shapes()).map(|(&density, shape)| structure.active(density, shape)).collect();
    // Memory for more than there is at the start, as gradual methods need it: whole blocks, as many in each row.
    let unit = |outputs: usize| match structure.of_layer(outputs) {
        Structure::FanIn => outputs,
        own => own.block(),
    };
    let more = |(&active, shape): (&usize, &[usize])| (active + batch * unit(shape[0])).min(shape.iter().product());
    let capacity = if batch % 2 == 1 { active.iter().zip(shapes()).map(more).collect() } else { active.clone() };
    let least = active.clone();
    PlanInput {
        graph,
        batch,
        storage,
        active,
        least,
        capacity,
        structure,
        update: method.update,
        nesterov: false,
        augment: Some(Padding::Zero),
        images: IMAGES,
        tuning: Tuning::default(),
        max_binding: u32::MAX.into(),
        max_buffer: i64::MAX as u64,
    }
}

/// Every method, each with a density.
fn methods() -> impl Iterator<Item = (Method, f64)> {
    Method::ALL.into_iter().zip([1.0, 0.1, 0.05, 0.2, 0.15, 0.1, 0.2, 0.05, 0.1])
}

fn tunings() -> [Tuning; 3] {
    [Tuning::default(), Tuning::of(Family::Software, 8, true), Tuning::of(Family::Nvidia, 32, true)]
}

/// `check` of a plan for every model, batch size, method and storage; adapters take turns. Of large models, whose plans are long,
/// storages take turns too.
fn each(mut check: impl FnMut(&PlanInput, &Plan)) {
    let mut tunings = tunings().into_iter().cycle();
    let mut structures = Structure::ALL.into_iter().cycle();
    for name in model::NAMES {
        let graph = model::build(name, 10, Shape::new(3, 32, 32)).unwrap();
        let large = graph.nodes.len() > 30;
        for (number, batch) in [1, 2, 3, 32, 128].into_iter().enumerate() {
            for (at, (method, density)) in methods().enumerate() {
                let turn = (number + at) % Storage::ALL.len();
                for (_, storage) in Storage::ALL.into_iter().enumerate().filter(|(i, _)| !large || *i == turn) {
                    let tuning = tunings.next().unwrap();
                    let structure = structures.next().unwrap();
                    let input = PlanInput { tuning, ..input(&graph, batch, storage, (method, structure), density) };
                    check(&input, &Plan::compile(&input).unwrap());
                }
            }
        }
    }
}

fn overlap(a: Slice, b: Slice) -> u64 {
    let (start, end) = (a.offset.max(b.offset), (a.offset + a.bytes).min(b.offset + b.bytes));
    if a.buffer == b.buffer { end.saturating_sub(start) } else { 0 }
}

/// Slices, each with whether it is read and written.
type Used = Vec<(Slice, bool, bool)>;

/// What the shaders of kernels do with their bindings, by binding number.
#[derive(Default)]
struct Uses(HashMap<String, Vec<GlobalUse>>);

impl Uses {
    /// The slices of a command, and whether it reads and writes them.
    fn of(&mut self, command: &Command) -> Used {
        let Command::Dispatch { kernel, bindings, .. } = command else {
            return match command {
                Command::Copy { from, to, .. } => vec![(*from, true, false), (*to, false, true)],
                Command::Clear { slice, .. } => vec![(*slice, false, true)],
                Command::Dispatch { .. } => unreachable!(),
            };
        };
        let uses = self.0.entry(kernel.to_string()).or_insert_with(|| {
            let module = naga::front::wgsl::parse_str(&kernel.wgsl().unwrap()).unwrap();
            let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
            validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
            validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
            let info = validator.validate(&module).unwrap_or_else(|error| panic!("{kernel}: {error:?}"));
            let bound = module.global_variables.iter().filter_map(|(handle, variable)| {
                Some((variable.binding.as_ref()?.binding, info.get_entry_point(0)[handle]))
            });
            let mut uses: Vec<(u32, GlobalUse)> = bound.collect();
            uses.sort_by_key(|(binding, _)| *binding);
            uses.into_iter().map(|(_, of)| of).collect()
        });
        assert!(bindings.len() <= uses.len(), "{kernel} has {} bindings for {}", bindings.len(), uses.len());
        let used = bindings.iter().zip(uses);
        used.map(|(slice, of)| (*slice, of.contains(GlobalUse::READ), of.contains(GlobalUse::WRITE))).collect()
    }
}

fn programs(plan: &Plan) -> [Vec<Command>; 5] {
    let eval = [std::slice::from_ref(&plan.fetch_eval), &plan.eval].concat();
    [plan.step(&plan.train), plan.step(&plan.update), eval, plan.index.clone(), plan.map.clone()]
}

/// Every slice lies in its buffer and can be bound, and nobody writes what the same dispatch has bound twice.
fn check_bindings(uses: &mut Uses, input: &PlanInput, plan: &Plan) {
    for command in programs(plan).iter().flatten() {
        let label = command.label();
        let used = uses.of(command);
        for (i, &(slice, _, writes)) in used.iter().enumerate() {
            let buffer = &plan.buffers.buffers[slice.buffer];
            let what = format!("{label}, binding {i} in `{}`: {slice:?}", buffer.label());
            assert!(slice.bytes > 0 && slice.bytes.is_multiple_of(4), "{what}");
            assert!(slice.offset + slice.bytes <= buffer.bytes, "{what} of {} bytes", buffer.bytes);
            if command.kernel().is_some() {
                assert!(slice.offset.is_multiple_of(ALIGNMENT) && slice.bytes <= input.max_binding, "{what}");
            }
            for &(other, ..) in used.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, other)| other) {
                assert!(!writes || overlap(slice, other) == 0, "{what} is written, and bound once more");
            }
        }
        if let Command::Copy { from, to, .. } = command {
            assert_eq!(from.bytes, to.bytes, "{label}");
        }
    }
    assert!(plan.buffers.buffers.iter().all(|buffer| buffer.bytes <= input.max_buffer));
}

/// What lasts from step to step, each with the bytes that it must have.
fn lasting(input: &PlanInput, plan: &Plan) -> Vec<(String, Slice, u64)> {
    let image = 3 * 32 * 32;
    let mut all = vec![
        ("order".into(), plan.order, 4 * input.images as u64),
        ("labels".into(), plan.image_labels, 4 * input.images as u64),
        ("normalisation".into(), plan.normal, 24),
        ("counts".into(), plan.update_counts, ALIGNMENT * plan.layers.len() as u64),
        ("statistics".into(), plan.update_stats, ALIGNMENT * plan.layers.len() as u64),
        ("metrics".into(), plan.metrics, 16 * (itop::plan::METRIC_SLOTS as u64 + 1)),
    ];
    for (number, chunk) in plan.chunks.iter().enumerate() {
        let images = plan.per_chunk.min(input.images - number * plan.per_chunk);
        all.push((format!("images {number}"), *chunk, (image * images) as u64));
    }
    for (param, slot) in input.graph.params.iter().zip(&plan.params) {
        for (what, slice) in [("value", slot.value), ("momentum", slot.momentum), ("gradient", slot.grad)] {
            all.push((format!("{what} of {}", param.name), slice, 4 * slot.len as u64));
        }
    }
    for layer in &plan.layers {
        let Some(sparse) = &layer.sparse else { continue };
        let (rows, columns, entries) = (sparse.rows, sparse.columns, layer.capacity / layer.conv.block);
        for (part, words) in [
            (rows.start, layer.conv.rows() + 1),
            (rows.shift, entries),
            (rows.groups, 2),
            (columns.start, layer.conv.columns() + 1),
            (columns.entry, entries),
            (columns.shift, entries),
        ] {
            all.push((format!("index of {}", layer.name), part, 4 * words as u64));
        }
        let state =
            layer.growth_state.map(|state| (format!("growth of {}", layer.name), state, 4 * layer.numel as u64));
        all.extend(state);
        let sets = [sparse.active, sparse.explored, sparse.reliable, sparse.initial];
        all.extend(
            sets.map(|set| (format!("a set of {}", layer.name), set, layer.conv.positions().div_ceil(32) as u64 * 4)),
        );
        all.push((format!("ages of {}", layer.name), sparse.ages, entries as u64));
    }
    for (norm, running) in input.graph.norms().zip(&plan.running) {
        let channels = input.graph.params[norm.weight].numel();
        all.push((format!("running {}", norm.name), *running, 8 * channels as u64));
    }
    all.extend(plan.maps.iter().map(|map| (format!("map {}", map.layer), map.slice, map.grid.bytes())));
    all
}

fn check_lasting(input: &PlanInput, plan: &Plan) {
    let mut all = lasting(input, plan);
    for (what, slice, bytes) in &all {
        assert!(slice.bytes >= *bytes, "{what} has {} bytes for {bytes}", slice.bytes);
        assert!(slice.offset + slice.bytes <= plan.buffers.buffers[slice.buffer].bytes, "{what} is out of its buffer");
    }
    all.sort_by_key(|(_, slice, _)| (slice.buffer, slice.offset));
    for pair in all.windows(2) {
        assert_eq!(overlap(pair[0].1, pair[1].1), 0, "{} and {} share memory", pair[0].0, pair[1].0);
    }
    let arenas = |slot: &itop::plan::ParamSlot| [slot.value.buffer, slot.momentum.buffer, slot.grad.buffer];
    let first = arenas(&plan.params[0]);
    assert!(plan.params.iter().all(|slot| arenas(slot) == first), "there is one arena each");
    for (param, layer) in plan.layers.iter().map(|layer| (layer.param, layer)) {
        assert_eq!(plan.params[param].len, layer.capacity, "{}", layer.name);
        assert_eq!(layer.sparse.is_none(), layer.least == layer.numel, "{}", layer.name);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Content {
    Value(TensorId),
    Grad(TensorId),
}

/// What a buffer of activations holds: one of these, and which nodes have added to it.
#[derive(Default)]
struct Held {
    one_of: BTreeSet<Content>,
    by: BTreeSet<usize>,
}

/// The loss, as a node that consumes the logits.
const LOSS: usize = usize::MAX;

/// A step, followed command by command.
struct Follow<'a> {
    graph: &'a Graph,
    held: BTreeMap<usize, Held>,
    /// Buffers that activations may lie in.
    activations: BTreeSet<usize>,
}

impl Follow<'_> {
    fn consumers(&self, tensor: TensorId) -> BTreeSet<usize> {
        let residual = |node: &Node| matches!(node.op, Op::Pointwise { residual: Some(other), .. } if other == tensor);
        let nodes = self.graph.nodes.iter().enumerate();
        let mut found: BTreeSet<usize> =
            nodes.filter(|(_, node)| node.input == tensor || residual(node)).map(|(number, _)| number).collect();
        found.extend((tensor == self.graph.logits()).then_some(LOSS));
        found
    }

    fn residual(node: &Node) -> Option<TensorId> {
        if let Op::Pointwise { residual, .. } = node.op { residual } else { None }
    }

    /// A read of `buffer`, which must hold one of `wanted`; of a gradient all parts must have been added.
    fn read(&mut self, buffer: usize, wanted: &[Content], label: &str) -> Content {
        let held = self.held.get(&buffer).unwrap_or_else(|| panic!("{label} reads what nobody wrote"));
        let found = wanted.iter().find(|content| held.one_of.contains(content));
        let found = *found.unwrap_or_else(|| panic!("{label} reads {:?} for one of {wanted:?}", held.one_of));
        if let Content::Grad(tensor) = found {
            assert_eq!(held.by, self.consumers(tensor), "{label}: who has added to the gradient of tensor {tensor}");
            // It is this one, and so no other.
            self.held.values_mut().for_each(|held| {
                held.one_of.remove(&found);
            });
        }
        self.held.get_mut(&buffer).unwrap().one_of = BTreeSet::from([found]);
        found
    }

    fn write(&mut self, buffer: usize, content: Content, by: usize) {
        // It is written in another place: what the old one held is out of date.
        self.held.retain(|_, held| held.one_of != BTreeSet::from([content]));
        self.held.insert(buffer, Held { one_of: BTreeSet::from([content]), by: BTreeSet::from([by]) });
    }

    fn forward(&mut self, number: usize, used: &[(usize, bool, bool)], label: &str) {
        let node = &self.graph.nodes[number];
        let wanted: Vec<Content> =
            [Some(node.input), Self::residual(node)].into_iter().flatten().map(Content::Value).collect();
        for &(buffer, reads, writes) in used {
            assert!(!(reads && writes), "{label} adds to an activation");
            if reads {
                self.read(buffer, &wanted, label);
            } else if writes {
                self.write(buffer, Content::Value(node.output), number);
            }
        }
    }

    fn backward(&mut self, number: usize, used: &[(usize, bool, bool)], label: &str) {
        let node = &self.graph.nodes[number];
        let residual = Self::residual(node);
        let tensors = || [Some(node.input), residual].into_iter().flatten();
        let values = tensors().chain([node.output]).map(Content::Value);
        let wanted: Vec<Content> = [Content::Grad(node.output)].into_iter().chain(values).collect();
        let results: BTreeSet<Content> = tensors().map(Content::Grad).collect();
        for &(buffer, ..) in used.iter().filter(|(_, reads, writes)| *reads && !writes) {
            // The gradient behind the ReLU, which the node's first pass left where the residual's gradient begins.
            let begun = residual.map(Content::Grad).and_then(|content| {
                let held = self.held.get_mut(&buffer)?;
                (held.one_of.contains(&content) && held.by == BTreeSet::from([number])).then_some((held, content))
            });
            match begun {
                Some((held, content)) => held.one_of = BTreeSet::from([content]),
                None => {
                    self.read(buffer, &wanted, label);
                }
            }
        }
        for &(buffer, reads, _) in used.iter().filter(|(.., writes)| *writes) {
            let settled: Vec<Content> = self
                .held
                .iter()
                .filter(|(other, held)| **other != buffer && held.one_of.len() == 1)
                .flat_map(|(_, held)| held.one_of.iter().copied())
                .collect();
            let held = self.held.entry(buffer).or_default();
            let same = &held.one_of & &results;
            // A pass over many images is several dispatches.
            let again = held.by.contains(&number) && !same.is_empty();
            assert!(!reads || !same.is_empty(), "{label} adds to {:?} for one of {results:?}", held.one_of);
            if reads || again {
                held.one_of = same;
                held.by.insert(number);
            } else {
                let one_of: BTreeSet<Content> =
                    results.iter().copied().filter(|content| !settled.contains(content)).collect();
                assert!(!one_of.is_empty(), "{label} begins a gradient anew");
                *held = Held { one_of, by: BTreeSet::from([number]) };
            }
        }
    }
}

/// Follows the activations and their gradients through a step: whatever is read is what the graph says, complete, and not
/// overwritten meanwhile. So no two tensors that live at the same time share memory.
fn check_flow(uses: &mut Uses, input: &PlanInput, plan: &Plan, commands: &[Command], what: &str) {
    let graph = input.graph;
    let is_activation = |buffer: &usize| plan.buffers.buffers[*buffer].group == "activations";
    let activations: BTreeSet<usize> = (0..plan.buffers.buffers.len()).filter(is_activation).collect();
    let mut follow = Follow { graph, held: BTreeMap::new(), activations };
    let mut backward = false;
    // Nodes that have read the gradient of their result, and buffers of values: which tensors each has held.
    let mut shapes: BTreeMap<usize, BTreeSet<(usize, usize, usize)>> = BTreeMap::new();
    for command in commands {
        let label = format!("{what}: {}", command.label());
        let used: Vec<(usize, bool, bool)> = uses
            .of(command)
            .into_iter()
            .filter(|(slice, ..)| follow.activations.contains(&slice.buffer))
            .map(|(slice, reads, writes)| (slice.buffer, reads, writes))
            .collect();
        let number = graph.nodes.iter().position(|node| node.name == command.label().node);
        match number {
            Some(number) if backward => follow.backward(number, &used, &label),
            Some(number) => follow.forward(number, &used, &label),
            // The batch, or the loss.
            None => {
                for &(buffer, reads, writes) in &used {
                    if reads {
                        follow.read(buffer, &[Content::Value(graph.logits())], &label);
                    }
                    if writes && follow.held.is_empty() {
                        assert_eq!(buffer, plan.input.1.buffer, "{label}");
                        follow.write(buffer, Content::Value(0), LOSS);
                    } else if writes {
                        backward = true;
                        follow.write(buffer, Content::Grad(graph.logits()), LOSS);
                    }
                }
            }
        }
        for (buffer, held) in &follow.held {
            for &(Content::Value(tensor) | Content::Grad(tensor)) in &held.one_of {
                let Shape { channels, height, width } = graph.tensors[tensor];
                shapes.entry(*buffer).or_default().insert((channels, height, width));
            }
        }
    }
    // Borders stay zero only where all tensors of a buffer have the same.
    assert!(shapes.values().all(|shapes| shapes.len() == 1), "{what}: a buffer is shared by tensors of several shapes");
}

/// Which node computes with a parameter.
fn owner(graph: &Graph, param: ParamId) -> &str {
    let owns = |node: &&Node| match &node.op {
        Op::Conv { weight, bias, .. } => *weight == param || *bias == Some(param),
        Op::Pointwise { norm: Some(norm), .. } => [norm.weight, norm.bias].contains(&param),
        _ => false,
    };
    &graph.nodes.iter().find(owns).unwrap().name
}

/// Every parameter's gradient is written by its node alone, then used once by the optimiser, after the last dispatch that
/// computes with the old value.
fn check_optimiser(uses: &mut Uses, input: &PlanInput, plan: &Plan, commands: &[Command], what: &str) {
    let used: Vec<(&Command, Used)> = commands.iter().map(|command| (command, uses.of(command))).collect();
    for (param, slot) in plan.params.iter().enumerate() {
        let name = format!("{what}: {}", input.graph.params[param].name);
        let owner = owner(input.graph, param);
        let (mut updated, mut written) = (0, 0);
        for (command, used) in &used {
            let label = command.label();
            match (label.kind, command) {
                (Kind::Optimiser, Command::Dispatch { bindings, .. }) => {
                    let bytes = overlap(bindings[0], slot.value);
                    updated += bytes;
                    assert!(
                        bytes == 0 || written >= 4 * slot.len as u64,
                        "{name} is updated before its gradient is there"
                    );
                    for (binding, own) in bindings[1..3].iter().zip([slot.momentum, slot.grad]) {
                        let apart = binding.offset as i128 - bindings[0].offset as i128;
                        assert_eq!(apart, own.offset as i128 - slot.value.offset as i128, "{name}: {label}");
                        assert_eq!((binding.buffer, binding.bytes), (own.buffer, bindings[0].bytes), "{name}: {label}");
                    }
                }
                _ => {
                    for &(slice, reads, writes) in used {
                        let bytes = overlap(slice, slot.grad);
                        if writes && bytes > 0 {
                            assert_eq!(label.node, owner, "{name}: {label} writes its gradient");
                            written = written.max(slice.offset + slice.bytes - slot.grad.offset);
                        }
                        let computes = reads && label.kind != Kind::Topology && overlap(slice, slot.value) > 0;
                        assert!(!computes || updated == 0, "{name}: {label} reads it after its update");
                        assert!(!computes || label.node == owner, "{name}: {label} reads it");
                    }
                }
            }
        }
        assert_eq!(updated, slot.value.bytes, "{name}: so many bytes are updated");
    }
}

/// What a node leaves to its next dispatches (workspace, scratch, sums) is read by none but it.
fn check_workspace(uses: &mut Uses, input: &PlanInput, plan: &Plan, commands: &[Command], what: &str) {
    let mut others: BTreeSet<usize> = lasting(input, plan).iter().map(|(_, slice, _)| slice.buffer).collect();
    others.extend([plan.run.buffer, plan.labels.buffer]);
    let is_activation = |buffer: usize| plan.buffers.buffers[buffer].group == "activations";
    let mut last: BTreeMap<usize, Vec<(Slice, &str)>> = BTreeMap::new();
    for command in commands {
        let label = command.label();
        for (slice, reads, writes) in uses.of(command) {
            if others.contains(&slice.buffer) || is_activation(slice.buffer) {
                continue;
            }
            let writers = last.entry(slice.buffer).or_default();
            // The selection's first round reads, and passes over, what the last one has left.
            if reads && !writes && label.kind != Kind::Topology {
                let writer = writers.iter().rev().find(|(written, _)| overlap(*written, slice) > 0);
                let buffer = plan.buffers.buffers[slice.buffer].label();
                let (_, writer) = writer.unwrap_or_else(|| panic!("{what}: {label} reads `{buffer}`, not written yet"));
                assert_eq!(*writer, label.node, "{what}: {label} reads in `{buffer}` what another has left");
            }
            if writes {
                writers.push((slice, label.node.as_str()));
            }
        }
    }
}

fn check(uses: &mut Uses, input: &PlanInput, plan: &Plan) {
    let growth = input.update.and_then(|update| update.growth);
    let what = format!("{} at {}, {growth:?}, {:?}", input.graph.name, input.batch, input.storage);
    check_lasting(input, plan);
    check_bindings(uses, input, plan);
    let [train, update, eval, ..] = programs(plan);
    assert_eq!(update.is_empty(), input.update.is_none(), "{what}");
    for (commands, name) in [(&train, "train"), (&update, "update"), (&eval, "eval")] {
        let what = format!("{what}, {name}");
        check_flow(uses, input, plan, commands, &what);
        check_workspace(uses, input, plan, commands, &what);
        if name != "eval" && !commands.is_empty() {
            check_optimiser(uses, input, plan, commands, &what);
        }
    }
}

#[test]
fn what_is_read_is_what_was_meant() {
    let mut uses = Uses::default();
    each(|input, plan| check(&mut uses, input, plan));
}

/// The same for every candidate of every layer, and the workspace holds what each leaves there.
#[test]
fn every_candidate_has_its_place() {
    let mut uses = Uses::default();
    for name in ["resnet8", "vgg_c", "mlp_cifar10"] {
        let graph = model::build(name, 10, Shape::new(3, 32, 32)).unwrap();
        let structures = [Structure::Unstructured, Structure::Block(4), Structure::Block(8)];
        for ((tuning, storage), structure) in tunings().into_iter().zip(Storage::ALL).zip(structures) {
            let input = PlanInput { tuning, ..input(&graph, 32, storage, (Method::MOMENTUM, structure), 0.1) };
            let layers = Plan::compile(&input).unwrap().layers;
            for round in 0.. {
                let mut measured: BTreeMap<String, Choice> = BTreeMap::new();
                let mut any = false;
                for layer in &layers {
                    let mut choice = input.tuning.choice(&layer.conv, layer.density());
                    for all in Candidate::all(&layer.conv, &input.tuning, layer.sparse.map(|_| layer.active)) {
                        any |= round < all.len();
                        all[round % all.len()].put(&mut choice);
                    }
                    measured.insert(Tuning::key(&layer.conv, layer.density()), choice);
                }
                if !any {
                    break;
                }
                let tuning = Tuning { measured: Arc::new(measured), ..input.tuning.clone() };
                let input = PlanInput { tuning, ..input.clone() };
                let plan = Plan::compile(&input).unwrap();
                check(&mut uses, &input, &plan);
                let buffers = plan.buffers.buffers.iter().filter(|buffer| buffer.group == "workspace");
                let there: u64 = buffers.map(|buffer| buffer.bytes).sum();
                for layer in &layers {
                    let choice = input.tuning.choice(&layer.conv, layer.density());
                    assert!(choice.workspace_bytes(&layer.conv, layer.active) <= there, "{name}, {}", layer.name);
                }
            }
        }
    }
}

/// Whatever a kernel binds keeps the limits.
fn check_limits(input: &PlanInput, plan: &Plan) {
    for command in programs(plan).iter().flatten() {
        let Command::Dispatch { label, bindings, .. } = command else { continue };
        for slice in bindings {
            assert!(slice.bytes <= input.max_binding, "{label}: {slice:?}");
            assert!(plan.buffers.buffers[slice.buffer].bytes <= input.max_buffer, "{label}: {slice:?}");
        }
    }
}

/// Whatever the adapter's limits are: a plan keeps them, or there is none, and the message says what to do.
#[test]
fn limits_are_kept_or_told() {
    let (mut planned, mut refused) = (0, 0);
    for name in ["resnet8", "vgg_c", "mlp_cifar10"] {
        let graph = model::build(name, 10, Shape::new(3, 32, 32)).unwrap();
        for max_binding in (16..=26).map(|bits| 1u64 << bits) {
            for (method, density) in methods() {
                let limits = PlanInput {
                    max_binding,
                    max_buffer: 2 * max_binding,
                    ..input(&graph, 16, Storage::F32, (method, Structure::Unstructured), density)
                };
                match Plan::compile(&limits) {
                    Ok(plan) => {
                        planned += 1;
                        check_limits(&limits, &plan);
                    }
                    Err(PlanError::DatasetTooLarge { images, bytes, max_binding }) => {
                        refused += 1;
                        assert!(images.div_ceil(max_binding as usize / bytes) > 3);
                    }
                    Err(PlanError::TooLarge { bytes, limit, .. }) => {
                        refused += 1;
                        assert!(bytes > limit && [max_binding, 2 * max_binding].contains(&limit));
                    }
                }
            }
        }
    }
    assert!(planned > 20 && refused > 20, "{planned} planned, {refused} refused");
}

/// Three bindings of images, and not one image more.
#[test]
fn a_dataset_has_three_bindings() {
    let graph = model::build("mlp_cifar10", 10, Shape::new(3, 32, 32)).unwrap();
    let max_binding = 64 << 20;
    let most = 3 * (max_binding as usize / 3072);
    let of = |images| PlanInput {
        images,
        max_binding,
        ..input(&graph, 1, Storage::F32, (Method::STATIC, Structure::Unstructured), 0.05)
    };
    assert_eq!(Plan::compile(&of(most)).unwrap().chunks.len(), 3);
    let error = Plan::compile(&of(most + 1)).unwrap_err();
    assert!(matches!(error, PlanError::DatasetTooLarge { images, .. } if images == most + 1), "{error}");
}

/// Of a batch that is too large the message names the largest that fits: that one does, and one image more does not.
#[test]
fn the_batch_that_fits_is_named() {
    let (gpu, dataset) = (common::gpu(), data::load("sample").unwrap());
    let plan = |batch_size| {
        let config = Config { model: "resnet34".into(), data: "sample".into(), batch_size, ..Config::default() };
        RunPlan::new(config, &dataset, &gpu)
    };
    let fits = match plan(dataset.train.len()) {
        Err(RunPlanError::Batch { fits, .. }) => fits,
        Err(error) => panic!("{error}"),
        // An adapter without limits worth the name.
        Ok(_) => return assert!(gpu.max_binding() > 1 << 28),
    };
    assert_eq!(plan(fits).unwrap().plan.batch, fits);
    assert!(matches!(plan(fits + 1), Err(RunPlanError::Batch { fits: again, .. }) if again == fits));
}
