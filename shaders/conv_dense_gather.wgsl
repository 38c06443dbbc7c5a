// Dense convolution, forward and (TRANSPOSED) input gradient; the weight is [out][in][kernel][kernel] in both.
//
// One workgroup: a tile of $TILE result channels, $WG invocations along images, then pixels, of one parity class
// (see conv_sparse_gather.wgsl). Each input element is loaded once for the whole tile.

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;
#ifdef BIAS
@group(0) @binding(3) var<storage, read> bias: array<f32>;
#endif

override LANES: u32;
override GRID_W: u32;
override KERNEL: u32;
override PADDING: u32;
override STRIDE: u32;
// channels of the result and of the sum; distance of neighbours of each in the weight
override CHANNELS: u32;
override TERMS: u32;
override CHANNEL_STEP: u32;
override TERM_STEP: u32;
// input gradient: how far `base` lies before the first output pixel, in output pixels
override LEAD: u32;
override IN_ORIGIN: u32;
override IN_BLOCK: u32;
override IN_PLANE: u32;
override IN_ROW: u32;
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
    let first = wid.x / (OUT_STEP * OUT_STEP) * $TILEu;
    let parity = wid.x % (OUT_STEP * OUT_STEP);
    let py = parity / OUT_STEP;
    let px = parity % OUT_STEP;
    let y = qy * OUT_STEP + py;
    let x = qx * OUT_STEP + px;
    if y >= OUT_H || x >= OUT_W {
        return;
    }
    let base = wid.z * IN_BLOCK + IN_ORIGIN + qy * IN_STEP_Y + qx * IN_STEP_X + n;
#for i in 0..$TILE
    let w$i = min(first + $iu, CHANNELS - 1u) * CHANNEL_STEP;
#ifdef BIAS
    var sum$i = vec4<f32>(bias[min(first + $iu, CHANNELS - 1u)]);
#else
    var sum$i = vec4<f32>(0.0);
#endif
#endfor
#ifdef TRANSPOSED
    // Taps r with (py + PADDING − r) divisible by the stride.
    let r_first = (py + PADDING) % STRIDE;
    let s_first = (px + PADDING) % STRIDE;
#else
    let r_first = 0u;
    let s_first = 0u;
#endif
    // In the order of the weight, as the sparse kernel sums: zeros change nothing, and both give the same bits.
    for (var term = 0u; term < TERMS; term += 1u) {
        let plane = base + term * IN_PLANE;
        for (var r = r_first; r < KERNEL; r += OUT_STEP) {
            for (var s = s_first; s < KERNEL; s += OUT_STEP) {
#ifdef TRANSPOSED
                let dy = (py + PADDING + LEAD * STRIDE - r) / STRIDE;
                let dx = (px + PADDING + LEAD * STRIDE - s) / STRIDE;
#else
                let dy = r;
                let dx = s;
#endif
                let v = input[plane + dy * IN_ROW + dx * LANES];
                let w = term * TERM_STEP + r * KERNEL + s;
#for i in 0..$TILE
                sum$i += weight[w$i + w] * v;
#endfor
            }
        }
    }
    let at = wid.z * OUT_BLOCK + first * OUT_PLANE + OUT_ORIGIN + y * OUT_ROW + x * LANES + n;
#for i in 0..$TILE
    if first + $iu < CHANNELS {
#ifdef ACCUMULATE
        output[at + $iu * OUT_PLANE] += sum$i;
#else
        output[at + $iu * OUT_PLANE] = sum$i;
#endif
    }
#endfor
}
