// Gives each active weight that is 0 a sign, from (seed, layer, update, place in the list): the least number that carries one to
// the next optimiser step.

#uniform

@group(0) @binding(0) var<storage, read_write> value: array<f32>;
// Its last word is the number of active weights.
@group(0) @binding(1) var<storage, read> row_start: array<u32>;
#import step
@group(0) @binding(2) var<uniform> run: StepParams;
// mirrors `ops::topology::UpdateCounts`
@group(0) @binding(3) var<storage, read> counts: array<u32>;

override ROWS: u32;

#import philox
#import fold
#import update_counts

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = fold_index(wid) * 64u + lane;
    if at >= row_start[ROWS] || value[at] != 0.0 {
        return;
    }
    let words = philox4x32(run.seed, vec4<u32>(at, counts[LAYER], run.update, PURPOSE_SIGN));
    value[at] = select(1e-12, -1e-12, (words.x >> 31u) == 1u);
}
