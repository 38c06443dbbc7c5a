// A prune or a growth of each row on its own, where all rows have as many active positions: a radix select of the row's largest
// keys, four rounds of eight bits, of equals the lowest positions first. One workgroup: one row.
//
// Prune: selects the active positions to keep. GROW: selects the other positions to add to the kept ones.

#uniform

// Of the active list; (GROW) of all positions.
@group(0) @binding(0) var<storage, read> keys: array<u32>;
// mirrors `ops::topology::UpdateCounts`, of all rows: to keep, to grow
@group(0) @binding(1) var<storage, read> counts: array<u32>;
// active positions, or (GROW) kept ones
@group(0) @binding(2) var<storage, read> bits: array<u32>;
// Zeros before. Neighbouring rows may share a word.
@group(0) @binding(3) var<storage, read_write> result: array<atomic<u32>>;
#ifndef GROW
@group(0) @binding(4) var<storage, read> rank: array<u32>;
// The threshold is the largest number before.
@group(0) @binding(5) var<storage, read_write> stats: array<atomic<u32>>;
#endif

override ROWS: u32;
// whose number of keys is wanted: to keep, to grow, …
override INDEX: u32;
override LENGTH: u32;

#import select
#import fold
#import scan
#import bits
#import update_stats

var<workgroup> cells: array<atomic<u32>, 256>;
// What all keys that are looked for begin with, and how many of these are wanted.
var<workgroup> prefix: u32;
var<workgroup> want: u32;

// The positions of word `at` that a row from `begin` to `end` may choose.
fn candidates(at: u32, begin: u32, end: u32) -> u32 {
    let inside = bits_inside(at, end) & ~bits_inside(at, begin);
#ifdef GROW
    return ~bits[at] & inside;
#else
    return bits[at] & inside;
#endif
}

fn key_at(at: u32, bit: u32) -> u32 {
#ifdef GROW
    return keys[at * 32u + bit] & MAGNITUDE;
#else
    return keys[rank[at] + countOneBits(bits_below(bits[at], bit))] & MAGNITUDE;
#endif
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // A grid may have more workgroups than there are rows; those have no positions.
    let row = min(fold_index(wid), ROWS);
    let begin = row * LENGTH;
    let end = select(begin, begin + LENGTH, row < ROWS);
    let first = begin / 32u;
    let last = (end + 31u) / 32u;
    if lane == 0u {
        want = counts[INDEX] / ROWS;
        prefix = 0u;
    }
    for (var round = 0u; round < 4u; round += 1u) {
        let shift = 24u - 8u * round;
        atomicStore(&cells[lane], 0u);
        workgroupBarrier();
        let found = prefix;
        for (var at = first + lane; at < last; at += 256u) {
            for (var left = candidates(at, begin, end); left != 0u; left &= left - 1u) {
                let digits = key_at(at, countTrailingZeros(left)) >> shift;
                if (digits >> 8u) == found {
                    atomicAdd(&cells[digits & 255u], 1u);
                }
            }
        }
        workgroupBarrier();
        if lane == 0u {
            var digit = 255u;
            var above = 0u;
            while digit > 0u && above + atomicLoad(&cells[digit]) < want {
                above += atomicLoad(&cells[digit]);
                digit -= 1u;
            }
            prefix = (prefix << 8u) | digit;
            want -= above;
        }
        workgroupBarrier();
    }
    let threshold = prefix;
    let ties = want;
    // As many rounds for every lane: the prefix sum takes all of them.
    var before = 0u;
    for (var start = first; start < last; start += 256u) {
        let at = start + lane;
        var larger = 0u;
        var equal = 0u;
        if at < last {
            for (var left = candidates(at, begin, end); left != 0u; left &= left - 1u) {
                let bit = countTrailingZeros(left);
                let key = key_at(at, bit);
                larger |= select(0u, 1u << bit, key > threshold);
                equal |= select(0u, 1u << bit, key == threshold);
            }
        }
        var tie = before + scan_exclusive(lane, countOneBits(equal));
        before += scan_total;
        workgroupBarrier();
        var chosen = larger;
        for (var left = equal; left != 0u; left &= left - 1u) {
            chosen |= select(0u, left & (~left + 1u), tie < ties);
            tie += 1u;
        }
#ifdef GROW
        if at < last {
            chosen |= bits[at] & bits_inside(at, end) & ~bits_inside(at, begin);
        }
#endif
        if chosen != 0u {
            atomicOr(&result[at], chosen);
        }
    }
#ifndef GROW
    if lane == 0u && row < ROWS {
        atomicMin(&stats[THRESHOLD], threshold);
    }
#endif
}
