// Gradient of every position of a weight, active or not: for dense layers, and the scratch that gradient growth reads.
//
// One workgroup: one (out, in) channel pair, all $TAPS taps, so that dy is loaded once for all of them.

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> output_grad: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> weight_grad: array<f32>;

override LANES: u32;
override BLOCKS: u32;
override PIXELS: u32;
override PAIRS: u32;
override IN_CHANNELS: u32;
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

var<workgroup> cells: array<f32, $CELLS>;

#import fold

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let pair = fold_index(wid);
    if pair >= PAIRS {
        return;
    }
    let k = pair / IN_CHANNELS;
    let c = pair % IN_CHANNELS;
#for i in 0..$TAPS
    var sum$i = 0.0;
#endfor
    for (var block = 0u; block < BLOCKS; block += 1u) {
        let in_base = block * IN_BLOCK + c * IN_PLANE + IN_ORIGIN;
        let out_base = block * OUT_BLOCK + k * OUT_PLANE + OUT_ORIGIN;
        for (var at = lane; at < PIXELS * LANES; at += $WGu) {
            let n = at % LANES;
            let pixel = at / LANES;
            let y = pixel / OUT_W;
            let x = pixel % OUT_W;
            let dy = output_grad[out_base + y * OUT_ROW + x * LANES + n];
            let base = in_base + y * IN_STEP_Y + x * IN_STEP_X + n;
#for i in 0..$TAPS
            sum$i += dot(dy, input[base + ($iu / $KERNELu) * IN_ROW + ($iu % $KERNELu) * LANES]);
#endfor
        }
    }
#for i in 0..$TAPS
    cells[lane * $TAPSu + $iu] = sum$i;
#endfor
    workgroupBarrier();
    for (var tap = lane; tap < $TAPSu; tap += $WGu) {
        var total = 0.0;
        for (var i = 0u; i < $WGu; i += 1u) {
            total += cells[i * $TAPSu + tap];
        }
        weight_grad[pair * $TAPSu + tap] = total;
    }
}
