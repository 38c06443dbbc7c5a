// Batch statistics of one channel in one block of images: mean and sum of squared distances from it, in two reads
// (a single pass of E[x²] − E[x]² loses everything when the mean is far from 0).

#uniform

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read_write> partials: array<vec2<f32>>;
#import step
@group(0) @binding(2) var<uniform> run: StepParams;

override BLOCKS: u32;
override PIXELS: u32;
override WIDTH: u32;

#import reduce
#import rows
#import vector
#import inputs

// 1 for the images that count, of vector `at` of a row.
fn mask(valid: u32, at: u32) -> Values {
    let first = at % LANES * 4u * $QUADSu;
    return Values(
#for j in 0..$QUADS
        select(vec4<f32>(0.0), vec4<f32>(1.0), images(first, $ju) < vec4<u32>(valid)),
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
    let first = divide(lane, WIDTH * LANES);
    let step = divide($WGu, WIDTH * LANES);
    var vector = first;
    var sum = 0.0;
    for (var id = lane; id < PIXELS * LANES; id += $WGu) {
        sum += product(values(input[base + vector.x * IN_ROW + vector.y]), mask(valid, vector.y));
        vector = advance(vector, step, WIDTH * LANES);
    }
    let mean = reduce_sums(lane, vec2<f32>(sum, 0.0)).x * scale;
    var squares = 0.0;
    vector = first;
    for (var id = lane; id < PIXELS * LANES; id += $WGu) {
        let v = values(input[base + vector.x * IN_ROW + vector.y]);
        let counts = mask(valid, vector.y);
        vector = advance(vector, step, WIDTH * LANES);
#for j in 0..$QUADS
        let d$j = (v.v$j - mean) * counts.v$j;
        squares += dot(d$j, d$j);
#endfor
    }
    let total = reduce_sums(lane, vec2<f32>(squares, 0.0)).x;
    if lane == 0u {
        partials[wid.x * BLOCKS + wid.z] = vec2<f32>(mean, total);
    }
}
