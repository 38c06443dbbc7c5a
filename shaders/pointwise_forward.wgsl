// relu(norm(input) + residual), each part optional: NORM, RESIDUAL, RELU.

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;
#ifdef NORM
// (mean, 1/std, scale, shift) a channel
@group(0) @binding(2) var<storage, read> factors: array<vec4<f32>>;
#endif
#ifdef RESIDUAL
@group(0) @binding($RESIDUAL) var<storage, read> residual: array<vec4<f32>>;
#endif

#import pointwise

// An invocation handles $EACH vectors, for which it loads the channel's factors once.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
#ifdef NORM
    let f = factors[wid.x];
#endif
    let first = wid.y * $EACHu * 64u + lane;
    let end = min(first + $EACHu * 64u, PIXELS * LANES);
    for (var id = first; id < end; id += 64u) {
        let at = place(wid, id);
        var v = input[at.input];
#ifdef NORM
        v = (v - f.x) * f.z + f.w;
#endif
#ifdef RESIDUAL
        v += residual[at.residual];
#endif
#ifdef RELU
        v = max(v, vec4<f32>(0.0));
#endif
        output[at.output] = v;
    }
}
