// How many positions of each cell of a layer are active now (low half of a word) and were ever (high half). A cell is a
// rectangle of kernels, `DOWN` out channels by `ACROSS` in channels; one invocation counts one cell.

#uniform

@group(0) @binding(0) var<storage, read> now: array<u32>;
@group(0) @binding(1) var<storage, read> ever: array<u32>;
@group(0) @binding(2) var<storage, read_write> cells: array<u32>;

override OUTPUTS: u32;
override INPUTS: u32;
override TAPS: u32;
override DOWN: u32;
override ACROSS: u32;
override COLUMNS: u32;
override CELLS: u32;

#import bits

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let cell = wid.x * 64u + lane;
    if cell >= CELLS {
        return;
    }
    let top = cell / COLUMNS * DOWN;
    let left = cell % COLUMNS * ACROSS;
    let bottom = min(top + DOWN, OUTPUTS);
    let right = min(left + ACROSS, INPUTS);
    var sum = vec2<u32>(0u, 0u);
    for (var out = top; out < bottom; out++) {
        // The kernels of one out channel and neighbouring in channels lie side by side.
        let first = (out * INPUTS + left) * TAPS;
        let last = (out * INPUTS + right) * TAPS;
        for (var word = first / 32u; word * 32u < last; word++) {
            let inside = bits_inside(word, last) & ~bits_inside(word, first);
            sum += countOneBits(vec2<u32>(now[word], ever[word]) & vec2<u32>(inside, inside));
        }
    }
    cells[cell] = sum.x | (sum.y << 16u);
}
