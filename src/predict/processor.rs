//! One core of this processor as a model: sizes of its caches from the system, rates measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::GpuModel;
use super::replay::{LINE, Loads, Memory};

/// Where Linux says which caches the first core has.
const CACHES: &str = "/sys/devices/system/cpu/cpu0/cache";

/// Why nothing is known of the caches of this processor.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    #[error("the sizes of this processor's caches cannot be known here: only Linux tells them ({CACHES})")]
    Unknown,
    #[error("{path}: {text:?} is not what Linux says of a cache")]
    Garbage { path: PathBuf, text: String },
}

/// Caches of one core: bytes of the first one for data, of the second and of the last; bytes a second of each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Processor {
    pub sizes: [u64; 3],
    pub rates: [f64; 3],
}

/// Lines of a piece by which rates are measured, and lines of a measurement.
const PIECE: u32 = 8;
const LINES: usize = 1 << 20;

impl Processor {
    /// Asks the system and measures.
    pub fn here() -> Result<Self, ProcessorError> {
        let sizes = sizes(Path::new(CACHES))?;
        let [first, second, last] = sizes;
        // Of the last as much as tensors of a few images have.
        Ok(Self { sizes, rates: [first / 2, second / 2, (last / 2).max(second).min(8 * second)].map(rate) })
    }

    /// One core as a GPU whose kernels are those that `like` would run. The second cache is the one that all share, and the
    /// last cache the memory, for the tensors of a few images fit into it. Only caches bound it.
    pub fn model(&self, like: &GpuModel, resident: usize) -> GpuModel {
        let [l1, l2, _] = self.sizes;
        let [l1_bandwidth, l2_bandwidth, memory_bandwidth] = self.rates;
        GpuModel {
            name: "processor",
            drivers_names: &[],
            title: "one core of this processor",
            family: like.family,
            processors: 1,
            clock: 1.0,
            multiply_adds: f64::INFINITY,
            l1_bandwidth,
            l1_latency: 0.0,
            l2_latency: 0.0,
            l1,
            line: LINE,
            sector: LINE,
            resident,
            l2,
            l2_bandwidth,
            memory_bandwidth,
            source: "sizes from the system, rates measured",
        }
    }
}

/// Bytes a second that the loop of a replay reads of a buffer of about `bytes` bytes, piece by piece in no order.
fn rate(bytes: u64) -> f64 {
    // The largest power of two, for the generator meets each place once.
    let count = (bytes / (LINE * u64::from(PIECE))).max(2).ilog2();
    let next = |place: &u32| Some((place.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)) % (1 << count));
    let places = std::iter::successors(Some(0), next).take((LINES / PIECE as usize).max(4 << count));
    let loads = Loads::of_lines(places.flat_map(|place| (0..PIECE).map(move |line| place * PIECE + line)));
    let memory = Memory::of([&loads]);
    let best = (0..7).map(|_| memory.seconds(&loads)).fold(f64::INFINITY, f64::min);
    loads.bytes() as f64 / best
}

/// Bytes of the first cache for data, the second and the last, from a folder as of Linux.
fn sizes(folder: &Path) -> Result<[u64; 3], ProcessorError> {
    let mut sizes = BTreeMap::new();
    for number in 0.. {
        let read = |name: &str| {
            let path = folder.join(format!("index{number}/{name}"));
            fs::read_to_string(&path).map(|text| (path, text.trim().to_owned()))
        };
        let (Ok((path, level)), Ok((_, kind)), Ok((size_path, size))) = (read("level"), read("type"), read("size"))
        else {
            break;
        };
        if kind == "Instruction" {
            continue;
        }
        let level: u32 = level.parse().map_err(|_| ProcessorError::Garbage { path, text: level })?;
        let bytes = bytes(&size).ok_or(ProcessorError::Garbage { path: size_path, text: size })?;
        sizes.insert(level, bytes);
    }
    let last = sizes.values().next_back().copied();
    let all = (sizes.get(&1).copied(), sizes.get(&2).copied(), last);
    let (Some(first), Some(second), Some(last)) = all else { return Err(ProcessorError::Unknown) };
    Ok([first, second, last])
}

/// A size as Linux writes it: `48K`.
fn bytes(text: &str) -> Option<u64> {
    let unit = match text.chars().last()? {
        'K' => 1u64 << 10,
        'M' => 1 << 20,
        'G' => 1 << 30,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    let digits = number.chars().all(|digit| digit.is_ascii_digit());
    number.parse::<u64>().ok().filter(|&number| digits && number > 0)?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder as of Linux, with caches of a level, a type and a size each.
    fn folder(caches: &[[&str; 3]]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (number, texts) in caches.iter().enumerate() {
            let index = folder.path().join(format!("index{number}"));
            fs::create_dir(&index).unwrap();
            for (name, text) in ["level", "type", "size"].into_iter().zip(texts) {
                fs::write(index.join(name), format!("{text}\n")).unwrap();
            }
        }
        folder
    }

    #[test]
    fn sizes_are_as_linux_writes_them() {
        let texts = ["48K", "2048K", "1M", "266240K", "1G"];
        assert_eq!(texts.map(bytes), [48 << 10, 2 << 20, 1 << 20, 260 << 20, 1 << 30].map(Some));
        for text in [
            "",
            "K",
            "48",
            "48k",
            "-1K",
            "+1K",
            "0K",
            "4 K",
            "4.5M",
            "KK",
            "é",
            "99999999999999999999K",
            "18014398509481984K",
        ] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn instructions_have_caches_of_their_own() {
        let all = folder(&[
            ["1", "Instruction", "32K"],
            ["1", "Data", "48K"],
            ["2", "Unified", "2M"],
            ["3", "Unified", "9M"],
        ]);
        assert_eq!(sizes(all.path()).unwrap(), [48 << 10, 2 << 20, 9 << 20]);
        let two = folder(&[["1", "Data", "64K"], ["2", "Unified", "4096K"]]);
        assert_eq!(sizes(two.path()).unwrap(), [64 << 10, 4 << 20, 4 << 20]);
    }

    #[test]
    fn nothing_is_made_up() {
        let unknown = |caches: &[[&str; 3]]| matches!(sizes(folder(caches).path()), Err(ProcessorError::Unknown));
        assert!(
            unknown(&[])
                && unknown(&[["1", "Data", "48K"]])
                && unknown(&[["1", "Instruction", "32K"], ["2", "Unified", "1M"]])
        );
        for garbage in [["1", "Data", "many"], ["one", "Data", "48K"]] {
            let found = sizes(folder(&[garbage, ["2", "Unified", "2M"]]).path());
            assert!(matches!(found, Err(ProcessorError::Garbage { .. })), "{found:?}");
        }
    }
}
