//! GPUs as far as bytes and multiply-adds go, from public sources.

use crate::gpu::Family;
use crate::ops::Tuning;

/// What bounds a kernel on one GPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GpuModel {
    /// What `--gpu` calls it.
    pub name: &'static str,
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
    /// Invocations that are on a processor at once, with some 48 registers each.
    pub resident: usize,
    /// Bytes of the cache that all share (the last one, where there are more), and bytes a second that it delivers.
    pub l2: u64,
    pub l2_bandwidth: f64,
    /// Bytes a second.
    pub memory_bandwidth: f64,
    /// Where the numbers are from; latencies are rounded, and those of the last three assumed.
    pub source: &'static str,
}

impl GpuModel {
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

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The GPUs that there is a model of.
pub const GPUS: [GpuModel; 5] = [
    GpuModel {
        name: "h100",
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
    },
    GpuModel {
        name: "rtx4090",
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
