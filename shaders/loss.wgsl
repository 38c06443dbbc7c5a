// Log-softmax, negative log-likelihood with label smoothing, its gradient (of the mean over the batch's valid images)
// and whether the top class is right (ties: the lowest). One invocation a vector of images; padding gets gradient 0.

#import vector
#import inputs

#uniform

@group(0) @binding(0) var<storage, read> logits: array<Vector>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
// (loss, correct) of each image
@group(0) @binding(2) var<storage, read_write> result: array<vec2<f32>>;
#import step
@group(0) @binding(3) var<uniform> run: StepParams;
#ifdef GRADIENT
@group(0) @binding(4) var<storage, read_write> logits_grad: array<Vector>;
#endif

override BLOCKS: u32;
override CLASSES: u32;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let id = wid.x * 64u + lane;
    if id >= BLOCKS * LANES {
        return;
    }
    let first = id * 4u * $QUADSu;
    let base = id / LANES * IN_BLOCK + IN_ORIGIN + id % LANES;
#for j in 0..$QUADS
    let image$j = images(first, $ju);
    let counts$j = image$j < vec4<u32>(run.valid);
    // Padding images have no label.
    var label$j = vec4<u32>(0u);
#for i in 0..4
    if counts$j[$i] {
        label$j[$i] = labels[image$j[$i]];
    }
#endfor
    var top$j = vec4<u32>(0u);
#endfor
    var most = values(logits[base]);
    var truth = all_of(0.0);
    for (var c = 0u; c < CLASSES; c += 1u) {
        let v = values(logits[base + c * IN_PLANE]);
#for j in 0..$QUADS
        top$j = select(top$j, vec4<u32>(c), v.v$j > most.v$j);
        most.v$j = max(most.v$j, v.v$j);
        truth.v$j = select(truth.v$j, v.v$j, label$j == vec4<u32>(c));
#endfor
    }
    var total = all_of(0.0);
    var below = all_of(0.0);
    for (var c = 0u; c < CLASSES; c += 1u) {
        let v = values(logits[base + c * IN_PLANE]);
#for j in 0..$QUADS
        total.v$j += exp(v.v$j - most.v$j);
        below.v$j += most.v$j - v.v$j;
#endfor
    }
#for j in 0..$QUADS
    // Differences to the largest logit: their own size would round away what a softmax needs.
    let log_total$j = log(total.v$j);
    let nll$j = log_total$j + (most.v$j - truth.v$j);
    let mean$j = log_total$j + below.v$j / f32(CLASSES);
    let loss$j = (1.0 - run.smoothing) * nll$j + run.smoothing * mean$j;
#for i in 0..4
    let right$j_$i = select(0.0, 1.0, top$j[$i] == label$j[$i]);
    result[image$j[$i]] = select(vec2<f32>(0.0), vec2<f32>(loss$j[$i], right$j_$i), counts$j[$i]);
#endfor
#endfor
#ifdef GRADIENT
    let scale = run.loss_scale / f32(run.valid);
    let even = run.smoothing / f32(CLASSES);
    for (var c = 0u; c < CLASSES; c += 1u) {
        var v = values(logits[base + c * IN_PLANE]);
#for j in 0..$QUADS
        let p$j = exp((v.v$j - most.v$j) - log_total$j);
        let wanted$j = even + select(vec4<f32>(0.0), vec4<f32>(1.0 - run.smoothing), label$j == vec4<u32>(c));
        v.v$j = select(vec4<f32>(0.0), (p$j - wanted$j) * scale, counts$j);
#endfor
        logits_grad[base + c * IN_PLANE] = packed(v);
    }
#endif
}
