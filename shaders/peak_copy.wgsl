// Reads and writes as fast as they go.

#import vector

@group(0) @binding(0) var<storage, read> source: array<Vector>;
@group(0) @binding(1) var<storage, read_write> result: array<Vector>;

override COUNT: u32;

#import fold

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = fold_index(wid) * 64u + lane;
    if at < COUNT {
        result[at] = source[at];
    }
}
