//! WGSL sources and the preprocessor that specialises them.
//!
//! Besides WGSL itself (with `override` constants for shapes), a source may use these directives, each on its own line:
//!
//! - `#import name`: the text of `shaders/shared/name.wgsl`, once
//! - `#ifdef NAME` / `#ifndef NAME` … `#else` … `#endif`: NAME is among the defines
//! - `#for i in M..N` … `#endfor`: the lines between, for each i, with `$i` replaced; M and N are numbers or `$NAME`
//! - `#uniform`: the `override` constants become members of a uniform, so that one pipeline serves all shapes. For kernels that
//!   gain little from compile-time constants: every pipeline is compiled on the user's machine, which takes seconds on some
//!   drivers. The define UNIFORM has the same effect.
//!
//! and `$NAME` anywhere, replaced by the define's value.

use std::collections::HashSet;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::{PoisonError, RwLock};

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../shaders/", $name, ".wgsl")))),*]
    };
}

/// Every kernel: `(name, WGSL with directives)`.
pub const KERNELS: &[(&str, &str)] = sources![
    "augment",
    "block_magnitudes",
    "conv_bias_grad",
    "conv_block_gather",
    "conv_dense_gather",
    "conv_dense_grad_weight_invocation",
    "conv_dense_grad_weight_shuffle",
    "conv_dense_grad_weight_subgroup",
    "conv_dense_grad_weight_workgroup",
    "conv_dense_naive",
    "conv_grad_weight_finish",
    "conv_matrix_gather",
    "conv_matrix_grad_weight",
    "conv_matrix_pack",
    "conv_sparse_gather",
    "conv_sparse_grad_weight_invocation",
    "conv_sparse_grad_weight_pixels",
    "conv_sparse_grad_weight_subgroup",
    "conv_sparse_grad_weight_workgroup",
    "conv_sparse_naive",
    "conv_sparse_pack",
    "conv_sparse_scatter",
    "finite",
    "flatten",
    "grow_mixed",
    "grow_momentum",
    "grow_random",
    "index_columns",
    "index_entries",
    "index_rows",
    "lanes",
    "loss",
    "loss_reduce",
    "peak_copy",
    "peak_fma",
    "philox_test",
    "pointwise_backward",
    "pointwise_forward",
    "pointwise_grad_finish",
    "pointwise_grad_stats",
    "pointwise_stats",
    "pointwise_stats_eval",
    "pointwise_stats_finish",
    "pool_backward",
    "pool_forward",
    "prune_gradient",
    "rank_count",
    "rank_write",
    "scan",
    "select_apply",
    "select_histogram",
    "select_pick",
    "select_rows",
    "sgd",
    "topology_ages",
    "topology_born",
    "topology_counts",
    "topology_growth",
    "topology_inputs",
    "topology_map",
    "topology_move",
    "topology_shares",
    "topology_stats",
];

/// Snippets for `#import`: `(path, WGSL with directives)`.
pub const SHARED: &[(&str, &str)] = sources![
    "shared/bits",
    "shared/conv_gather",
    "shared/conv_sum",
    "shared/dense_strips",
    "shared/dense_sums",
    "shared/dense_teams",
    "shared/divide",
    "shared/fold",
    "shared/half",
    "shared/inputs",
    "shared/lanes_sum",
    "shared/matrix",
    "shared/outputs",
    "shared/packed_rows",
    "shared/philox",
    "shared/pointwise",
    "shared/pool",
    "shared/reduce",
    "shared/residuals",
    "shared/rows",
    "shared/scan",
    "shared/select",
    "shared/sparse_sums",
    "shared/step",
    "shared/update_counts",
    "shared/update_stats",
    "shared/vector"
];

/// A preprocessor directive that cannot be followed: line (from 1) and what is wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct PreprocessError {
    pub line: usize,
    pub message: String,
}

/// A number that other kernels do not have.
pub fn fingerprint() -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    (KERNELS, SHARED).hash(&mut hasher);
    hasher.finish()
}

/// Shaders that the program has brought.
static ADDED: RwLock<Vec<(&str, &str)>> = RwLock::new(Vec::new());

