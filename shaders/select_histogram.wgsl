// One round of a radix select: how many keys that begin with the prefix found so far have each next digit.
//
// Keys are the values of the active list, or (GROW) the scores of all positions that the prune left inactive.

#uniform

@group(0) @binding(0) var<storage, read> keys: array<u32>;
#import select
@group(0) @binding(1) var<storage, read> selection: Selection;
@group(0) @binding(2) var<storage, read_write> histogram: array<atomic<u32>>;
#ifdef GROW
@group(0) @binding(3) var<storage, read> kept: array<u32>;
#endif

override COUNT: u32;
override SHIFT: u32;

var<workgroup> cells: array<atomic<u32>, 256>;

#import fold

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    atomicStore(&cells[lane], 0u);
    workgroupBarrier();
    let first = fold_index(wid) * 4096u + lane;
    for (var i = 0u; i < 16u; i += 1u) {
        let at = first + i * 256u;
        if at < COUNT {
            let key = keys[at] & MAGNITUDE;
            var takes_part = SHIFT == 24u || ((key >> SHIFT) >> 8u) == selection.prefix;
#ifdef GROW
            takes_part = takes_part && ((kept[at / 32u] >> (at % 32u)) & 1u) == 0u;
#endif
            if takes_part {
                atomicAdd(&cells[(key >> SHIFT) & 255u], 1u);
            }
        }
    }
    workgroupBarrier();
    let count = atomicLoad(&cells[lane]);
    if count > 0u {
        atomicAdd(&histogram[lane], count);
    }
}
