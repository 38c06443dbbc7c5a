// Sparse convolution as a gather: each active weight of a row adds its value times a shifted plane of the input.
//
// Forward: a row is an output channel, the input is x.
// Input gradient: a row is an input channel and one of the OUT_STEP² parity classes of its pixels, the input is dy; with
// stride 2 a tap reaches exactly one class, so no work is wasted and nothing is scattered.
//
// One workgroup: one row, or (GROUP) so many rows at the same pixels, with the same number of invocations for each row. Rows of
// one group reach overlapping pixels, which a GPU then finds in its first cache. Groups of rows are the fastest dimension of
// the grid, so that a tile of the input stays in the next cache while every row uses it.
//
// One invocation: $ROW neighbouring pixels of one row. It loads $UNROLL weights, then all that they multiply, then adds up in
// the order of the weights: one wait for many loads. Or (SHUFFLE) each lane of a subgroup loads one of $CHUNK weights and passes
// it to the other lanes.

#import conv_gather
#import packed_rows

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read> row_start: array<u32>;
// Shift and weight, see conv_sparse_pack; (PAIRS) of two weights.
@group(0) @binding(2) var<storage, read> packed_weight: array<Packed>;
@group(0) @binding(3) var<storage, read_write> output: array<Vector>;
#ifdef BIAS
@group(0) @binding(4) var<storage, read> bias: array<f32>;
#endif

#ifdef PAIRS
alias Packed = vec4<u32>;
#else
#ifdef WIDE
alias Packed = u64;

fn shift_of(packed: Packed) -> u32 {
    return u32(packed);
}

fn weight_of(packed: Packed) -> f32 {
    return bitcast<f32>(u32(packed >> 32u));
}
#else
alias Packed = vec2<u32>;

fn shift_of(packed: Packed) -> u32 {
    return packed.x;
}

fn weight_of(packed: Packed) -> f32 {
    return bitcast<f32>(packed.y);
}
#endif
#endif

// Invocations of a row.
#ifdef GROUP
const SLOTS = $WGu / $GROUPu;
#else
const SLOTS = $WGu;
#endif

@compute @workgroup_size($WG)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
#ifdef SHUFFLE
    @builtin(subgroup_invocation_id) mine: u32,
#endif
) {
#ifdef GROUP
    let row = wid.x * $GROUPu + lane / SLOTS;
#else
    // The same for all invocations, which shuffles demand.
    let row = wid.x;
#endif
    let channel = row / (OUT_STEP * OUT_STEP);
    let place = place_of(wid.z, wid.y * SLOTS + lane % SLOTS, row % (OUT_STEP * OUT_STEP));
    let start = row_start[row];
    let first = packed_start(row, start);
    let end = first + packed_length(row_start[row + 1u] - start);
#for p in 0..$ROW
#ifdef BIAS
    var sum$p = all_of(bias[channel]);
#else
    var sum$p = all_of(0.0);
#endif
#endfor
#ifdef PAIRS
    for (var pair = first / 2u; pair < end / 2u; pair += $PAIRSu) {
#for j in 0..$PAIRS
        let packed$j = packed_weight[pair + $ju];
#endfor
#for j in 0..$PAIRS
#for p in 0..$ROW
        let x$j_0_$p = input[place.base + packed$j.x + $pu * IN_STEP_X];
        let x$j_1_$p = input[place.base + packed$j.z + $pu * IN_STEP_X];
#endfor
#endfor
#for j in 0..$PAIRS
#for p in 0..$ROW
        sum$p = add(sum$p, bitcast<f32>(packed$j.y), values(x$j_0_$p));
        sum$p = add(sum$p, bitcast<f32>(packed$j.w), values(x$j_1_$p));
#endfor
#endfor
    }
#else
#ifdef SHUFFLE
    for (var begin = first; begin < end; begin += $CHUNKu) {
        let my_packed = packed_weight[min(begin + mine % $CHUNKu, end - 1u)];
        let my_shift = shift_of(my_packed);
        let my_weight = weight_of(my_packed);
        // Counted so that a compiler does not see at most $CHUNK rounds and unroll all: loads are long code on some drivers.
        let last = min(begin + $CHUNKu, end);
        for (var i = begin; i < last; i += 1u) {
            let at = place.base + subgroupShuffle(my_shift, i - begin);
            let w = subgroupShuffle(my_weight, i - begin);
#for p in 0..$ROW
            sum$p = add(sum$p, w, values(input[at + $pu * IN_STEP_X]));
#endfor
        }
    }
#else
    for (var e = first; e < end; e += 1u) {
        let packed = packed_weight[e];
        let at = place.base + shift_of(packed);
        let w = weight_of(packed);
#for p in 0..$ROW
        sum$p = add(sum$p, w, values(input[at + $pu * IN_STEP_X]));
#endfor
    }
#endif
#endif
    if place.inside {
        let at = result_at(place, channel);
#for p in 0..$ROW
        let at$p = at + $pu * OUT_STEP * LANES;
#ifdef ACCUMULATE
        sum$p = plus(sum$p, values(output[at$p]));
#endif
        output[at$p] = packed(sum$p);
#endfor
    }
}
