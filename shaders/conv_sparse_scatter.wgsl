// Scatters the list of a layer's active values to their places in a dense weight, with zeros elsewhere; or (GATHER) gathers the
// list from these places. One invocation per word of the bitset.

#uniform

@group(0) @binding(0) var<storage, read> active_bits: array<u32>;
@group(0) @binding(1) var<storage, read> row_start: array<u32>;
#ifdef GATHER
@group(0) @binding(2) var<storage, read_write> list: array<f32>;
@group(0) @binding(3) var<storage, read> dense: array<f32>;
#else
@group(0) @binding(2) var<storage, read> list: array<f32>;
@group(0) @binding(3) var<storage, read_write> dense: array<f32>;
#endif

// positions, and positions a row
override COUNT: u32;
override LENGTH: u32;

#import fold
#import bits

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let word = fold_index(wid) * 64u + lane;
    if word * 32u >= COUNT {
        return;
    }
    // The rank of the word's first position: its row's first entry, and what is active in between.
    let row = word * 32u / LENGTH;
    let source = row * LENGTH;
    var at = row_start[row];
    for (var w = source / 32u; w < word; w += 1u) {
        at += countOneBits(active_bits[w]);
    }
    if source / 32u < word {
        at -= countOneBits(bits_below(active_bits[source / 32u], source % 32u));
    }
    var bits = active_bits[word];
    let end = min(word * 32u + 32u, COUNT);
    for (var position = word * 32u; position < end; position += 1u) {
        let is_set = (bits & 1u) == 1u;
        bits >>= 1u;
        // The weights of a block are of neighbouring output channels, and side by side in the list.
        let first = position + position / LENGTH * (($BLOCKu - 1u) * LENGTH);
#ifdef GATHER
        if is_set {
            for (var i = 0u; i < $BLOCKu; i += 1u) {
                list[at * $BLOCKu + i] = dense[first + i * LENGTH];
            }
            at += 1u;
        }
#else
        for (var i = 0u; i < $BLOCKu; i += 1u) {
            var value = 0.0;
            if is_set {
                value = list[at * $BLOCKu + i];
            }
            dense[first + i * LENGTH] = value;
        }
        at += u32(is_set);
#endif
    }
}
