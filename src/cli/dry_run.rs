//! `itop train --dry-run`: what a run would be, before anything is allocated.

use super::text::{bytes, count, percent, table};
use crate::gpu::Gpu;
use crate::plan::memory_table;
use crate::train::{LOW_ITOP_RATE, Method, Problem};

/// The layer table, the buffers, the costs and the exploration to expect.
pub fn describe(problem: &Problem, gpu: &Gpu) -> String {
    let config = &problem.config;
    let rows: Vec<Vec<String>> = problem
        .plan
        .layers
        .iter()
        .map(|layer| {
            let param = &problem.graph.params[layer.param];
            let shape = param.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
            let choice = problem.tuning.choice(&layer.conv, layer.density());
            let kernels = [choice.forward.to_string(), choice.grad_input.to_string(), choice.grad_weight.to_string()];
            let mut row = vec![layer.name.clone(), shape, format!("{:.4}", layer.density()), count(layer.active)];
            row.extend(kernels);
            row
        })
        .collect();
    let mut text = table(&["layer", "shape", "density", "active", "forward", "grad_input", "grad_weight"], &rows);
    let (active, maskable) = (problem.active(), problem.maskable());
    text += &format!(
        "\nactive: {} of {} maskable parameters ({})\n\n",
        count(active),
        count(maskable),
        percent(active as f64 / maskable as f64)
    );

    let memory = memory_table(&problem.plan.buffers);
    let rows: Vec<Vec<String>> =
        memory.iter().map(|row| vec![row.what.to_string(), row.buffers.to_string(), bytes(row.bytes)]).collect();
    text += &table(&["GPU memory", "buffers", "size"], &rows);
    let total = problem.plan.buffers.total_bytes();
    let state = problem.state_bytes();
    let dense = 8 * maskable as u64;
    text += &format!("total: {} on {}\n", bytes(total), gpu.summary.name);
    text += &format!(
        "weights, momentum, index and explored bits: {}, {} of dense weights and momentum ({}); first set and ages, for \
         statistics: {}\n\n",
        bytes(state),
        percent(state as f64 / dense as f64),
        bytes(dense),
        bytes(problem.statistics_bytes())
    );

    text += &format!("FLOPs against dense: inference {:.4}, ", problem.inference_flops_ratio());
    text += &format!("training {:.4}\n", problem.training_flops_ratio());
    text += &format!(
        "steps: {} ({} epochs of {}), passes a step: {}\n",
        count(problem.total_steps()),
        config.total_epochs(),
        problem.steps_per_epoch(),
        problem.plan.train.len() + 1
    );
    match config.method {
        Method::Dense | Method::Static => {}
        Method::Set | Method::Rigl => {
            text += &format!(
                "topology updates: {}; ITOP rate to expect of random growth: {:.3}\n",
                problem.updates(),
                problem.expected_itop_rate()
            );
            if problem.expected_itop_rate() < LOW_ITOP_RATE {
                text += &format!(
                    "low exploration: what delta_t or length explores more is found by: itop explore --model {} --classes {} \
                     --sparsity {} --distribution {} --delta-t {} --epochs {} --batch-size {} --images {} --death-rate {} \
                     --target-rs {LOW_ITOP_RATE}\n",
                    config.model,
                    problem.graph.classes,
                    config.sparsity,
                    config.distribution,
                    config.delta_t,
                    config.total_epochs(),
                    config.batch_size,
                    problem.split.train.len(),
                    config.death_rate.initial,
                );
            }
        }
    }
    text
}
