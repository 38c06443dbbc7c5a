// A weight gradient whose images and pixels were split: the sums of its parts, added up in order.

#uniform

@group(0) @binding(0) var<storage, read> parts: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight_grad: array<f32>;
#ifdef ACTIVE
// Its last word is the number of entries, of $ACTIVE weights each; what lies behind them stays zero.
@group(0) @binding(2) var<storage, read> row_start: array<u32>;
override ROWS: u32;
#endif

override SPLIT: u32;
override WEIGHTS: u32;

#import fold

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = fold_index(wid) * 64u + lane;
#ifdef ACTIVE
    let count = row_start[ROWS] * $ACTIVEu;
#else
    let count = WEIGHTS;
#endif
    if at >= count {
        return;
    }
    var total = parts[at];
    for (var part = 1u; part < SPLIT; part += 1u) {
        total += parts[part * WEIGHTS + at];
    }
    weight_grad[at] = total;
}
