// Turns a finished selection into a bitset, 32 positions an invocation: keys above the threshold, and of those equal to
// it as many as are wanted, lowest position first. COUNT_TIES only counts the equal ones of each 256 words, for the
// prefix sum in between.
//
// Prune: out of the active positions, those to keep. GROW: out of the others, those to add to the kept ones.

#uniform

@group(0) @binding(0) var<storage, read> keys: array<u32>;
#import select
@group(0) @binding(1) var<storage, read> selection: Selection;
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;
// active positions, or (GROW) kept ones
@group(0) @binding(3) var<storage, read> bits: array<u32>;
#ifndef GROW
@group(0) @binding(4) var<storage, read> rank: array<u32>;
#endif
#ifndef COUNT_TIES
@group(0) @binding($RESULT) var<storage, read_write> result: array<u32>;
#ifndef GROW
@group(0) @binding(6) var<storage, read_write> counters: array<u32>;
#endif
#endif

override COUNT: u32;

#import scan
#import bits
#import counters

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = wid.x * 256u + lane;
    let inside = bits_inside(at, COUNT);
    var word = 0u;
    var key_at = at * 32u;
    if inside != 0u {
        word = bits[at];
#ifndef GROW
        key_at = rank[at];
#endif
    }
#ifdef GROW
    let candidates = ~word & inside;
#else
    let candidates = word;
#endif
    var larger = 0u;
    var equal = 0u;
    for (var left = candidates; left != 0u; left &= left - 1u) {
        let bit = countTrailingZeros(left);
#ifdef GROW
        let key = keys[key_at + bit] & MAGNITUDE;
#else
        let key = keys[key_at] & MAGNITUDE;
        key_at += 1u;
#endif
        if key > selection.prefix {
            larger |= 1u << bit;
        } else if key == selection.prefix {
            equal |= 1u << bit;
        }
    }
    let before = scan_exclusive(lane, countOneBits(equal));
#ifdef COUNT_TIES
    if lane == 0u {
        sums[wid.x] = scan_total;
    }
#else
    var tie = sums[wid.x] + before;
    var chosen = larger;
    for (var left = equal; left != 0u; left &= left - 1u) {
        if tie < selection.want {
            chosen |= left & (~left + 1u);
        }
        tie += 1u;
    }
    if inside != 0u {
#ifdef GROW
        result[at] = word | chosen;
#else
        result[at] = chosen;
#endif
    }
#ifndef GROW
    if at == 0u {
        counters[THRESHOLD] = selection.prefix;
    }
#endif
#endif
}
