//! Choices that were measured (`train::autotune`), which come from files and may be wrong.

use std::collections::BTreeMap;

use super::Tuning;
use crate::ops::{Choice, Conv, WeightGradKernel};

/// MeasuredChoices choices, by [`Tuning::key`].
pub type MeasuredChoices = BTreeMap<String, Choice>;

impl Tuning {
    /// What a measured choice holds for: a geometry and a density (in steps of a quarter of its binary logarithm; a
    /// dense layer is its own step).
    pub fn key(conv: &Conv, density: f64) -> String {
        let step = (4.0 * density.log2()).round();
        let (x, y) = (&conv.input, &conv.output);
        let blocks = if conv.block > 1 { format!(" b{}", conv.block) } else { String::new() };
        format!(
            "{}x{}x{} to {} k{} s{} p{} n{} {} {}{blocks}",
            x.channels,
            x.height,
            x.width,
            y.channels,
            conv.kernel,
            conv.stride,
            conv.padding,
            x.images,
            x.storage.name(),
            if density < 1.0 { format!("d{step}") } else { "dense".into() },
        )
    }

    /// What a layer of `density` (1: dense) runs: as measured, or the default. Measurements come from files, so what is not
    /// a candidate here does not count.
    pub fn choice(&self, conv: &Conv, density: f64) -> Choice {
        let measured = self.measured.get(&Self::key(conv, density)).copied();
        let measured = measured.filter(|choice| self.offers(conv, density, choice));
        measured.unwrap_or_else(|| self.default_choice(conv, density))
    }

    /// Whether the measured choice for a layer cannot run here.
    pub fn refuses(&self, conv: &Conv, density: f64) -> bool {
        let measured = self.measured.get(&Self::key(conv, density));
        measured.is_some_and(|choice| !self.offers(conv, density, choice))
    }

    /// Whether `choice` is made of candidates for a layer of `density`: a file may say anything, and kernels are built of it.
    pub fn offers(&self, conv: &Conv, density: f64, choice: &Choice) -> bool {
        let (sparse, sum) = (density < 1.0, choice.grad_weight);
        // A key stands for densities that differ by less than a fifth.
        let active = (0.8 * density * conv.numel() as f64) as usize;
        self.forward_kernels(conv, sparse, false).contains(&choice.forward)
            && self.forward_kernels(conv, sparse, true).contains(&choice.grad_input)
            && self
                .weight_grad_kernels(conv, sparse.then_some(0))
                .iter()
                .any(|&one| WeightGradKernel { split: sum.split, ..one } == sum)
            && (1..=self.split(conv, active, &sum)).contains(&sum.split)
    }
}
