//! GPUs as far as bytes and multiply-adds go, from public sources.

use crate::gpu::Family;
use crate::ops::Tuning;

/// What bounds a kernel on one GPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GpuModel {
    /// What `--gpu` calls it.
    pub name: &'static str,
    /// What drivers call it, as [`short`] has it.
    pub drivers_names: &'static [&'static str],
    pub title: &'static str,
    pub family: Family,
    /// Multiprocessors (NVIDIA), compute units (AMD), cores (Apple), sub-slices (Intel): what has a first cache of its own.
    pub processors: usize,
    /// Hz.
    pub clock: f64,
    /// Multiply-adds in `f32` of a processor a clock.
    pub multiply_adds: f64,
    /// Bytes that a processor's first cache delivers a clock.
    pub l1_bandwidth: f64,
    /// Clocks until a load arrives, from the first cache and from the one that all share.
    pub l1_latency: f64,
    pub l2_latency: f64,
    /// Bytes of a processor's first cache.
    pub l1: u64,
    /// Bytes of a line of it, and of the pieces that it fetches.
    pub line: u64,
    pub sector: u64,
    /// Invocations that are on a processor at once, with [`REGISTERS`] each.
    pub resident: usize,
    /// Bytes of the cache that all share (the last one, where there are more), and bytes a second that it delivers.
    pub l2: u64,
    pub l2_bandwidth: f64,
    /// Bytes a second.
    pub memory_bandwidth: f64,
    /// Where the numbers are from; latencies are rounded, and those of the last three assumed.
    pub source: &'static str,
}

/// Invocations of a subgroup, as of most GPUs.
pub(super) const SUBGROUP: usize = 32;

/// Registers of an invocation of most kernels, about.
const REGISTERS: usize = 48;

impl GpuModel {
    /// The same with fewer invocations on a processor, where each keeps `registers` numbers.
    pub fn with_registers(self, registers: usize) -> Self {
        Self { resident: self.resident * REGISTERS / registers.max(REGISTERS), ..self }
    }

    /// Lanes that multiply at once, of `count` workgroups of `size` invocations.
    pub fn lanes_at_work(&self, count: u64, size: usize) -> f64 {
        let subgroups = count as f64 * size.div_ceil(SUBGROUP) as f64;
        let most = self.processors as f64 * self.multiply_adds / SUBGROUP as f64;
        let busy = size as f64 / size.next_multiple_of(SUBGROUP) as f64;
        subgroups.min(most) * SUBGROUP as f64 * busy
    }

    /// What such a GPU runs by default.
    pub fn tuning(&self) -> Tuning {
        let mut usual = Tuning::of(self.family, 32, false);
        usual.device.most_group = 1024;
        match self.family {
            Family::Unknown => usual,
            _ => Tuning { device: usual.device.clone().of_a_card(), ..usual },
        }
    }
}

/// The model of the adapter that a driver calls `name`, and whether it is that very GPU. If there is none, that of a GPU of
/// the same maker whose name begins alike: the nearest that there is, and far from it maybe.
pub fn model_of(name: &str, family: Family) -> Option<(&'static GpuModel, bool)> {
    let short = short(name);
    if let Some(gpu) = GPUS.iter().find(|gpu| gpu.drivers_names.contains(&short.as_str())) {
        return Some((gpu, true));
    }
    let alike = |gpu: &GpuModel| gpu.name.bytes().zip(short.bytes()).take_while(|(a, b)| a == b).count();
    let of_family = GPUS.iter().filter(|gpu| gpu.family == family && family != Family::Unknown);
    // The first, where several are as near.
    of_family.rev().max_by_key(|gpu| alike(gpu)).map(|gpu| (gpu, false))
}

