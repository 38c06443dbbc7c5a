// What changes from step to step; mirrors `ops::StepParams`.
struct StepParams {
    // images of this batch that count; the rest are padding
    valid: u32,
    // position of the batch's first image in the epoch's order
    cursor: u32,
    epoch: u32,
    // where the batch's loss goes
    slot: u32,
    seed: vec2<u32>,
    // topology updates so far
    update: u32,
    // what the loss's gradient is multiplied with, against underflow in 16 bits
    loss_scale: f32,
    lr: f32,
    momentum: f32,
    weight_decay: f32,
    smoothing: f32,
    // of a step that keeps the signs of weights: what pulls them to 0, and the deviation of the noise
    l1: f32,
    noise: f32,
}
