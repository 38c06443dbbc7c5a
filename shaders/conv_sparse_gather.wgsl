// Sparse convolution as a gather: each active weight of a row adds its value times a shifted plane of the input.
//
// Forward: a row is an output channel, the input is x.
// Input gradient (TRANSPOSED): a row is an input channel and one of the OUT_STEP² parity classes of its pixels, the
// input is dy; with stride 2 a tap reaches exactly one class, so no work is wasted and nothing is scattered.
//
// One workgroup: one row (fastest, so that a tile of the input stays in cache while every row uses it), $WG
// invocations along images, then pixels. The weight and its shift are uniform over the workgroup.

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> row_start: array<u32>;
@group(0) @binding(2) var<storage, read> shift: array<u32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
#ifdef TRANSPOSED
@group(0) @binding(5) var<storage, read> entry: array<u32>;
#endif
#ifdef BIAS
@group(0) @binding(5) var<storage, read> bias: array<f32>;
#endif

override LANES: u32;
override GRID_W: u32;
override IN_ORIGIN: u32;
override IN_BLOCK: u32;
override IN_STEP_Y: u32;
override IN_STEP_X: u32;
override OUT_ORIGIN: u32;
override OUT_BLOCK: u32;
override OUT_PLANE: u32;
override OUT_ROW: u32;
override OUT_STEP: u32;
override OUT_H: u32;
override OUT_W: u32;

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let id = wid.y * $WGu + lane;
    let n = id % LANES;
    let pixel = id / LANES;
    let qy = pixel / GRID_W;
    let qx = pixel % GRID_W;
    let channel = wid.x / (OUT_STEP * OUT_STEP);
    let parity = wid.x % (OUT_STEP * OUT_STEP);
    let y = qy * OUT_STEP + parity / OUT_STEP;
    let x = qx * OUT_STEP + parity % OUT_STEP;
    if y >= OUT_H || x >= OUT_W {
        return;
    }
    let base = wid.z * IN_BLOCK + IN_ORIGIN + qy * IN_STEP_Y + qx * IN_STEP_X + n;
    let end = row_start[wid.x + 1u];
#ifdef BIAS
    var sum = vec4<f32>(bias[channel]);
#else
    var sum = vec4<f32>(0.0);
#endif
    for (var e = row_start[wid.x]; e < end; e += 1u) {
#ifdef TRANSPOSED
        let w = weight[entry[e]];
#else
        let w = weight[e];
#endif
        sum += w * input[base + shift[e]];
    }
    let at = wid.z * OUT_BLOCK + channel * OUT_PLANE + OUT_ORIGIN + y * OUT_ROW + x * LANES + n;
#ifdef ACCUMULATE
    output[at] += sum;
#else
    output[at] = sum;
#endif
}
