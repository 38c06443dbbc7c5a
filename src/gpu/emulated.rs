//! Emulates cooperative matrices with arrays that every invocation holds whole, to test the indices of their kernels on adapters
//! without matrices. Only the text of a kernel is changed.

use std::cell::Cell;

thread_local! {
    static EMULATED: Cell<bool> = const { Cell::new(false) };
}

/// From now on, on this thread.
pub fn set(emulated: bool) {
    EMULATED.set(emulated);
}

/// `wgsl` without `enable wgpu_cooperative_matrix`.
pub(super) fn edit(wgsl: String) -> String {
    if !EMULATED.get() || !wgsl.contains("coop") {
        return wgsl;
    }
    let line = |line: &str| -> String {
        let line = line.trim();
        if line.starts_with("enable ") || line.contains("@builtin(subgroup_id)") {
            return String::new();
        }
        if let Some((name, rest)) = line.strip_prefix("alias ").and_then(|rest| rest.split_once(" = coop_mat")) {
            let (size, number) =
                rest.split_once('<').and_then(|(size, rest)| Some((size, rest.split_once(',')?.0))).unwrap();
            let size = size.split_once('x').unwrap().0;
            return format!("alias {name} = array<array<{number}, {size}>, {size}>;");
        }
        // `let NAME = coopLoadT<TYPE>(&BUFFER[AT], STRIDE);`
        if let Some((name, rest)) = line.strip_prefix("let ").and_then(|rest| rest.split_once(" = coopLoad")) {
            let (by_rows, rest) = rest.strip_prefix('T').map_or((false, rest), |rest| (true, rest));
            let (ty, rest) = rest.strip_prefix('<').and_then(|rest| rest.split_once(">(&")).unwrap();
            let element = element(rest, by_rows);
            return format!("var {name} = {ty}(); {LOOPS} {{ {name}[i_][j_] = {element}; }} }}");
        }
        // `coopStoreT(VALUE, &BUFFER[AT], STRIDE);`
        if let Some((value, rest)) = line.strip_prefix("coopStoreT(").and_then(|rest| rest.split_once(", &")) {
            return format!("{LOOPS} {{ {} = {value}[i_][j_]; }} }}", element(rest, true));
        }
        // `SUM = coopMultiplyAdd(LEFT, RIGHT, SUM);`, without copies of all their numbers.
        if let Some((_, rest)) = line.split_once(" = coopMultiplyAdd(") {
            return format!("multiply_add(&{}", rest.replace(", ", ", &"));
        }
        line.into()
    };
    let mut edited = wgsl.lines().map(line).collect::<Vec<_>>().join("\n");
    assert!(
        ["coopLoad<", "coopLoadT<", "coopStore(", "coopStoreT("].iter().all(|left| !edited.contains(left)),
        "{edited}"
    );
    edited.push_str(
        "
const subgroup = 0u;
// MATRIX, which the compiler does not know: else it unrolls all loops.
fn side() -> u32 {
    return min(MATRIX, arrayLength(&input));
}
fn multiply_add(left: ptr<function, Left>, right: ptr<function, Right>, sum: ptr<function, Sum>) {
    for (var i = 0u; i < side(); i += 1u) {
        for (var j = 0u; j < side(); j += 1u) {
            for (var k = 0u; k < side(); k += 1u) {
                (*sum)[i][j] += (*left)[i][k] * (*right)[k][j];
            }
        }
    }
}
",
    );
    edited
}

const LOOPS: &str = "for (var i_ = 0u; i_ < side(); i_ += 1u) { for (var j_ = 0u; j_ < side(); j_ += 1u)";

/// Row `i_`, column `j_` of a matrix, of `BUFFER[AT], STRIDE);`.
fn element(place: &str, by_rows: bool) -> String {
    let (buffer, rest) = place.split_once('[').unwrap();
    let (at, stride) = rest.strip_suffix(");").and_then(|rest| rest.rsplit_once("], ")).unwrap();
    let (slow, fast) = if by_rows { ("i_", "j_") } else { ("j_", "i_") };
    format!("{buffer}[{at} + {slow} * ({stride}) + {fast}]")
}
