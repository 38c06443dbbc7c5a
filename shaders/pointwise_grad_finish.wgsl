// Gradients of batch normalisation's weight and bias, and the factors (a, b, c, mean) a channel with which
// dx = a · dz + b · (x − mean) + c.

#uniform

@group(0) @binding(0) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read> factors: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> weight_grad: array<f32>;
@group(0) @binding(3) var<storage, read_write> bias_grad: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_factors: array<vec4<f32>>;
#import step
@group(0) @binding(5) var<uniform> run: StepParams;

override CHANNELS: u32;
override BLOCKS: u32;
override PIXELS: u32;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = wid.x * 64u + lane;
    if c >= CHANNELS {
        return;
    }
    var sum = 0.0;
    var product = 0.0;
    for (var block = 0u; block < BLOCKS; block += 1u) {
        sum += partials[c * BLOCKS + block].x;
        product += partials[c * BLOCKS + block].y;
    }
    let f = factors[c];
    let count = f32(run.valid * PIXELS);
    weight_grad[c] = product * f.y;
    bias_grad[c] = sum;
    grad_factors[c] = vec4<f32>(f.z, -f.z * f.y * f.y * product / count, -f.z * sum / count, f.x);
}
