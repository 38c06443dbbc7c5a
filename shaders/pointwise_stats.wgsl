// Batch statistics of one channel in one block of images: mean and sum of squared distances from it, in two reads
// (a single pass of E[x²] − E[x]² loses everything when the mean is far from 0).

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read_write> partials: array<vec2<f32>>;
#import step
@group(0) @binding(2) var<uniform> run: StepParams;

override BLOCKS: u32;
override PIXELS: u32;
override WIDTH: u32;

#import reduce
#import vector
#import inputs

// 1 for the images of a vector that count.
fn mask(valid: u32, n: u32) -> Values {
    return Values(
#for j in 0..$QUADS
        select(vec4<f32>(0.0), vec4<f32>(1.0), images(n * 4u * $QUADSu, $ju) < vec4<u32>(valid)),
#endfor
    );
}

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let most = LANES * 4u * $QUADSu;
    let before = wid.z * most;
    let valid = min(max(run.valid, before) - before, most);
    let base = wid.z * IN_BLOCK + wid.x * IN_PLANE + IN_ORIGIN;
    let scale = 1.0 / f32(max(valid * PIXELS, 1u));
    var sum = 0.0;
    for (var at = lane; at < PIXELS * LANES; at += $WGu) {
        let pixel = at / LANES;
        let n = at % LANES;
        sum += product(values(input[base + pixel / WIDTH * IN_ROW + pixel % WIDTH * LANES + n]), mask(valid, n));
    }
    let mean = reduce_sum(lane, sum) * scale;
    var squares = 0.0;
    for (var at = lane; at < PIXELS * LANES; at += $WGu) {
        let pixel = at / LANES;
        let n = at % LANES;
        let v = values(input[base + pixel / WIDTH * IN_ROW + pixel % WIDTH * LANES + n]);
        let counts = mask(valid, n);
#for j in 0..$QUADS
        let d$j = (v.v$j - mean) * counts.v$j;
        squares += dot(d$j, d$j);
#endfor
    }
    let total = reduce_sum(lane, squares);
    if lane == 0u {
        partials[wid.x * BLOCKS + wid.z] = vec2<f32>(mean, total);
    }
}
