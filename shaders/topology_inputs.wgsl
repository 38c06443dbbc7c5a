// Statistic: how many input channels have no active weight, from the index.

#uniform

@group(0) @binding(0) var<storage, read> column_start: array<u32>;
@group(0) @binding(1) var<storage, read_write> stats: array<atomic<u32>>;

#import update_stats

override CHANNELS: u32;
// columns a channel
override CLASSES: u32;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = wid.x * 64u + lane;
    if c < CHANNELS && column_start[c * CLASSES] == column_start[(c + 1u) * CLASSES] {
        atomicAdd(&stats[DEAD_INPUTS], 1u);
    }
}
