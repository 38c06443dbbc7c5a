// A bitset over the flat indices of a weight, 32 a word, with the number of set bits before each word.

// Bits of `word` below position `bit` of it.
fn bits_below(word: u32, bit: u32) -> u32 {
    return word & ((1u << bit) - 1u);
}

// Which bits of word `index` lie inside a set of `count`.
fn bits_inside(index: u32, count: u32) -> u32 {
    let first = index * 32u;
    if first >= count {
        return 0u;
    }
    let left = count - first;
    if left >= 32u {
        return 0xffffffffu;
    }
    return (1u << left) - 1u;
}

// Byte `index` of a list of bytes, four a word, out of the word that holds it.
fn byte_of(word: u32, index: u32) -> u32 {
    return (word >> (index % 4u * 8u)) & 255u;
}
