// Whether a buffer holds a float that is not finite: one whose exponent has all bits set.

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read_write> found: array<atomic<u32>, 1>;

override STRIDE: u32;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var i = id.x; i < arrayLength(&data); i += STRIDE) {
        if (data[i] & 0x7f800000u) == 0x7f800000u {
            atomicStore(&found[0], 1u);
        }
    }
}
