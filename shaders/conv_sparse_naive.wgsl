// Sparse convolution, the simplest way. Begin here: all other kernels of its kind compute the same, to the bit, and differ only
// in how they load.
//
// The active weights lie in compressed sparse rows (CSR), one row an output channel: weights row_start[k] to row_start[k + 1]
// are those of channel k, in the order of their positions. A weight at (k, c, r, s) multiplies the pixel of input channel c
// that lies r rows and s columns on from the first that the filter sees; shift[e] is how far on that is in memory. So
// y[k] = Σ weight[e] · x[first pixel + shift[e]] over the row's weights e, and inactive weights cost nothing.
//
// (TRANSPOSED) The input gradient is the same sum of dy over a column of the weight, an input channel. Columns have an order
// of their own (CSC), and entry[e] says where among the rows the value of their weight e is. With a stride, a tap reaches one
// pixel in STRIDE²: each class of pixels that the same taps reach is a column of its own.
//
// Weights may be active in blocks of $BLOCK neighbouring output channels. Then a row of the index belongs to $BLOCK channels, an
// entry is a block, and the weights of a block lie side by side.
//
// One invocation: one pixel of one row, for all images of a vector (4, or 8 of 16 bits).

#import conv_gather

@group(0) @binding(0) var<storage, read> input: array<Vector>;
@group(0) @binding(1) var<storage, read> row_start: array<u32>;
@group(0) @binding(2) var<storage, read> shift: array<u32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<Vector>;
#ifdef TRANSPOSED
@group(0) @binding(5) var<storage, read> entry: array<u32>;
#endif
#ifdef BIAS
@group(0) @binding(5) var<storage, read> bias: array<f32>;
#endif

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = wid.x;
    let classes = OUT_STEP * OUT_STEP;
    let channel = row / classes;
    let place = place_of(wid.z, wid.y * $WGu + lane, row % classes);
    if !place.inside {
        return;
    }
#ifdef BIAS
    var sum = all_of(bias[channel]);
#else
    var sum = all_of(0.0);
#endif
#ifdef TRANSPOSED
    let end = row_start[row + 1u];
    for (var e = row_start[row]; e < end; e += 1u) {
        for (var i = 0u; i < $BLOCKu; i += 1u) {
            let w = weight[entry[e] * $BLOCKu + i];
            // Shifts count groups of four images, $QUADS of which are a vector.
            sum = add(sum, w, values(input[place.base + shift[e] / $QUADSu + i * IN_PLANE]));
        }
    }
#else
    let end = row_start[row / $BLOCKu + 1u];
    for (var e = row_start[row / $BLOCKu]; e < end; e += 1u) {
        let w = weight[e * $BLOCKu + row % $BLOCKu];
        sum = add(sum, w, values(input[place.base + shift[e] / $QUADSu]));
    }
#endif
    let at = result_at(place, channel);
#ifdef ACCUMULATE
    sum = plus(sum, values(output[at]));
#endif
    output[at] = packed(sum);
}
