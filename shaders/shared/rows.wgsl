// Walks over rows of vectors without a division a vector, which takes long where the width is not known when a kernel is
// compiled: a place is (row, vector in the row).
#import divide

// The place `step` further on, itself as `divide` gives it.
fn advance(place: vec2<u32>, step: vec2<u32>, width: u32) -> vec2<u32> {
    let next = place + step;
    let over = next.y >= width;
    return vec2<u32>(next.x + u32(over), next.y - select(0u, width, over));
}
