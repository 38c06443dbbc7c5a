//! Every kernel permutation that networks run, with each candidate that tuning may choose: taken from real plans. For the
//! tests that translate them all, and `itop shaders`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Plan, PlanError, PlanInput};
use crate::gpu::{Command, Family, Kernel, Matrices, Tier, lanes};
use crate::model::{self, Graph, Shape};
use crate::ops::augment::Padding;
use crate::ops::trial::Candidate;
use crate::ops::{Choice, Storage, Tuning};
use crate::sparsity::{Distribution, Method, Structure, Update, growth, prune};

/// Between them these have every operation: batch normalisation, shortcuts, both poolings, biases, linear layers.
const MODELS: [&str; 4] = ["resnet8", "resnet34", "vgg_c", "mlp_cifar10"];

/// The permutations that an adapter of `tier` may run, in the order of their names: one kernel for each shader and set of
/// defines, with the constants of its first use.
pub fn permutations(tier: Tier) -> Vec<Kernel> {
    let mut found = Found::new();
    for (family, lanes) in adapters(tier) {
        // Makers' own drivers have larger workgroups than browsers.
        let most_group = if matches!(family, Family::Software | Family::Unknown) { 256 } else { 1024 };
        found.extend(lanes::kernels(lanes, most_group).map(|kernel| (kernel.to_string(), kernel)));
        let software = family == Family::Software;
        // As drivers offer them: a processor's, Apple's, those of other GPUs, which may have subgroups of two sizes.
        let matrices = match (tier.matrices, lanes, software) {
            (false, ..) => Matrices::default(),
            (true, 8, _) => Matrices { f16: 8, f32: 0, most_lanes: 8, least_lanes: 8 },
            (true, _, true) => Matrices { f16: 8, f32: 8, most_lanes: 32, least_lanes: 32 },
            (true, _, false) => Matrices { f16: 16, f32: 0, most_lanes: 64, least_lanes: 32 },
        };
        let mut tuning = Tuning::of(family, lanes, tier.int64);
        (tuning.device.matrices, tuning.device.most_group) = (matrices, most_group);
        of_networks(&tuning, &mut found);
    }
    found.into_values().collect()
}

/// The same for one adapter: every candidate that `tuning` offers.
pub fn candidates(tuning: &Tuning) -> Vec<Kernel> {
    let mut found = Found::new();
    of_networks(tuning, &mut found);
    found.into_values().collect()
}

/// Makers, and the lanes that they have (more than 32 are used as 32). AMD's are as NVIDIA's.
fn adapters(tier: Tier) -> Vec<(Family, u32)> {
    use Family::{Adreno, Apple, Nvidia, Software, Unknown};
    let lanes = |family, lanes: &[u32]| lanes.iter().map(|&lanes| (family, lanes)).collect::<Vec<_>>();
    match (tier.subgroups, tier.matrices) {
        (false, _) => [Software, Nvidia, Apple, Adreno, Unknown].map(|family| (family, 0)).to_vec(),
        (true, true) => [lanes(Software, &[8, 32]), lanes(Unknown, &[8, 32])].concat(),
        (true, false) => [
            lanes(Software, &[4, 8, 16]),
            lanes(Unknown, &[4, 8, 16, 32]),
            [Nvidia, Apple, Adreno].map(|family| (family, 32)).to_vec(),
        ]
        .concat(),
    }
}

type Found = BTreeMap<String, Kernel>;

fn of_networks(tuning: &Tuning, found: &mut Found) {
    for graph in MODELS.iter().filter_map(|name| model::build(name, 10, Shape::new(3, 32, 32)).ok()) {
        for storage in Storage::ALL {
            of_network(&graph, storage, tuning, found);
        }
    }
}

