//! `itop bench model`: what a step would take on GPUs that are not here. Predicted, not measured.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::{method, replay, write_json};
use crate::cli::text::table;
use crate::cli::{Failure, flags};
use crate::gpu::{Command, Kind, Label};
use crate::model::{self, Graph, Shape};
use crate::ops::trial::Candidate;
use crate::ops::{Storage, Tuning};
use crate::plan::{LayerPlan, Plan, PlanInput};
use crate::predict::{GPUS, GpuModel, Prediction, predict};
use crate::sparsity::{Distribution, Method, Structure};

#[derive(Args)]
pub struct ModelArgs {
    /// GPUs, comma-separated: h100, h200, a100, rtx3060, rtx4090, rx7900xtx, m2, iris-xe
    #[arg(long, value_delimiter = ',', default_value = "h100", ignore_case = true, value_parser = names())]
    gpu: Vec<String>,
    /// Network
    #[arg(long, default_value = "resnet34", value_parser = flags::name("model"))]
    model: String,
    /// How active weights move
    #[arg(long, default_value = "set", ignore_case = true, value_parser = Method::NAMES)]
    method: String,
    /// Sparsities of the model (ERK), comma-separated; 0: the dense network
    #[arg(long, value_delimiter = ',', default_value = "0,0.9,0.98", value_parser = flags::number("sparsity"))]
    sparsity: Vec<f64>,
    /// Images per step
    #[arg(long, default_value_t = 128, value_parser = flags::whole("batch_size"))]
    batch_size: usize,
    /// How activations are kept: f32, f16 or bf16
    #[arg(long, default_value = "f32", value_parser = flags::storage())]
    storage: Storage,
    /// What is active together: unstructured, block:4x1, block:8x1 or fan-in
    #[arg(long, default_value = "unstructured", value_parser = flags::structure())]
    structure: Structure,
    /// Compare all candidates of the layers whose name contains this
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Of these candidates only those of `forward`, `grad_input` or `grad_weight`
    #[arg(long, default_value = "", requires = "layer")]
    direction: String,
    /// Of these candidates only those whose name contains this
    #[arg(long, default_value = "", requires = "layer")]
    candidate: String,
    /// Compare the model with measured times: one core of this processor reads what the kernels of the first GPU would read
    #[arg(long, requires = "layer")]
    replay: bool,
    /// Write the rows as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

fn names() -> clap::builder::PossibleValuesParser {
    GPUS.map(|gpu| gpu.name).into()
}

/// What one kernel, or all commands of a kind, would take.
#[derive(Serialize)]
struct Row {
    gpu: &'static str,
    sparsity: f64,
    /// A layer and one of its candidates, or a kind of command.
    what: String,
    /// Bytes that are loaded; of them from the cache that all processors share, and from memory, with what is stored.
    asked: f64,
    from_l2: f64,
    from_memory: f64,
    predicted_ms: f64,
    /// What takes most of that time.
    bound: String,
}

impl Row {
    fn of<'a>(gpu: &GpuModel, sparsity: f64, what: String, all: impl Iterator<Item = &'a Prediction>) -> Self {
        let mut row = Self {
            gpu: gpu.name,
            sparsity,
            what,
            asked: 0.0,
            from_l2: 0.0,
            from_memory: 0.0,
            predicted_ms: 0.0,
            bound: String::new(),
        };
        let mut bounds = BTreeMap::new();
        for Prediction { work, .. } in all {
            let (bound, seconds) = work.bound(gpu);
            row.asked += work.asked;
            row.from_l2 += work.from_l2;
            row.from_memory += work.from_memory;
            row.predicted_ms += 1e3 * seconds;
            *bounds.entry(bound).or_insert(0.0) += seconds;
        }
        row.bound =
            bounds.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or_else(String::new, |(b, _)| b.to_string());
        row
    }

    fn cells(&self) -> Vec<String> {
        let gigabytes = |bytes: f64| format!("{:.2}", 1e-9 * bytes);
        vec![
            self.gpu.into(),
            self.sparsity.to_string(),
            self.what.clone(),
            gigabytes(self.asked),
            gigabytes(self.from_l2),
            gigabytes(self.from_memory),
            format!("{:.3}", self.predicted_ms),
            self.bound.clone(),
        ]
    }
}

/// A network at one sparsity.
pub(super) struct Network<'a> {
    args: &'a ModelArgs,
    pub(super) graph: &'a Graph,
    pub(super) sparsity: f64,
    active: Vec<usize>,
}

pub fn run(args: &ModelArgs) -> Result<(), Failure> {
    let graph = model::build(&args.model, 10, Shape::new(3, 32, 32)).map_err(Failure::input)?;
    let networks = args.sparsity.iter().map(|&sparsity| Network::new(args, &graph, sparsity));
    let networks = networks.collect::<Result<Vec<_>, _>>()?;
    if let Some(layer) = args.layer.as_ref().filter(|_| args.replay) {
        return replay::run(&networks, &gpu_of(&args.gpu[0]), layer, args.json.as_ref());
    }
    let mut rows = Vec::new();
    for gpu in args.gpu.iter().map(|name| gpu_of(name)) {
        println!("{}: {}", gpu.title, gpu.source);
        for network in &networks {
            rows.extend(match &args.layer {
                None => network.step(&gpu)?,
                Some(layer) => network.candidates(&gpu, layer)?,
            });
        }
    }
    let head = ["GPU", "sparsity", "what", "GB asked", "from L2", "from memory", "predicted ms", "bound"];
    print!("{}", table(&head, &rows.iter().map(Row::cells).collect::<Vec<_>>()));
    println!("Predicted by a model of caches and rates (src/predict), measured nowhere.");
    write_json(args.json.as_ref(), "predicted", &rows)
}

