// Sums that batch normalisation's gradient needs, of one channel in one block of images:
// Σ dz and Σ dz · (x − mean), where dz is the output gradient behind the ReLU. Whether the ReLU let a number pass is seen from the
// output, or (BY_INPUT: no residual was added) computed again from the input.
//
// DZ_KEPT: dz is the residual's gradient. It is stored there, and pointwise_backward reads it instead of output and its gradient.

#uniform

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read> output_grad: array<Vector>;
@group(0) @binding(2) var<storage, read> factors: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec2<f32>>;
#ifdef RELU
@group(0) @binding(4) var<storage, read> output: array<Vector>;
#endif
#ifdef DZ_KEPT
@group(0) @binding(5) var<storage, read_write> residual_grad: array<Vector>;
#endif

override BLOCKS: u32;
override PIXELS: u32;
override WIDTH: u32;

#import reduce
#import rows
#import vector
#import inputs
#import outputs
#ifdef DZ_KEPT
#import residuals
#endif

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = wid.x;
    let in_base = wid.z * IN_BLOCK + c * IN_PLANE + IN_ORIGIN;
    let out_base = wid.z * OUT_BLOCK + c * OUT_PLANE + OUT_ORIGIN;
#ifdef DZ_KEPT
    let residual_base = wid.z * RES_BLOCK + c * RES_PLANE + RES_ORIGIN;
#endif
    // (mean, 1/std, scale, shift)
    let f = factors[c];
    var sum = 0.0;
    var moment = 0.0;
    let step = divide($WGu, WIDTH * LANES);
    var vector = divide(lane, WIDTH * LANES);
    for (var id = lane; id < PIXELS * LANES; id += $WGu) {
        let place = out_base + vector.x * OUT_ROW + vector.y;
        var dz = values(output_grad[place]);
#ifdef RELU
        let z = values(output[place]);
#endif
        let v = values(input[in_base + vector.x * IN_ROW + vector.y]);
#ifdef DZ_KEPT
        let kept = residual_base + vector.x * RES_ROW + vector.y;
#endif
        vector = advance(vector, step, WIDTH * LANES);
#for j in 0..$QUADS
#ifdef RELU
        dz.v$j = select(vec4<f32>(0.0), dz.v$j, z.v$j > vec4<f32>(0.0));
#endif
#ifdef BY_INPUT
        dz.v$j = select(vec4<f32>(0.0), dz.v$j, (v.v$j - f.x) * f.z + f.w > vec4<f32>(0.0));
#endif
        sum += dot(dz.v$j, vec4<f32>(1.0));
        moment += dot(dz.v$j, v.v$j - f.x);
#endfor
#ifdef DZ_KEPT
        residual_grad[kept] = packed(dz);
#endif
    }
    let totals = reduce_sums(lane, vec2<f32>(sum, moment));
    if lane == 0u {
        partials[c * BLOCKS + wid.z] = totals;
    }
}
