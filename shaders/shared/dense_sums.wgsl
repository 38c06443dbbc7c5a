// The gradient of every position of a weight: what all kernels `conv_dense_grad_weight_*` are given.
#import conv_sum
#import divide

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read> output_grad: array<Vector>;
@group(0) @binding(2) var<storage, read_write> weight_grad: array<f32>;

override TILES: u32;
override IN_CHANNELS: u32;
override OUT_CHANNELS: u32;

// Where the sum of the first tap of out channel `k` and in channel `c` goes, in `part` of a split sum.
fn weight_at(part: u32, k: u32, c: u32) -> u32 {
    return part * WEIGHTS + k * (IN_CHANNELS * $TAPSu) + c * $TAPSu;
}
