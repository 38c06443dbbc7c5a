// The transposed order for the input gradient: for each input channel and parity class of its pixels (a column), the
// active weights by output channel, then tap, as indices into the active list. COUNT_ONLY counts them; after a prefix sum
// the second run writes them. One invocation: $PIECE output channels of one column.

#uniform

@group(0) @binding(0) var<storage, read> bits: array<u32>;
@group(0) @binding(1) var<storage, read> rank: array<u32>;
// By column, then piece.
@group(0) @binding(2) var<storage, read_write> piece_start: array<u32>;
#ifndef COUNT_ONLY
@group(0) @binding(3) var<storage, read_write> column_start: array<u32>;
@group(0) @binding(4) var<storage, read_write> entry: array<u32>;
@group(0) @binding(5) var<storage, read_write> shift: array<u32>;
#endif

override COLUMNS: u32;
// pieces a column
override PIECES: u32;
override ROWS: u32;
override LENGTH: u32;
override KERNEL: u32;
override STRIDE: u32;
override PADDING: u32;
override LEAD: u32;
override OUT_PLANE: u32;
override OUT_ROW: u32;
override LANES: u32;

#import bits

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = wid.x * 64u + lane;
    if column >= COLUMNS {
        return;
    }
    let c = column / (STRIDE * STRIDE);
    let parity = column % (STRIDE * STRIDE);
    let py = parity / STRIDE;
    let px = parity % STRIDE;
    let r_first = (py + PADDING) % STRIDE;
    let s_first = (px + PADDING) % STRIDE;
    let piece = column * PIECES + wid.y;
#ifdef COUNT_ONLY
    var count = 0u;
#else
    var to = piece_start[piece];
    if wid.y == 0u {
        column_start[column] = to;
        if column == 0u {
            column_start[COLUMNS] = piece_start[COLUMNS * PIECES];
        }
    }
#endif
    let last = min(ROWS, (wid.y + 1u) * $PIECEu);
    for (var k = wid.y * $PIECEu; k < last; k += 1u) {
        for (var r = r_first; r < KERNEL; r += STRIDE) {
            for (var s = s_first; s < KERNEL; s += STRIDE) {
                let at = k * LENGTH + (c * KERNEL + r) * KERNEL + s;
                let word = bits[at / 32u];
                if ((word >> (at % 32u)) & 1u) == 1u {
#ifdef COUNT_ONLY
                    count += 1u;
#else
                    let dy = (py + PADDING + LEAD * STRIDE - r) / STRIDE;
                    let dx = (px + PADDING + LEAD * STRIDE - s) / STRIDE;
                    entry[to] = rank[at / 32u] + countOneBits(bits_below(word, at % 32u));
                    shift[to] = k * OUT_PLANE + dy * OUT_ROW + dx * LANES;
                    to += 1u;
#endif
                }
            }
        }
    }
#ifdef COUNT_ONLY
    piece_start[piece] = count;
#endif
}
