//! Every shader parses and validates in every combination of its defines, under WebGPU's capabilities and those that the
//! define itself asks for.

#[path = "shaders/fxc.rs"]
mod fxc;

use std::collections::BTreeSet;

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
    // All constants in a uniform, as FXC wants them.
    flags.push("UNIFORM".into());
    flags.sort();
    flags.dedup();
    values.sort();
    values.dedup();
    (flags, values)
}

#[test]
fn every_permutation_validates() {
    for (name, text) in shader::KERNELS {
        let (flags, values) = names(text);
        let never_shuffles = name.starts_with("conv_dense_grad_weight") && !name.ends_with("_shuffle");
        // Which flags were looked at, off and on.
        let mut seen = BTreeSet::new();
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
            // Of the kernels that share their strips, one has lanes that load for each other.
            if never_shuffles && has("SHUFFLE") {
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
                        "GROUP" | "CHUNK" | "MATRIX" | "TEAM" => 8,
                        "TILE" | "ROW" | "STEP" | "COLUMNS" | "SUBGROUPS" | "UNROLL" => 2,
                        "KEPT" | "LEFT" => 1,
                        "BLOCK" => 4,
                        "QUARTERS" => 1,
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
            let by_lanes = ["_shuffle", "_subgroup", "_pixels"].iter().any(|end| name.ends_with(end));
            let lanes = by_lanes || has("SHUFFLE") || has("MATRIX");
            capabilities.set(Capabilities::SUBGROUP, lanes);
            let mut validator = Validator::new(ValidationFlags::all(), capabilities);
            if lanes {
                validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
                validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
            }
            let info = match validator.validate(&module) {
                Ok(info) => info,
                Err(error) => fail!(error.emit_to_string(&wgsl)),
            };
            if let Some(what) = fxc::refused(&module, &info, &wgsl).first() {
                fail!(what);
            }
            seen.extend(flags.iter().enumerate().map(|(i, flag)| (flag, subset >> i & 1 == 1)));
        }
        let off_only = usize::from(never_shuffles && flags.iter().any(|flag| flag == "SHUFFLE"));
        assert_eq!(seen.len(), 2 * flags.len() - off_only, "{name}: of {flags:?} only {seen:?} were looked at");
    }
}

/// The rule's own test: each of these is found, and named by its line.
#[test]
fn what_fxc_refuses_is_found() {
    let found = |functions: &str| {
        let wgsl = format!(
            "@group(0) @binding(0) var<storage, read_write> b: array<vec4<u32>>;\nvar<workgroup> w: array<u32, 4>;\n\
             {functions}\n@compute @workgroup_size(1) fn main() {{ f(b[0].x); }}"
        );
        let module =
            naga::front::wgsl::parse_str(&wgsl).unwrap_or_else(|error| panic!("{}", error.emit_to_string(&wgsl)));
        let info = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).unwrap();
        fxc::refused(&module, &info, &wgsl)
    };
    for (refused, word) in [
        ("fn f(i: u32) {\nvar v = vec4<u32>();\nv[i] = 1u;\nb[1] = v;\n}", "`v[i] = 1u;`"),
        ("fn f(i: u32) {\nvar v = vec4<u32>();\nv[i] += 1u;\nb[1] = v;\n}", "`v[i] += 1u;`"),
        ("fn f(i: u32) {\nvar a = array<u32, 4>();\na[i] = 1u;\nb[1].x = a[2];\n}", "`a[i] = 1u;`"),
        ("fn f(i: u32) {\nvar a = array<vec4<u32>, 4>();\na[i].x = 1u;\nb[1] = a[2];\n}", "`a[i].x = 1u;`"),
        ("fn f(i: u32) {\nb[1][i] = 1u;\n}", "`b[1][i] = 1u;`"),
        (
            "fn g(p: ptr<function, vec4<u32>>, i: u32) {\n(*p)[i] = 1u;\n}\nfn f(i: u32) {\nvar v = vec4<u32>();\ng(&v, i);\nb[1] = v;\n}",
            "`(*p)[i] = 1u;`",
        ),
        (
            "fn f(i: u32) {\nfor (var j = 0u; j < i; j++) {\nswitch j {\ncase 1u: { b[0].x = 1u; }\ndefault: {}\n}\n}\n}",
            "`switch j {`",
        ),
        (
            "fn g(i: u32) {\nswitch i {\ncase 1u: { b[0].x = 1u; }\ndefault: {}\n}\n}\nfn f(i: u32) {\nfor (var j = 0u; j < i; j++) {\ng(j);\n}\n}",
            "`switch i {`",
        ),
    ] {
        let found = found(refused);
        assert!(found.len() == 1 && found[0].contains(word), "{refused}\n{found:?}");
    }
    // Into buffers and workgroup memory, by a constant, and a switch outside of loops.
    let allowed = "fn f(i: u32) {\nvar v = vec4<u32>();\nv[1] = i;\nvar a = array<u32, 4>();\na[2] = v[i];\nw[i] = a[i];\n\
                   b[i] = v;\nb[i].y = w[1];\nswitch i {\ncase 1u: { b[0].x = 1u; }\ndefault: {}\n}\n}";
    assert_eq!(found(allowed), Vec::<String>::new());
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

/// Lines that a branch of an `#ifdef` leaves out must leave whole blocks behind: what one branch opens, no other closes. So each
/// variant can be read by itself.
#[test]
fn branches_close_what_they_open() {
    for (name, text) in shader::KERNELS.iter().chain(shader::SHARED) {
        assert_eq!(unbalanced(text), None, "{name}");
    }
    for (text, line) in [
        ("#ifdef A\nif a {\n#else\nif b {\n#endif\n}", 3),
        ("{\n#ifdef A\n}\n{\n#endif\n}", 3),
        ("#for i in 0..2\nf(\n#endfor", 3),
        ("f(", 1),
    ] {
        assert_eq!(unbalanced(text), Some(line), "{text}");
    }
    assert_eq!(unbalanced("f() { // (\n#ifdef A\ng({1});\n#else\nh();\n#endif\n}"), None);
}

/// The line (from 1) where a branch or a loop of the preprocessor ends inside of a bracket that it opened, or closes one that it
/// did not.
fn unbalanced(text: &str) -> Option<usize> {
    // Brackets open in each branch around a line, outermost first: that of the whole text.
    let mut open: Vec<Vec<char>> = vec![Vec::new()];
    let mut count = 0;
    for line in text.lines() {
        count += 1;
        match line.split_whitespace().next() {
            Some("#ifdef" | "#ifndef" | "#for") => open.push(Vec::new()),
            Some("#else") if !open.last()?.is_empty() => return Some(count),
            Some("#endif" | "#endfor") if !open.pop()?.is_empty() => return Some(count),
            Some(word) if word.starts_with('#') => {}
            _ => {
                for c in line.split("//").next().unwrap_or("").chars() {
                    match c {
                        '(' | '[' | '{' => open.last_mut()?.push(c),
                        ')' if open.last_mut()?.pop() != Some('(') => return Some(count),
                        ']' if open.last_mut()?.pop() != Some('[') => return Some(count),
                        '}' if open.last_mut()?.pop() != Some('{') => return Some(count),
                        _ => {}
                    }
                }
            }
        }
    }
    (open.len() != 1 || !open[0].is_empty()).then_some(count)
}
