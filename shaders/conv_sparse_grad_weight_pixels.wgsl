// Gradient of the active weights only, as conv_sparse_grad_weight_invocation, but a workgroup takes up to GROUPS groups of
// weights, of a small layer all, and goes with all of them from one tile of PIXELS pixels to the next. What x and dy have
// there is then loaded into a GPU's first cache once, and used by all weights.
//
// $TEAM neighbouring lanes, a team, work on a group, one for each vector of a pixel (LANES of them, so that the last lanes may be idle).

#import sparse_sums
#import fold

override GROUPS: u32;
override PIXELS: u32;
// tiles in a row of pixels
override TILES_W: u32;

// The sum of each weight of the workgroup over the tiles that are done. A cell belongs to one invocation.
var<workgroup> cells: array<f32, $CELLS>;

const TEAMS = $WGu / $TEAMu;

// Weights of a group: of its blocks, if they are active in blocks.
const SUMS = $GROUPu * $BLOCKu;

// Where the entries of the workgroup's group `index` begin and end: (row, first, last); last < first where there is no group.
fn weights_of(first_group: u32, index: u32) -> vec3<u32> {
    var group = vec2<u32>(GROUP_END, 0u);
    if index < GROUPS {
        group = group_of(first_group + index);
    }
    if group.x == GROUP_END {
        return vec3<u32>(0u, 1u, 0u);
    }
    return vec3<u32>(group, min(group.y + $GROUPu, row_start[group.x + 1u]) - 1u);
}

// Of two weights' sums a lane keeps one, and gives the other to the lane that differs in `bit`, which keeps that: the sum of
// both lanes.
fn halved(lower: f32, upper: f32, lane: u32, bit: u32) -> f32 {
    let keeps_upper = (lane & bit) != 0u;
    return select(lower, upper, keeps_upper) + subgroupShuffleXor(select(upper, lower, keeps_upper), bit);
}

@compute @workgroup_size($WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let team = invocation / $TEAMu;
    let lane = invocation % $TEAMu;
    let first_group = fold_index(wid) * GROUPS;
    let vector = min(lane, LANES - 1u);
    // After the steps below a lane has the sums of $LEFT weights of the group, from this one on.
    let own = ((lane & 1u) * 4u + (lane & 2u) + (lane >> 2u)) * SUMS / 8u;
    for (var i = invocation; i < $CELLSu; i += $WGu) {
        cells[i] = 0.0;
    }
    let tiles = rows_of(wid.z, BLOCKS * OUT_H * TILES_W);
    for (var tile = tiles.x; tile < tiles.y; tile += 1u) {
        let row = divide(tile, TILES_W);
        let place = divide(row.x, OUT_H);
        let in_base = in_base_of(place) + vector;
        let out_base = out_base_of(place, 0u) + vector;
        // Bounds of which a compiler does not see how far apart they are: so many invocations have few registers each, and an
        // unrolled loop needs more.
        let left = row.y * PIXELS;
        let right = min(left + PIXELS, OUT_W);
        // Keeps the workgroup at one tile, where its loads meet; and no sum comes before the zeros.
        workgroupBarrier();
        // As many rounds for every team: no lane may leave before its neighbours.
        for (var begin = 0u; begin < GROUPS; begin += TEAMS) {
            let weights = weights_of(first_group, begin + team);
            let first = min(weights.y, weights.z);
#for i in 0..$GROUP
            let shift$i = shift[min(first + $iu, weights.z)] / $QUADSu;
#for b in 0..$BLOCK
            var sum$i_$b = 0.0;
#endfor
#endfor
            for (var pixel = left; pixel < right; pixel += 1u) {
#for b in 0..$BLOCK
                let dy$b = values(output_grad[out_base + (weights.x * $BLOCKu + $bu) * OUT_PLANE + pixel * LANES]);
#endfor
                let base = in_base + pixel * IN_STEP_X;
#for i in 0..$GROUP
                let x$i = values(input[base + shift$i]);
#for b in 0..$BLOCK
                sum$i_$b += product(dy$b, x$i);
#endfor
#endfor
            }
            let adds = weights.y <= weights.z && lane < LANES;
            var sums = array<f32, SUMS>(
#for i in 0..$GROUP
#for b in 0..$BLOCK
                select(0.0, sum$i_$b, adds),
#endfor
#endfor
            );
            // Each step halves the weights of a lane.
#ifdef SUMS2
#for i in 0..$SUMS2
            sums[$i] = halved(sums[$i], sums[$i + $SUMS2], lane, 1u);
#endfor
#endif
#ifdef SUMS4
#for i in 0..$SUMS4
            sums[$i] = halved(sums[$i], sums[$i + $SUMS4], lane, 2u);
#endfor
#endif
#ifdef SUMS8
#for i in 0..$SUMS8
            sums[$i] = halved(sums[$i], sums[$i + $SUMS8], lane, 4u);
#endfor
#endif
            if begin + team < GROUPS {
#for i in 0..$LEFT
                cells[(begin + team) * SUMS + own + $iu] += sums[$i];
#endfor
            }
        }
    }
    for (var index = team; index < GROUPS; index += TEAMS) {
        let weights = weights_of(first_group, index);
#for i in 0..$LEFT
        if own + $iu < (weights.z + 1u - weights.y) * $BLOCKu {
            weight_grad[wid.z * WEIGHTS + weights.y * $BLOCKu + own + $iu] = cells[index * SUMS + own + $iu];
        }
#endfor
    }
}
