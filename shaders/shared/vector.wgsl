// What an invocation loads of an activation at once: $QUADS times four images, in 32-bit or (WIDE) 64-bit words, which some
// drivers load faster; a word holds one or two `f32`, or two or four numbers of 16 bits (F16, BF16), the first image lowest.
// Host: `Vectors::declare`.

// vectors per pixel: known when a kernel is compiled, and the same in all layers of a run
const LANES = $LANESu;

// Image $QUADS·i + j of a vector is component i of v$j.
struct Values {
#for j in 0..$QUADS
    v$j: vec4<f32>,
#endfor
}

#ifdef WIDE
alias Vector = vec4<u64>;
#else
#ifdef HALF
alias Vector = vec4<u32>;
#else
alias Vector = vec4<f32>;
#endif
#endif

#ifdef HALF
#import half
#endif

fn values(v: Vector) -> Values {
#ifdef WIDE
    let lower = vec4<u32>(v);
    let upper = vec4<u32>(v >> vec4<u32>(32u));
#ifdef HALF
    let first = pair(lower);
    let second = pair(upper);
    return Values(first.low, first.high, second.low, second.high);
#else
    return Values(bitcast<vec4<f32>>(lower), bitcast<vec4<f32>>(upper));
#endif
#else
#ifdef HALF
    let both = pair(v);
    return Values(both.low, both.high);
#else
    return Values(v);
#endif
#endif
}

fn packed(v: Values) -> Vector {
#ifdef WIDE
#ifdef HALF
    let lower = words(v.v0, v.v1);
    let upper = words(v.v2, v.v3);
#else
    let lower = bitcast<vec4<u32>>(v.v0);
    let upper = bitcast<vec4<u32>>(v.v1);
#endif
    return vec4<u64>(lower) | (vec4<u64>(upper) << vec4<u32>(32u));
#else
#ifdef HALF
    return words(v.v0, v.v1);
#else
    return v.v0;
#endif
#endif
}

fn all_of(value: f32) -> Values {
    return Values(
#for j in 0..$QUADS
        vec4<f32>(value),
#endfor
    );
}

fn plus(a: Values, b: Values) -> Values {
    return Values(
#for j in 0..$QUADS
        a.v$j + b.v$j,
#endfor
    );
}

// total + weight · v
fn add(total: Values, weight: f32, v: Values) -> Values {
    return Values(
#for j in 0..$QUADS
        total.v$j + weight * v.v$j,
#endfor
    );
}

// Sum over the images of a · b.
fn product(a: Values, b: Values) -> f32 {
    var total = 0.0;
#for j in 0..$QUADS
    total += dot(a.v$j, b.v$j);
#endfor
    return total;
}

// Numbers of the images in v$j of a vector whose first image is `first`.
fn images(first: u32, j: u32) -> vec4<u32> {
    return vec4<u32>(first + j) + $QUADSu * vec4<u32>(0u, 1u, 2u, 3u);
}
