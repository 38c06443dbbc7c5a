//! Philox4x32-10 (Salmon et al., SC 2011), the one source of randomness: a block of four words is a pure function
//! of `(key, counter)`, so nothing has to be stored to resume, and every backend draws the same numbers.
//! Mirrors `shaders/shared/philox.wgsl`.

/// What a draw is for: the last counter word, so that no two uses share a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    InitMask = 1,
    InitWeight = 2,
    Grow = 3,
    Augment = 4,
    Shuffle = 5,
    Split = 6,
    Sweep = 7,
    Sign = 8,
    Noise = 9,
}

/// Ten rounds over `counter` with `key`.
pub fn philox4x32(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let mut k = key;
    let mut c = counter;
    for _ in 0..10 {
        let a = u64::from(c[0]) * 0xD251_1F53;
        let b = u64::from(c[2]) * 0xCD9E_8D57;
        c = [(b >> 32) as u32 ^ c[1] ^ k[0], b as u32, (a >> 32) as u32 ^ c[3] ^ k[1], a as u32];
        k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
    }
    c
}

/// The key of a run.
pub fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// Word `index` of the stream `(seed, purpose, a, b)`: word `index % 4` of block `index / 4`.
pub fn word(seed: u64, purpose: Purpose, a: u32, b: u32, index: usize) -> u32 {
    philox4x32(key(seed), [(index / 4) as u32, a, b, purpose as u32])[index % 4]
}

/// A number in `[0, 1)` with 24 random bits.
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// A permutation of `0..n` (Fisher-Yates, drawn from the stream `(seed, purpose, a, b)`).
pub fn permutation(seed: u64, purpose: Purpose, a: u32, b: u32, n: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    for i in (1..n).rev() {
        // Multiply-shift: the bias is below n / 2^32.
        let j = (u64::from(word(seed, purpose, a, b, i)) * (i as u64 + 1)) >> 32;
        order.swap(i, j as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers published with Random123 (`kat_vectors`, philox4x32 10 rounds).
    #[test]
    fn known_answers() {
        assert_eq!(philox4x32([0; 2], [0; 4]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(philox4x32([u32::MAX; 2], [u32::MAX; 4]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        assert_eq!(
            philox4x32([0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn permutations_hold_every_index_once() {
        for n in [0, 1, 2, 7, 1000] {
            let mut order = permutation(3, Purpose::Shuffle, 1, 2, n);
            order.sort_unstable();
            assert!(order.iter().enumerate().all(|(i, &v)| i as u32 == v), "n = {n}");
        }
        assert_ne!(permutation(3, Purpose::Shuffle, 1, 2, 100), permutation(3, Purpose::Shuffle, 1, 3, 100));
    }
}
