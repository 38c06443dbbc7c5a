// The gradient of the active weights only: what all kernels `conv_sparse_grad_weight_*` are given.
#import conv_sum
#import divide

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read> output_grad: array<Vector>;
@group(0) @binding(2) var<storage, read> row_start: array<u32>;
@group(0) @binding(3) var<storage, read> shift: array<u32>;
// (row, first entry) of each group; the word pair after the last one is (GROUP_END, 0)
@group(0) @binding(4) var<storage, read> groups: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> weight_grad: array<f32>;

override GROUP_MOST: u32;

// No group.
const GROUP_END = 0xffffffffu;

// (row, first entry) of group `index`, or (GROUP_END, 0) where there is none.
fn group_of(index: u32) -> vec2<u32> {
    var group = vec2<u32>(GROUP_END, 0u);
    if index < GROUP_MOST {
        group = groups[index];
    }
    return group;
}

// Vectors in a row of dy: OUT_W * LANES, but not known when the kernel is compiled. Some drivers unroll short loops however
// long their code is, and compile the result for seconds.
fn row_width() -> u32 {
    return min(OUT_W * LANES, arrayLength(&output_grad));
}

// Where vector `at` of a row of dy has its first tap in x, from the row's first one on.
fn in_row(at: u32) -> u32 {
    return at / LANES * IN_STEP_X + at % LANES;
}

// Where a row of x begins, of block `place.x` and row `place.y` of dy.
fn in_base_of(place: vec2<u32>) -> u32 {
    return place.x * IN_BLOCK + IN_ORIGIN + place.y * IN_STEP_Y;
}

// Where that row of dy begins, of out channel `channel`.
fn out_base_of(place: vec2<u32>, channel: u32) -> u32 {
    return place.x * OUT_BLOCK + channel * OUT_PLANE + OUT_ORIGIN + place.y * OUT_ROW;
}
