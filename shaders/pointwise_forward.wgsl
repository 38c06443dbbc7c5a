// relu(norm(input) + residual), each part optional: NORM, RESIDUAL, RELU.

#uniform

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read_write> output: array<Vector>;
#ifdef NORM
// (mean, 1/std, scale, shift) a channel
@group(0) @binding(2) var<storage, read> factors: array<vec4<f32>>;
#endif
#ifdef RESIDUAL
@group(0) @binding($RESIDUAL) var<storage, read> residual: array<Vector>;
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
    let step = divide(64u, WIDTH * LANES);
    var vector = divide(first, WIDTH * LANES);
    for (var id = first; id < end; id += 64u) {
        let at = place(wid, vector);
        vector = advance(vector, step, WIDTH * LANES);
        var v = values(input[at.input]);
#ifdef RESIDUAL
        let r = values(residual[at.residual]);
#endif
#for j in 0..$QUADS
#ifdef NORM
        v.v$j = (v.v$j - f.x) * f.z + f.w;
#endif
#ifdef RESIDUAL
        v.v$j += r.v$j;
#endif
#ifdef RELU
        v.v$j = max(v.v$j, vec4<f32>(0.0));
#endif
#endfor
        output[at.output] = packed(v);
    }
}
