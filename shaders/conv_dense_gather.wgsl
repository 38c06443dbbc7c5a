// Dense convolution, forward and (TRANSPOSED) input gradient; the weight is [out][in][kernel][kernel] in both.
//
// One invocation: $ROW neighbouring pixels of $TILE result channels, one vector of images; one workgroup: one tile of channels
// and one parity class (see conv_sparse_gather.wgsl). A loaded input element serves the whole tile and (SHARED:
// the taps of a kernel row reach overlapping pixels) every tap of the row. Weights are loaded by every invocation, or
// (SHUFFLE) lane t of a subgroup loads those of channel t and passes them to the other lanes.

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
// channels of the result and of the sum; distance of neighbours of each in the weight
override CHANNELS: u32;
override TERMS: u32;
override CHANNEL_STEP: u32;
override TERM_STEP: u32;
// input gradient: how far `base` lies before the first output pixel, in output pixels
override LEAD: u32;

@compute @workgroup_size($WG)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
#ifdef SHUFFLE
    @builtin(subgroup_invocation_id) mine: u32,
#endif
) {
    let first = wid.x / (OUT_STEP * OUT_STEP) * $TILEu;
    let parity = wid.x % (OUT_STEP * OUT_STEP);
    let place = place_of(wid.z, wid.y * $WGu + lane, parity);
#ifdef SHUFFLE
    let my_weight = min(first + mine % $TILEu, CHANNELS - 1u) * CHANNEL_STEP;
#endif
#for t in 0..$TILE
#ifndef SHUFFLE
    let weight$t = min(first + $tu, CHANNELS - 1u) * CHANNEL_STEP;
#endif
#for p in 0..$ROW
#ifdef BIAS
    var sum$t_$p = all_of(bias[min(first + $tu, CHANNELS - 1u)]);
#else
    var sum$t_$p = all_of(0.0);
#endif
#endfor
#endfor
    // In the order of the weight, as the sparse kernel sums: zeros change nothing, and both give the same bits.
#ifdef SHARED
#ifdef TRANSPOSED
    let column = place.base + (PADDING + LEAD - ($KERNELu - 1u)) * LANES;
#else
    let column = place.base;
#endif
    for (var term = 0u; term < TERMS; term += 1u) {
        for (var r = 0u; r < $KERNELu; r += 1u) {
#ifdef TRANSPOSED
            let source = column + term * IN_PLANE + (PADDING + LEAD - r) * IN_ROW;
#else
            let source = column + term * IN_PLANE + r * IN_ROW;
#endif
            var v = array<Values, $LOADS>();
#for i in 0..$LOADS
            v[$i] = values(input[source + $iu * LANES]);
#endfor
            let w = term * TERM_STEP + r * $KERNELu;
#for s in 0..$KERNEL
#ifdef SHUFFLE
            let weight_$s = weight[my_weight + w + $su];
#endif
#endfor
#for t in 0..$TILE
#for s in 0..$KERNEL
#ifdef SHUFFLE
            let w$t_$s = subgroupShuffle(weight_$s, $tu);
#else
            let w$t_$s = weight[weight$t + w + $su];
#endif
#for p in 0..$ROW
#ifdef TRANSPOSED
            sum$t_$p = add(sum$t_$p, w$t_$s, v[$pu + ($KERNELu - 1u - $su)]);
#else
            sum$t_$p = add(sum$t_$p, w$t_$s, v[$pu * $STEPu + $su]);
#endif
#endfor
#endfor
#endfor
        }
    }
#else
    // Input gradient with a stride: taps r with (py + PADDING − r) divisible by it.
    let py = parity / OUT_STEP;
    let px = parity % OUT_STEP;
    let r_first = (py + PADDING) % STRIDE;
    let s_first = (px + PADDING) % STRIDE;
    for (var term = 0u; term < TERMS; term += 1u) {
        let plane = place.base + term * IN_PLANE;
        for (var r = r_first; r < KERNEL; r += STRIDE) {
            for (var s = s_first; s < KERNEL; s += STRIDE) {
                let dy = (py + PADDING + LEAD * STRIDE - r) / STRIDE;
                let dx = (px + PADDING + LEAD * STRIDE - s) / STRIDE;
                let source = plane + dy * IN_ROW + dx * LANES;
#for p in 0..$ROW
                let v$p = values(input[source + $pu * IN_STEP_X]);
#endfor
                let w = term * TERM_STEP + r * KERNEL + s;
#ifdef SHUFFLE
                let own = weight[my_weight + w];
#endif
#for t in 0..$TILE
#ifdef SHUFFLE
                let w$t = subgroupShuffle(own, $tu);
#else
                let w$t = weight[weight$t + w];
#endif
#for p in 0..$ROW
                sum$t_$p = add(sum$t_$p, w$t, v$p);
#endfor
#endfor
            }
        }
    }
#endif
    let at = result_at(place, first);
#for t in 0..$TILE
    if place.inside && first + $tu < CHANNELS {
#for p in 0..$ROW
        let at$p = at + $tu * OUT_PLANE + $pu * OUT_STEP * LANES;
#ifdef ACCUMULATE
        sum$t_$p = plus(sum$t_$p, values(output[at$p]));
#endif
        output[at$p] = packed(sum$t_$p);
#endfor
    }
#endfor
}
