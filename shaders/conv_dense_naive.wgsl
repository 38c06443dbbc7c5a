// Dense convolution, the simplest way; the weight is [out][in][kernel][kernel]. All other kernels of its kind compute the same,
// to the bit, and differ only in how they load.
//
// Forward: y[k] = Σ weight[k][c][r][s] · x[c] at the pixel that lies r rows and s columns on from the first that the filter
// sees, over all input channels c and taps (r, s). (TRANSPOSED) Input gradient: dx[c] = Σ weight[k][c][r][s] · dy[k] at the
// pixel whose tap (r, s) is this one, over all output channels k and the taps for which there is such a pixel.
//
// One invocation: one pixel of one channel, for all images of a vector (4, or 8 of 16 bits).

#import conv_gather

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<Vector>;
#ifdef BIAS
@group(0) @binding(3) var<storage, read> bias: array<f32>;
#endif

override KERNEL: u32;
override PADDING: u32;
override STRIDE: u32;
// channels of the sum; distance in the weight of neighbouring channels of the result and of the sum
override TERMS: u32;
override CHANNEL_STEP: u32;
override TERM_STEP: u32;
// input gradient: how far `base` lies before the first output pixel, in output pixels
override LEAD: u32;

// The first tap of a row or column that counts for pixels at `parity`, the distance to the next one, and how many rows or
// columns of the input lie between the first and what `tap` reads.
#ifdef TRANSPOSED
fn first_tap(parity: u32) -> u32 {
    return (parity + PADDING) % STRIDE;
}

fn tap_step() -> u32 {
    return STRIDE;
}

fn read_by(parity: u32, tap: u32) -> u32 {
    return (parity + PADDING + LEAD * STRIDE - tap) / STRIDE;
}
#else
fn first_tap(parity: u32) -> u32 {
    return 0u;
}

fn tap_step() -> u32 {
    return 1u;
}

fn read_by(parity: u32, tap: u32) -> u32 {
    return tap;
}
#endif

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // With a stride, the pixels of an input gradient are of OUT_STEP² classes, which different taps reach.
    let classes = OUT_STEP * OUT_STEP;
    let channel = wid.x / classes;
    let parity = vec2<u32>(wid.x % classes / OUT_STEP, wid.x % OUT_STEP);
    let place = place_of(wid.z, wid.y * $WGu + lane, wid.x % classes);
    if !place.inside {
        return;
    }
#ifdef BIAS
    var sum = all_of(bias[channel]);
#else
    var sum = all_of(0.0);
#endif
    for (var term = 0u; term < TERMS; term += 1u) {
        let plane = place.base + term * IN_PLANE;
        let filter_at = channel * CHANNEL_STEP + term * TERM_STEP;
        for (var r = first_tap(parity.x); r < KERNEL; r += tap_step()) {
            for (var s = first_tap(parity.y); s < KERNEL; s += tap_step()) {
                let at = plane + read_by(parity.x, r) * IN_ROW + read_by(parity.y, s) * LANES;
                sum = add(sum, weight[filter_at + r * KERNEL + s], values(input[at]));
            }
        }
    }
    let at = result_at(place, channel);
#ifdef ACCUMULATE
    sum = plus(sum, values(output[at]));
#endif
    output[at] = packed(sum);
}
