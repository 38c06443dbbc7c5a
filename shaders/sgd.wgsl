// SGD with momentum and weight decay on active values, in PyTorch's arithmetic:
// g += decay·w; b = momentum·b + g; d = g + momentum·b (NESTEROV) or b; w −= lr·d.

#uniform

@group(0) @binding(0) var<storage, read_write> value: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> momentum: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gradient: array<vec4<f32>>;
#import step
@group(0) @binding(3) var<uniform> run: StepParams;

override COUNT: u32;

#import fold

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
    value[at] = w - run.lr * (g + run.momentum * b);
#else
    value[at] = w - run.lr * b;
#endif
}
