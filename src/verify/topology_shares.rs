//! How layers share out what grows, and what gives weights their signs.

use super::comparison::Comparison;
use super::harness::{Device, Harness};
use super::noise;
use crate::gpu::{Command, GpuError};
use crate::ops::philox::{Purpose, key, philox4x32};
use crate::ops::reference::topology_counts;
use crate::ops::topology::{Goes, Redistribution, RuleParams, Scratch, UpdateCounts};
use crate::ops::{Conv, Layout, SparseTensor, StepParams};

/// Layers of which each has lost some weights.
#[derive(Clone, Debug)]
pub struct SharesCase {
    pub layers: usize,
    /// The most times its first size that a layer may have.
    pub limit: f32,
    /// Numbers that the shares are in proportion to: full of ties and zeros.
    pub coarse: bool,
    /// Whether the threshold adapts.
    pub adaptive: bool,
    /// Which random numbers.
    pub stream: u32,
}

impl SharesCase {
    /// The share that should go: more, or less, than does.
    fn rate(&self) -> f32 {
        if self.stream.is_multiple_of(2) { 0.3 } else { 0.7 }
    }

    /// The layers before it.
    fn before(&self) -> Vec<UpdateCounts> {
        let draw = |stream, at: usize| (noise(self.stream + stream, self.layers)[at] + 1.0) / 2.0;
        let layer = |at: usize| {
            // One without zeros has no part in it.
            if at % 7 == 3 {
                let rules = RuleParams { rate: self.rate(), ..RuleParams::default() };
                return UpdateCounts { rules, ..UpdateCounts::new(at, 0, 0) };
            }
            let first = 1 + (draw(0, at) * draw(1, at) * 1e5) as u32;
            let capacity = first + ((self.limit - 1.0) * first as f32 * draw(2, at)) as u32;
            let keep = 1 + (draw(3, at) * (first - 1) as f32) as u32;
            let share = if self.coarse { (4.0 * draw(4, at)).floor() } else { draw(4, at) * 1e-3 };
            let rules = RuleParams { rate: self.rate(), ..RuleParams::default() };
            UpdateCounts { keep, capacity, first, share, rules, ..UpdateCounts::new(at, 0, 0) }
        };
        (0..self.layers).map(layer).collect()
    }

    pub async fn compare(&self, device: &Device) -> Result<Vec<Comparison>, GpuError> {
        const THRESHOLD: f32 = 0.25;
        let before = self.before();
        let goes = if self.adaptive { Goes::BelowAdaptive } else { Goes::Share };
        let mut harness = Harness::default();
        let mut scratch = Scratch::new(&mut harness.buffers, &[], 0, self.layers, true);
        scratch.update_counts = harness.upload("counts", &before);
        scratch.threshold = harness.upload("threshold", &[THRESHOLD; 4]);
        let ran = harness.run(&device.gpu, &[scratch.share_out(self.layers, goes)]).await?;
        let after: Vec<UpdateCounts> = ran.read(scratch.update_counts).await?;
        let got: Vec<u32> = after.iter().take(self.layers).map(|layer| layer.grow).collect();
        let sum = |of: fn(&UpdateCounts) -> u32| before.iter().map(|layer| of(layer) as usize).sum::<usize>();
        let (first, kept) = (sum(|layer| layer.first), sum(|layer| layer.keep));
        let shares: Vec<f32> = before.iter().map(|layer| layer.share).collect();
        let room: Vec<usize> = before.iter().map(|layer| (layer.capacity - layer.keep) as usize).collect();
        let wanted = topology_counts::share_out(first - kept, &shares, &room);
        let wanted: Vec<u32> = wanted.into_iter().map(|grow| grow as u32).collect();
        let next: Vec<f32> = ran.read(scratch.threshold).await?;
        let moved = topology_counts::next_threshold(THRESHOLD, first - kept, first, self.rate());
        let moved = if self.adaptive { moved } else { THRESHOLD };
        let kernel = ["topology_shares"];
        Ok(vec![
            Comparison::exact(&kernel, &format!("{} layers", self.layers), &got, &wanted),
            Comparison::exact(&kernel, "threshold", &next[..1], &[moved]),
        ])
    }
}

/// A list of active weights: what its layer's share is measured by, and the signs of those that are 0.
#[derive(Clone, Debug)]
pub struct ListCase {
    pub active: usize,
    /// Which random numbers.
    pub stream: u32,
}

impl ListCase {
    pub async fn compare(&self, device: &Device) -> Result<Vec<Comparison>, GpuError> {
        const LAYER: usize = 1;
        const UPDATE: u32 = 3;
        let (count, stream, seed) = (self.active, self.stream, u64::from(self.stream));
        let mut value = noise(stream, count);
        value.iter_mut().step_by(3).for_each(|w| *w = 0.0);
        let momentum = noise(stream + 1, count);
        let conv = Conv {
            input: Layout::new(count, 1, 1, 0, 4),
            output: Layout::new(2, 1, 1, 0, 4),
            kernel: 1,
            stride: 1,
            padding: 0,
            block: 1,
        };
        let mut harness = Harness::default();
        let scratch = Scratch::new(&mut harness.buffers, &[conv], count, LAYER + 1, true);
        let rules = RuleParams { rate: 0.3, ..RuleParams::default() };
        let counts = UpdateCounts { rules, ..UpdateCounts::new(LAYER, 0, 0) };
        harness.write(scratch.update_counts, &[counts; LAYER + 1]);
        let tensor = SparseTensor::alone(&mut harness.buffers, conv, (LAYER, count + 5, false), &device.tuning);
        harness.write(tensor.value, &value);
        harness.write(tensor.momentum, &momentum);
        harness.write(tensor.rows.start, &[0, 0, count as u32]);
        let run = harness.params(StepParams { seed: key(seed), update: UPDATE, ..StepParams::default() });
        let commands: [Command; 2] = [
            tensor.count("layer", &scratch, Goes::Share, Some(Redistribution::Momentum)),
            tensor.give_signs("layer", &scratch, run),
        ];
        let ran = harness.run(&device.gpu, &commands).await?;
        let after = ran.read::<UpdateCounts>(scratch.update_counts).await?[LAYER];
        let [keep, _] = topology_counts::keep(Goes::Share, &value, &rules);
        let mean = momentum.iter().map(|&m| f64::from(m.abs())).sum::<f64>() / count as f64;
        let born = |at: usize| {
            let words = philox4x32(key(seed), [at as u32, LAYER as u32, UPDATE, Purpose::Sign as u32]);
            if words[0] >> 31 == 1 { -1e-12f32 } else { 1e-12 }
        };
        let signed = (0..count).map(|at| if value[at] == 0.0 { born(at) } else { value[at] });
        let mut signed: Vec<f32> = signed.collect();
        signed.resize(count + 5, 0.0);
        let values: Vec<f32> = ran.read(tensor.value).await?;
        let kernel = ["topology_counts"];
        let counted = [after.keep, after.grow];
        Ok(vec![
            Comparison::exact(&kernel, "a share goes", &counted, &[keep as u32, (count - keep) as u32]),
            Comparison::close(&kernel, "mean magnitude of the momentum", &[after.share], &[mean], 1e-5),
            Comparison::exact(&["topology_born"], "signs of what is 0", &values[..count + 5], &signed),
        ])
    }
}
