// A weight gradient's sums over x and dy: `Conv::weight_constants`.
#import vector
#import inputs
#import outputs
#import fold
#import team

override BLOCKS: u32;
override IN_STEP_Y: u32;
override IN_STEP_X: u32;
override OUT_H: u32;
override OUT_W: u32;

// Vectors in a row of dy: OUT_W * LANES, but not known when the kernel is compiled. Some drivers unroll short loops however
// long their code is, and compile the result for seconds.
fn row_width() -> u32 {
    return min(OUT_W * LANES, arrayLength(&output_grad));
}

// Where vector `at` of a row of dy has its first tap in x, from the row's first one on.
fn in_row(at: u32) -> u32 {
    return at / LANES * IN_STEP_X + at % LANES;
}
