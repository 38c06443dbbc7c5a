// Gradient of every position of a weight, as conv_dense_grad_weight_invocation, but the lanes of a team share the strips of a
// tile. A team lies in a subgroup, and adds up without a barrier.

#uniform

#import dense_sums
#import dense_teams
#import lanes_sum
#import fold

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let index = fold_index(wid);
    if index >= TILES {
        return;
    }
    let tile = tile_of(index, invocation / $TEAMu);
    let lane = invocation % $TEAMu;
    let first = tile.x;
    let c = tile.y;
    let start = lane;
    let step = $TEAMu;
#import dense_strips
    let row = IN_CHANNELS * $TAPSu;
    let at = weight_at(wid.z, first, c);
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
}
