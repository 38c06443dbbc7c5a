// What an invocation loads of an activation at once: four images, or (WIDE) eight as four 64-bit words, which some
// drivers load faster. The order in memory is the same: the low half of a word is the even image.
#ifdef WIDE
alias Vector = vec4<u64>;
const WIDTH = 2u;

struct Sum {
    even: vec4<f32>,
    odd: vec4<f32>,
}

fn sum_of(value: f32) -> Sum {
    return Sum(vec4<f32>(value), vec4<f32>(value));
}

fn even(v: Vector) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4<u32>(v));
}

fn odd(v: Vector) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4<u32>(v >> vec4<u32>(32u)));
}

fn add(sum: Sum, weight: f32, v: Vector) -> Sum {
    return Sum(sum.even + weight * even(v), sum.odd + weight * odd(v));
}

fn packed(sum: Sum) -> Vector {
    return vec4<u64>(bitcast<vec4<u32>>(sum.even)) | (vec4<u64>(bitcast<vec4<u32>>(sum.odd)) << vec4<u32>(32u));
}

// Sum over the images of a · b.
fn product(a: Vector, b: Vector) -> f32 {
    return dot(even(a), even(b)) + dot(odd(a), odd(b));
}
#else
alias Vector = vec4<f32>;
const WIDTH = 1u;
alias Sum = vec4<f32>;

fn sum_of(value: f32) -> Sum {
    return Sum(value);
}

fn add(sum: Sum, weight: f32, v: Vector) -> Sum {
    return sum + weight * v;
}

fn packed(sum: Sum) -> Vector {
    return sum;
}

fn product(a: Vector, b: Vector) -> f32 {
    return dot(a, b);
}
#endif
