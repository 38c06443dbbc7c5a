// Where each output channel's entries start in the active list, and the groups of $GROUP entries of one channel that
// the weight gradient works on. One workgroup.

#uniform

@group(0) @binding(0) var<storage, read> bits: array<u32>;
@group(0) @binding(1) var<storage, read> rank: array<u32>;
@group(0) @binding(2) var<storage, read_write> row_start: array<u32>;
@group(0) @binding(3) var<storage, read_write> groups: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> stats: array<atomic<u32>>;

override ROWS: u32;
// positions a row
override LENGTH: u32;
// words of the bitset
override WORDS: u32;
override GROUP_MOST: u32;

#import scan
#import bits
#import update_stats

fn entries_before(row: u32) -> u32 {
    if row >= ROWS {
        return rank[WORDS - 1u] + countOneBits(bits[WORDS - 1u]);
    }
    let at = row * LENGTH;
    return rank[at / 32u] + countOneBits(bits_below(bits[at / 32u], at % 32u));
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var carry = 0u;
    for (var first = 0u; first < ROWS; first += 256u) {
        let row = first + lane;
        let start = entries_before(row);
        let length = entries_before(row + 1u) - start;
        let count = (length + $GROUPu - 1u) / $GROUPu;
        let at = carry + scan_exclusive(lane, count);
        if row < ROWS {
            row_start[row] = start;
            for (var i = 0u; i < count; i += 1u) {
                groups[at + i] = vec2<u32>(row, start + i * $GROUPu);
            }
            if length == 0u {
                atomicAdd(&stats[DEAD_OUTPUTS], 1u);
            }
        }
        carry += scan_total;
        workgroupBarrier();
    }
    if lane == 0u {
        row_start[ROWS] = entries_before(ROWS);
    }
    for (var i = carry + lane; i < GROUP_MOST; i += 256u) {
        groups[i] = vec2<u32>(0xffffffffu, 0u);
    }
}
