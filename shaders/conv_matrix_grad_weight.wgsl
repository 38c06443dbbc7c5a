// Gradient of every position of a weight by cooperative matrices: for each tap, out channels × in channels are the product of dy (out
// channels × images) and x (images × in channels), summed over pixels.
//
// One workgroup (see conv_matrix_gather.wgsl): one row of $KERNEL taps of $TILE matrices of out channels and one of in channels.

#ifdef HALF
enable f16;
#endif
enable wgpu_cooperative_matrix;

#uniform

#import conv_sum
#import matrix

@group(0) @binding(0) var<storage, read> input: array<Number>;
@group(0) @binding(1) var<storage, read> output_grad: array<Number>;
@group(0) @binding(2) var<storage, read_write> weight_grad: array<f32>;

override TILES: u32;
override IN_CHANNELS: u32;

const CELL = MATRIX * MATRIX;
var<workgroup> sums: array<f32, $SUBGROUPSu * CELL>;

@compute @workgroup_size($WG)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    // Beyond the last: the last, without storing it, for matrices are multiplied by all or none.
    let index = min(fold_index(wid), TILES - 1u);
    let cells = select(0u, CELL, fold_index(wid) < TILES);
    let r = index % $KERNELu;
    let c = index / $KERNELu % (IN_CHANNELS / MATRIX) * MATRIX;
    let k = index / $KERNELu / (IN_CHANNELS / MATRIX) * ($TILEu * MATRIX);
#for t in 0..$TILE
#for s in 0..$KERNEL
    var sum$t_$s = Sum();
#endfor
#endfor
    let rows = rows_of(wid.z, BLOCKS * OUT_H);
    for (var row = rows.x; row < rows.y; row += 1u) {
        let block = row / OUT_H;
        let y = row % OUT_H;
        let out_base = block * OUT_BLOCK + k * OUT_PLANE + OUT_ORIGIN + y * OUT_ROW;
        let in_base = block * IN_BLOCK + c * IN_PLANE + IN_ORIGIN + y * IN_STEP_Y + r * IN_ROW;
        for (var at = 0u; at < OUT_W * $COLUMNSu; at += 1u) {
            let x = at / $COLUMNSu;
            let n = at % $COLUMNSu * MATRIX;
#for s in 0..$KERNEL
            let x$s = coopLoad<Right>(&input[(in_base + x * IN_STEP_X + $su * LANES) * WIDTH + n], IN_PLANE * WIDTH);
#endfor
#for t in 0..$TILE
            let dy$t = coopLoadT<Left>(&output_grad[(out_base + $tu * MATRIX * OUT_PLANE + x * LANES) * WIDTH + n], OUT_PLANE * WIDTH);
#for s in 0..$KERNEL
            sum$t_$s = coopMultiplyAdd(dy$t, x$s, sum$t_$s);
#endfor
#endfor
        }
    }
    let to = wid.z * WEIGHTS + k * IN_CHANNELS * $KERNELu * $KERNELu + r * $KERNELu;
#for t in 0..$TILE
#for s in 0..$KERNEL
    coopStoreT(sum$t_$s, &sums[subgroup * CELL], MATRIX);
    workgroupBarrier();
    for (var i = lane; i < cells; i += $WGu) {
        let row = ($tu * MATRIX + i / MATRIX) * IN_CHANNELS + c + i % MATRIX;
        weight_grad[to + row * $KERNELu * $KERNELu + $su] = sums[i];
    }
    workgroupBarrier();
#endfor
#endfor
}