fn gpu_of(name: &str) -> GpuModel {
    *GPUS.iter().find(|gpu| gpu.name == name.to_lowercase()).expect("clap takes names of the table alone")
}

impl<'a> Network<'a> {
    fn new(args: &'a ModelArgs, graph: &'a Graph, sparsity: f64) -> Result<Self, Failure> {
        let densities = match sparsity {
            0.0 => vec![1.0; graph.prunable().count()],
            _ => Distribution::Erk.densities(graph, 1.0 - sparsity).map_err(Failure::input)?,
        };
        let shapes = graph.prunable().map(|(_, param)| param.shape.as_slice());
        let active =
            densities.iter().zip(shapes).map(|(&density, shape)| args.structure.active(density, shape)).collect();
        Ok(Self { args, graph, sparsity, active })
    }

    fn plan(&self, tuning: &Tuning) -> Result<Plan, Failure> {
        let method = if self.sparsity == 0.0 { Method::DENSE } else { method(&self.args.method) };
        let plan = Plan::compile(&PlanInput {
            graph: self.graph,
            batch: self.args.batch_size,
            storage: self.args.storage,
            active: self.active.clone(),
            least: self.active.clone(),
            capacity: self.active.clone(),
            structure: self.args.structure,
            update: method.update,
            nesterov: true,
            augment: None,
            images: 1000,
            tuning: tuning.clone(),
            max_binding: 2 << 30,
            max_buffer: 8 << 30,
        });
        plan.map_err(Failure::input)
    }

    /// A step by the default kernels, kind by kind.
    fn step(&self, gpu: &GpuModel) -> Result<Vec<Row>, Failure> {
        let plan = self.plan(&gpu.tuning())?;
        let all = predict(self.graph, &plan, &plan.train, gpu);
        let of = |&(kind, name): &(Kind, &str)| {
            Row::of(gpu, self.sparsity, name.into(), all.iter().filter(move |one| one.label.kind == kind))
        };
        let mut rows: Vec<Row> = Kind::ALL.iter().map(of).filter(|row| row.asked > 0.0).collect();
        let mut whole = Row::of(gpu, self.sparsity, String::new(), all.iter());
        whole.what = format!("step: {:.0} images/s", 1e3 * self.args.batch_size as f64 / whole.predicted_ms);
        rows.push(whole);
        Ok(rows)
    }

    /// Every candidate of the layers that are named.
    fn candidates(&self, gpu: &GpuModel, name: &str) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        self.each_candidate(gpu, name, |layer, candidate, plan, mine| {
            let all = predict(self.graph, plan, mine, gpu);
            let row = Row::of(gpu, self.sparsity, format!("{} {}", layer.name, candidate.name()), all.iter());
            // Now, for there are dozens, and each takes seconds.
            eprintln!("{}, {}: {}: {:.3} ms", gpu.name, self.sparsity, row.what, row.predicted_ms);
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }

    /// Gives `take` each candidate of each layer that is named, with its plan and its commands.
    pub(super) fn each_candidate(
        &self,
        gpu: &GpuModel,
        name: &str,
        mut take: impl FnMut(&LayerPlan, &Candidate, &Plan, &[Command]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let tuning = gpu.tuning();
        let plan = self.plan(&tuning)?;
        let (mut known, mut any) = (false, false);
        for layer in plan.layers.iter().filter(|layer| layer.name.contains(name)) {
            known = true;
            let sparse = layer.sparse.map(|_| layer.active);
            for candidate in Candidate::all(&layer.conv, &tuning, sparse).into_iter().flatten() {
                let asked_for = candidate.direction().contains(&self.args.direction.to_lowercase())
                    && candidate.to_string().contains(&self.args.candidate);
                // The model knows neither naive kernels nor those by matrices.
                if !asked_for || candidate.is_naive() || candidate.by_matrices() {
                    continue;
                }
                any = true;
                let mut choice = tuning.choice(&layer.conv, layer.density());
                candidate.put(&mut choice);
                let measured = BTreeMap::from([(Tuning::key(&layer.conv, layer.density()), choice)]);
                let plan = self.plan(&Tuning { measured: Arc::new(measured), ..tuning.clone() })?;
                let node = layer.name.strip_suffix(".weight");
                let is_mine = |label: &Label| label.kind == candidate.kind() && node == Some(&label.node);
                let mine: Vec<_> = plan.train.iter().filter(|one| is_mine(one.label())).cloned().collect();
                take(layer, &candidate, &plan, &mine)?;
            }
        }
        let what = match (known, any) {
            (_, true) => return Ok(()),
            (true, false) => {
                let ModelArgs { direction, candidate, .. } = self.args;
                let given = [("--direction", direction), ("--candidate", candidate)].into_iter();
                let given: Vec<_> =
                    given.filter(|(_, text)| !text.is_empty()).map(|(flag, text)| format!("`{flag} {text}`")).collect();
                format!("layer `{name}` has no candidate for {}: leave it out to see all", given.join(" and "))
            }
            (false, _) => format!("no layer of {} has `{name}` in its name", self.graph.name),
        };
        Err(Failure::input(anyhow::anyhow!(what)))
    }
}
