// Gradient of every position of a weight, active or not: for dense layers, and the scratch that gradient growth reads.
//
// One in channel and $TILE out channels, all $TAPS taps, so that x is loaded once for the tile and dy once for the taps: by
// a workgroup, (SUBGROUP) by a subgroup, or (SERIAL) by each invocation alone (see conv_sparse_grad_weight.wgsl).

#uniform

#import conv_sum

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read> output_grad: array<Vector>;
@group(0) @binding(2) var<storage, read_write> weight_grad: array<f32>;

override TILES: u32;
override IN_CHANNELS: u32;
override OUT_CHANNELS: u32;

@compute @workgroup_size($WG)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
#ifdef SUBGROUP
    @builtin(subgroup_invocation_id) lane: u32,
#else
    @builtin(local_invocation_index) lane: u32,
#endif
) {
#ifdef SERIAL
    let index = fold_index(wid) * $WGu + lane;
    let start = 0u;
    let step = 1u;
#else
    let index = fold_index(wid);
    let start = lane;
    let step = $WGu;
#endif
    if index >= TILES {
        return;
    }
    let first = index / IN_CHANNELS * $TILEu;
    let c = index % IN_CHANNELS;
#for t in 0..$TILE
    let plane$t = min(first + $tu, OUT_CHANNELS - 1u) * OUT_PLANE;
#for i in 0..$TAPS
    var total$t_$i = 0.0;
#endfor
#endfor
    let width = row_width();
    for (var block = 0u; block < BLOCKS; block += 1u) {
        let in_base = block * IN_BLOCK + c * IN_PLANE + IN_ORIGIN;
        let out_base = block * OUT_BLOCK + OUT_ORIGIN;
        for (var y = 0u; y < OUT_H; y += 1u) {
            // Rows are summed on their own: a long chain of additions would round more.
#for t in 0..$TILE
#for i in 0..$TAPS
            var sum$t_$i = 0.0;
#endfor
#endfor
            for (var at = start; at < width; at += step) {
#for t in 0..$TILE
                let dy$t = values(output_grad[out_base + plane$t + y * OUT_ROW + at]);
#endfor
                let base = in_base + y * IN_STEP_Y + in_row(at);
#for i in 0..$TAPS
                let x$i = values(input[base + ($iu / $KERNELu) * IN_ROW + ($iu % $KERNELu) * LANES]);
#endfor
#for t in 0..$TILE
#for i in 0..$TAPS
                sum$t_$i += product(dy$t, x$i);
#endfor
#endfor
            }
#for t in 0..$TILE
#for i in 0..$TAPS
            total$t_$i += sum$t_$i;
#endfor
#endfor
        }
    }
    let row = IN_CHANNELS * $TAPSu;
    let at = first * row + c * $TAPSu;
#ifdef SERIAL
#for t in 0..$TILE
    if first + $tu < OUT_CHANNELS {
#for i in 0..$TAPS
        weight_grad[at + $tu * row + $iu] = total$t_$i;
#endfor
    }
#endfor
#else
#ifdef SUBGROUP
    // Lane t keeps the sums of channel t: stores are long code on some drivers.
#for i in 0..$TAPS
    var mine$i = 0.0;
#for t in 0..$TILE
    let all$t_$i = lanes_sum(total$t_$i);
    mine$i = select(mine$i, all$t_$i, lane == $tu);
#endfor
#endfor
    if lane < $TILEu && first + lane < OUT_CHANNELS {
#for i in 0..$TAPS
        weight_grad[at + lane * row + $iu] = mine$i;
#endfor
    }
#else
#for t in 0..$TILE
#for i in 0..$TAPS
    cells[lane * $TILEu * $TAPSu + $tu * $TAPSu + $iu] = total$t_$i;
#endfor
#endfor
    workgroupBarrier();
    for (var i = lane; i < $TILEu * $TAPSu; i += $WGu) {
        var total = 0.0;
        for (var j = 0u; j < $WGu; j += 1u) {
            total += cells[j * $TILEu * $TAPSu + i];
        }
        if first + i / $TAPSu < OUT_CHANNELS {
            weight_grad[at + i / $TAPSu * row + i % $TAPSu] = total;
        }
    }
#endif
#endif
}
