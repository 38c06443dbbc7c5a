// Sparse convolution as a gather, as conv_sparse_gather, of a weight whose active sets are blocks of $BLOCK neighbouring output
// channels at one (input channel, tap). A block's weights lie side by side, and one loaded x serves all of them.
//
// Forward: a row is $BLOCK output channels, the input is x.
// Input gradient: a row is an input channel and a parity class of its pixels, the input is dy, of which a block reads $BLOCK
// channels.
//
// Groups of rows and pixels are as there, and so are (UNROLL) several blocks under way. Weights are loaded four at a time.

#import conv_gather

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read> row_start: array<u32>;
@group(0) @binding(2) var<storage, read> shift: array<u32>;
@group(0) @binding(3) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<Vector>;
#ifdef TRANSPOSED
@group(0) @binding(5) var<storage, read> entry: array<u32>;
#endif
#ifdef BIAS
@group(0) @binding(5) var<storage, read> bias: array<f32>;
#endif

const SLOTS = $WGu / $GROUPu;

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = wid.x * $GROUPu + lane / SLOTS;
#ifdef TRANSPOSED
    let parity = row % (OUT_STEP * OUT_STEP);
#else
    let parity = 0u;
#endif
    let place = place_of(wid.z, wid.y * SLOTS + lane % SLOTS, parity);
    let end = row_start[row + 1u];
#ifdef TRANSPOSED
#for p in 0..$ROW
    var sum$p = all_of(0.0);
#endfor
#else
#for p in 0..$ROW
#for q in 0..$QUARTERS
#for c in 0..4
#ifdef BIAS
    var sum$p_$q_$c = all_of(bias[row * $BLOCKu + $qu * 4u + $cu]);
#else
    var sum$p_$q_$c = all_of(0.0);
#endif
#endfor
#endfor
#endfor
#endif
#ifdef UNROLL
    for (var first = row_start[row]; first < end; first += $UNROLLu) {
        // Behind the row's end: its last block once more, and weights that add nothing.
#for j in 0..$UNROLL
        let e$j = min(first + $ju, end - 1u);
        let at$j = place.base + shift[e$j] / $QUADSu;
#ifdef TRANSPOSED
        let from$j = entry[e$j] * $QUARTERSu;
#for q in 0..$QUARTERS
#for c in 0..4
#for p in 0..$ROW
        let x$j_$q_$c_$p = input[at$j + ($qu * 4u + $cu) * IN_PLANE + $pu * IN_STEP_X];
#endfor
#endfor
#endfor
#else
        let from$j = e$j * $QUARTERSu;
#for p in 0..$ROW
        let x$j_$p = input[at$j + $pu * IN_STEP_X];
#endfor
#endif
#for q in 0..$QUARTERS
        let w$j_$q = select(vec4<f32>(0.0), weight[from$j + $qu], first + $ju < end);
#endfor
#endfor
#for j in 0..$UNROLL
#ifdef TRANSPOSED
#for q in 0..$QUARTERS
#for c in 0..4
#for p in 0..$ROW
        sum$p = add(sum$p, w$j_$q[$c], values(x$j_$q_$c_$p));
#endfor
#endfor
#endfor
#else
#for p in 0..$ROW
        let v$j_$p = values(x$j_$p);
#for q in 0..$QUARTERS
#for c in 0..4
        sum$p_$q_$c = add(sum$p_$q_$c, w$j_$q[$c], v$j_$p);
#endfor
#endfor
#endfor
#endif
#endfor
    }
#else
    for (var e = row_start[row]; e < end; e += 1u) {
        let at = place.base + shift[e] / $QUADSu;
#ifdef TRANSPOSED
        let own = entry[e] * $QUARTERSu;
#for q in 0..$QUARTERS
        let w$q = weight[own + $qu];
#for c in 0..4
        let at$q_$c = at + ($qu * 4u + $cu) * IN_PLANE;
#for p in 0..$ROW
        sum$p = add(sum$p, w$q[$c], values(input[at$q_$c + $pu * IN_STEP_X]));
#endfor
#endfor
#endfor
#else
#for p in 0..$ROW
        let x$p = values(input[at + $pu * IN_STEP_X]);
#endfor
#for q in 0..$QUARTERS
        let w$q = weight[e * $QUARTERSu + $qu];
#for c in 0..4
#for p in 0..$ROW
        sum$p_$q_$c = add(sum$p_$q_$c, w$q[$c], x$p);
#endfor
#endfor
#endfor
#endif
    }
#endif
    if !place.inside {
        return;
    }
#ifdef TRANSPOSED
    let at = result_at(place, row / (OUT_STEP * OUT_STEP));
#for p in 0..$ROW
    let at$p = at + $pu * OUT_STEP * LANES;
#ifdef ACCUMULATE
    sum$p = plus(sum$p, values(output[at$p]));
#endif
    output[at$p] = packed(sum$p);
#endfor
#else
    let at = result_at(place, row * $BLOCKu);
#for q in 0..$QUARTERS
#for c in 0..4
#for p in 0..$ROW
    output[at + ($qu * 4u + $cu) * OUT_PLANE + $pu * LANES] = packed(sum$p_$q_$c);
#endfor
#endfor
#endfor
#endif
}
