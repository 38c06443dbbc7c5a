// How many active weights of a layer an update keeps, for prune rules and layers of which only the GPU knows it; and, as many as go,
// how many it activates. SIGNS: a share of those of each sign goes. BELOW: those of a magnitude below a threshold (ADAPTIVE: which
// the updates move). Else a share of all goes. One always stays. One workgroup.
//
// MOMENTUM, KEPT: what the layer's share of all that grows is measured by: the mean magnitude of its momentum, or what it keeps.

#uniform

@group(0) @binding(0) var<storage, read> value: array<u32>;
// Its last word is the number of active weights.
@group(0) @binding(1) var<storage, read> row_start: array<u32>;
// mirrors `ops::topology::UpdateCounts`
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;
#ifdef MOMENTUM
@group(0) @binding($MOMENTUM) var<storage, read> momentum: array<f32>;
#endif
#ifdef ADAPTIVE
@group(0) @binding($ADAPTIVE) var<storage, read> threshold: array<u32>;
#endif

override ROWS: u32;

#import select
#import reduce
#import update_counts

var<workgroup> found: atomic<u32>;

// How many of `count` stay when the share goes, rounded up.
fn staying(count: u32) -> u32 {
    return count - min(count, u32(ceil(f32(count) * bitcast<f32>(counts[RATE]))));
}

@compute @workgroup_size($WG)
fn main(@builtin(local_invocation_index) lane: u32) {
    let count = row_start[ROWS];
    if lane == 0u {
        atomicStore(&found, 0u);
    }
    workgroupBarrier();
    var own = 0u;
#ifdef SIGNS
    for (var at = lane; at < count; at += $WGu) {
        own += value[at] >> 31u;
    }
#endif
#ifdef BELOW
#ifdef ADAPTIVE
    let least = threshold[0];
#else
    let least = counts[LEAST];
#endif
    for (var at = lane; at < count; at += $WGu) {
        own += u32((value[at] & MAGNITUDE) >= least);
    }
#endif
    atomicAdd(&found, own);
    var sum = 0.0;
#ifdef MOMENTUM
    for (var at = lane; at < count; at += $WGu) {
        sum += abs(momentum[at]);
    }
#endif
    // Its barriers are those of `found` too.
    let total = reduce_sums(lane, vec2<f32>(sum, 0.0)).x;
    if lane == 0u {
        var keep = staying(count);
        var keep_negative = 0u;
#ifdef SIGNS
        let negative = atomicLoad(&found);
        keep = staying(count - negative);
        keep_negative = staying(negative);
        // Of the positive ones, if there are some.
        let none = u32(keep + keep_negative == 0u);
        keep += none * u32(count > negative);
        keep_negative += none * u32(count == negative);
#endif
#ifdef BELOW
        keep = atomicLoad(&found);
#endif
#ifndef SIGNS
        keep = max(keep, min(count, 1u));
#endif
        counts[KEEP] = keep;
        counts[KEEP_NEGATIVE] = keep_negative;
        counts[GROW] = count - keep - keep_negative;
#ifdef MOMENTUM
        counts[SHARE] = bitcast<u32>(total / f32(max(count, 1u)));
#endif
#ifdef KEPT
        counts[SHARE] = bitcast<u32>(f32(keep + keep_negative));
#endif
    }
}
