// Turns a finished selection into a bitset, 32 positions per invocation: all keys above the threshold, and as many keys equal to
// it as are needed, lowest position first. COUNT_TIES only counts the equal keys of each 256 words, for the prefix sum in
// between.
//
// Prune: selects the active positions to keep; SIGN: of those whose keys have this sign bit, JOIN: in addition to what is there.
// GROW: selects the other positions to add to the kept ones.

#uniform

#ifdef GROW
@group(0) @binding(0) var<storage, read> keys: array<vec4<u32>>;
#else
@group(0) @binding(0) var<storage, read> keys: array<u32>;
#endif
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
@group(0) @binding(6) var<storage, read_write> stats: array<u32>;
#endif
#endif

override COUNT: u32;

#import scan
#import bits
#import update_stats

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = wid.x * 256u + lane;
    let inside = bits_inside(at, COUNT);
    var word = 0u;
    var larger = 0u;
    var equal = 0u;
    let threshold = selection.prefix;
    if inside != 0u {
        word = bits[at];
#ifdef GROW
        let places = vec4<u32>(1u, 2u, 4u, 8u);
        // From a number that compilers do not know, for they would unroll eight loads.
        for (var i = at * 8u; i < at * 8u + 8u; i += 1u) {
            // Beyond the last position there may be no key, which reads as any.
            let key = keys[min(i, (COUNT - 1u) / 4u)] & vec4<u32>(MAGNITUDE);
            larger |= dot(vec4<u32>(key > vec4<u32>(threshold)), places) << (i % 8u * 4u);
            equal |= dot(vec4<u32>(key == vec4<u32>(threshold)), places) << (i % 8u * 4u);
        }
        larger &= ~word & inside;
        equal &= ~word & inside;
#else
        var key_at = rank[at];
        for (var left = word; left != 0u; left &= left - 1u) {
            let bit = left & (~left + 1u);
            let key = keys[key_at] & MAGNITUDE;
#ifdef SIGN
            let other = (keys[key_at] >> 31u) != $SIGNu;
#else
            let other = false;
#endif
            key_at += 1u;
            if other {
                continue;
            }
            if key > threshold {
                larger |= bit;
            } else if key == threshold {
                equal |= bit;
            }
        }
#endif
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
#ifdef JOIN
        result[at] |= chosen;
#else
        result[at] = chosen;
#endif
#endif
    }
#ifndef GROW
    if at == 0u {
#ifdef JOIN
        stats[THRESHOLD] = min(stats[THRESHOLD], selection.prefix);
#else
        stats[THRESHOLD] = selection.prefix;
#endif
    }
#endif
#endif
}
