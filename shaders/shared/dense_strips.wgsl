// Statements of a `main`: total$t[i] becomes the sum for tap i of in channel `c` and out channel `first` + t, over those strips
// of this part of the grid that begin at `start` and lie `step` apart. A strip is a row of pixels of one vector of images;
// along it, the columns of x that the next pixel needs again are kept. (SHUFFLE) Lane t loads dy of out channel t, in
// `my_plane`, for all others. (CHAIN) Strips are few, and are summed in one chain: half the sums to keep.
#for t in 0..$TILE
#ifndef SHUFFLE
    let plane$t = min(first + $tu, OUT_CHANNELS - 1u) * OUT_PLANE;
#endif
    var total$t = array<f32, $TAPS>();
#endfor
    let strips = rows_of(wid.z, BLOCKS * OUT_H * LANES);
    for (var strip = strips.x + start; strip < strips.y; strip += step) {
        let row = divide(strip / LANES, OUT_H);
        let out_base = row.x * OUT_BLOCK + OUT_ORIGIN + row.y * OUT_ROW + strip % LANES;
        let in_base = row.x * IN_BLOCK + c * IN_PLANE + IN_ORIGIN + row.y * IN_STEP_Y + strip % LANES;
#ifndef CHAIN
        // Strips are summed on their own: a long chain of additions would round more.
#for t in 0..$TILE
        var sum$t = array<f32, $TAPS>();
#endfor
#endif
        var x = array<array<Values, $KERNEL>, $KERNEL>();
#for r in 0..$KERNEL
#for s in 0..$KEPT
        x[$r][$s] = values(input[in_base + $ru * IN_ROW + $su * LANES]);
#endfor
#endfor
        for (var at = 0u; at < OUT_W; at += 1u) {
#ifdef SHUFFLE
            let mine = values(output_grad[out_base + my_plane + at * LANES]);
#for t in 0..$TILE
            let dy$t = handed(mine, $tu);
#endfor
#else
#for t in 0..$TILE
            let dy$t = values(output_grad[out_base + plane$t + at * LANES]);
#endfor
#endif
            let base = in_base + at * IN_STEP_X;
#for r in 0..$KERNEL
#for s in $KEPT..$KERNEL
            x[$r][$s] = values(input[base + $ru * IN_ROW + $su * LANES]);
#endfor
#for s in 0..$KERNEL
#for t in 0..$TILE
#ifdef CHAIN
            total$t[$r * $KERNEL + $s] += product(dy$t, x[$r][$s]);
#else
            sum$t[$r * $KERNEL + $s] += product(dy$t, x[$r][$s]);
#endif
#endfor
#endfor
#for s in 0..$KEPT
            x[$r][$s] = x[$r][$s + $STEP];
#endfor
#endfor
        }
#ifndef CHAIN
#for t in 0..$TILE
#for i in 0..$TAPS
        total$t[$i] += sum$t[$i];
#endfor
#endfor
#endif
    }
