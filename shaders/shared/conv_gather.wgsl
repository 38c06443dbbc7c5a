// Where a convolution's gather reads and writes, in vectors: `Conv::forward_constants` and `backward_constants`.
#import vector

override LANES: u32;
override GRID_W: u32;
override IN_ORIGIN: u32;
override IN_BLOCK: u32;
override IN_PLANE: u32;
override IN_ROW: u32;
override IN_STEP_Y: u32;
override IN_STEP_X: u32;
override OUT_ORIGIN: u32;
override OUT_BLOCK: u32;
override OUT_PLANE: u32;
override OUT_ROW: u32;
override OUT_STEP: u32;
override OUT_H: u32;
override OUT_W: u32;
