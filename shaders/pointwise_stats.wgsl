// Batch statistics of one channel in one block of images: mean and sum of squared distances from it, in two reads
// (a single pass of E[x²] − E[x]² loses everything when the mean is far from 0).

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> partials: array<vec2<f32>>;
#import step
@group(0) @binding(2) var<uniform> run: StepParams;

override LANES: u32;
override BLOCKS: u32;
override PIXELS: u32;
override WIDTH: u32;
override ORIGIN: u32;
override BLOCK: u32;
override PLANE: u32;
override ROW: u32;

#import reduce

// 1 for the images of a lane that count.
fn lane_mask(valid: u32, n: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), vec4<f32>(1.0), vec4<u32>(n * 4u) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(valid));
}

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let before = wid.z * LANES * 4u;
    let valid = min(max(run.valid, before) - before, LANES * 4u);
    let base = wid.z * BLOCK + wid.x * PLANE + ORIGIN;
    let scale = 1.0 / f32(max(valid * PIXELS, 1u));
    var sum = 0.0;
    for (var at = lane; at < PIXELS * LANES; at += $WGu) {
        let pixel = at / LANES;
        let n = at % LANES;
        sum += dot(input[base + pixel / WIDTH * ROW + pixel % WIDTH * LANES + n], lane_mask(valid, n));
    }
    let mean = reduce_sum(lane, sum) * scale;
    var squares = 0.0;
    for (var at = lane; at < PIXELS * LANES; at += $WGu) {
        let pixel = at / LANES;
        let n = at % LANES;
        let d = (input[base + pixel / WIDTH * ROW + pixel % WIDTH * LANES + n] - mean) * lane_mask(valid, n);
        squares += dot(d, d);
    }
    let total = reduce_sum(lane, squares);
    if lane == 0u {
        partials[wid.x * BLOCKS + wid.z] = vec2<f32>(mean, total);
    }
}
