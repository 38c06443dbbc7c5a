// Multiplications and additions as fast as they go: 8 independent chains of vectors, 16 rounds of a loop unrolled.

@group(0) @binding(0) var<storage, read_write> result: array<vec4<f32>>;

override ROUNDS: u32;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = wid.x * 64u + lane;
    let a = vec4<f32>(0.999);
    let b = result[at];
#for i in 0..8
    var v$i = b + vec4<f32>($i.0);
#endfor
    for (var round = 0u; round < ROUNDS; round += 1u) {
#for j in 0..16
#for i in 0..8
        v$i = v$i * a + b;
#endfor
#endfor
    }
    result[at] = v0 + v1 + v2 + v3 + v4 + v5 + v6 + v7;
}
