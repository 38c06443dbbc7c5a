// Adds the batch's (loss, correct, images) to a slot of the metrics. One workgroup, a fixed tree.

@group(0) @binding(0) var<storage, read> result: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read_write> metrics: array<vec4<f32>>;
#import step
@group(0) @binding(2) var<uniform> run: StepParams;

override IMAGES: u32;

#import reduce

@compute @workgroup_size($WG)
fn main(@builtin(local_invocation_index) lane: u32) {
    // of losses, of correct answers
    var sums = vec2<f32>(0.0);
    for (var image = lane; image < IMAGES; image += $WGu) {
        sums += result[image];
    }
    let totals = reduce_sums(lane, sums);
    if lane == 0u {
        metrics[run.slot] += vec4<f32>(totals, f32(run.valid), 0.0);
    }
}
