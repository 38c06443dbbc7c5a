// Gradient of the active weights only, as conv_sparse_grad_weight_invocation, but the lanes of a subgroup, which is the whole
// workgroup, share the images and pixels. They need no barrier, and take $ROW vectors each before they add up. Where a row of
// dy has not enough vectors for all of them, they take $TOGETHER rows at once.

#import sparse_sums
#import lanes_sum
#import fold

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let group = group_of(fold_index(wid));
    let row = group.x;
    let first = group.y;
    if row == GROUP_END {
        return;
    }
    let last = min(first + $GROUPu, row_start[row + 1u]) - 1u;
    let width = row_width();
    let rows = rows_of(wid.z, BLOCKS * OUT_H);
    // Which of $TOGETHER rows is this lane's, and where it begins in it.
    let my_row = select(0u, lane / width, $TOGETHERu > 1u);
    let my_start = lane - my_row * width;
    // Lane i keeps the sum of weight i; the loop over them stays a loop, for loads are long code on some drivers.
    let my_shift = shift[min(first + lane, last)] / $QUADSu;
    var total = 0.0;
    for (var each = rows.x; each < rows.y; each += $TOGETHERu) {
        let has_row = my_row < $TOGETHERu && each + my_row < rows.y;
        let place = divide(select(each, each + my_row, has_row), OUT_H);
        let in_base = in_base_of(place);
        let out_base = out_base_of(place, row);
        var sum = 0.0;
        for (var begin = 0u; begin < width; begin += $ROWu * $WGu) {
            // Lanes beyond the row's end, or the last row, add zeros.
#for p in 0..$ROW
            let mine$p = begin + $pu * $WGu + my_start;
            let inside$p = has_row && mine$p < width;
            let at$p = select(0u, mine$p, inside$p);
            let dy$p = values(output_grad[out_base + at$p]);
            let base$p = in_base + in_row(at$p);
#endfor
            for (var e = first; e <= last; e += 1u) {
                let offset = subgroupShuffle(my_shift, e - first);
                var part = 0.0;
#for p in 0..$ROW
                part += select(0.0, product(dy$p, values(input[base$p + offset])), inside$p);
#endfor
                let all = lanes_sum(part);
                sum += select(0.0, all, lane == e - first);
            }
        }
        total += sum;
    }
    if first + lane <= last {
        weight_grad[wid.z * WEIGHTS + first + lane] = total;
    }
}
