//! A cache with lines, sectors and least-recently-used replacement.

/// Lines of a set.
const WAYS: usize = 16;

/// Which bytes a cache of some size holds.
#[derive(Clone, Debug)]
pub struct Cache {
    /// Of each set the lines from the one used last to the one used first; [`Line::EMPTY`] where there is none.
    lines: Vec<Line>,
    sets: u64,
    line: u64,
    sector: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    number: u64,
    /// A bit for each sector that was fetched.
    sectors: u32,
}

impl Line {
    const EMPTY: Self = Self { number: u64::MAX, sectors: 0 };
}

impl Cache {
    /// An empty cache of at least one set; a miss fetches the missing `sector` bytes of a line of `line` bytes, of which it has
    /// at most 32.
    pub fn new(bytes: u64, line: u64, sector: u64) -> Self {
        let sets = (bytes / line / WAYS as u64).max(1);
        Self { lines: vec![Line::EMPTY; sets as usize * WAYS], sets, line, sector }
    }

    /// Reads `bytes` bytes from `address` on, and calls `fetch` with address and size of each piece that was not there. Returns
    /// the bytes of all sectors that were read.
    pub fn read(&mut self, address: u64, bytes: u64, mut fetch: impl FnMut(u64, u64)) -> u64 {
        let end = address + bytes;
        let mut sectors = 0;
        for number in address / self.line..end.div_ceil(self.line) {
            let first = address.max(number * self.line) - number * self.line;
            let last = end.min((number + 1) * self.line) - number * self.line;
            let wanted =
                (first / self.sector..last.div_ceil(self.sector)).fold(0u32, |bits, sector| bits | 1 << sector);
            sectors += u64::from(wanted.count_ones());
            let missing = wanted & !self.touch(number, wanted);
            for sector in 0..self.line / self.sector {
                if missing >> sector & 1 == 1 {
                    fetch(number * self.line + sector * self.sector, self.sector);
                }
            }
        }
        sectors * self.sector
    }

    /// Makes `number` the line of its set that was used last, with the sectors `wanted`; returns those that it had.
    fn touch(&mut self, number: u64, wanted: u32) -> u32 {
        // Planes lie at powers of two from each other: without a hash they would meet in few sets.
        let set = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % self.sets;
        let lines = &mut self.lines[set as usize * WAYS..][..WAYS];
        let at = lines.iter().position(|line| line.number == number);
        let had = at.map_or(0, |at| lines[at].sectors);
        lines[..=at.unwrap_or(WAYS - 1)].rotate_right(1);
        lines[0] = Line { number, sectors: had | wanted };
        had
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(cache: &mut Cache, address: u64, bytes: u64) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        cache.read(address, bytes, |address, bytes| all.push((address, bytes)));
        all
    }

    #[test]
    fn sectors_are_fetched_once() {
        let mut cache = Cache::new(1 << 15, 128, 32);
        assert_eq!(fetched(&mut cache, 0, 16), [(0, 32)]);
        assert_eq!(fetched(&mut cache, 16, 32), [(32, 32)]);
        assert_eq!(fetched(&mut cache, 0, 64), []);
        assert_eq!(fetched(&mut cache, 120, 16), [(96, 32), (128, 32)]);
        // Whole sectors are delivered, be they there or not.
        assert_eq!([(0, 16), (31, 2), (96, 64)].map(|(at, bytes)| cache.read(at, bytes, |_, _| ())), [32, 64, 64]);
    }

    #[test]
    fn what_was_used_longest_ago_leaves() {
        // One set of 16 lines.
        let mut cache = Cache::new(16 * 128, 128, 128);
        for line in 0..16 {
            assert_eq!(fetched(&mut cache, 128 * line, 128).len(), 1);
        }
        assert_eq!(fetched(&mut cache, 0, 128), []);
        assert_eq!(fetched(&mut cache, 128 * 16, 128).len(), 1);
        assert_eq!(fetched(&mut cache, 0, 128), []);
        assert_eq!(fetched(&mut cache, 128, 128).len(), 1);
    }

    #[test]
    fn a_tensor_that_fits_stays() {
        let mut cache = Cache::new(64 << 10, 128, 32);
        let mut bytes = [0, 0];
        for round in &mut bytes {
            for at in (0..32 << 10).step_by(64) {
                cache.read(at, 64, |_, piece| *round += piece);
            }
        }
        assert_eq!(bytes[0], 32 << 10);
        // Sets are filled by a hash, and some are too full.
        assert!(bytes[1] < 2 << 10, "{bytes:?}");
    }
}
