// Statistic: the sum of |w| over the weights that the previous update grew (age 0), before the prune. One workgroup, fixed order.

#uniform

@group(0) @binding(0) var<storage, read> value: array<f32>;
@group(0) @binding(1) var<storage, read> ages: array<u32>;
@group(0) @binding(2) var<storage, read_write> stats: array<u32>;
@group(0) @binding(3) var<storage, read> row_start: array<u32>;

override ROWS: u32;

#import reduce
#import bits
#import update_stats

@compute @workgroup_size($WG)
fn main(@builtin(local_invocation_index) lane: u32) {
    let weights = row_start[ROWS] * $BLOCKu;
    var sum = 0.0;
    for (var at = lane; at < weights; at += $WGu) {
        let entry = at / $BLOCKu;
        if byte_of(ages[entry / 4u], entry) == 0u {
            sum += abs(value[at]);
        }
    }
    let total = reduce_sums(lane, vec2<f32>(sum, 0.0)).x;
    if lane == 0u {
        stats[YOUNG_MAGNITUDE] = bitcast<u32>(total);
    }
}
