// Sum over a workgroup of $WG (a power of two) in a fixed tree; every invocation gets it.
var<workgroup> reduce_cells: array<f32, $WG>;

fn reduce_sum(lane: u32, value: f32) -> f32 {
    reduce_cells[lane] = value;
    workgroupBarrier();
    for (var width = $WGu / 2u; width > 0u; width /= 2u) {
        if lane < width {
            reduce_cells[lane] += reduce_cells[lane + width];
        }
        workgroupBarrier();
    }
    let total = reduce_cells[0];
    workgroupBarrier();
    return total;
}
