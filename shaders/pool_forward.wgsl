// Square pooling, partial windows dropped: the maximum (MAX), for which padding does not count, or the average.

#uniform

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read_write> output: array<Vector>;

#import vector
#import divide
#import inputs
#import outputs

override SIZE: u32;
override STRIDE: u32;
override PADDING: u32;
override IN_H: u32;
override IN_W: u32;
override OUT_PIXELS: u32;
override OUT_W: u32;

#import pool

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let id = wid.y * 64u + lane;
    let n = id % LANES;
    let pixel = id / LANES;
    if pixel >= OUT_PIXELS {
        return;
    }
    let at = divide(pixel, OUT_W);
    let y = at.x;
    let x = at.y;
    let base = wid.z * IN_BLOCK + wid.x * IN_PLANE + IN_ORIGIN + n;
    let rows = window(y, IN_H);
    let columns = window(x, IN_W);
#ifdef MAX
    var v = values(input[base + rows.x * IN_ROW + columns.x * LANES]);
#else
    var v = all_of(0.0);
#endif
    for (var r = rows.x; r < rows.y; r += 1u) {
        for (var s = columns.x; s < columns.y; s += 1u) {
            let u = values(input[base + r * IN_ROW + s * LANES]);
#for j in 0..$QUADS
#ifdef MAX
            v.v$j = max(v.v$j, u.v$j);
#else
            v.v$j += u.v$j;
#endif
#endfor
        }
    }
#ifndef MAX
#for j in 0..$QUADS
    v.v$j *= 1.0 / f32(SIZE * SIZE);
#endfor
#endif
    output[wid.z * OUT_BLOCK + wid.x * OUT_PLANE + OUT_ORIGIN + y * OUT_ROW + x * LANES + n] = packed(v);
}