fn of_network(graph: &Graph, storage: Storage, tuning: &Tuning, found: &mut Found) {
    let of_rules = |prune, growth| Method { update: Some(Update::new(prune, growth)), ..Method::SET };
    let usual = [
        (1.0, Method::DENSE, Structure::Unstructured, None),
        (0.1, Method::SET, Structure::Unstructured, Some(Padding::Zero)),
        (0.5, Method::MOMENTUM, Structure::Unstructured, Some(Padding::Zero)),
        (0.5, Method::RIGL, Structure::Unstructured, Some(Padding::Reflect)),
        (0.1, Method::RIGL, Structure::Block(4), None),
        (0.1, Method::RIGL, Structure::Block(8), None),
        (0.1, Method::SET, Structure::FanIn, None),
    ];
    // Updates look at weights alone: one network has them all, however activations are kept.
    let updates = [
        Method::SNFS,
        Method::DSR,
        Method::DEEPR,
        Method::MEST,
        of_rules(&prune::TAYLOR, &growth::MIXED),
        of_rules(&prune::SET, &growth::UNFIRED_FIRST),
        of_rules(&prune::THRESHOLD, &growth::RANDOM),
    ];
    let updates = updates.into_iter().filter(|_| graph.name == MODELS[0] && storage == Storage::F32);
    let updates = updates.map(|method| (0.1, method, Structure::Unstructured, None));
    for (density, method, structure, augment) in usual.into_iter().chain(updates) {
        let Ok(densities) = Distribution::Erk.densities(graph, density) else { continue };
        let shapes = graph.prunable().map(|(_, param)| param.shape.as_slice());
        let active: Vec<usize> =
            densities.iter().zip(shapes).map(|(&density, shape)| structure.active(density, shape)).collect();
        let plan = |images, tuning: &Tuning| {
            Plan::compile(&PlanInput {
                graph,
                batch: 64,
                storage,
                active: active.clone(),
                least: active.clone(),
                capacity: active.clone(),
                structure,
                update: method.update,
                nesterov: method.update.is_some(),
                augment,
                images,
                tuning: tuning.clone(),
                max_binding: 64 << 20,
                max_buffer: 1 << 30,
            })
        };
        // The second and third set of images need two and three bindings.
        for images in [1_000, 40_000, 60_000] {
            add(plan(images, tuning), found);
        }
        let Ok(default) = plan(1_000, tuning) else { continue };
        for round in 0.. {
            let mut measured: BTreeMap<String, Choice> = BTreeMap::new();
            let mut any = false;
            for layer in &default.layers {
                let mut choice = tuning.choice(&layer.conv, layer.density());
                for candidates in Candidate::all(&layer.conv, tuning, layer.sparse.map(|_| layer.active)) {
                    any |= round < candidates.len();
                    candidates[round % candidates.len()].put(&mut choice);
                }
                measured.insert(Tuning::key(&layer.conv, layer.density()), choice);
            }
            if !any {
                break;
            }
            add(plan(1_000, &Tuning { measured: Arc::new(measured), ..tuning.clone() }), found);
        }
    }
}

/// The kernels of a plan; none of one that cannot be.
fn add(plan: Result<Plan, PlanError>, found: &mut Found) {
    let Ok(plan) = plan else { return };
    let fetch = [plan.fetch_train, plan.fetch_eval];
    for command in [plan.index, plan.train, plan.update, plan.eval, plan.map].iter().flatten().chain(&fetch) {
        if let Command::Dispatch { kernel, .. } = command {
            found.entry(kernel.to_string()).or_insert_with(|| kernel.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What has no subgroups must do with WebGPU's default limits (`web/test/tint.mjs`).
    #[test]
    fn workgroups_without_subgroups_are_those_of_browsers() {
        let most = |tier| permutations(tier).iter().map(Kernel::workgroup_size).max();
        assert_eq!(most(Tier::ALL[0]), Some(256));
        // Else nothing is looked at.
        assert_eq!(most(Tier::ALL[1]), Some(1024));
    }

    /// On Metal no workgroup is one subgroup of 32, or a part of it (`gpu::device`); those of kernels that choose no size are
    /// larger.
    #[test]
    fn no_workgroup_on_metal_is_one_subgroup() {
        for (family, lanes, matrices) in [
            (Family::Apple, 32, Matrices { f16: 8, f32: 8, most_lanes: 64, least_lanes: 32 }),
            (Family::Amd, 32, Matrices::default()),
            (Family::Unknown, 8, Matrices::default()),
        ] {
            let mut tuning = Tuning::of(family, lanes, false).in_groups_of(64);
            tuning.device.matrices = matrices;
            let mut found = Found::new();
            for graph in MODELS.iter().filter_map(|name| model::build(name, 10, Shape::new(3, 32, 32)).ok()) {
                of_network(&graph, Storage::F16, &tuning, &mut found);
            }
            assert!(found.values().any(|kernel| kernel.shader == "conv_matrix_gather") == matrices.any());
            for kernel in found.values() {
                let wgsl = kernel.wgsl().unwrap();
                let module = naga::front::wgsl::parse_str(&wgsl).unwrap();
                let size: u32 = module.entry_points[0].workgroup_size.iter().product();
                assert!(size >= 64, "{family:?}: {kernel} has workgroups of {size}");
            }
        }
    }
}
