// Exact selection of the `want` largest keys, eight bits a round from the top (radix select).
// After the last round `prefix` is the smallest selected key, and `want` how many equal to it are taken, lowest index first.
struct Selection {
    prefix: u32,
    want: u32,
}

// Keys compare magnitudes: the sign bit of a float is dropped, so that −0 equals 0.
const MAGNITUDE = 0x7fffffffu;
