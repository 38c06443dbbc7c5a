//! Every shader parses and validates in every combination of its defines, under WebGPU's capabilities and those that the
//! define itself asks for.

use itop::gpu::shader;
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// A source and what it imports.
fn with_imports(text: &str) -> String {
    let imports = text.lines().filter_map(|line| line.strip_prefix("#import "));
    let snippet = |name: &str| shader::SHARED.iter().find(|(path, _)| *path == format!("shared/{name}")).unwrap().1;
    imports.map(|name| with_imports(snippet(name))).collect::<String>() + text
}

/// Names that follow `#ifdef`, `#ifndef`, and `$` in a source.
fn names(text: &str) -> (Vec<String>, Vec<String>) {
    let mut flags: Vec<String> = Vec::new();
    let mut values: Vec<String> = Vec::new();
    for line in with_imports(text).lines() {
        let mut words = line.split_whitespace();
        if let (Some("#ifdef" | "#ifndef"), Some(name)) = (words.next(), words.next()) {
            flags.push(name.into());
        }
        for part in line.split('$').skip(1) {
            let name: String = part.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            values.extend(Some(name).filter(|name| !name.is_empty()));
        }
    }
    flags.sort();
    flags.dedup();
    values.sort();
    values.dedup();
    (flags, values)
}

#[test]
fn every_permutation_validates() {
    let mut permutations = 0;
    for (name, text) in shader::KERNELS {
        let (flags, values) = names(text);
        for subset in 0..1u32 << flags.len() {
            let mut defines: Vec<(&str, u32)> = Vec::new();
            for (i, flag) in flags.iter().enumerate() {
                if subset >> i & 1 == 1 {
                    // Flags whose value is a binding number get one of their own.
                    defines.push((flag, 5 + i as u32));
                }
            }
            // An input gradient has no bias. (CHUNK2 without CHUNK1 and the like never occur either, and are harmless.)
            if ["TRANSPOSED", "BIAS"].iter().all(|flag| defines.iter().any(|(define, _)| define == flag)) {
                continue;
            }
            let has = |flag: &str| defines.iter().any(|(define, _)| *define == flag);
            if has("BF16") && !has("HALF") {
                continue;
            }
            let quads = (1 + u32::from(has("HALF"))) << u32::from(has("WIDE"));
            for value in &values {
                if !flags.contains(value) {
                    let number = match value.as_str() {
                        "QUADS" => quads,
                        "CELLS" => 4096,
                        "KERNEL" => 3,
                        "TAPS" => 9,
                        "GROUP" | "CHUNK" | "MATRIX" => 8,
                        "TILE" | "ROW" | "STEP" | "COLUMNS" | "SUBGROUPS" => 2,
                        "KEPT" => 1,
                        "LOADS" => 5,
                        "RESULT" => 5,
                        "FACTORS" => 20,
                        _ => 64,
                    };
                    defines.push((value, number));
                }
            }
            macro_rules! fail {
                ($message:expr) => {
                    panic!("{name} {defines:?}: {}", $message)
                };
            }
            let wgsl = match shader::preprocess(text, &defines) {
                Ok(wgsl) => wgsl,
                Err(error) => fail!(error),
            };
            let module = match naga::front::wgsl::parse_str(&wgsl) {
                Ok(module) => module,
                Err(error) => fail!(error.emit_to_string(&wgsl)),
            };
            let has = |flag: &str| defines.iter().any(|(define, _)| *define == flag);
            let mut capabilities = Capabilities::empty();
            capabilities.set(Capabilities::SHADER_FLOAT16_IN_FLOAT32, has("HALF"));
            capabilities.set(Capabilities::SHADER_INT64, has("WIDE"));
            capabilities.set(Capabilities::COOPERATIVE_MATRIX | Capabilities::SHADER_FLOAT16, has("MATRIX"));
            let lanes = has("SHUFFLE") || has("SUBGROUP") || has("MATRIX");
            capabilities.set(Capabilities::SUBGROUP, lanes);
            let mut validator = Validator::new(ValidationFlags::all(), capabilities);
            if lanes {
                validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
                validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
            }
            if let Err(error) = validator.validate(&module) {
                fail!(error.emit_to_string(&wgsl));
            }
            permutations += 1;
        }
    }
    assert!(permutations > shader::KERNELS.len());
}

/// A variable in a loop must be zero again in each turn. Chromium was seen to keep the last turn's value of one without an
/// initial value, so all have one.
#[test]
fn variables_have_initial_values() {
    for (name, text) in shader::KERNELS.iter().chain(shader::SHARED) {
        let without =
            |line: &&str| line.starts_with(' ') && line.trim_start().starts_with("var ") && !line.contains('=');
        assert_eq!(text.lines().find(without), None, "{name}");
    }
}
