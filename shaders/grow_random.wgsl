// Scores of random growth: 31 random bits per position, from (seed, layer, update, position). UNFIRED: 30 of them, below a bit
// that says whether the position was never active.

#uniform

@group(0) @binding(0) var<storage, read_write> score: array<u32>;
#import step
@group(0) @binding(1) var<uniform> run: StepParams;
// mirrors `ops::topology::UpdateCounts`
@group(0) @binding(2) var<storage, read> counts: array<u32>;
#ifdef UNFIRED
@group(0) @binding(3) var<storage, read> explored: array<u32>;
#endif

override COUNT: u32;

#import philox
#import fold
#import update_counts

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let block = fold_index(wid) * 64u + lane;
    let words = philox4x32(run.seed, vec4<u32>(block, counts[LAYER], run.update, PURPOSE_GROW));
    for (var i = 0u; i < 4u; i += 1u) {
        let at = block * 4u + i;
        if at < COUNT {
#ifdef UNFIRED
            let unfired = 1u - ((explored[at / 32u] >> (at % 32u)) & 1u);
            score[at] = (words[i] >> 2u) | (unfired << 30u);
#else
            score[at] = words[i] >> 1u;
#endif
        }
    }
}
