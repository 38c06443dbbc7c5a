// (mean, 1/std, scale, shift) a channel from the running statistics, for evaluation.

#uniform

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
// running means, then running variances
@group(0) @binding(2) var<storage, read> running: array<f32>;
@group(0) @binding(3) var<storage, read_write> factors: array<vec4<f32>>;

override CHANNELS: u32;

const EPSILON = 1e-5;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = wid.x * 64u + lane;
    if c >= CHANNELS {
        return;
    }
    let inverse = inverseSqrt(running[CHANNELS + c] + EPSILON);
    factors[c] = vec4<f32>(running[c], inverse, inverse * weight[c], bias[c]);
}
