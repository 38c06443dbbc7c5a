// Rows of packed weights are padded to whole rounds of $UNROLL by weights of zero. Where the packed weights of `row` begin, if
// those of all rows before it and `start` active weights precede it: no two rows overlap, and no row needs to know of others.
fn packed_start(row: u32, start: u32) -> u32 {
    return (start + row * ($UNROLLu - 1u)) / $UNROLLu * $UNROLLu;
}

// Packed weights of a row of `length` active ones.
fn packed_length(length: u32) -> u32 {
    return (length + $UNROLLu - 1u) / $UNROLLu * $UNROLLu;
}
