// The forward shift of each active weight: how far its input lies from the pixel's base.

#uniform

@group(0) @binding(0) var<storage, read> bits: array<u32>;
@group(0) @binding(1) var<storage, read> rank: array<u32>;
@group(0) @binding(2) var<storage, read_write> shift: array<u32>;

override WORDS: u32;
override LENGTH: u32;
override KERNEL: u32;
override IN_PLANE: u32;
override IN_ROW: u32;
override LANES: u32;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = wid.x * 256u + lane;
    if at >= WORDS {
        return;
    }
    var entry = rank[at];
    for (var left = bits[at]; left != 0u; left &= left - 1u) {
        let position = (at * 32u + countTrailingZeros(left)) % LENGTH;
        let c = position / (KERNEL * KERNEL);
        let r = position / KERNEL % KERNEL;
        let s = position % KERNEL;
        shift[entry] = c * IN_PLANE + r * IN_ROW + s * LANES;
        entry += 1u;
    }
}
