// One round of a radix select: counts the next digit of all keys that begin with the prefix found so far.
//
// Keys are the values of the active list (SIGN: only those with this sign bit), or (GROW) the scores of all positions that the
// prune left inactive.

#uniform

// four at a time: a load of four costs little more than one of one
@group(0) @binding(0) var<storage, read> keys: array<vec4<u32>>;
#import select
@group(0) @binding(1) var<storage, read> selection: Selection;
@group(0) @binding(2) var<storage, read_write> histogram: array<atomic<u32>>;
#ifdef GROW
@group(0) @binding(3) var<storage, read> kept: array<u32>;
override COUNT: u32;
#else
// Its last word is the number of active weights.
@group(0) @binding(3) var<storage, read> row_start: array<u32>;
override ROWS: u32;
#endif

override SHIFT: u32;

var<workgroup> cells: array<atomic<u32>, 256>;

#import fold

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    atomicStore(&cells[lane], 0u);
    workgroupBarrier();
#ifdef GROW
    let count = COUNT;
#else
    let count = row_start[ROWS];
#endif
    let prefix = select(selection.prefix, 0u, SHIFT == 24u);
    let first = fold_index(wid) * 1024u + lane;
    for (var i = 0u; i < 4u; i += 1u) {
        let at = first + i * 256u;
        if at * 4u < count {
            let digits = (keys[at] & vec4<u32>(MAGNITUDE)) >> vec4<u32>(SHIFT);
#ifdef GROW
            let others = ~kept[at / 8u] >> (at % 8u * 4u);
#else
#ifdef SIGN
            let others = dot(vec4<u32>((keys[at] >> vec4<u32>(31u)) == vec4<u32>($SIGNu)), vec4<u32>(1u, 2u, 4u, 8u));
#else
            let others = 15u;
#endif
#endif
#for j in 0..4
            if at * 4u + $ju < count && (digits[$j] >> 8u) == prefix && (others & (1u << $ju)) != 0u {
                atomicAdd(&cells[digits[$j] & 255u], 1u);
            }
#endfor
        }
    }
    workgroupBarrier();
    let found = atomicLoad(&cells[lane]);
    if found > 0u {
        atomicAdd(&histogram[lane], found);
    }
}
