// The magnitude of each block of $BLOCK weights: the sum of their magnitudes, by which blocks are pruned and grown. (LIST) Of the
// active blocks, whose weights lie side by side; else of all positions, from a number for every weight.

#uniform

@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> magnitudes: array<f32>;
#ifdef LIST
// Its last word is the number of active blocks.
@group(0) @binding(2) var<storage, read> row_start: array<u32>;
override ROWS: u32;
#else
// positions, and positions a row
override COUNT: u32;
override LENGTH: u32;
#endif

#import fold

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = fold_index(wid) * 64u + lane;
#ifdef LIST
    let count = row_start[ROWS];
    let first = at * $BLOCKu;
    let step = 1u;
#else
    let count = COUNT;
    let first = at + at / LENGTH * (($BLOCKu - 1u) * LENGTH);
    let step = LENGTH;
#endif
    if at >= count {
        return;
    }
    var sum = 0.0;
    for (var i = 0u; i < $BLOCKu; i += 1u) {
        sum += abs(weights[first + i * step]);
    }
    magnitudes[at] = sum;
}
