// Gradient of the active weights only (a sampled dense-dense product), the simplest way: begin here, after conv_sparse_naive.
//
// For the active weight at (k, c, r, s) it is the sum, over images and pixels, of dy[k] times the x[c] that the weight
// multiplied there: shift[e] lies between the two, as in the forward pass. Gradients of inactive weights are not computed.
//
// One invocation sums for a group of $GROUP consecutive active weights of one output channel (one weight would do, but then dy
// were loaded for each; of blocks of $BLOCK output channels, for a group of blocks), and nobody helps it. The other kernels `conv_sparse_grad_weight_*` differ in who sums.

#import sparse_sums
#import fold

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = group_of(fold_index(wid) * $WGu + lane);
    let row = group.x;
    let first = group.y;
    if row == GROUP_END {
        return;
    }
    // The group's weights are first to last; a row may end with a short one, whose last weight is then summed more than once.
    let last = min(first + $GROUPu, row_start[row + 1u]) - 1u;
    let width = row_width();
    let rows = rows_of(wid.z, BLOCKS * OUT_H);
#for i in 0..$GROUP
    let shift$i = shift[min(first + $iu, last)] / $QUADSu;
#for b in 0..$BLOCK
    var total$i_$b = 0.0;
#endfor
#endfor
    for (var each = rows.x; each < rows.y; each += 1u) {
        let place = divide(each, OUT_H);
        let in_base = in_base_of(place);
        let out_base = out_base_of(place, row * $BLOCKu);
        // Rows are summed on their own: a long chain of additions would round more.
#for i in 0..$GROUP
#for b in 0..$BLOCK
        var sum$i_$b = 0.0;
#endfor
#endfor
        // Each vector is one pixel of several images: `product` multiplies image by image and adds up.
        for (var at = 0u; at < width; at += 1u) {
#for b in 0..$BLOCK
            let dy$b = values(output_grad[out_base + $bu * OUT_PLANE + at]);
#endfor
            let base = in_base + in_row(at);
#for i in 0..$GROUP
            let x$i = values(input[base + shift$i]);
#for b in 0..$BLOCK
            sum$i_$b += product(dy$b, x$i);
#endfor
#endfor
        }
#for i in 0..$GROUP
#for b in 0..$BLOCK
        total$i_$b += sum$i_$b;
#endfor
#endfor
    }
    let to = wid.z * WEIGHTS + first * $BLOCKu;
#for i in 0..$GROUP
    if first + $iu <= last {
#for b in 0..$BLOCK
        weight_grad[to + $iu * $BLOCKu + $bu] = total$i_$b;
#endfor
    }
#endfor
}
