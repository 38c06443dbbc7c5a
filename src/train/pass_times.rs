//! Where the time of a step goes, pass by pass, compared with the arithmetic of the active weights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::run_plan::RunPlan;
use crate::gpu::{Kind, Label};
use crate::model::Op;

/// One operation of one node, all its passes together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassTime {
    /// The node of the network, or what the pass is called.
    pub name: String,
    pub kind: Kind,
    pub ms: f64,
    /// Theoretical: two a multiply-accumulate of an active weight (of all weights where the gradient is dense); none where
    /// the arithmetic is not counted.
    pub flops: Option<u64>,
}

/// `passes.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassTimes {
    pub schema: u32,
    /// `GPU timestamps`, or `wall clock, a submission a pass`.
    pub clock: String,
    pub batch_size: usize,
    /// How many steps were timed; of each pass the median counts.
    pub steps: usize,
    /// An ordinary step.
    pub step: Vec<PassTime>,
    /// A step that ends with a topology update; empty without growth.
    pub update: Vec<PassTime>,
}

impl PassTimes {
    /// Milliseconds of an ordinary step by kind.
    pub fn by_kind(&self) -> BTreeMap<Kind, f64> {
        let mut sums = BTreeMap::new();
        self.step.iter().for_each(|pass| *sums.entry(pass.kind).or_insert(0.0) += pass.ms);
        sums
    }
}

/// The passes of several runs of one program, in milliseconds: the median of each, together by node and kind.
/// `dense`: the weight gradients of sparse layers were computed for all weights.
pub(super) fn gather(run_plan: &RunPlan, runs: &[Vec<(Label, f64)>], dense: bool) -> Vec<PassTime> {
    let Some(first) = runs.first() else { return Vec::new() };
    let mut times: Vec<PassTime> = Vec::new();
    for (at, (label, _)) in first.iter().enumerate() {
        let mut ms: Vec<f64> = runs.iter().filter_map(|run| Some(run.get(at)?.1)).collect();
        ms.sort_by(f64::total_cmp);
        let (name, kind, ms) = (&label.node, label.kind, ms[ms.len() / 2]);
        match times.iter_mut().find(|time| time.name == *name && time.kind == kind) {
            Some(time) => time.ms += ms,
            None => times.push(PassTime { name: name.clone(), kind, ms, flops: flops(run_plan, name, kind, dense) }),
        }
    }
    times
}

fn flops(run_plan: &RunPlan, name: &str, kind: Kind, dense: bool) -> Option<u64> {
    let node = run_plan.graph.nodes.iter().find(|node| node.name == name)?;
    let Op::Conv { weight, .. } = node.op else { return None };
    let layer = run_plan.plan.layer_of(weight)?;
    let weights = match kind {
        Kind::GradWeight if dense => layer.numel,
        Kind::Forward | Kind::GradInput | Kind::GradWeight => layer.active,
        _ => return None,
    };
    let pixels = layer.conv.output.height * layer.conv.output.width;
    Some(2 * (weights * pixels * run_plan.plan.batch) as u64)
}

/// Whether an update step computes the gradient of all weights.
pub(super) fn dense_update(run_plan: &RunPlan) -> bool {
    run_plan.config.growth().is_some_and(|growth| growth.needs_dense_gradient(true))
}
