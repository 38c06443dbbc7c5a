// Shares what grows out among $LAYERS layers, in proportion to a number of each, so that as many weights are active in all as at the
// start. What a layer has no room for goes to the others; what rounding leaves goes to the largest remainders, of equal ones to the
// first layers. ADAPTIVE: doubles or halves the threshold of the next update if this one removed too few or too many.
//
// In whole numbers, so that every GPU comes to the same: each layer's number becomes one of $BITS bits, so few that
// $LAYERS · 2^(2 · $BITS) fits 32. One workgroup.

// mirrors `ops::topology::UpdateCounts`, one a layer
@group(0) @binding(0) var<storage, read_write> counts: array<u32>;
#ifdef ADAPTIVE
@group(0) @binding(1) var<storage, read_write> threshold: array<f32>;
#endif

#import update_counts

// Of each layer: its weight in the sharing-out, what it has room for, what it gets and the remainder of that.
var<workgroup> weight: array<u32, $LAYERS>;
var<workgroup> room: array<u32, $LAYERS>;
var<workgroup> share: array<u32, $LAYERS>;
var<workgroup> remainder: array<u32, $LAYERS>;

fn place(layer: u32, word: u32) -> u32 {
    return layer * 64u + word;
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    for (var layer = lane; layer < $LAYERSu; layer += 64u) {
        weight[layer] = counts[place(layer, SHARE)];
        room[layer] = counts[place(layer, CAPACITY)] - counts[place(layer, KEEP)] - counts[place(layer, KEEP_NEGATIVE)];
        share[layer] = 0u;
        remainder[layer] = 0u;
    }
    workgroupBarrier();
    if lane != 0u {
        return;
    }
    var goal = 0u;
    var kept = 0u;
    var largest = 0u;
    for (var layer = 0u; layer < $LAYERSu; layer += 1u) {
        goal += counts[place(layer, TARGET)];
        kept += counts[place(layer, KEEP)] + counts[place(layer, KEEP_NEGATIVE)];
        // What is no finite number counts as none.
        weight[layer] = select(weight[layer], 0u, weight[layer] >= 0x7f800000u);
        largest = max(largest, weight[layer]);
    }
    // The power of two that leaves the largest $BITS bits; a largest that is next to nothing gives none any.
    let exponent = largest >> 23u;
    let scale = bitcast<f32>(select(0u, (253u + $BITSu - exponent) << 23u, exponent >= 32u));
    for (var layer = 0u; layer < $LAYERSu; layer += 1u) {
        weight[layer] = u32(bitcast<f32>(weight[layer]) * scale);
    }
    var left = goal - kept;
    // Layers that would get more than they have room for get that, and have no part in the next round.
    var again = true;
    while again {
        again = false;
        var whole = 0u;
        for (var layer = 0u; layer < $LAYERSu; layer += 1u) {
            whole += weight[layer];
        }
        if whole == 0u && left > 0u {
            // Equal parts, if all that have a weight are full.
            for (var layer = 0u; layer < $LAYERSu; layer += 1u) {
                weight[layer] = u32(room[layer] > share[layer]);
                whole += weight[layer];
            }
        }
        if whole > 0u {
            var full = 0u;
            for (var layer = 0u; layer < $LAYERSu; layer += 1u) {
                if weight[layer] > 0u {
                    let rest = left % whole * weight[layer];
                    let quota = left / whole * weight[layer] + rest / whole;
                    share[layer] = min(quota, room[layer]);
                    remainder[layer] = rest % whole;
                    if quota >= room[layer] {
                        again = true;
                        full += room[layer];
                        weight[layer] = 0u;
                        remainder[layer] = 0u;
                    }
                }
            }
            if again {
                left -= full;
            }
        }
    }
    // `left` is what the layers that are not full share.
    for (var layer = 0u; layer < $LAYERSu; layer += 1u) {
        left -= select(0u, share[layer], weight[layer] > 0u);
    }
    while left > 0u {
        var most = 0u;
        for (var layer = 1u; layer < $LAYERSu; layer += 1u) {
            most = select(most, layer, remainder[layer] > remainder[most]);
        }
        if remainder[most] == 0u {
            break;
        }
        share[most] += 1u;
        remainder[most] = 0u;
        left -= 1u;
    }
    for (var layer = 0u; layer < $LAYERSu; layer += 1u) {
        counts[place(layer, GROW)] = share[layer];
    }
#ifdef ADAPTIVE
    let gone = f32(goal - kept);
    let wanted = bitcast<f32>(counts[RATE]) * f32(goal);
    if gone > 1.1 * wanted {
        threshold[0] = max(0.5 * threshold[0], 1e-30);
    } else if gone < 0.9 * wanted {
        threshold[0] = min(2.0 * threshold[0], 1e30);
    }
#endif
}
