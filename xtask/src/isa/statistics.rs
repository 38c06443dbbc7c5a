//! The drivers' statistics of a compiled kernel under common names.

use serde::{Deserialize, Serialize};

/// What a compiler says of a kernel. Each driver counts in its own way: compare with the same GPU only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Of an invocation: 32 bits each (NVIDIA, AMD), 16 bits (Apple), four times 32 bits (Adreno).
    pub registers: i64,
    /// Stores to memory and loads from it for want of registers (AMD: registers that are spilled).
    pub spills: i64,
    /// Bytes of an invocation's own memory.
    pub scratch: i64,
    /// Subgroups that run side by side on a multiprocessor, SIMD unit or core; Apple: invocations of a core.
    pub waves: i64,
    pub instructions: i64,
    /// The compiler's own estimate, where it gives one.
    pub cycles: Option<i64>,
}

impl Statistics {
    /// From the driver's names and values.
    pub fn of(values: &[(String, i64)]) -> Self {
        let first =
            |names: &[&str]| names.iter().find_map(|name| values.iter().find(|(n, _)| n == name)).map(|(_, v)| *v);
        let sum =
            |names: &[&str]| values.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, v)| v).sum();
        // Apple's compiler estimates each of its units; the slowest counts.
        let units = ["ALU", "FSCIB", "IC"].map(|name| first(&[name]));
        let slowest = if units.iter().all(Option::is_some) { units.into_iter().flatten().max() } else { None };
        Self {
            registers: first(&["Number of GPRs", "VGPRs", "GPRs", "Registers used"]).unwrap_or(0),
            spills: sum(&[
                "Spills to memory",
                "Fills from memory",
                "Spilled VGPRs",
                "Spills",
                "Fills",
                "STP Count",
                "LDP Count",
            ]),
            scratch: first(&["SLM size", "Scratch size", "Scratch"]).unwrap_or(0),
            waves: first(&["Max warps/SM", "Subgroups per SIMD", "Threads", "Max Waves Per Core"]).unwrap_or(0),
            instructions: first(&["Instruction count", "Instructions", "Instruction Count"]).unwrap_or(0),
            cycles: first(&["Static cycle count", "Latency"]).or(slowest),
        }
    }

    /// Whether anything lies in memory that a register should hold.
    pub fn spills(&self) -> bool {
        self.spills > 0 || self.scratch > 0
    }

    /// Of two pipelines of one kernel, which says more about it: the greater.
    pub fn weight(&self) -> (i64, i64, i64) {
        (self.spills + self.scratch, self.cycles.unwrap_or(0), self.instructions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_driver_is_understood() {
        let of = |text: &str| {
            let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
            Statistics::of(&pairs.map(|(name, value)| (name.into(), value.parse().unwrap())).collect::<Vec<_>>())
        };
        let wanted = |registers, spills, scratch, waves, instructions, cycles| Statistics {
            registers,
            spills,
            scratch,
            waves,
            instructions,
            cycles,
        };
        assert_eq!(
            of(
                "Instruction count=783,Static cycle count=28715,Max warps/SM=48,Spills to memory=1,Fills from memory=2,\
                Spills to reg=4,Code size=12528,Number of GPRs=40,SLM size=16"
            ),
            wanted(40, 3, 16, 48, 783, Some(28715))
        );
        assert_eq!(
            of("SGPRs=108,VGPRs=48,Spilled SGPRs=9,Spilled VGPRs=2,LDS size=0,Scratch size=8,Subgroups per SIMD=32,\
                Instructions=741,Latency=16120,Inverse Throughput=3963"),
            wanted(48, 2, 8, 32, 741, Some(16120))
        );
        assert_eq!(
            of("Instructions=605,ALU=634,FSCIB=466,IC=640,GPRs=53,Scratch=0,Threads=1024,Loops=2,Spills=3,Fills=4"),
            wanted(53, 7, 0, 1024, 605, Some(640))
        );
        assert_eq!(
            of("Max Waves Per Core=16,Instruction Count=1084,Registers used=12,STP Count=5,LDP Count=6"),
            wanted(12, 11, 0, 16, 1084, None)
        );
    }
}
