// A dense weight [out][in][kernel][kernel] as matrices, for conv_matrix_gather.wgsl: [out / SIZE][in / SIZE][taps] of SIZE out
// channels × SIZE in channels, in numbers as activations are stored. One invocation a vector of in channels.

#uniform

#import vector
#import fold

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> matrices: array<Vector>;

// vectors, numbers of a matrix's row, in channels, taps
override COUNT: u32;
override SIZE: u32;
override IN_CHANNELS: u32;
override TAPS: u32;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = fold_index(wid) * 64u + lane;
    if index >= COUNT {
        return;
    }
    let number = index * 4u * $QUADSu;
    let tile = number / (SIZE * SIZE);
    let columns = IN_CHANNELS / SIZE;
    let out = tile / TAPS / columns * SIZE + number / SIZE % SIZE;
    let first = tile / TAPS % columns * SIZE + number % SIZE;
    let source = (out * IN_CHANNELS + first) * TAPS + tile % TAPS;
    var v = all_of(0.0);
#for j in 0..$QUADS
    let from$j = vec4<u32>(source) + TAPS * images(0u, $ju);
    v.v$j = vec4<f32>(weight[from$j.x], weight[from$j.y], weight[from$j.z], weight[from$j.w]);
#endfor
    matrices[index] = packed(v);
}
