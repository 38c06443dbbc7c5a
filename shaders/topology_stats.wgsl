// Counts what an update did to a layer, and extends the two sets that only grow: the explored positions (ever active), and the
// reliably explored ones (active for a whole interval, and kept by the prune at its end).

#uniform

@group(0) @binding(0) var<storage, read> before: array<u32>;
@group(0) @binding(1) var<storage, read> kept: array<u32>;
@group(0) @binding(2) var<storage, read> after: array<u32>;
@group(0) @binding(3) var<storage, read_write> explored: array<u32>;
@group(0) @binding(4) var<storage, read_write> reliable: array<u32>;
@group(0) @binding(5) var<storage, read> initial: array<u32>;
@group(0) @binding(6) var<storage, read_write> stats: array<atomic<u32>>;

override WORDS: u32;

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
    let seen = explored[at];
    let sure = reliable[at] | keep;
    explored[at] = seen | now;
    reliable[at] = sure;
    atomicAdd(&stats[ACTIVE], countOneBits(now));
    atomicAdd(&stats[PRUNED], countOneBits(old & ~keep));
    atomicAdd(&stats[GROWN], countOneBits(now & ~keep));
    atomicAdd(&stats[REGROWN], countOneBits(now & ~keep & old));
    atomicAdd(&stats[NEWLY_EXPLORED], countOneBits(now & ~seen));
    atomicAdd(&stats[EXPLORED], countOneBits(now | seen));
    atomicAdd(&stats[RELIABLE], countOneBits(sure));
    atomicAdd(&stats[INITIAL_KEPT], countOneBits(now & initial[at]));
}
