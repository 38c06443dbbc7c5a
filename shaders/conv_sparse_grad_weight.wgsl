// Gradient of the active weights only (a sampled dense-dense product): for weight (k, c, tap), the sum over images
// and pixels of dy[k] · x[c] shifted by the tap.
//
// $GROUP consecutive active weights of one output channel are summed together, so that dy is loaded once for all of them.
// A workgroup shares the images and pixels and adds up in order; or (SUBGROUP) the lanes of a subgroup do, which need no
// barrier, $ROW vectors each before they add up; or (SERIAL) each invocation alone. Where a row of dy has not enough vectors
// for all of them, they take $TOGETHER rows at once.
// Over 150 lines: the ways to share the sum differ in a few lines each, and everything around them is one.

#import conv_sum
#import team
#import divide

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read> output_grad: array<Vector>;
@group(0) @binding(2) var<storage, read> row_start: array<u32>;
@group(0) @binding(3) var<storage, read> shift: array<u32>;
// (row, first entry) of each group; the word pair after the last one is (GROUP_END, 0)
@group(0) @binding(4) var<storage, read> groups: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> weight_grad: array<f32>;

override GROUP_MOST: u32;

// Vectors in a row of dy: OUT_W * LANES, but not known when the kernel is compiled. Some drivers unroll short loops however
// long their code is, and compile the result for seconds.
fn row_width() -> u32 {
    return min(OUT_W * LANES, arrayLength(&output_grad));
}

// Where vector `at` of a row of dy has its first tap in x, from the row's first one on.
fn in_row(at: u32) -> u32 {
    return at / LANES * IN_STEP_X + at % LANES;
}

@compute @workgroup_size($WG)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
#ifdef SUBGROUP
    @builtin(subgroup_invocation_id) lane: u32,
#else
    @builtin(local_invocation_index) lane: u32,
#endif
) {
#ifdef SERIAL
    let index = fold_index(wid) * $WGu + lane;
    let step = 1u;
#else
    let index = fold_index(wid);
    let step = $WGu;
#endif
    var row = 0xffffffffu;
    var first = 0u;
    if index < GROUP_MOST {
        row = groups[index].x;
        first = groups[index].y;
    }
    if row == 0xffffffffu {
        return;
    }
    let last = min(first + $GROUPu, row_start[row + 1u]) - 1u;
    let width = row_width();
    let rows = rows_of(wid.z, BLOCKS * OUT_H);
    // Which of $TOGETHER rows is this lane's, and where it begins in it (of a team; one alone has all).
    let my_row = select(0u, lane / width, $TOGETHERu > 1u);
    let my_start = lane - my_row * width;
    let to = wid.z * WEIGHTS + first;
#ifdef SUBGROUP
    // Lane i keeps the sum of weight i; the loop over them stays a loop, for loads are long code on some drivers.
    let my_shift = shift[min(first + lane, last)] / $QUADSu;
    var total = 0.0;
    for (var each = rows.x; each < rows.y; each += $TOGETHERu) {
        let has_row = my_row < $TOGETHERu && each + my_row < rows.y;
        let place = divide(select(each, each + my_row, has_row), OUT_H);
        let in_base = place.x * IN_BLOCK + IN_ORIGIN + place.y * IN_STEP_Y;
        let out_base = place.x * OUT_BLOCK + row * OUT_PLANE + OUT_ORIGIN + place.y * OUT_ROW;
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
        weight_grad[to + lane] = total;
    }
#else
#for i in 0..$GROUP
    let shift$i = shift[min(first + $iu, last)] / $QUADSu;
    var total$i = 0.0;
#endfor
    for (var each = rows.x; each < rows.y; each += $TOGETHERu) {
#ifdef SERIAL
        let start = 0u;
        let place = divide(each, OUT_H);
#else
        let has_row = my_row < $TOGETHERu && each + my_row < rows.y;
        let start = select(width, my_start, has_row);
        let place = divide(select(each, each + my_row, has_row), OUT_H);
#endif
        let in_base = place.x * IN_BLOCK + IN_ORIGIN + place.y * IN_STEP_Y;
        let out_base = place.x * OUT_BLOCK + row * OUT_PLANE + OUT_ORIGIN + place.y * OUT_ROW;
        // Rows are summed on their own: a long chain of additions would round more.
#for i in 0..$GROUP
        var sum$i = 0.0;
#endfor
        for (var at = start; at < width; at += step) {
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
#ifdef SERIAL
#for i in 0..$GROUP
    if first + $iu <= last {
        weight_grad[to + $iu] = total$i;
    }
#endfor
#else
#for i in 0..$GROUP
    cells[lane * $GROUPu + $iu] = total$i;
#endfor
    workgroupBarrier();
    // Each weight is added up in order by one invocation.
    for (var i = lane; i < $GROUPu && first + i <= last; i += $WGu) {
        var total = 0.0;
        for (var j = 0u; j < $WGu; j += 1u) {
            total += cells[j * $GROUPu + i];
        }
        weight_grad[to + i] = total;
    }
#endif
#endif
}
