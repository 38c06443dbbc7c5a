// Sums that batch normalisation's gradient needs, of one channel in one block of images:
// Σ dz and Σ dz · (x − mean), where dz is the output gradient behind the ReLU.

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> output_grad: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> factors: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec2<f32>>;
#ifdef RELU
@group(0) @binding(4) var<storage, read> output: array<vec4<f32>>;
#endif

override LANES: u32;
override BLOCKS: u32;
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

#import reduce

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = wid.x;
    let in_base = wid.z * IN_BLOCK + c * IN_PLANE + IN_ORIGIN;
    let out_base = wid.z * OUT_BLOCK + c * OUT_PLANE + OUT_ORIGIN;
    let mean = factors[c].x;
    var sum = 0.0;
    var product = 0.0;
    for (var at = lane; at < PIXELS * LANES; at += $WGu) {
        let pixel = at / LANES;
        let n = at % LANES;
        let y = pixel / WIDTH;
        let x = pixel % WIDTH;
        let place = out_base + y * OUT_ROW + x * LANES + n;
        var dz = output_grad[place];
#ifdef RELU
        dz = select(vec4<f32>(0.0), dz, output[place] > vec4<f32>(0.0));
#endif
        sum += dot(dz, vec4<f32>(1.0));
        product += dot(dz, input[in_base + y * IN_ROW + x * LANES + n] - mean);
    }
    let sum_total = reduce_sum(lane, sum);
    let product_total = reduce_sum(lane, product);
    if lane == 0u {
        partials[c * BLOCKS + wid.z] = vec2<f32>(sum_total, product_total);
    }
}