/// Adds a shader to this library's own, for kernels called `name`: WGSL with the directives above. For growth rules of
/// a program that uses the library (`examples/add_growth_rule.rs`).
///
/// # Panics
/// If there is another shader of that name.
pub fn add(name: &'static str, text: &'static str) {
    let other = source(name).filter(|other| *other != text);
    assert!(other.is_none(), "there is another shader called `{name}`");
    ADDED.write().unwrap_or_else(PoisonError::into_inner).push((name, text));
}

/// The source of a kernel.
pub fn source(name: &str) -> Option<&'static str> {
    let of = |all: &[(&str, &'static str)]| all.iter().find(|(kernel, _)| *kernel == name).map(|(_, text)| *text);
    of(KERNELS).or_else(|| of(&ADDED.read().unwrap_or_else(PoisonError::into_inner)))
}

/// Whether a kernel's `override` constants are in a uniform.
pub fn is_uniform(text: &str, defines: &[(&str, u32)]) -> bool {
    text.lines().any(|line| line == UNIFORM) || defines.iter().any(|(name, _)| *name == UNIFORM_DEFINE)
}

const UNIFORM: &str = "#uniform";

/// The define that asks for the same where a source does not.
pub const UNIFORM_DEFINE: &str = "UNIFORM";

/// The uniform of a kernel whose constants are in one; its members are called as the constants were.
pub const SHAPE: &str = "shape";

/// Follows the directives in `text` under `defines`.
pub fn preprocess(text: &str, defines: &[(&str, u32)]) -> Result<String, PreprocessError> {
    let lines: Vec<&str> = text.lines().collect();
    let mut output = String::with_capacity(text.len() * 2);
    expand(&lines, 0, defines, &mut HashSet::new(), &mut output)?;
    Ok(if is_uniform(text, defines) { in_uniform(&output) } else { output })
}

/// `wgsl` with its `override` constants as members of the uniform [`SHAPE`], whose binding is the one after all others.
fn in_uniform(wgsl: &str) -> String {
    let declared = |line: &str| Some(line.strip_prefix("override ")?.strip_suffix(": u32;")?.to_string());
    let names: Vec<String> = wgsl.lines().filter_map(declared).collect();
    let numbers = wgsl.split("@binding(").skip(1).filter_map(|rest| rest.split_once(')')?.0.parse().ok());
    let binding = numbers.max().map_or(0, |last: u32| last + 1);
    let mut output = String::with_capacity(wgsl.len() * 2);
    for line in wgsl.lines().filter(|line| declared(line).is_none()) {
        let mut rest = line;
        while !rest.is_empty() {
            let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end.max(rest.chars().next().map_or(1, char::len_utf8)));
            let member = names.iter().any(|name| name == word);
            output.push_str(if member { "shape." } else { "" });
            output.push_str(word);
            rest = after;
        }
        output.push('\n');
    }
    if !names.is_empty() {
        let members: String = names.iter().map(|name| format!(" {name}: u32,")).collect();
        let _ =
            write!(output, "struct Shape {{{members} }}\n@group(0) @binding({binding}) var<uniform> {SHAPE}: Shape;\n");
    }
    output
}

