// Gradient of every position of a weight, as conv_dense_grad_weight_invocation, but the invocations of a team share the strips
// of a tile, and add up through the memory of the workgroup, one out channel of the tile after the other.

#uniform

#import dense_sums
#import dense_teams
#import fold

var<workgroup> cells: array<f32, $CELLS>;

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let index = fold_index(wid);
    if index >= TILES {
        return;
    }
    let tile = tile_of(index, invocation / $TEAMu);
    let first = tile.x;
    let c = tile.y;
    let start = invocation % $TEAMu;
    let step = $TEAMu;
#import dense_strips
    let row = IN_CHANNELS * $TAPSu;
#for t in 0..$TILE
#for i in 0..$TAPS
    cells[invocation * $TAPSu + $iu] = total$t[$i];
#endfor
    workgroupBarrier();
    // Each weight is added up in order by one invocation.
    for (var i = invocation; i < $WGu / $TEAMu * $TAPSu; i += $WGu) {
        let team = i / $TAPSu;
        let tap = i % $TAPSu;
        var total = 0.0;
        for (var j = team * $TEAMu; j < (team + 1u) * $TEAMu; j += 1u) {
            total += cells[j * $TAPSu + tap];
        }
        let to = tile_of(index, team);
        if to.x + $tu < OUT_CHANNELS {
            weight_grad[weight_at(wid.z, to.x, to.y) + $tu * row + tap] = total;
        }
    }
    workgroupBarrier();
#endfor
}
