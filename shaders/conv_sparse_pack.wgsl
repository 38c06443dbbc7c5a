// Writes each active weight next to its shift, so that a gather loads both at once; (TRANSPOSED) in the order in which the
// input gradient reads them, so that it need not look them up. One invocation per weight.

#uniform

@group(0) @binding(0) var<storage, read> shift: array<u32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
// Shift in vectors, bits of the weight.
@group(0) @binding(2) var<storage, read_write> packed: array<vec2<u32>>;
#ifdef TRANSPOSED
@group(0) @binding(3) var<storage, read> entry: array<u32>;
#endif

override COUNT: u32;
// groups of four images a vector
override QUADS: u32;

#import fold

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = fold_index(wid) * 64u + lane;
    if e >= COUNT {
        return;
    }
#ifdef TRANSPOSED
    let value = weight[entry[e]];
#else
    let value = weight[e];
#endif
    packed[e] = vec2<u32>(shift[e] / QUADS, bitcast<u32>(value));
}
