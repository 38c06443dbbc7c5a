// Who shares a sum: (SUBGROUP) the lanes of a subgroup, which is the whole workgroup of $WG; (SERIAL) a single invocation; else a
// workgroup, through its shared memory.
#ifdef SUBGROUP
// Sum over the lanes in a fixed tree; every lane gets it.
fn lanes_sum(value: f32) -> f32 {
    var sum = value;
    for (var width = $WGu / 2u; width > 0u; width /= 2u) {
        sum += subgroupShuffleXor(sum, width);
    }
    return sum;
}
#else
#ifndef SERIAL
var<workgroup> cells: array<f32, $CELLS>;
#endif
#endif
