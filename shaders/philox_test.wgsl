// Philox blocks of given counters, for the known-answer test on the GPU.

@group(0) @binding(0) var<storage, read> keys: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> counters: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> blocks: array<vec4<u32>>;

#import philox

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) wid: vec3<u32>) {
    blocks[wid.x] = philox4x32(keys[wid.x], counters[wid.x]);
}
