// Gradient of every position of a weight, active or not: for dense layers, and the scratch that gradient growth reads. Of the
// weight at (k, c, r, s) it is the sum, over images and pixels, of dy[k] times the x[c] that lies r rows and s columns on from
// the first that the filter sees there (shared/dense_strips).
//
// One invocation sums for one in channel and $TILE out channels, all $TAPS taps, so that x is loaded once for the tile and dy
// once for the taps. Nobody helps it: the simplest of the kernels `conv_dense_grad_weight_*`, which differ in who sums.

#uniform

#import dense_sums
#import fold

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = fold_index(wid) * $WGu + lane;
    if index >= TILES {
        return;
    }
    let first = index / IN_CHANNELS * $TILEu;
    let c = index % IN_CHANNELS;
    let start = 0u;
    let step = 1u;
#import dense_strips
    let row = IN_CHANNELS * $TAPSu;
    let at = weight_at(wid.z, first, c);
#for t in 0..$TILE
    if first + $tu < OUT_CHANNELS {
#for i in 0..$TAPS
        weight_grad[at + $tu * row + $iu] = total$t[$i];
#endfor
    }
#endfor
}
