// Scores of random growth: 31 random bits per position, from (seed, layer, update, position).

#uniform

@group(0) @binding(0) var<storage, read_write> score: array<u32>;
#import step
@group(0) @binding(1) var<uniform> run: StepParams;
// mirrors `ops::topology::UpdateCounts`; word 2 is the layer's number
@group(0) @binding(2) var<storage, read> counts: array<u32>;

override COUNT: u32;

#import philox
#import fold

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let block = fold_index(wid) * 64u + lane;
    let words = philox4x32(run.seed, vec4<u32>(block, counts[2], run.update, PURPOSE_GROW));
    for (var i = 0u; i < 4u; i += 1u) {
        if block * 4u + i < COUNT {
            score[block * 4u + i] = words[i] >> 1u;
        }
    }
}
