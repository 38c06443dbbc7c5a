// Gradient of every position of a weight, as conv_dense_grad_weight_invocation: each invocation sums alone, but the lanes of a
// subgroup have neighbouring in channels, and lane t loads dy of out channel t for all of them.

#uniform

#import dense_sums
#import fold

// The values of another lane.
fn handed(v: Values, lane: u32) -> Values {
    return Values(
#for j in 0..$QUADS
        subgroupShuffle(v.v$j, lane),
#endfor
    );
}

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let index = fold_index(wid);
    // Workgroups that an out channel's row of in channels takes.
    let columns = (IN_CHANNELS + $WGu - 1u) / $WGu;
    if index >= TILES {
        return;
    }
    let first = index / columns * $TILEu;
    // Beyond the last in channel: the last, without storing it, for its lane must load for the others.
    let own = index % columns * $WGu + lane;
    let c = min(own, IN_CHANNELS - 1u);
    let my_plane = min(first + lane % $TILEu, OUT_CHANNELS - 1u) * OUT_PLANE;
    let start = 0u;
    let step = 1u;
#import dense_strips
    let row = IN_CHANNELS * $TAPSu;
    let at = weight_at(wid.z, first, c);
#for t in 0..$TILE
    if own < IN_CHANNELS && first + $tu < OUT_CHANNELS {
#for i in 0..$TAPS
        weight_grad[at + $tu * row + $iu] = total$t[$i];
#endfor
    }
#endfor
}
