// Momentum growth's state: a momentum over the gradients of all positions, active or not.

#uniform

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> momentum: array<f32>;
#import step
@group(0) @binding(2) var<uniform> run: StepParams;

override COUNT: u32;

#import fold

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = fold_index(wid) * 64u + lane;
    if at < COUNT {
        momentum[at] = run.momentum * momentum[at] + gradient[at] / run.loss_scale;
    }
}
