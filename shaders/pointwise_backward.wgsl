// Gradient of relu(norm(input) + residual) to the input and the residual. Padding images get 0 behind a norm, which
// would else spread the means over them. RELU, BY_INPUT, DZ_KEPT: see pointwise_grad_stats.wgsl.

#uniform

// (DZ_KEPT) Of the residual.
@group(0) @binding(0) var<storage, read> output_grad: array<Vector>;
@group(0) @binding(1) var<storage, read_write> input_grad: array<Vector>;
#import step
@group(0) @binding(2) var<uniform> run: StepParams;
#ifdef RELU
@group(0) @binding($RELU) var<storage, read> output: array<Vector>;
#endif
#ifdef NORM
@group(0) @binding($NORM) var<storage, read> input: array<Vector>;
@group(0) @binding($FACTORS) var<storage, read> grad_factors: array<vec4<f32>>;
#endif
#ifdef BY_INPUT
@group(0) @binding($BY_INPUT) var<storage, read> factors: array<vec4<f32>>;
#endif
#ifdef RESIDUAL
@group(0) @binding($RESIDUAL) var<storage, read_write> residual_grad: array<Vector>;
#endif

#import pointwise

// An invocation handles $EACH vectors, for which it loads the channel's factors once.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
#ifdef NORM
    let f = grad_factors[wid.x];
#endif
#ifdef BY_INPUT
    let g = factors[wid.x];
#endif
    let first = wid.y * $EACHu * 64u + lane;
    let end = min(first + $EACHu * 64u, PIXELS * LANES);
    let step = divide(64u, WIDTH * LANES);
    var vector = divide(first, WIDTH * LANES);
    for (var id = first; id < end; id += 64u) {
        let at = place(wid, vector);
        vector = advance(vector, step, WIDTH * LANES);
#ifdef DZ_KEPT
        var dz = values(output_grad[at.residual]);
#else
        var dz = values(output_grad[at.output]);
#endif
#ifdef RELU
        let z = values(output[at.output]);
#for j in 0..$QUADS
        dz.v$j = select(vec4<f32>(0.0), dz.v$j, z.v$j > vec4<f32>(0.0));
#endfor
#endif
#ifdef RESIDUAL
#ifdef RESIDUAL_ACCUMULATE
        residual_grad[at.residual] = packed(plus(values(residual_grad[at.residual]), dz));
#else
        residual_grad[at.residual] = packed(dz);
#endif
#endif
#ifdef NORM
        let v = values(input[at.input]);
#for j in 0..$QUADS
#ifdef BY_INPUT
        dz.v$j = select(vec4<f32>(0.0), dz.v$j, (v.v$j - g.x) * g.z + g.w > vec4<f32>(0.0));
#endif
        let d$j = f.x * dz.v$j + f.y * (v.v$j - f.w) + f.z;
        dz.v$j = select(vec4<f32>(0.0), d$j, images(at.image, $ju) < vec4<u32>(run.valid));
#endfor
#endif
#ifdef ACCUMULATE
        input_grad[at.input] = packed(plus(values(input_grad[at.input]), dz));
#else
        input_grad[at.input] = packed(dz);
#endif
    }
}