/// A driver's name for a GPU without its maker, and what stands in brackets: `rtx4090`.
fn short(name: &str) -> String {
    let name = name.to_lowercase().replace("(r)", " ").replace("(tm)", " ");
    let words = name.split('(').next().unwrap_or("").split(|letter: char| !letter.is_alphanumeric());
    let makers = ["nvidia", "geforce", "amd", "radeon", "apple", "intel", "graphics"];
    words.filter(|word| !makers.contains(word)).collect()
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const H100: GpuModel = GpuModel {
    name: "h100",
    drivers_names: &["h10080gbhbm3"],
    title: "NVIDIA H100 SXM",
    family: Family::Nvidia,
    processors: 132,
    clock: 1.755e9,
    multiply_adds: 128.0,
    l1_bandwidth: 128.0,
    l1_latency: 33.0,
    l2_latency: 270.0,
    l1: 224 * KIB,
    line: 128,
    sector: 32,
    resident: 1280,
    l2: 50 * MIB,
    l2_bandwidth: 5.5e12,
    memory_bandwidth: 3.35e12,
    source: "NVIDIA's data sheet (processors, memory); chipsandcheese.com 2023-07-02 (clock, caches; bandwidth of L2)",
};

/// The GPUs that there is a model of.
pub const GPUS: [GpuModel; 8] = [
    H100,
    GpuModel {
        name: "h200",
        drivers_names: &["h200"],
        title: "NVIDIA H200 SXM",
        memory_bandwidth: 4.8e12,
        source: "NVIDIA's data sheet (memory); else as the H100, whose chip it is",
        ..H100
    },
    GpuModel {
        name: "a100",
        drivers_names: &["a100sxm480gb"],
        title: "NVIDIA A100 SXM, 80 GB",
        processors: 108,
        clock: 1.41e9,
        multiply_adds: 64.0,
        l1_latency: 33.0,
        l2_latency: 200.0,
        l1: 160 * KIB,
        l2: 40 * MIB,
        l2_bandwidth: 7.2e12,
        memory_bandwidth: 2.039e12,
        source: "NVIDIA's white paper on the A100 (processors, clock, caches; 5120 bytes of L2 a clock) and data sheet (memory)",
        ..H100
    },
    GpuModel {
        name: "rtx3060",
        drivers_names: &["rtx3060"],
        title: "NVIDIA RTX 3060, 12 GB",
        processors: 28,
        clock: 1.777e9,
        l1: 100 * KIB,
        l2: 3 * MIB,
        l2_bandwidth: 0.8e12,
        memory_bandwidth: 0.36e12,
        source: "NVIDIA's specifications and white paper on GA102 (processors, clock, memory, first cache); bandwidth of L2 assumed \
                 (a processor's and clock's as of the RTX 4090)",
        ..H100
    },
    GpuModel {
        name: "rtx4090",
        drivers_names: &["rtx4090"],
        title: "NVIDIA RTX 4090",
        family: Family::Nvidia,
        processors: 128,
        clock: 2.52e9,
        multiply_adds: 128.0,
        l1_bandwidth: 128.0,
        l1_latency: 33.0,
        l2_latency: 270.0,
        l1: 100 * KIB,
        line: 128,
        sector: 32,
        resident: 1280,
        l2: 72 * MIB,
        l2_bandwidth: 5.0e12,
        memory_bandwidth: 1.008e12,
        source: "NVIDIA's white paper on Ada; chipsandcheese.com 2022-11-02 (bandwidth of L2, rounded)",
    },
    GpuModel {
        name: "rx7900xtx",
        drivers_names: &["rx7900xtx"],
        title: "AMD RX 7900 XTX",
        family: Family::Amd,
        processors: 96,
        clock: 2.5e9,
        multiply_adds: 64.0,
        l1_bandwidth: 64.0,
        l1_latency: 90.0,
        l2_latency: 300.0,
        l1: 32 * KIB,
        line: 128,
        sector: 128,
        resident: 1024,
        l2: 96 * MIB,
        l2_bandwidth: 3.5e12,
        memory_bandwidth: 0.96e12,
        source: "AMD's RDNA 3 guide (processors, caches); L2 and Infinity Cache taken as one, its bandwidth assumed",
    },
    GpuModel {
        name: "m2",
        drivers_names: &["m2"],
        title: "Apple M2, 10 cores",
        family: Family::Apple,
        processors: 10,
        clock: 1.398e9,
        multiply_adds: 128.0,
        l1_bandwidth: 64.0,
        l1_latency: 120.0,
        l2_latency: 400.0,
        l1: 8 * KIB,
        line: 128,
        sector: 64,
        resident: 1024,
        l2: 8 * MIB,
        l2_bandwidth: 0.4e12,
        memory_bandwidth: 0.1e12,
        source: "github.com/philipturner/metal-benchmarks, chipsandcheese.com 2023-10-31 (caches); bandwidth of L2 assumed",
    },
    GpuModel {
        name: "iris-xe",
        drivers_names: &["irisxe"],
        title: "Intel Iris Xe, 96 execution units",
        family: Family::Unknown,
        processors: 6,
        clock: 1.3e9,
        multiply_adds: 128.0,
        l1_bandwidth: 64.0,
        l1_latency: 100.0,
        l2_latency: 300.0,
        l1: 64 * KIB,
        line: 64,
        sector: 64,
        resident: 896,
        l2: 3840 * KIB,
        l2_bandwidth: 0.17e12,
        memory_bandwidth: 0.068e12,
        source: "Intel's guide to Xe-LP (processors, caches); bandwidth of the third cache assumed (a line a clock for two sub-slices)",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_invocations_leave_lanes_idle() {
        // Two processors, each of four subgroups a clock.
        let gpu = GpuModel { processors: 2, multiply_adds: 128.0, ..GPUS[0] };
        for (count, size, lanes) in [(1, 8, 8.0), (3, 32, 96.0), (100, 64, 256.0), (100, 8, 64.0), (100, 48, 192.0)] {
            assert_eq!(gpu.lanes_at_work(count, size), lanes, "{count} workgroups of {size}");
        }
    }

    #[test]
    fn models_are_found_by_what_drivers_call_gpus() {
        for (name, family, model) in [
            ("NVIDIA H200", Family::Nvidia, Some(("h200", true))),
            ("NVIDIA H100 80GB HBM3", Family::Nvidia, Some(("h100", true))),
            ("NVIDIA A100-SXM4-80GB", Family::Nvidia, Some(("a100", true))),
            ("NVIDIA GeForce RTX 4090", Family::Nvidia, Some(("rtx4090", true))),
            ("AMD Radeon RX 7900 XTX (RADV NAVI31)", Family::Amd, Some(("rx7900xtx", true))),
            ("Apple M2", Family::Apple, Some(("m2", true))),
            ("Intel(R) Iris(R) Xe Graphics (TGL GT2)", Family::Unknown, Some(("iris-xe", true))),
            // Others of the same makers.
            ("NVIDIA H100 PCIe", Family::Nvidia, Some(("h100", false))),
            ("NVIDIA A100-SXM4-40GB", Family::Nvidia, Some(("a100", false))),
            ("NVIDIA GeForce RTX 3060 Ti", Family::Nvidia, Some(("rtx3060", false))),
            ("NVIDIA L40S", Family::Nvidia, Some(("h100", false))),
            ("AMD Radeon Graphics (RADV RENOIR)", Family::Amd, Some(("rx7900xtx", false))),
            ("Apple M2 Max", Family::Apple, Some(("m2", false))),
            // Of these nothing is known.
            ("Intel(R) Arc(tm) A770 Graphics", Family::Unknown, None),
            ("Turnip Adreno (TM) 730", Family::Adreno, None),
            ("llvmpipe (LLVM 15.0.6, 256 bits)", Family::Software, None),
        ] {
            assert_eq!(model_of(name, family).map(|(gpu, same)| (gpu.name, same)), model, "{name}");
        }
    }
}
