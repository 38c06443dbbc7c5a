// Where a pointwise node's vectors lie: `ops::pointwise`.
#import vector
#import inputs
#import outputs

override PIXELS: u32;
override WIDTH: u32;
override RES_ORIGIN: u32;
override RES_BLOCK: u32;
override RES_PLANE: u32;
override RES_ROW: u32;

struct Place {
    input: u32,
    output: u32,
    residual: u32,
    // first image
    image: u32,
}

// Vector `id` of channel wid.x in block wid.z.
fn place(wid: vec3<u32>, id: u32) -> Place {
    let n = id % LANES;
    let y = id / LANES / WIDTH;
    let x = id / LANES % WIDTH * LANES + n;
    return Place(
        wid.z * IN_BLOCK + wid.x * IN_PLANE + IN_ORIGIN + y * IN_ROW + x,
        wid.z * OUT_BLOCK + wid.x * OUT_PLANE + OUT_ORIGIN + y * OUT_ROW + x,
        wid.z * RES_BLOCK + wid.x * RES_PLANE + RES_ORIGIN + y * RES_ROW + x,
        (wid.z * LANES + n) * 4u * $QUADSu,
    );
}
