// Moves values and momentum from the old active list to the new one. Kept and regrown positions keep theirs; new ones start at
// 0/0. Of blocks, all $BLOCK weights move.

#uniform

@group(0) @binding(0) var<storage, read> before: array<u32>;
@group(0) @binding(1) var<storage, read> before_rank: array<u32>;
@group(0) @binding(2) var<storage, read> after: array<u32>;
@group(0) @binding(3) var<storage, read> after_rank: array<u32>;
@group(0) @binding(4) var<storage, read> value: array<u32>;
@group(0) @binding(5) var<storage, read> momentum: array<u32>;
@group(0) @binding(6) var<storage, read_write> moved_value: array<u32>;
@group(0) @binding(7) var<storage, read_write> moved_momentum: array<u32>;

override WORDS: u32;

#import bits

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = wid.x * 256u + lane;
    if at >= WORDS {
        return;
    }
    let old = before[at];
    let first = before_rank[at];
    var to = after_rank[at];
    for (var left = after[at]; left != 0u; left &= left - 1u) {
        let bit = countTrailingZeros(left);
        let stays = ((old >> bit) & 1u) == 1u;
        let entry = first + countOneBits(bits_below(old, bit));
        for (var i = 0u; i < $BLOCKu; i += 1u) {
            var v = 0u;
            var m = 0u;
            if stays {
                v = value[entry * $BLOCKu + i];
                m = momentum[entry * $BLOCKu + i];
            }
            moved_value[to * $BLOCKu + i] = v;
            moved_momentum[to * $BLOCKu + i] = m;
        }
        to += 1u;
    }
}
