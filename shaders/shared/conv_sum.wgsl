// A weight gradient's sums over x and dy: `Conv::weight_constants`.
#import vector
#import inputs
#import outputs
#import fold

override BLOCKS: u32;
override IN_STEP_Y: u32;
override IN_STEP_X: u32;
override OUT_H: u32;
override OUT_W: u32;
// the grid's z: parts of the images and pixels, and the weights that lie between the sums of two
override SPLIT: u32;
override WEIGHTS: u32;

// Of `count` rows, the first of a part and the one behind its last.
fn rows_of(part: u32, count: u32) -> vec2<u32> {
    return vec2<u32>(count * part / SPLIT, count * (part + 1u) / SPLIT);
}
