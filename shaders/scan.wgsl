// Exclusive prefix sum of COUNT numbers in place, their total behind them. One workgroup.

#uniform

@group(0) @binding(0) var<storage, read_write> data: array<u32>;

override COUNT: u32;

#import scan

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var carry = 0u;
    for (var first = 0u; first < COUNT; first += 256u) {
        let at = first + lane;
        var value = 0u;
        if at < COUNT {
            value = data[at];
        }
        let before = carry + scan_exclusive(lane, value);
        if at < COUNT {
            data[at] = before;
        }
        carry += scan_total;
        workgroupBarrier();
    }
    if lane == 0u {
        data[COUNT] = carry;
    }
}
