// Philox4x32-10; mirrors `ops::philox`.
fn mul_hi(a: u32, b: u32) -> u32 {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let low = al * bl;
    let mid = ah * bl + (low >> 16u);
    let mid2 = al * bh + (mid & 0xffffu);
    return ah * bh + (mid >> 16u) + (mid2 >> 16u);
}

fn philox4x32(key: vec2<u32>, counter: vec4<u32>) -> vec4<u32> {
    var k = key;
    var c = counter;
    for (var i = 0u; i < 10u; i += 1u) {
        let a = mul_hi(0xD2511F53u, c.x);
        let b = mul_hi(0xCD9E8D57u, c.z);
        c = vec4<u32>(b ^ c.y ^ k.x, c.z * 0xCD9E8D57u, a ^ c.w ^ k.y, c.x * 0xD2511F53u);
        k += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

const PURPOSE_GROW = 3u;
const PURPOSE_AUGMENT = 4u;
const PURPOSE_SIGN = 8u;
const PURPOSE_NOISE = 9u;
