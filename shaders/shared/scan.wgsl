// Exclusive prefix sum over a workgroup of 256 (Hillis and Steele); `scan_total` is the sum afterwards.
var<workgroup> scan_cells: array<u32, 256>;
var<workgroup> scan_total: u32;

fn scan_exclusive(lane: u32, value: u32) -> u32 {
    scan_cells[lane] = value;
    workgroupBarrier();
    for (var width = 1u; width < 256u; width *= 2u) {
        var add = 0u;
        if lane >= width {
            add = scan_cells[lane - width];
        }
        workgroupBarrier();
        scan_cells[lane] += add;
        workgroupBarrier();
    }
    let through = scan_cells[lane];
    if lane == 255u {
        scan_total = through;
    }
    workgroupBarrier();
    return through - value;
}
