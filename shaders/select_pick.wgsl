// End of a round of a radix select: the digit in which the `want`-th largest key lies. Leaves the histogram empty.

#uniform

#import select
@group(0) @binding(0) var<storage, read_write> selection: Selection;
@group(0) @binding(1) var<storage, read_write> histogram: array<u32>;
// mirrors `ops::topology::UpdateCounts`: to keep, to grow
@group(0) @binding(2) var<storage, read> counts: array<u32>;

override FIRST: u32;
override INDEX: u32;

var<workgroup> cells: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    cells[lane] = histogram[lane];
    histogram[lane] = 0u;
    workgroupBarrier();
    if lane == 0u {
        var prefix = 0u;
        var want = counts[INDEX];
        if FIRST == 0u {
            prefix = selection.prefix;
            want = selection.want;
        }
        var digit = 255u;
        var above = 0u;
        while digit > 0u && above + cells[digit] < want {
            above += cells[digit];
            digit -= 1u;
        }
        selection.prefix = (prefix << 8u) | digit;
        selection.want = want - above;
    }
}
