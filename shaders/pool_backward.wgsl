// Gradient of pooling to its input. The maximum's goes to the first of equals in row-major order, as in PyTorch.
// One invocation an input pixel; pixels outside every window get 0.

#uniform

@group(0) @binding(0) var<storage, read> output_grad: array<Vector>;
@group(0) @binding(1) var<storage, read_write> input_grad: array<Vector>;
#ifdef MAX
@group(0) @binding(2) var<storage, read> input: array<Vector>;
#endif

#import vector
#import divide
#import inputs
#import outputs

override SIZE: u32;
override STRIDE: u32;
override PADDING: u32;
override IN_PIXELS: u32;
override IN_H: u32;
override IN_W: u32;
override OUT_H: u32;
override OUT_W: u32;

#import pool

// The first window along a side that holds `at`, and the one after the last.
fn windows_of(at: u32, count: u32) -> vec2<u32> {
    let padded = at + PADDING;
    let first = divide(max(padded + STRIDE, SIZE) - SIZE, STRIDE).x;
    return vec2<u32>(first, min(divide(padded, STRIDE).x + 1u, count));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let id = wid.y * 64u + lane;
    let n = id % LANES;
    let pixel = id / LANES;
    if pixel >= IN_PIXELS {
        return;
    }
    let place = divide(pixel, IN_W);
    let y = place.x;
    let x = place.y;
    let base = wid.z * IN_BLOCK + wid.x * IN_PLANE + IN_ORIGIN + n;
    let at = base + y * IN_ROW + x * LANES;
    let down = windows_of(y, OUT_H);
    let across = windows_of(x, OUT_W);
#ifdef MAX
    let v = values(input[at]);
#endif
    var d = all_of(0.0);
    for (var oy = down.x; oy < down.y; oy += 1u) {
        for (var ox = across.x; ox < across.y; ox += 1u) {
            let to = wid.z * OUT_BLOCK + wid.x * OUT_PLANE + OUT_ORIGIN + oy * OUT_ROW + ox * LANES + n;
            var g = values(output_grad[to]);
#ifdef MAX
            let rows = window(oy, IN_H);
            let columns = window(ox, IN_W);
            for (var r = rows.x; r < rows.y; r += 1u) {
                for (var s = columns.x; s < columns.y; s += 1u) {
                    let u = values(input[base + r * IN_ROW + s * LANES]);
                    // Another pixel wins if it is larger, or as large and earlier.
                    let earlier = vec4<bool>(r < y || (r == y && s < x));
#for j in 0..$QUADS
                    g.v$j = select(g.v$j, vec4<f32>(0.0), (u.v$j > v.v$j) | (earlier & (u.v$j == v.v$j)));
#endfor
                }
            }
#else
#for j in 0..$QUADS
            g.v$j *= 1.0 / f32(SIZE * SIZE);
#endfor
#endif
            d = plus(d, g);
        }
    }
#ifdef ACCUMULATE
    d = plus(values(input_grad[at]), d);
#endif
    input_grad[at] = packed(d);
}
