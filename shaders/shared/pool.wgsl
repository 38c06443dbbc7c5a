// The part of window `at` along a side of `size` pixels that lies in the map: its first pixel, and the one after its last.
fn window(at: u32, size: u32) -> vec2<u32> {
    let first = at * STRIDE;
    return vec2<u32>(max(first, PADDING), min(first + SIZE, size + PADDING)) - PADDING;
}