fn expand(
    lines: &[&str],
    first: usize,
    defines: &[(&str, u32)],
    imported: &mut HashSet<String>,
    output: &mut String,
) -> Result<(), PreprocessError> {
    let fail = |at: usize, message: String| PreprocessError { line: first + at + 1, message };
    // One entry an open `#ifdef`: are its lines kept?
    let mut kept: Vec<bool> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let words: Vec<&str> = lines[at].split_whitespace().collect();
        let active = kept.iter().all(|&k| k);
        match words.as_slice() {
            ["#ifdef", name] => kept.push(defines.iter().any(|(define, _)| define == name)),
            ["#ifndef", name] => kept.push(defines.iter().all(|(define, _)| define != name)),
            ["#else"] => {
                let last = kept.last_mut().ok_or_else(|| fail(at, "#else without #ifdef".into()))?;
                *last = !*last;
            }
            ["#endif"] => {
                kept.pop().ok_or_else(|| fail(at, "#endif without #ifdef".into()))?;
            }
            _ if !active => {}
            [UNIFORM] => {}
            ["#import", name] => {
                if imported.insert((*name).to_string()) {
                    let path = format!("shared/{name}");
                    let snippet = SHARED.iter().find(|(shared, _)| *shared == path);
                    let text = snippet.ok_or_else(|| fail(at, format!("no shared snippet `{name}`")))?.1;
                    expand(&text.lines().collect::<Vec<_>>(), 0, defines, imported, output)?;
                }
            }
            ["#for", variable, "in", range] => {
                let length = for_length(&lines[at..]).ok_or_else(|| fail(at, "#for without #endfor".into()))?;
                let bounds = range.split_once("..").unwrap_or_default();
                let [from, to] = [bounds.0, bounds.1].map(|bound| substitute(bound, defines).parse::<u32>().ok());
                let range = from.zip(to).ok_or_else(|| fail(at, format!("bad range `{range}`")))?;
                let name = format!("${variable}");
                for i in range.0..range.1 {
                    let body: Vec<String> =
                        lines[at + 1..at + length].iter().map(|line| line.replace(&name, &i.to_string())).collect();
                    let body: Vec<&str> = body.iter().map(String::as_str).collect();
                    expand(&body, first + at + 1, defines, imported, output)?;
                }
                at += length;
            }
            [word, ..] if word.starts_with('#') => return Err(fail(at, format!("unknown directive `{word}`"))),
            _ => {
                output.push_str(&substitute(lines[at], defines));
                output.push('\n');
            }
        }
        at += 1;
    }
    if kept.is_empty() { Ok(()) } else { Err(fail(lines.len() - 1, "#ifdef without #endif".into())) }
}

/// Lines from a `#for` to its `#endfor`.
fn for_length(lines: &[&str]) -> Option<usize> {
    let mut depth = 0;
    lines.iter().position(|line| {
        match line.split_whitespace().next() {
            Some("#for") => depth += 1,
            Some("#endfor") => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

fn substitute(line: &str, defines: &[(&str, u32)]) -> String {
    let mut line = line.to_string();
    if line.contains('$') {
        for (name, value) in defines {
            line = line.replace(&format!("${name}"), &value.to_string());
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives() {
        let text = "a\n#ifdef X\nb $X\n#else\nc\n#endif\n#for i in 0..$N\nd$i\n#endfor\ne";
        assert_eq!(preprocess(text, &[("X", 7), ("N", 2)]).unwrap(), "a\nb 7\nd0\nd1\ne\n");
        assert_eq!(preprocess(text, &[("N", 0)]).unwrap(), "a\nc\ne\n");
        let nested = "#for i in 0..2\n#for j in 0..$N\n$i$j\n#endfor\n#endfor\ne";
        assert_eq!(preprocess(nested, &[("N", 2)]).unwrap(), "00\n01\n10\n11\ne\n");
        assert_eq!(preprocess("#for i in $N..3\n$i\n#endfor", &[("N", 1)]).unwrap(), "1\n2\n");
    }

    #[test]
    fn constants_in_a_uniform() {
        let text = "#uniform\noverride N: u32;\n@group(0) @binding(0) var<storage> of: array<u32>;\nfn f() -> u32 { return N + M * NN; }";
        let wanted = "@group(0) @binding(0) var<storage> of: array<u32>;\nfn f() -> u32 { return shape.N + M * NN; }\n\
                      struct Shape { N: u32, }\n@group(0) @binding(1) var<uniform> shape: Shape;\n";
        assert_eq!(preprocess(text, &[]).unwrap(), wanted);
        assert_eq!(preprocess("#uniform\nα N", &[]).unwrap(), "α N\n");
    }

    #[test]
    fn mistakes_are_named() {
        for (text, line, word) in [
            ("#endif", 1, "without #ifdef"),
            ("x\n#ifdef A\n", 2, "without #endif"),
            ("#for i in 0..N\n#endfor", 1, "bad range"),
            ("#for i in 0..2\n", 1, "without #endfor"),
            ("#import nothing", 1, "no shared snippet"),
            ("\n#define X", 2, "unknown directive"),
        ] {
            let error = preprocess(text, &[]).unwrap_err();
            assert!(error.line == line && error.message.contains(word), "{text:?}: {error}");
        }
    }
}
