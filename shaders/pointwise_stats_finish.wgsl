// Combines the blocks' statistics (Chan et al.), updates the running ones as PyTorch does (momentum 0.1, unbiased
// variance; with a single value a channel the biased one), and leaves (mean, 1/std, scale, shift) a channel.

#uniform

@group(0) @binding(0) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
// running means, then running variances
@group(0) @binding(3) var<storage, read_write> running: array<f32>;
@group(0) @binding(4) var<storage, read_write> factors: array<vec4<f32>>;
#import step
@group(0) @binding(5) var<uniform> run: StepParams;

override CHANNELS: u32;
override BLOCKS: u32;
// images a block
override BATCH: u32;
override PIXELS: u32;

const EPSILON = 1e-5;
const MOMENTUM = 0.1;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = wid.x * 64u + lane;
    if c >= CHANNELS {
        return;
    }
    var count = 0.0;
    var mean = 0.0;
    var squares = 0.0;
    for (var block = 0u; block < BLOCKS; block += 1u) {
        let before = block * BATCH;
        let add = f32(min(max(run.valid, before) - before, BATCH) * PIXELS);
        if add > 0.0 {
            let part = partials[c * BLOCKS + block];
            let both = count + add;
            let d = part.x - mean;
            mean += d * (add / both);
            squares += part.y + d * d * (count * add / both);
            count = both;
        }
    }
    let variance = squares / count;
    let unbiased = squares / max(count - 1.0, 1.0);
    running[c] = mix(running[c], mean, MOMENTUM);
    running[CHANNELS + c] = mix(running[CHANNELS + c], unbiased, MOMENTUM);
    let inverse = inverseSqrt(variance + EPSILON);
    factors[c] = vec4<f32>(mean, inverse, inverse * weight[c], bias[c]);
}
