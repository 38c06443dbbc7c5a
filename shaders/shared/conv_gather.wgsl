// A convolution's gather: `Conv::forward_constants` and `backward_constants`.
#import vector
#import inputs
#import outputs

override GRID_W: u32;
override IN_STEP_Y: u32;
override IN_STEP_X: u32;
override OUT_STEP: u32;
override OUT_H: u32;
override OUT_W: u32;

// Where an invocation works.
struct Place {
    block: u32,
    // which vector of the images
    n: u32,
    // the first of $ROW neighbouring pixels of the result
    y: u32,
    x: u32,
    // False for invocations past the last pixel. They process pixel 0, so that they can still take part in the shuffles; their
    // result is discarded.
    inside: bool,
    // what the result's first tap reads
    base: u32,
}

// The place of invocation `id` of those that compute a row of the result in `first_block`, among the pixels of parity class
// `parity`. Consecutive invocations take the vectors of a pixel (LANES of them), then groups of $ROW pixels, then (TOGETHER: if
// one block does not fill the workgroup) blocks of images. $ROW divides GRID_W, and is 1 unless OUT_STEP divides OUT_W.
fn place_of(first_block: u32, id: u32, parity: u32) -> Place {
    let n = id % LANES;
    var strip = id / LANES;
    var block = first_block;
    var inside = true;
#ifdef TOGETHER
    inside = strip < $STRIPSu * $TOGETHERu;
    block = block * $TOGETHERu + select(0u, strip / $STRIPSu, inside);
    strip %= $STRIPSu;
#endif
    let pixel = strip * $ROWu;
    let y = pixel / GRID_W * OUT_STEP + parity / OUT_STEP;
    let x = pixel % GRID_W * OUT_STEP + parity % OUT_STEP;
    inside = inside && y < OUT_H && x < OUT_W;
    let source = select(0u, pixel / GRID_W * IN_STEP_Y + pixel % GRID_W * IN_STEP_X, inside);
    return Place(block, n, y, x, inside, block * IN_BLOCK + IN_ORIGIN + source + n);
}

// Where the first pixel's result of `channel` goes.
fn result_at(place: Place, channel: u32) -> u32 {
    return place.block * OUT_BLOCK + channel * OUT_PLANE + OUT_ORIGIN + place.y * OUT_ROW + place.x * LANES + place.n;
}
