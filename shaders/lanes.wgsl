// The first kernel of every device (`gpu::lanes`): checks what the driver says of its subgroups.
// Each invocation writes that it ran, and (SHUFFLE) the size of its subgroup, its lane, and the invocation index that it receives
// from each of the first $LANES lanes.

@group(0) @binding(0) var<storage, read_write> seen: array<u32>;

#import fold

#ifdef SHUFFLE
const WORDS = 3u + $LANESu;
#else
const WORDS = 1u;
#endif

@compute @workgroup_size($WG)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
#ifdef SHUFFLE
    @builtin(subgroup_size) size: u32,
    @builtin(subgroup_invocation_id) lane: u32,
#endif
) {
    let at = (fold_index(wid) * $WGu + invocation) * WORDS;
    seen[at] = 1u;
#ifdef SHUFFLE
    seen[at + 1u] = size;
    seen[at + 2u] = lane;
#for i in 0..$LANES
    seen[at + 3u + $iu] = subgroupShuffle(invocation, $iu);
#endfor
#endif
}
