// Two sums over a workgroup of $WG (a power of two) in a fixed tree; every invocation gets them.
var<workgroup> reduce_cells: array<vec2<f32>, $WG>;

fn reduce_sums(lane: u32, values: vec2<f32>) -> vec2<f32> {
    reduce_cells[lane] = values;
    workgroupBarrier();
    for (var width = $WGu / 2u; width > 0u; width /= 2u) {
        if lane < width {
            reduce_cells[lane] += reduce_cells[lane + width];
        }
        workgroupBarrier();
    }
    let totals = reduce_cells[0];
    workgroupBarrier();
    return totals;
}
