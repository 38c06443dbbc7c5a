// Whether a buffer holds a number that is not finite: one whose exponent has all bits set. Two numbers a word in 16 bits
// (HALF: f16, or BF16).

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read_write> found: array<atomic<u32>, 1>;

override STRIDE: u32;

#ifdef HALF
#ifdef BF16
const EXPONENT = 0x7f80u;
#else
const EXPONENT = 0x7c00u;
#endif

fn is_bad(word: u32) -> bool {
    return (word & EXPONENT) == EXPONENT || ((word >> 16u) & EXPONENT) == EXPONENT;
}
#else
const EXPONENT = 0x7f800000u;

fn is_bad(word: u32) -> bool {
    return (word & EXPONENT) == EXPONENT;
}
#endif

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var i = id.x; i < arrayLength(&data); i += STRIDE) {
        if is_bad(data[i]) {
            atomicStore(&found[0], 1u);
        }
    }
}
