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

#import pointwise

// An invocation handles $EACH vectors, for which it loads the channel's factors once.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
#ifdef NORM
    let f = grad_factors[wid.x];
#endif
    let first = wid.y * $EACHu * 64u + lane;
    let end = min(first + $EACHu * 64u, PIXELS * LANES);
    for (var id = first; id < end; id += 64u) {
        let at = place(wid, id);
        var dz = output_grad[at.output];
#ifdef RELU
        dz = select(vec4<f32>(0.0), dz, output[at.output] > vec4<f32>(0.0));
#endif
#ifdef RESIDUAL
#ifdef RESIDUAL_ACCUMULATE
        residual_grad[at.residual] += dz;
#else
        residual_grad[at.residual] = dz;
#endif
#endif
#ifdef NORM
        let image = vec4<u32>(at.image) + vec4<u32>(0u, 1u, 2u, 3u);
        dz = select(vec4<f32>(0.0), f.x * dz + f.y * (input[at.input] - f.w) + f.z, image < vec4<u32>(run.valid));
#endif
#ifdef ACCUMULATE
        input_grad[at.input] += dz;
#else
        input_grad[at.input] = dz;
#endif
    }
}
