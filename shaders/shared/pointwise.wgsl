// Where a pointwise node's vectors lie: `ops::pointwise`.
#import vector
#import rows
#import inputs
#import outputs
#import residuals

override PIXELS: u32;
override WIDTH: u32;

struct Place {
    input: u32,
    output: u32,
    residual: u32,
    // first image
    image: u32,
}

// Vector `at` of channel wid.x in block wid.z.
fn place(wid: vec3<u32>, at: vec2<u32>) -> Place {
    return Place(
        wid.z * IN_BLOCK + wid.x * IN_PLANE + IN_ORIGIN + at.x * IN_ROW + at.y,
        wid.z * OUT_BLOCK + wid.x * OUT_PLANE + OUT_ORIGIN + at.x * OUT_ROW + at.y,
        wid.z * RES_BLOCK + wid.x * RES_PLANE + RES_ORIGIN + at.x * RES_ROW + at.y,
        (wid.z * LANES + at.y % LANES) * 4u * $QUADSu,
    );
}
