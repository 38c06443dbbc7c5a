// Log-softmax, negative log-likelihood with label smoothing, its gradient (of the mean over the batch's valid images)
// and whether the top class is right (ties: the lowest). One invocation an image; padding gets gradient 0.

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
// (loss, correct) of each image
@group(0) @binding(2) var<storage, read_write> result: array<vec2<f32>>;
#import step
@group(0) @binding(3) var<uniform> run: StepParams;
#ifdef GRADIENT
@group(0) @binding(4) var<storage, read_write> logits_grad: array<f32>;
#endif

override IMAGES: u32;
override BATCH: u32;
override CLASSES: u32;
override PLANE: u32;
override BLOCK: u32;
override ORIGIN: u32;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let image = wid.x * 32u + lane;
    if image >= IMAGES {
        return;
    }
    let base = image / BATCH * BLOCK + ORIGIN + image % BATCH;
    if image >= run.valid {
        result[image] = vec2<f32>(0.0);
#ifdef GRADIENT
        for (var c = 0u; c < CLASSES; c += 1u) {
            logits_grad[base + c * PLANE] = 0.0;
        }
#endif
        return;
    }
    var top = 0u;
    var most = logits[base];
    var sum = 0.0;
    for (var c = 0u; c < CLASSES; c += 1u) {
        let v = logits[base + c * PLANE];
        sum += v;
        if v > most {
            most = v;
            top = c;
        }
    }
    var total = 0.0;
    for (var c = 0u; c < CLASSES; c += 1u) {
        total += exp(logits[base + c * PLANE] - most);
    }
    let log_total = most + log(total);
    let label = labels[image];
    let truth = logits[base + label * PLANE];
    let nll = log_total - truth;
    let mean = log_total - sum / f32(CLASSES);
    let loss = (1.0 - run.smoothing) * nll + run.smoothing * mean;
    result[image] = vec2<f32>(loss, select(0.0, 1.0, top == label));
#ifdef GRADIENT
    let scale = 1.0 / f32(run.valid);
    let even = run.smoothing / f32(CLASSES);
    for (var c = 0u; c < CLASSES; c += 1u) {
        let p = exp(logits[base + c * PLANE] - log_total);
        let wanted = even + select(0.0, 1.0 - run.smoothing, c == label);
        logits_grad[base + c * PLANE] = (p - wanted) * scale;
    }
#endif
}
