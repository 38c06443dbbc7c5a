// Activations of 16 bits (F16, BF16), two to a word, the first image in the lower half.
struct Pair {
    low: vec4<f32>,
    high: vec4<f32>,
}

#ifdef BF16
fn pair(words: vec4<u32>) -> Pair {
    return Pair(bitcast<vec4<f32>>(words << vec4<u32>(16u)), bitcast<vec4<f32>>(words & vec4<u32>(0xffff0000u)));
}

// To the nearest, ties to even; a NaN stays one.
fn rounded(v: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(v);
    let up = bits + vec4<u32>(0x7fffu) + ((bits >> vec4<u32>(16u)) & vec4<u32>(1u));
    return select(up, vec4<u32>(0x7fc00000u), (bits & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u));
}

fn words(low: vec4<f32>, high: vec4<f32>) -> vec4<u32> {
    return (rounded(low) >> vec4<u32>(16u)) | (rounded(high) & vec4<u32>(0xffff0000u));
}
#else
fn pair(words: vec4<u32>) -> Pair {
    let a = unpack2x16float(words.x);
    let b = unpack2x16float(words.y);
    let c = unpack2x16float(words.z);
    let d = unpack2x16float(words.w);
    return Pair(vec4<f32>(a.x, b.x, c.x, d.x), vec4<f32>(a.y, b.y, c.y, d.y));
}

// Rounded to the nearest of 11 bits, of two the even one, for some drivers' packing cuts the rest off. Beyond the range: its
// end. A NaN stays one, and what has fewer bits below 2⁻¹⁴ is left to the packing.
fn within(v: vec4<f32>) -> vec4<f32> {
    let magnitude = bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu);
    let kept = (magnitude > vec4<u32>(0x7f800000u)) | (magnitude < vec4<u32>(0x38800000u));
    let bits = bitcast<vec4<u32>>(clamp(v, vec4<f32>(-65504.0), vec4<f32>(65504.0)));
    let odd = (bits >> vec4<u32>(13u)) & vec4<u32>(1u);
    let rounded = (bits + vec4<u32>(0xfffu) + odd) & vec4<u32>(0xffffe000u);
    return select(bitcast<vec4<f32>>(rounded), v, kept);
}

fn words(low: vec4<f32>, high: vec4<f32>) -> vec4<u32> {
    let a = within(low);
    let b = within(high);
    return vec4<u32>(
        pack2x16float(vec2<f32>(a.x, b.x)),
        pack2x16float(vec2<f32>(a.y, b.y)),
        pack2x16float(vec2<f32>(a.z, b.z)),
        pack2x16float(vec2<f32>(a.w, b.w)),
    );
}
#endif
