// Growth by the gradient and at random. FIRST: how many of those that grow are chosen by the gradient, of each $UNITS as many. Then,
// when these are chosen, the scores by which all are: theirs above all others, 30 random bits for the rest.

#uniform

#import update_counts
#ifdef FIRST
// mirrors `ops::topology::UpdateCounts`
@group(0) @binding(0) var<storage, read_write> counts: array<u32>;

override UNITS: u32;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    if lane == 0u {
        let units = counts[GROW] / UNITS;
        counts[GROW_FIRST] = UNITS * min(units, u32(f32(units) * bitcast<f32>(counts[MIX])));
    }
}
#else
@group(0) @binding(0) var<storage, read_write> score: array<u32>;
#import step
@group(0) @binding(1) var<uniform> run: StepParams;
@group(0) @binding(2) var<storage, read> counts: array<u32>;
// The positions that the prune left, and these with those that the gradient chose.
@group(0) @binding(3) var<storage, read> kept: array<u32>;
@group(0) @binding(4) var<storage, read> after: array<u32>;

override COUNT: u32;

#import philox
#import fold

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let block = fold_index(wid) * 64u + lane;
    let words = philox4x32(run.seed, vec4<u32>(block, counts[LAYER], run.update, PURPOSE_GROW));
    for (var i = 0u; i < 4u; i += 1u) {
        let at = block * 4u + i;
        if at < COUNT {
            let chosen = ((after[at / 32u] & ~kept[at / 32u]) >> (at % 32u)) & 1u;
            score[at] = select(words[i] >> 2u, 0x40000000u, chosen == 1u);
        }
    }
}
#endif
