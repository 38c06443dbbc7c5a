// What the rules that look at the gradient prune by, a float an active weight, after the optimiser's step: |w · g| (TAYLOR), or
// |w| + λ · |g|.

#uniform

@group(0) @binding(0) var<storage, read> value: array<f32>;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> keys: array<f32>;
#import step
@group(0) @binding(3) var<uniform> run: StepParams;
#ifndef TAYLOR
// mirrors `ops::topology::UpdateCounts`
@group(0) @binding(4) var<storage, read> counts: array<u32>;
#import update_counts
#endif

override COUNT: u32;

#import fold

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = fold_index(wid) * 64u + lane;
    if at >= COUNT {
        return;
    }
    let g = gradient[at] / run.loss_scale;
#ifdef TAYLOR
    keys[at] = value[at] * g;
#else
    keys[at] = abs(value[at]) + bitcast<f32>(counts[LAMBDA]) * abs(g);
#endif
}
