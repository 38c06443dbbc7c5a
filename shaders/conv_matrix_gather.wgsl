// Dense convolution by cooperative matrices, forward and (TRANSPOSED) input gradient of stride 1. For each tap, result channels ×
// images are the product of the weight (result channels × channels; conv_matrix_pack.wgsl) and the input (channels × images).
//
// One workgroup: $TILE matrices of result channels, $ROW neighbouring pixels, $COLUMNS matrices that hold a pixel's images. It is as
// large as the driver's largest subgroup; where it falls into $SUBGROUPS smaller ones, all of them compute the same.

#ifdef HALF
enable f16;
#endif
enable wgpu_cooperative_matrix;

#import conv_gather
#import matrix

@group(0) @binding(0) var<storage, read> input: array<Number>;
@group(0) @binding(1) var<storage, read> weight: array<Number>;
@group(0) @binding(2) var<storage, read_write> output: array<Vector>;
#ifdef BIAS
@group(0) @binding(3) var<storage, read> bias: array<f32>;
#endif

override KERNEL: u32;
// matrices of channels that are summed over; distance of neighbours of these and of result channels in the weight
override TERMS: u32;
override TERM_STEP: u32;
override CHANNEL_STEP: u32;
// vectors from the pixel's base to its first tap; what it takes to the next row and column of taps
override FIRST: u32;

// of one matrix of result channels: [channel][pixel][image]
const CELL = MATRIX * $ROWu * IMAGES;
var<workgroup> sums: array<f32, $SUBGROUPSu * CELL>;

@compute @workgroup_size($WG)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let first = wid.x * $TILEu;
    let pixel = wid.y * $ROWu;
    let y = pixel / GRID_W;
    let x = pixel % GRID_W;
    let base = wid.z * IN_BLOCK + IN_ORIGIN + y * IN_STEP_Y + x * IN_STEP_X + FIRST;
#for t in 0..$TILE
#for p in 0..$ROW
#for n in 0..$COLUMNS
    var sum$t_$p_$n = Sum();
#endfor
#endfor
#endfor
    for (var term = 0u; term < TERMS; term += 1u) {
        for (var tap = 0u; tap < KERNEL * KERNEL; tap += 1u) {
            let r = tap / KERNEL;
            let s = tap % KERNEL;
#ifdef TRANSPOSED
            let source = base + term * MATRIX * IN_PLANE - r * IN_ROW - s * LANES;
#else
            let source = base + term * MATRIX * IN_PLANE + r * IN_ROW + s * LANES;
#endif
#for p in 0..$ROW
#for n in 0..$COLUMNS
            let x$p_$n = coopLoadT<Right>(&input[(source + $pu * IN_STEP_X) * WIDTH + $nu * MATRIX], IN_PLANE * WIDTH);
#endfor
#endfor
            let matrix = first * CHANNEL_STEP + term * TERM_STEP + tap;
#for t in 0..$TILE
#ifdef TRANSPOSED
            let w$t = coopLoad<Left>(&weight[(matrix + $tu * CHANNEL_STEP) * MATRIX * MATRIX], MATRIX);
#else
            let w$t = coopLoadT<Left>(&weight[(matrix + $tu * CHANNEL_STEP) * MATRIX * MATRIX], MATRIX);
#endif
#for p in 0..$ROW
#for n in 0..$COLUMNS
            sum$t_$p_$n = coopMultiplyAdd(w$t, x$p_$n, sum$t_$p_$n);
#endfor
#endfor
#endfor
        }
    }
    let to = wid.z * OUT_BLOCK + OUT_ORIGIN + y * OUT_ROW + x * LANES;
#for t in 0..$TILE
#for p in 0..$ROW
#for n in 0..$COLUMNS
    coopStoreT(sum$t_$p_$n, &sums[subgroup * CELL + $pu * IMAGES + $nu * MATRIX], $ROWu * IMAGES);
#endfor
#endfor
    workgroupBarrier();
    for (var i = lane; i < CELL / WIDTH; i += $WGu) {
        let channel = (first + $tu) * MATRIX + i / ($ROWu * LANES);
        let at = to + channel * OUT_PLANE + i % ($ROWu * LANES);
        var v = all_of(0.0);
#for j in 0..$QUADS
        let from$j = images(i * WIDTH, $ju);
        v.v$j = vec4<f32>(sums[from$j.x], sums[from$j.y], sums[from$j.z], sums[from$j.w]);
#endfor
#ifdef BIAS
        v = plus(v, all_of(bias[channel]));
#endif
#ifdef ACCUMULATE
        v = plus(v, values(output[at]));
#endif
        output[at] = packed(v);
    }
    workgroupBarrier();
#endfor
}
