// Counts the set bits of each 256 words of a bitset: the first step of its rank (then `scan`, then `rank_write`).

#uniform

@group(0) @binding(0) var<storage, read> bits: array<u32>;
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;

override WORDS: u32;

var<workgroup> total: atomic<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    if lane == 0u {
        atomicStore(&total, 0u);
    }
    workgroupBarrier();
    let at = wid.x * 256u + lane;
    if at < WORDS {
        atomicAdd(&total, countOneBits(bits[at]));
    }
    workgroupBarrier();
    if lane == 0u {
        sums[wid.x] = atomicLoad(&total);
    }
}
