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
