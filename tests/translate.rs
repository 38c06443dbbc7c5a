//! Every kernel permutation that networks run becomes SPIR-V, HLSL, MSL and GLSL, and is valid at its tier and no lower one.

#[path = "common/permutations.rs"]
mod permutations;

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use itop::gpu::{Target, Tier, shader};
use permutations::all;

#[test]
fn every_shader_has_permutations_and_each_needs_its_tier() {
    let all = all();
    let used: BTreeSet<&str> = all.iter().map(|(_, kernel)| kernel.shader).collect();
    let unused = shader::KERNELS.iter().map(|(name, _)| *name).filter(|name| !used.contains(name));
    // These measure, or look at what others do.
    assert_eq!(unused.collect::<Vec<_>>(), ["finite", "peak_copy", "peak_fma", "philox_test"]);
    for tier in Tier::ALL {
        let count = all.iter().filter(|(of, _)| *of == tier).count();
        eprintln!("tier {}: {count} permutations", tier.name());
        assert!(count > 0);
    }
    for (tier, kernel) in all {
        let lower = |other: &Tier| {
            (tier.subgroups && !other.subgroups) || (tier.int64 && !other.int64) || (tier.matrices && !other.matrices)
        };
        for other in Tier::ALL.iter().filter(|other| lower(other)) {
            assert!(kernel.translate(*other, Target::Wgsl).is_err(), "{kernel} is valid at {}", other.name());
        }
    }
}

#[test]
fn every_permutation_in_every_language() {
    for &(tier, ref kernel) in all() {
        for target in Target::ALL {
            let result = kernel.translate(tier, target);
            if target == Target::HlslFxc && (tier.subgroups || tier.int64) && !tier.matrices {
                assert!(result.expect_err("FXC has learnt them").to_string().contains("shader model 5.1"));
                continue;
            }
            if matches!(target, Target::Hlsl | Target::HlslFxc | Target::Glsl) && tier.matrices {
                assert!(result.expect_err("naga has learnt matrices").to_string().contains("no cooperative matrices"));
                continue;
            }
            if target == Target::Glsl && tier.int64 {
                // naga writes no 64-bit integers in GLSL; no GL adapter has them either (`Gpu::open` asks for the feature).
                let error = result.expect_err("naga has learnt 64-bit integers in GLSL").to_string();
                assert!(error.contains("glsl: ") && error.contains("calar"), "{error}");
                continue;
            }
            let bytes = result.unwrap_or_else(|error| panic!("{error}"));
            assert!(!bytes.is_empty(), "{kernel}: nothing in {}", target.name());
        }
    }
}

#[test]
#[ignore = "needs `spirv-val` (Debian: spirv-tools)"]
fn spirv_is_valid() {
    let mut unknown = 0;
    for (tier, kernel) in all() {
        let words = kernel.translate(*tier, Target::Spirv).unwrap();
        let mut command = Command::new("spirv-val");
        let command = command.args(["--target-env", "vulkan1.1", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&words).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        if tier.matrices && said.contains("Invalid capability operand: 6022") {
            unknown += 1;
            continue;
        }
        assert!(output.status.success(), "{kernel}: {said}");
    }
    if unknown > 0 {
        eprintln!(
            "skipped: SPIR-V of {unknown} permutations: this `spirv-val` is older than cooperative matrices (2023)"
        );
    }
}
