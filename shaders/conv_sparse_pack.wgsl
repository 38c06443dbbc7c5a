// Writes each active weight next to its shift, so that a gather loads both at once, in the order in which it reads them: by
// rows, or (TRANSPOSED) by columns. Rows are padded, so that a gather has $UNROLL weights under way. One workgroup: one row.

#uniform

@group(0) @binding(0) var<storage, read> row_start: array<u32>;
@group(0) @binding(1) var<storage, read> shift: array<u32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
// Shift in vectors, bits of the weight.
@group(0) @binding(3) var<storage, read_write> packed: array<vec2<u32>>;
#ifdef TRANSPOSED
@group(0) @binding(4) var<storage, read> entry: array<u32>;
#endif

override ROWS: u32;
// groups of four images a vector
override QUADS: u32;

#import fold
#import packed_rows

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = fold_index(wid);
    if row >= ROWS {
        return;
    }
    let start = row_start[row];
    let length = row_start[row + 1u] - start;
    let to = packed_start(row, start);
    for (var i = lane; i < packed_length(length); i += 64u) {
        // Of padding: any place, and a weight that adds nothing.
        var item = vec2<u32>(0u, 0u);
        if i < length {
#ifdef TRANSPOSED
            let value = weight[entry[start + i]];
#else
            let value = weight[start + i];
#endif
            item = vec2<u32>(shift[start + i] / QUADS, bitcast<u32>(value));
        }
        packed[to + i] = item;
    }
}
