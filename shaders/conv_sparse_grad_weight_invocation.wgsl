// Gradient of the active weights only (a sampled dense-dense product): for weight (k, c, tap), the sum over images
// and pixels of dy[k] · x[c] shifted by the tap.
//
// One invocation sums for a group of $GROUP consecutive active weights of one output channel, so that dy is loaded once for
// all of them. Nobody helps it: the simplest of the kernels `conv_sparse_grad_weight_*`, which differ in who sums.

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
    let last = min(first + $GROUPu, row_start[row + 1u]) - 1u;
    let width = row_width();
    let rows = rows_of(wid.z, BLOCKS * OUT_H);
#for i in 0..$GROUP
    let shift$i = shift[min(first + $iu, last)] / $QUADSu;
    var total$i = 0.0;
#endfor
    for (var each = rows.x; each < rows.y; each += 1u) {
        let place = divide(each, OUT_H);
        let in_base = in_base_of(place);
        let out_base = out_base_of(place, row);
        // Rows are summed on their own: a long chain of additions would round more.
#for i in 0..$GROUP
        var sum$i = 0.0;
#endfor
        for (var at = 0u; at < width; at += 1u) {
            let dy = values(output_grad[out_base + at]);
            let base = in_base + in_row(at);
#for i in 0..$GROUP
            sum$i += product(dy, values(input[base + shift$i]));
#endfor
        }
#for i in 0..$GROUP
        total$i += sum$i;
#endfor
    }
    let to = wid.z * WEIGHTS + first;
#for i in 0..$GROUP
    if first + $iu <= last {
        weight_grad[to + $iu] = total$i;
    }
#endfor
}
