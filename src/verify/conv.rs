//! Convolutions: every candidate, sparse and dense, in all three directions.

use super::comparison::{Comparison, shaders};
use super::harness::{Device, Harness};
use super::{bits, f64s, magnitudes, noise, rounded};
use crate::gpu::{GpuError, Slice};
use crate::ops::topology::Scratch;
use crate::ops::trial::Candidate;
use crate::ops::{Conv, ConvLayer, Layout, SparseTensor, SparseWeight, Storage, reference};

/// How far a gradient's sum over images and pixels may be off, of its terms' magnitudes.
const SUM: f64 = 3e-7;

/// Which candidates of each kind run.
#[derive(Clone, Copy, Debug)]
pub enum Pick {
    All,
    /// This one (of as many as there are, from the first again).
    One(usize),
    /// The first, which all must agree with to the bit, and every `of`-th after the first `from` of a dense layer's: what
    /// both kinds of layers run is in the same share.
    Share {
        from: usize,
        of: usize,
    },
    /// Those that work on active weights alone.
    Active,
    /// Those by cooperative matrices.
    Matrices,
    /// Those that run where nothing was measured.
    Default,
    /// The last of each kind, which splits its sums.
    Last,
}

impl Pick {
    fn of(self, all: &[Candidate], dense: &[Candidate], default: &[Candidate]) -> Vec<Candidate> {
        let number = |at: usize| dense.iter().position(|known| *known == all[at]).unwrap_or(at);
        let chosen = |&at: &usize| match self {
            Self::All => true,
            Self::One(one) => at == one % all.len(),
            Self::Share { from, of } => at == 0 || number(at) % of == from % of,
            Self::Active => all[at].of_active(),
            Self::Matrices => all[at].by_matrices(),
            Self::Last => at + 1 == all.len(),
            Self::Default => default.contains(&all[at]),
        };
        (0..all.len()).filter(chosen).map(|at| all[at]).collect()
    }
}

/// A convolution of `[images, c, h, w]` to `k` channels with random numbers.
#[derive(Clone, Debug)]
pub struct ConvCase {
    pub images: usize,
    pub c: usize,
    pub k: usize,
    pub h: usize,
    pub w: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub density: f32,
    /// Output channels that are active together ([`Conv::block`]); where they make no whole blocks, one.
    pub block: usize,
    /// The input gradient is added to what is there.
    pub accumulate: bool,
    pub pick: Pick,
    pub storage: Storage,
}

impl ConvCase {
    /// A layer small enough to run every candidate of, and not so small that compilers unroll loops over its channels and
    /// rows: that makes them slow.
    pub const SMALL: Self = Self {
        images: 8,
        c: 34,
        k: 44,
        h: 6,
        w: 20,
        kernel: 3,
        stride: 1,
        padding: 1,
        density: 0.2,
        block: 1,
        accumulate: true,
        pick: Pick::All,
        storage: Storage::F32,
    };

    fn conv(&self, reference: &reference::conv::Conv) -> Conv {
        let &Self { images, c, k, h, w, kernel, stride, padding, storage, .. } = self;
        let (out_h, out_w) = (reference.out_h(), reference.out_w());
        let halo = |size, out| Conv::output_halo(size, out, kernel, stride, padding);
        Conv {
            input: Layout::new(c, h, w, Conv::input_halo(padding), images).stored(storage),
            output: Layout::new(k, out_h, out_w, halo(h, out_h).max(halo(w, out_w)), images).stored(storage),
            kernel,
            stride,
            padding,
            block: if k.is_multiple_of(self.block) { self.block } else { 1 },
        }
    }

