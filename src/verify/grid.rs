//! Dispatches with about the largest number of workgroups in one dimension. Two projects silently computed wrong results beyond it
//! (tinygrad#11782, llama.cpp#19965).

use super::comparison::Comparison;
use super::harness::{Device, Harness};
use crate::gpu::{Command, GpuError, Kernel, Label, fold};

/// So many workgroups, of which each invocation writes a number.
#[derive(Clone, Copy, Debug)]
pub struct GridCase {
    pub workgroups: usize,
}

impl GridCase {
    pub async fn compare(&self, device: &Device) -> Result<Vec<Comparison>, GpuError> {
        const SIZE: usize = 64;
        let [across, down, _] = fold(self.workgroups);
        // The grid may be larger than what was asked for; what lies behind it must stay.
        let all = across as usize * down as usize * SIZE;
        let mut harness = Harness::default();
        let seen = harness.empty("seen", 4 * (all + 1) as u64);
        let kernel = Kernel::new("lanes").define("WG", SIZE as u32);
        let pass = Command::dispatch(Label::other("grid"), kernel, &[seen], [across, down, 1]);
        let got = harness.run(&device.gpu, &[pass]).await?.read::<u32>(seen).await?;
        let mut wanted = vec![1u32; all];
        wanted.push(0);
        let what = format!("{} workgroups", self.workgroups);
        Ok(vec![Comparison::exact(&["lanes"], &what, &got[..all + 1], &wanted)])
    }
}
