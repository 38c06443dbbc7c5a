// Gradient of every position of a weight, active or not: for dense layers, and the scratch that gradient growth reads.
//
// One in channel and $TILE out channels, all $TAPS taps, so that x is loaded once for the tile and dy once for the taps: by
// a workgroup, (SUBGROUP) by a subgroup, or (SERIAL) by each invocation alone (see conv_sparse_grad_weight.wgsl); then also
// (SHUFFLE) lanes are neighbouring in channels, and lane t loads dy of out channel t for all of them. Teams share strips, a
// row of pixels of one vector of images; along a strip the columns of x that the next pixel needs again are kept.
// Over 150 lines: the ways to share the sum differ in a few lines each, and everything around them is one.

#uniform

#import conv_sum
#import team
#import divide

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read> output_grad: array<Vector>;
@group(0) @binding(2) var<storage, read_write> weight_grad: array<f32>;

override TILES: u32;
override IN_CHANNELS: u32;
override OUT_CHANNELS: u32;

#ifdef SHUFFLE
// The values of another lane.
fn handed(v: Values, lane: u32) -> Values {
    return Values(
#for j in 0..$QUADS
        subgroupShuffle(v.v$j, lane),
#endfor
    );
}
#endif

@compute @workgroup_size($WG)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
#ifdef SHUFFLE
    @builtin(subgroup_invocation_id) lane: u32,
#else
#ifdef SUBGROUP
    @builtin(subgroup_invocation_id) lane: u32,
#else
    @builtin(local_invocation_index) lane: u32,
#endif
#endif
) {
#ifdef SHUFFLE
    let index = fold_index(wid);
    let columns = (IN_CHANNELS + $WGu - 1u) / $WGu;
#else
#ifdef SERIAL
    let index = fold_index(wid) * $WGu + lane;
#else
    let index = fold_index(wid);
#endif
    let columns = IN_CHANNELS;
#endif
#ifdef SERIAL
    let start = 0u;
    let step = 1u;
#else
    let start = lane;
    let step = $WGu;
#endif
    if index >= TILES {
        return;
    }
    let first = index / columns * $TILEu;
#ifdef SHUFFLE
    let own = index % columns * $WGu + lane;
    let c = min(own, IN_CHANNELS - 1u);
    let my_plane = min(first + lane % $TILEu, OUT_CHANNELS - 1u) * OUT_PLANE;
#else
    let c = index % columns;
#endif
#for t in 0..$TILE
#ifndef SHUFFLE
    let plane$t = min(first + $tu, OUT_CHANNELS - 1u) * OUT_PLANE;
#endif
    var total$t = array<f32, $TAPS>();
#endfor
    let strips = rows_of(wid.z, BLOCKS * OUT_H * LANES);
    for (var strip = strips.x + start; strip < strips.y; strip += step) {
        let row = divide(strip / LANES, OUT_H);
        let out_base = row.x * OUT_BLOCK + OUT_ORIGIN + row.y * OUT_ROW + strip % LANES;
        let in_base = row.x * IN_BLOCK + c * IN_PLANE + IN_ORIGIN + row.y * IN_STEP_Y + strip % LANES;
        // Strips are summed on their own: a long chain of additions would round more.
#for t in 0..$TILE
        var sum$t = array<f32, $TAPS>();
#endfor
        var x = array<array<Values, $KERNEL>, $KERNEL>();
#for r in 0..$KERNEL
#for s in 0..$KEPT
        x[$r][$s] = values(input[in_base + $ru * IN_ROW + $su * LANES]);
#endfor
#endfor
        for (var at = 0u; at < OUT_W; at += 1u) {
#ifdef SHUFFLE
            let mine = values(output_grad[out_base + my_plane + at * LANES]);
#endif
#for t in 0..$TILE
#ifdef SHUFFLE
            let dy$t = handed(mine, $tu);
#else
            let dy$t = values(output_grad[out_base + plane$t + at * LANES]);
#endif
#endfor
            let base = in_base + at * IN_STEP_X;
#for r in 0..$KERNEL
#for s in $KEPT..$KERNEL
            x[$r][$s] = values(input[base + $ru * IN_ROW + $su * LANES]);
#endfor
#for s in 0..$KERNEL
#for t in 0..$TILE
            sum$t[$r * $KERNEL + $s] += product(dy$t, x[$r][$s]);
#endfor
#endfor
#for s in 0..$KEPT
            x[$r][$s] = x[$r][$s + $STEP];
#endfor
#endfor
        }
#for t in 0..$TILE
#for i in 0..$TAPS
        total$t[$i] += sum$t[$i];
#endfor
#endfor
    }
    let row = IN_CHANNELS * $TAPSu;
    let at = wid.z * WEIGHTS + first * row + c * $TAPSu;
#ifdef SERIAL
#for t in 0..$TILE
#ifdef SHUFFLE
    if own < IN_CHANNELS && first + $tu < OUT_CHANNELS {
#else
    if first + $tu < OUT_CHANNELS {
#endif
#for i in 0..$TAPS
        weight_grad[at + $tu * row + $iu] = total$t[$i];
#endfor
    }
#endfor
#else
#ifdef SUBGROUP
    // Lane t keeps the sums of channel t: stores are long code on some drivers.
#for i in 0..$TAPS
    var mine$i = 0.0;
#for t in 0..$TILE
    let all$t_$i = lanes_sum(total$t[$i]);
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
    cells[lane * $TILEu * $TAPSu + $tu * $TAPSu + $iu] = total$t[$i];
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
