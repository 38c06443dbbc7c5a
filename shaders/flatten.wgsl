// [C][H][W] maps to C·H·W maps of one pixel, and (BACKWARD) the gradient the other way.

#uniform

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read_write> output: array<Vector>;

#import vector
#import divide
#import inputs
#import outputs

override COUNT: u32;
override HEIGHT: u32;
override WIDTH: u32;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let id = wid.x * 64u + lane;
    let n = id % LANES;
    let feature = id / LANES;
    if feature >= COUNT {
        return;
    }
    let channel = divide(feature, WIDTH * HEIGHT);
    let pixel = divide(channel.y, WIDTH);
    let map = wid.z * IN_BLOCK + channel.x * IN_PLANE + IN_ORIGIN + pixel.x * IN_ROW + pixel.y * LANES + n;
    let flat_at = wid.z * OUT_BLOCK + feature * OUT_PLANE + OUT_ORIGIN + n;
#ifdef BACKWARD
#ifdef ACCUMULATE
    output[map] = packed(plus(values(output[map]), values(input[flat_at])));
#else
    output[map] = input[flat_at];
#endif
#else
    output[flat_at] = input[map];
#endif
}
