// Exclusive prefix sum over a workgroup of 256, in pieces of 16; `scan_total` is the sum afterwards.
var<workgroup> scan_cells: array<u32, 256>;
var<workgroup> scan_pieces: array<u32, 16>;
var<workgroup> scan_total: u32;

fn scan_exclusive(lane: u32, value: u32) -> u32 {
    scan_cells[lane] = value;
    workgroupBarrier();
    if lane < 16u {
        var sum = 0u;
        for (var i = lane * 16u; i < lane * 16u + 16u; i += 1u) {
            sum += scan_cells[i];
        }
        scan_pieces[lane] = sum;
    }
    workgroupBarrier();
    var before = 0u;
    for (var piece = 0u; piece < lane / 16u; piece += 1u) {
        before += scan_pieces[piece];
    }
    for (var i = lane / 16u * 16u; i < lane; i += 1u) {
        before += scan_cells[i];
    }
    if lane == 255u {
        scan_total = before + value;
    }
    workgroupBarrier();
    return before;
}
