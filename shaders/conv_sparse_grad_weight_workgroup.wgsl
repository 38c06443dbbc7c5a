// Gradient of the active weights only, as conv_sparse_grad_weight_invocation, but the invocations of a workgroup share the
// images and pixels, and add up in order through its memory. Where a row of dy has not enough vectors for all of them, they
// take $TOGETHER rows at once.

#import sparse_sums
#import fold

var<workgroup> cells: array<f32, $CELLS>;

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = group_of(fold_index(wid));
    let row = group.x;
    let first = group.y;
    if row == GROUP_END {
        return;
    }
    let last = min(first + $GROUPu, row_start[row + 1u]) - 1u;
    let width = row_width();
    let rows = rows_of(wid.z, BLOCKS * OUT_H);
    // Which of $TOGETHER rows is this invocation's, and where it begins in it.
    let my_row = select(0u, lane / width, $TOGETHERu > 1u);
    let my_start = lane - my_row * width;
#for i in 0..$GROUP
    let shift$i = shift[min(first + $iu, last)] / $QUADSu;
#for b in 0..$BLOCK
    var total$i_$b = 0.0;
#endfor
#endfor
    for (var each = rows.x; each < rows.y; each += $TOGETHERu) {
        let has_row = my_row < $TOGETHERu && each + my_row < rows.y;
        let start = select(width, my_start, has_row);
        let place = divide(select(each, each + my_row, has_row), OUT_H);
        let in_base = in_base_of(place);
        let out_base = out_base_of(place, row * $BLOCKu);
        // Rows are summed on their own: a long chain of additions would round more.
#for i in 0..$GROUP
#for b in 0..$BLOCK
        var sum$i_$b = 0.0;
#endfor
#endfor
        for (var at = start; at < width; at += $WGu) {
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
#for i in 0..$GROUP
#for b in 0..$BLOCK
    cells[(lane * $GROUPu + $iu) * $BLOCKu + $bu] = total$i_$b;
#endfor
#endfor
    workgroupBarrier();
    // Each weight is added up in order by one invocation.
    for (var i = lane; i < (last + 1u - first) * $BLOCKu; i += $WGu) {
        var total = 0.0;
        for (var j = 0u; j < $WGu; j += 1u) {
            total += cells[j * $GROUPu * $BLOCKu + i];
        }
        weight_grad[wid.z * WEIGHTS + first * $BLOCKu + i] = total;
    }
}
