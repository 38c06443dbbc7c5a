// SGD with momentum and weight decay on active values, in PyTorch's arithmetic:
// g += decay·w; b = momentum·b + g; d = g + momentum·b (NESTEROV) or b; w −= lr·d.
//
// SIGNED (DeepR): then w is pulled to 0 by lr·l1 and gets Gaussian noise; where its sign would change it becomes 0, and stays there.

#uniform

@group(0) @binding(0) var<storage, read_write> value: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> momentum: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gradient: array<vec4<f32>>;
#import step
@group(0) @binding(3) var<uniform> run: StepParams;

override COUNT: u32;

#import fold
#ifdef SIGNED
// of the first vector among all of the network: its place in the stream of noise
override FIRST: u32;

#import philox

// Four numbers of a standard normal distribution, by Box and Muller's transform of 24 bits each.
fn gaussian(at: u32) -> vec4<f32> {
    let words = philox4x32(run.seed, vec4<u32>(FIRST + at, run.epoch, run.cursor, PURPOSE_NOISE)) >> vec4<u32>(8u);
    // Never 0, of which there is no logarithm.
    let units = (vec4<f32>(words) + vec4<f32>(0.5)) * (1.0 / 16777216.0);
    let radius = sqrt(-2.0 * log(units.xy));
    let angle = 6.2831853 * units.zw;
    return vec4<f32>(radius * cos(angle), radius * sin(angle));
}
#endif

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = fold_index(wid) * 64u + lane;
    if at >= COUNT {
        return;
    }
    let w = value[at];
    let g = gradient[at] / run.loss_scale + run.weight_decay * w;
    let b = run.momentum * momentum[at] + g;
    momentum[at] = b;
#ifdef NESTEROV
    let d = g + run.momentum * b;
#else
    let d = b;
#endif
#ifdef SIGNED
    let moved = w - run.lr * (d + run.l1 * sign(w)) + run.noise * gaussian(at);
    value[at] = select(vec4<f32>(0.0), moved, sign(moved) * sign(w) > vec4<f32>(0.0));
#else
    value[at] = w - run.lr * d;
#endif
}
