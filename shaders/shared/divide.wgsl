// (n / by, n % by) for n below 2³¹ and quotients below 2²¹: integer division by a number that is not known when a kernel is
// compiled takes long on most adapters.
fn divide(n: u32, by: u32) -> vec2<u32> {
    let quotient = u32(f32(n) / f32(by));
    // Rounding may have crossed an integer.
    let rest = i32(n - quotient * by);
    let over = rest < 0;
    let under = rest >= i32(by);
    return vec2<u32>(
        quotient + u32(under) - u32(over),
        u32(rest) + select(0u, by, over) - select(0u, by, under),
    );
}
