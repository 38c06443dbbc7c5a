// Writes the number of set bits before each word of a bitset: the last step of its rank.

#uniform

@group(0) @binding(0) var<storage, read> bits: array<u32>;
@group(0) @binding(1) var<storage, read> sums: array<u32>;
@group(0) @binding(2) var<storage, read_write> rank: array<u32>;

override WORDS: u32;

#import scan

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = wid.x * 256u + lane;
    var count = 0u;
    if at < WORDS {
        count = countOneBits(bits[at]);
    }
    let before = scan_exclusive(lane, count);
    if at < WORDS {
        rank[at] = sums[wid.x] + before;
    }
}
