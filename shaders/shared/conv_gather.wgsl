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
