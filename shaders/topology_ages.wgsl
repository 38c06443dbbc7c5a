// Updates the age of every active weight (the updates that it survived): one more if the prune kept it, 0 if it was grown or
// regrown. Counts ages in bins of powers of two, and how many weights of the last growth (age 0 before) the prune kept.
// Ages are bytes, four a word.

#uniform

@group(0) @binding(0) var<storage, read> before: array<u32>;
@group(0) @binding(1) var<storage, read> before_rank: array<u32>;
@group(0) @binding(2) var<storage, read> kept: array<u32>;
@group(0) @binding(3) var<storage, read> after: array<u32>;
@group(0) @binding(4) var<storage, read> after_rank: array<u32>;
@group(0) @binding(5) var<storage, read> ages: array<u32>;
// zeros before
@group(0) @binding(6) var<storage, read_write> moved_ages: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> stats: array<atomic<u32>>;

override WORDS: u32;

#import bits
#import update_stats

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = wid.x * 256u + lane;
    if at >= WORDS {
        return;
    }
    let old = before[at];
    let keep = kept[at];
    let now = after[at];
    // Four bins of eight bits a word: a word of positions has at most 32.
    var bins = vec2<u32>(0u);
    var young = 0u;
    var survived = 0u;
    var entry = before_rank[at];
    for (var left = old; left != 0u; left &= left - 1u) {
        let bit = countTrailingZeros(left);
        let age = byte_of(ages[entry / 4u], entry);
        let stays = (keep >> bit) & 1u;
        young += u32(age == 0u);
        if stays == 1u {
            survived += u32(age == 0u);
            let older = min(age + 1u, 255u);
            let to = after_rank[at] + countOneBits(bits_below(now, bit));
            atomicOr(&moved_ages[to / 4u], older << (to % 4u * 8u));
            let bin = min(firstLeadingBit(older) + 1u, AGE_BINS - 1u);
            bins += select(vec2<u32>(0u), vec2<u32>(1u << (bin % 4u * 8u)), vec2<u32>(0u, 1u) == vec2<u32>(bin / 4u));
        }
        entry += 1u;
    }
    bins.x += countOneBits(now & ~keep);
    if young > 0u {
        atomicAdd(&stats[YOUNG], young);
        atomicAdd(&stats[YOUNG_KEPT], survived);
    }
    for (var bin = 0u; bin < AGE_BINS; bin += 1u) {
        let count = byte_of(bins[bin / 4u], bin);
        if count > 0u {
            atomicAdd(&stats[AGES + bin], count);
        }
    }
}
