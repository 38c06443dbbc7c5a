// Gradient of relu(norm(input) + residual) to the input and the residual. Padding images get 0 behind a norm, which
// would else spread the means over them.

@group(0) @binding(0) var<storage, read> output_grad: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> input_grad: array<vec4<f32>>;
#import step
@group(0) @binding(2) var<uniform> run: StepParams;
#ifdef RELU
@group(0) @binding($RELU) var<storage, read> output: array<vec4<f32>>;
#endif
#ifdef NORM
@group(0) @binding($NORM) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding($FACTORS) var<storage, read> grad_factors: array<vec4<f32>>;
#endif
#ifdef RESIDUAL
@group(0) @binding($RESIDUAL) var<storage, read_write> residual_grad: array<vec4<f32>>;
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
    let f = grad_factors[c];
#endif
    let first = wid.y * $EACHu * 64u + lane;
    let end = min(first + $EACHu * 64u, PIXELS * LANES);
    for (var id = first; id < end; id += 64u) {
        let n = id % LANES;
        let pixel = id / LANES;
        let y = pixel / WIDTH;
        let x = pixel % WIDTH;
        let out_at = wid.z * OUT_BLOCK + c * OUT_PLANE + OUT_ORIGIN + y * OUT_ROW + x * LANES + n;
        let in_at = wid.z * IN_BLOCK + c * IN_PLANE + IN_ORIGIN + y * IN_ROW + x * LANES + n;
        var dz = output_grad[out_at];
#ifdef RELU
        dz = select(vec4<f32>(0.0), dz, output[out_at] > vec4<f32>(0.0));
#endif
#ifdef RESIDUAL
        let res_at = wid.z * RES_BLOCK + c * RES_PLANE + RES_ORIGIN + y * RES_ROW + x * LANES + n;
#ifdef RESIDUAL_ACCUMULATE
        residual_grad[res_at] += dz;
#else
        residual_grad[res_at] = dz;
#endif
#endif
#ifdef NORM
        let image = vec4<u32>((wid.z * LANES + n) * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
        dz = select(vec4<f32>(0.0), f.x * dz + f.y * (input[in_at] - f.w) + f.z, image < vec4<u32>(run.valid));
#endif
#ifdef ACCUMULATE
        input_grad[in_at] += dz;
#else
        input_grad[in_at] = dz;
#endif
    }
}
