// From the resident u8 images to the network's input: random crop, flip, normalise; mirrors `ops::reference::augment`.
// One invocation: one pixel of a vector of images, all channels. Padding images become zeros.

#uniform

@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> image_labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<Vector>;
#import step
@group(0) @binding(4) var<uniform> run: StepParams;
// what each byte of each channel becomes: drivers divide with different last bits
@group(0) @binding(5) var<storage, read> normal: array<f32>;
// the images, split where one binding would be too large
@group(0) @binding(6) var<storage, read> chunk0: array<u32>;
#ifdef CHUNK1
@group(0) @binding(7) var<storage, read> chunk1: array<u32>;
#endif
#ifdef CHUNK2
@group(0) @binding(8) var<storage, read> chunk2: array<u32>;
#endif

#import vector
#import divide
#import outputs

override CHANNELS: u32;
override HEIGHT: u32;
override WIDTH: u32;
override PAD: u32;
override CHUNK: u32;

#ifdef AUGMENT
#import philox
#endif

// Byte `at` of image `image`.
fn pixel_byte(image: u32, at: u32) -> u32 {
    let byte = image % CHUNK * (CHANNELS * HEIGHT * WIDTH) + at;
    let chunk = image / CHUNK;
    var word = 0u;
    if chunk == 0u {
        word = chunk0[byte / 4u];
    }
#ifdef CHUNK1
    if chunk == 1u {
        word = chunk1[byte / 4u];
    }
#endif
#ifdef CHUNK2
    if chunk == 2u {
        word = chunk2[byte / 4u];
    }
#endif
    return (word >> (byte % 4u * 8u)) & 255u;
}

// Where the crop takes a row or column from; u32 max: outside.
fn source(at: u32, shift: u32, size: u32) -> u32 {
    let moved = i32(at + shift) - i32(PAD);
#ifdef REFLECT
    let back = select(moved, -moved, moved < 0);
    return u32(select(back, 2 * (i32(size) - 1) - back, back >= i32(size)));
#else
    return select(u32(moved), 0xffffffffu, moved < 0 || moved >= i32(size));
#endif
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let id = wid.x * 64u + lane;
    let n = id % LANES;
    let pixel = id / LANES;
    if pixel >= HEIGHT * WIDTH {
        return;
    }
    let at = divide(pixel, WIDTH);
    let y = at.x;
    let x = at.y;
    let first = (wid.z * LANES + n) * 4u * $QUADSu;
#for j in 0..$QUADS
    var image$j = vec4<u32>(0xffffffffu);
    // Offset of the source pixel in its plane; u32 max: outside the image.
    var place$j = vec4<u32>(pixel);
    for (var i = 0u; i < 4u; i += 1u) {
        let position = first + i * $QUADSu + $ju;
        if position < run.valid {
            let image = order[run.cursor + position];
            if pixel == 0u {
                labels[position] = image_labels[image];
            }
            // Component i, by a mask: FXC refuses a store to a component by a variable index.
            let here = vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(i);
            image$j = select(image$j, vec4<u32>(image), here);
#ifdef AUGMENT
            let draw = philox4x32(run.seed, vec4<u32>(run.cursor + position, run.epoch, 0u, PURPOSE_AUGMENT));
            let column = select(x, WIDTH - 1u - x, (draw.z & 1u) == 1u);
            let sy = source(y, draw.y % (2u * PAD + 1u), HEIGHT);
            let sx = source(column, draw.x % (2u * PAD + 1u), WIDTH);
            let outside = sy == 0xffffffffu || sx == 0xffffffffu;
            place$j = select(place$j, vec4<u32>(select(sy * WIDTH + sx, 0xffffffffu, outside)), here);
#endif
        }
    }
#endfor
    for (var c = 0u; c < CHANNELS; c += 1u) {
        var v = all_of(0.0);
#for j in 0..$QUADS
        for (var i = 0u; i < 4u; i += 1u) {
            if image$j[i] != 0xffffffffu {
                var raw = 0u;
                if place$j[i] != 0xffffffffu {
                    raw = pixel_byte(image$j[i], c * HEIGHT * WIDTH + place$j[i]);
                }
                let here = vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(i);
                v.v$j = select(v.v$j, vec4<f32>(normal[c * 256u + raw]), here);
            }
        }
#endfor
        output[wid.z * OUT_BLOCK + c * OUT_PLANE + OUT_ORIGIN + y * OUT_ROW + x * LANES + n] = packed(v);
    }
}