    pub async fn compare(&self, device: &Device) -> Result<Vec<Comparison>, GpuError> {
        let &Self { images, c, k, h, w, kernel, stride, padding, density, accumulate, pick, storage, .. } = self;
        let reference = reference::conv::Conv { n: images, c, h, w, k, kernel, stride, padding };
        let conv = self.conv(&reference);
        let numel = conv.numel();
        let positions = conv.positions();
        let mut set: Vec<bool> = noise(1, positions).iter().map(|v| (v + 1.0) / 2.0 < density).collect();
        if !set.contains(&true) {
            set[positions / 2] = true;
        }
        let mask: Vec<bool> = (0..numel).map(|at| set[conv.position_of(at)]).collect();
        // Where the active weights lie, in the order of their list.
        let list: Vec<usize> = (0..positions).filter(|&at| set[at]).flat_map(|at| conv.weights_at(at)).collect();
        let masked: Vec<f32> =
            noise(2, numel).iter().zip(&mask).map(|(&w, &keep)| if keep { w } else { 0.0 }).collect();
        let active: Vec<f32> = list.iter().map(|&at| masked[at]).collect();
        let x = rounded(storage, noise(3, images * c * h * w));
        // Matrices must not take numbers below 2⁻¹⁴ for zero, which most gradients in f16 are.
        let scale = if matches!(pick, Pick::Matrices) && !accumulate { 0.5f32.powi(15) } else { 1.0 };
        let dy = noise(4, images * k * conv.output.pixels()).iter().map(|v| v * scale).collect();
        let dy = rounded(storage, dy);
        let bias = noise(5, k);
        let before = rounded(storage, noise(6, x.len()));

        let (tuning, mut harness) = (&device.tuning, Harness::default());
        let (input, output) = (conv.input, conv.output);
        let xs = harness.upload("x", &input.pack(&x));
        let dys = harness.upload("dy", &output.pack(&dy));
        let bias_s = harness.upload("bias", &bias);
        let dense_weight = harness.upload("dense weights", &masked);
        let bias_grad = harness.empty("bias grad", 4 * k as u64);
        let (entries, weights) = (list.len() / conv.block, list.len());
        let scratch = Scratch::new(&mut harness.buffers, &[conv], weights, 1, true);
        let tensor = SparseTensor::alone(&mut harness.buffers, conv, (0, entries, false), tuning);
        let sparse_weight = tensor.value;
        harness.write(tensor.value, &active);
        harness.write(tensor.active, &bits(&set));
        let mut commands = tensor.index("verify", tuning, &scratch);
        let sparse = Some(SparseWeight::new(tensor, &scratch));
        let most = tuning.workspace_bytes(&conv, Some(weights)).max(tuning.workspace_bytes(&conv, None));
        let workspace = harness.empty("workspace", most.max(4));
        let sparse = ConvLayer { node: "sparse", conv: &conv, tuning, sparse, workspace };
        let dense = ConvLayer { node: "dense", sparse: None, ..sparse };
        commands.push(dense.grad_bias(dys, bias_grad));
        let mut results: Vec<(bool, Candidate, Slice, Vec<&'static str>)> = Vec::new();
        for is_sparse in [true, false] {
            let (layer, weight, count) =
                if is_sparse { (&sparse, sparse_weight, weights) } else { (&dense, dense_weight, numel) };
            let of_dense = Candidate::all(&conv, tuning, None);
            let all = Candidate::all(&conv, tuning, is_sparse.then_some(weights));
            let default = Candidate::of(&tuning.choice(&conv, if is_sparse { density.into() } else { 1.0 }));
            for (all, of_dense) in all.iter().zip(&of_dense) {
                for candidate in pick.of(all, of_dense, &default) {
                    let (to, own) = match candidate {
                        Candidate::Forward(how) => {
                            let y = harness.empty("y", output.bytes());
                            (y, layer.forward(how, [xs, weight, y], Some(bias_s)))
                        }
                        Candidate::GradInput(how) => {
                            let dx = harness.upload("dx", &input.pack(&before));
                            (dx, layer.grad_input(how, [dys, weight, dx], accumulate))
                        }
                        Candidate::GradWeight(how) => {
                            let dw = harness.empty("dw", 4 * count as u64);
                            (dw, layer.grad_weight(how, [xs, dys, dw]))
                        }
                    };
                    results.push((is_sparse, candidate, to, shaders(&own)));
                    commands.extend(own);
                }
            }
        }
        let ran = harness.run(&device.gpu, &commands).await?;

        let gathered = |weight: &[f32]| {
            let forward = reference::conv::forward(&reference, &f64s(&x), &f64s(weight), Some(&f64s(&bias)));
            let mut grad_input = reference::conv::grad_input(&reference, &f64s(&dy), &f64s(weight));
            if accumulate {
                grad_input.iter_mut().zip(&before).for_each(|(to, &add)| *to += f64::from(add));
            }
            [forward, grad_input]
        };
        // Matrices hold the weight as activations are stored.
        let of_numbers = gathered(&masked);
        let by_matrices = results.iter().any(|(_, candidate, ..)| candidate.by_matrices());
        let of_matrices = by_matrices.then(|| gathered(&rounded(storage, masked)));
        let dense = reference::conv::grad_weight(&reference, &f64s(&x), &f64s(&dy));
        // A lone active weight's gradient may cancel to nearly nothing: sums are measured by their terms.
        let terms = reference::conv::grad_weight(&reference, &magnitudes(&x), &magnitudes(&dy));
        let kept = |all: &[f64]| -> Vec<f64> { list.iter().map(|&at| all[at]).collect() };
        let (of_active, terms_of_active) = (kept(&dense), kept(&terms));
        let mut comparisons = Vec::new();
        let positions = (0..positions).filter(|&at| set[at]).map(|at| at % conv.row_length());
        let shifts = positions.map(|at| {
            let (channel, tap) = (at / (kernel * kernel), at % (kernel * kernel));
            (channel * input.plane() + tap / kernel * input.row() + tap % kernel * input.lanes()) as u32
        });
        let got = ran.read::<u32>(tensor.rows.shift).await?;
        let wanted: Vec<u32> = shifts.collect();
        comparisons.push(Comparison::exact(&["index_entries"], "shifts", &got[..entries], &wanted));
        // All weights are summed channel by channel in an input gradient, blocks block by block.
        let mut first: [Option<Vec<u32>>; 4] = [const { None }; 4];
        for (is_sparse, candidate, slice, kernels) in results {
            let kind = if is_sparse { "sparse layer" } else { "dense layer" };
            let what = format!("{kind} {}, {candidate}, {}", candidate.direction(), storage.name());
            let all = ran.read::<u32>(slice).await?;
            let (direction, got) = match candidate {
                Candidate::Forward(_) => (0, output.unpack(&all)),
                Candidate::GradInput(_) => (1, input.unpack(&all)),
                Candidate::GradWeight(_) => {
                    let wanted =
                        if is_sparse { (&of_active[..], &terms_of_active[..]) } else { (&dense[..], &terms[..]) };
                    let got = Storage::F32.numbers(&all[..wanted.0.len()]);
                    comparisons.push(Comparison::sums(&kernels, &what, &got, wanted, SUM));
                    continue;
                }
            };
            let wanted = of_matrices.as_ref().filter(|_| candidate.by_matrices()).unwrap_or(&of_numbers);
            let close = Comparison::close(&kernels, &what, &got, &wanted[direction], 1e-5);
            comparisons.push(close.stored(storage));
            if candidate.by_matrices() {
                continue;
            }
            // Whatever the other candidates, the sums are taken in the order of the weight. (−0 equals 0.)
            let found: Vec<u32> = got.iter().map(|v| (v + 0.0).to_bits()).collect();
            let by_blocks = conv.block > 1 && is_sparse && candidate.of_active();
            let wanted = first[direction + 2 * usize::from(by_blocks)].get_or_insert_with(|| found.clone());
            let same = Comparison::exact(&kernels, &format!("{what}: bits of the first candidate"), &found, wanted);
            if !same.agrees() {
                comparisons.push(same);
            }
        }
        let [wanted, terms] = [f64s(&dy), magnitudes(&dy)].map(|dy| reference::conv::grad_bias(&reference, &dy));
        let got = ran.read::<f32>(bias_grad).await?;
        let wanted = (&wanted[..], &terms[..]);
        comparisons.push(Comparison::sums(&["conv_bias_grad"], "gradient of the bias", &got[..k], wanted, SUM));
        Ok(comparisons)
    }
}
