// Gradient of every position of a weight, as conv_dense_grad_weight_invocation, but the invocations of a workgroup share the
// strips of a tile, and add up through its memory.

#uniform

#import dense_sums
#import fold

var<workgroup> cells: array<f32, $CELLS>;

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = fold_index(wid);
    if index >= TILES {
        return;
    }
    let first = index / IN_CHANNELS * $TILEu;
    let c = index % IN_CHANNELS;
    let start = lane;
    let step = $WGu;
#import dense_strips
    let row = IN_CHANNELS * $TAPSu;
    let at = weight_at(wid.z, first, c);
#for t in 0..$TILE
#for i in 0..$TAPS
    cells[lane * $TILEu * $TAPSu + $tu * $TAPSu + $iu] = total$t[$i];
#endfor
#endfor
    workgroupBarrier();
    // Each weight is added up in order by one invocation.
    for (var i = lane; i < $TILEu * $TAPSu; i += $WGu) {
        var total = 0.0;
        for (var j = 0u; j < $WGu; j += 1u) {
            total += cells[j * $TILEu * $TAPSu + i];
        }
        if first + i / $TAPSu < OUT_CHANNELS {
            weight_grad[at + i / $TAPSu * row + i % $TAPSu] = total;
        }
    }
}
