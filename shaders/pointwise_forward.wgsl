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

override LANES: u32;
override PIXELS: u32;
override WIDTH: u32;
override IN_ORIGIN: u32;
override IN_BLOCK: u32;
override IN_PLANE: u32;
override IN_ROW: u32;
override OUT_ORIGIN: u32;
override OUT_BLOCK: u32;
override OUT_PLANE: u32;
override OUT_ROW: u32;
override RES_ORIGIN: u32;
override RES_BLOCK: u32;
override RES_PLANE: u32;
override RES_ROW: u32;

// An invocation handles $EACH vectors, for which it loads the channel's factors once.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = wid.x;
#ifdef NORM
    let f = factors[c];
#endif
    let first = wid.y * $EACHu * 64u + lane;
    let end = min(first + $EACHu * 64u, PIXELS * LANES);
    for (var id = first; id < end; id += 64u) {
        let n = id % LANES;
        let pixel = id / LANES;
        let y = pixel / WIDTH;
        let x = pixel % WIDTH;
        var v = input[wid.z * IN_BLOCK + c * IN_PLANE + IN_ORIGIN + y * IN_ROW + x * LANES + n];
#ifdef NORM
        v = (v - f.x) * f.z + f.w;
#endif
#ifdef RESIDUAL
        v += residual[wid.z * RES_BLOCK + c * RES_PLANE + RES_ORIGIN + y * RES_ROW + x * LANES + n];
#endif
#ifdef RELU
        v = max(v, vec4<f32>(0.0));
#endif
        output[wid.z * OUT_BLOCK + c * OUT_PLANE + OUT_ORIGIN + y * OUT_ROW + x * LANES + n] = v;
    }
}
