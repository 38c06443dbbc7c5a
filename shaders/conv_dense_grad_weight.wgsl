// Gradient of every position of a weight, active or not: for dense layers, and the scratch that gradient growth reads.
//
// One (out, in) channel pair, all $TAPS taps, so that dy is loaded once for all of them: by a workgroup, or (SERIAL) by each
// invocation alone (see conv_sparse_grad_weight.wgsl).

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> output_grad: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> weight_grad: array<f32>;

override LANES: u32;
override BLOCKS: u32;
override PAIRS: u32;
override IN_CHANNELS: u32;
override OUT_H: u32;
override OUT_W: u32;
override IN_ORIGIN: u32;
override IN_BLOCK: u32;
override IN_PLANE: u32;
override IN_ROW: u32;
override IN_STEP_Y: u32;
override IN_STEP_X: u32;
override OUT_ORIGIN: u32;
override OUT_BLOCK: u32;
override OUT_PLANE: u32;
override OUT_ROW: u32;

#ifndef SERIAL
var<workgroup> cells: array<f32, $CELLS>;
#endif

#import fold

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
#ifdef SERIAL
    let pair = fold_index(wid) * $WGu + lane;
    let start = 0u;
    let step = 1u;
#else
    let pair = fold_index(wid);
    let start = lane;
    let step = $WGu;
#endif
    if pair >= PAIRS {
        return;
    }
    let k = pair / IN_CHANNELS;
    let c = pair % IN_CHANNELS;
#for i in 0..$TAPS
    var total$i = 0.0;
#endfor
    for (var block = 0u; block < BLOCKS; block += 1u) {
        let in_base = block * IN_BLOCK + c * IN_PLANE + IN_ORIGIN;
        let out_base = block * OUT_BLOCK + k * OUT_PLANE + OUT_ORIGIN;
        for (var y = 0u; y < OUT_H; y += 1u) {
#for i in 0..$TAPS
            var sum$i = 0.0;
#endfor
            for (var at = start; at < OUT_W * LANES; at += step) {
                let dy = output_grad[out_base + y * OUT_ROW + at];
                let base = in_base + y * IN_STEP_Y + at / LANES * IN_STEP_X + at % LANES;
#for i in 0..$TAPS
                sum$i += dot(dy, input[base + ($iu / $KERNELu) * IN_ROW + ($iu % $KERNELu) * LANES]);
#endfor
            }
#for i in 0..$TAPS
            total$i += sum$i;
#endfor
        }
    }
#ifdef SERIAL
#for i in 0..$TAPS
    weight_grad[pair * $TAPSu + $iu] = total$i;
#endfor
#else
#for i in 0..$TAPS
    cells[lane * $TAPSu + $iu] = total$i;
#endfor
    workgroupBarrier();
    for (var tap = lane; tap < $TAPSu; tap += $WGu) {
        var total = 0.0;
        for (var i = 0u; i < $WGu; i += 1u) {
            total += cells[i * $TAPSu + tap];
        }
        weight_grad[pair * $TAPSu + tap] = total;
    }
#endif
}
