// Gradient of a convolution's bias: the sum of dy over images and pixels. One workgroup a channel.

#uniform

@group(0) @binding(0) var<storage, read> output_grad: array<Vector>;
@group(0) @binding(1) var<storage, read_write> bias_grad: array<f32>;

override BLOCKS: u32;
override PIXELS: u32;
override OUT_W: u32;

#import reduce
#import rows
#import vector
#import outputs

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    var sum = all_of(0.0);
    let step = divide($WGu, OUT_W * LANES);
    for (var block = 0u; block < BLOCKS; block += 1u) {
        let base = block * OUT_BLOCK + wid.x * OUT_PLANE + OUT_ORIGIN;
        var vector = divide(lane, OUT_W * LANES);
        for (var id = lane; id < PIXELS * LANES; id += $WGu) {
            sum = plus(sum, values(output_grad[base + vector.x * OUT_ROW + vector.y]));
            vector = advance(vector, step, OUT_W * LANES);
        }
    }
    let total = reduce_sums(lane, vec2<f32>(product(sum, all_of(1.0)), 0.0)).x;
    if lane == 0u {
        bias_grad[wid.x] = total;
    }
}
