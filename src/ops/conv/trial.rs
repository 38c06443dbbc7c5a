//! One convolution on its own, to time its candidates: for the autotuner and `itop bench kernels`.

use web_time::Instant;

use super::{Choice, Conv, ConvLayer, ForwardKernel, Scope, SparseWeight, WeightGradKernel};
use crate::gpu::{BufferPlan, Command, Executor, Gpu, GpuError, Kind, Label, Slice};
use crate::ops::philox::{Purpose, unit, word};
use crate::ops::topology::Scratch;
use crate::ops::{SparseTensor, Storage, Tuning};

/// One of the three passes of a convolution, with the candidate that carries it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    Forward(ForwardKernel),
    GradInput(ForwardKernel),
    GradWeight(WeightGradKernel),
}

impl Candidate {
    /// `forward`, `grad_input` or `grad_weight`.
    pub fn direction(&self) -> &'static str {
        match self {
            Candidate::Forward(_) => "forward",
            Candidate::GradInput(_) => "grad_input",
            Candidate::GradWeight(_) => "grad_weight",
        }
    }

    /// What its commands are for.
    pub fn kind(&self) -> Kind {
        match self {
            Candidate::Forward(_) => Kind::Forward,
            Candidate::GradInput(_) => Kind::GradInput,
            Candidate::GradWeight(_) => Kind::GradWeight,
        }
    }

    /// Whether it is the naive kernel, which is there to be read.
    pub fn is_naive(&self) -> bool {
        matches!(self, Candidate::Forward(ForwardKernel::Naive) | Candidate::GradInput(ForwardKernel::Naive))
    }

    /// All candidates of a layer with `active` weights (`None`: a dense layer), direction by direction, the simplest of each
    /// first.
    pub fn all(conv: &Conv, tuning: &Tuning, active: Option<usize>) -> [Vec<Self>; 3] {
        let sparse = active.is_some();
        [
            tuning.forward_kernels(conv, sparse, false).into_iter().map(Candidate::Forward).collect(),
            tuning.forward_kernels(conv, sparse, true).into_iter().map(Candidate::GradInput).collect(),
            tuning.weight_grad_kernels(conv, active).into_iter().map(Candidate::GradWeight).collect(),
        ]
    }

    /// Whether it multiplies cooperative matrices, which are as new to drivers as to wgpu.
    pub fn by_matrices(&self) -> bool {
        match self {
            Candidate::Forward(how) | Candidate::GradInput(how) => matches!(how, ForwardKernel::Matrices { .. }),
            Candidate::GradWeight(how) => how.scope == Scope::Matrices,
        }
    }

    /// Those of a choice.
    pub fn of(choice: &Choice) -> [Self; 3] {
        let Choice { forward, grad_input, grad_weight } = *choice;
        [Self::Forward(forward), Self::GradInput(grad_input), Self::GradWeight(grad_weight)]
    }

    /// Direction and kernel: what it is called in messages and in files.
    pub fn name(&self) -> String {
        format!("{} {self}", self.direction())
    }

    /// Whether it works on active weights alone.
    pub fn of_active(&self) -> bool {
        match self {
            Candidate::Forward(how) | Candidate::GradInput(how) => {
                matches!(how, ForwardKernel::Naive | ForwardKernel::Sparse(_))
            }
            Candidate::GradWeight(how) => how.tile.is_none(),
        }
    }

    /// Puts this candidate in its place.
    pub fn put(&self, choice: &mut Choice) {
        match *self {
            Candidate::Forward(how) => choice.forward = how,
            Candidate::GradInput(how) => choice.grad_input = how,
            Candidate::GradWeight(how) => choice.grad_weight = how,
        }
    }
}

impl std::fmt::Display for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Candidate::Forward(how) | Candidate::GradInput(how) => how.fmt(f),
            Candidate::GradWeight(how) => how.fmt(f),
        }
    }
}

/// How long one run of a candidate may take before it counts as hung.
const RUN_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// A convolution with random weights and activations on a device.
pub struct Trial {
    pub conv: Conv,
    /// Active weights; all of them for a dense layer.
    pub active: usize,
    tuning: Tuning,
    executor: Executor,
    sparse: Option<SparseWeight>,
    x: Slice,
    dy: Slice,
    weight: Slice,
    weight_grad: Slice,
    workspace: Slice,
}

impl Trial {
    /// `density` of the weights are active; 1.0: a dense layer, without an index.
    pub async fn new(gpu: &Gpu, tuning: &Tuning, conv: Conv, density: f64) -> Result<Self, GpuError> {
        let positions = conv.positions();
        let mut bits = vec![0u32; positions.div_ceil(32)];
        if density < 1.0 {
            let draw =
                |&i: &usize| f64::from(unit(word(1, Purpose::InitMask, 0, 0, i))) < density || i == positions / 2;
            (0..positions).filter(draw).for_each(|i| bits[i / 32] |= 1 << (i % 32));
        }
        let sparse = density < 1.0;
        let entries: usize = bits.iter().map(|word| word.count_ones() as usize).sum();
        let active = if sparse { entries * conv.block } else { conv.numel() };
        let mut buffers = BufferPlan::default();
        let x = buffers.storage("trial", "x", conv.input.bytes());
        let dy = buffers.storage("trial", "dy", conv.output.bytes());
        let most = tuning.workspace_bytes(&conv, sparse.then_some(active));
        let workspace = buffers.storage("trial", "workspace", most.max(4));
        let scratch = Scratch::new(&mut buffers, &[conv], active, 1, true);
        let tensor = sparse.then(|| SparseTensor::alone(&mut buffers, conv, (0, entries, false), tuning));
        let [weight, weight_grad] = match &tensor {
            Some(tensor) => [tensor.value, tensor.grad],
            None => ["weight", "weight gradient"].map(|name| buffers.storage("trial", name, 4 * active as u64)),
        };
        let mut executor = Executor::new(gpu.clone(), &buffers).await?;
        let noise: Vec<f32> = (0..16384).map(|i| 2.0 * unit(word(1, Purpose::Split, 0, 0, i)) - 1.0).collect();
        let stored = conv.input.storage.words(&noise);
        for (slice, words) in [(x, &stored), (dy, &stored), (weight, &Storage::F32.words(&noise))] {
            for at in (0..slice.bytes).step_by(4 * words.len()) {
                let bytes = (slice.bytes - at).min(4 * words.len() as u64);
                executor.write(slice.part(at, bytes), &words[..bytes as usize / 4]);
            }
        }
        if let Some(tensor) = &tensor {
            executor.write(tensor.active, &bits);
            let program = executor.prepare(&tensor.index("trial", tuning, &scratch), |_| ())?;
            executor.submit(&program);
        }
        let sparse = tensor.map(|tensor| SparseWeight::new(tensor, &scratch));
        Ok(Self { conv, active, tuning: tuning.clone(), executor, sparse, x, dy, weight, weight_grad, workspace })
    }

    /// Floating-point operations of one pass on the active weights (a multiplication and an addition are two).
    pub fn flops(&self) -> f64 {
        2.0 * (self.active * self.conv.output.pixels() * self.conv.input.images) as f64
    }

    /// Compiles `candidates`, as many at a time as there are cores, up to the first that this driver cannot.
    pub fn compile(&mut self, candidates: &[Candidate]) -> Result<(), GpuError> {
        let commands: Vec<Command> = candidates.iter().flat_map(|&candidate| self.commands(candidate)).collect();
        self.executor.prepare(&commands, |_| ()).map(drop)
    }

    /// Seconds that `candidate` takes: the median of `samples` samples of at least `least` seconds each; or of one sample, if
    /// that is twice `enough` already.
    pub fn time(&mut self, candidate: Candidate, samples: usize, least: f64, enough: f64) -> Result<f64, GpuError> {
        let program = self.executor.prepare(&self.commands(candidate), |_| ())?;
        let run = |count: usize| -> Result<f64, GpuError> {
            let start = Instant::now();
            self.executor.wait(Some(self.executor.submit_times(&program, count)))?;
            Ok(start.elapsed().as_secs_f64())
        };
        // The first run compiles, on drivers that do so late.
        run(1)?;
        let once = run(1)?;
        if once > 2.0 * enough {
            return Ok(once);
        }
        let count = (least / once.max(1e-6)).ceil().clamp(1.0, 1000.0) as usize;
        let mut times = (0..samples.max(1)).map(|_| run(count)).collect::<Result<Vec<_>, _>>()?;
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2] / count as f64)
    }

    /// Whether `candidate` gives `times` times what `other` of the same direction, whose result is `wanted`, does: the same
    /// bits where both sum in one order, else but for rounding.
    ///
    /// # Errors
    /// A kernel's, if it gives something else.
    pub async fn check(
        &mut self,
        candidate: Candidate,
        (other, wanted): (Candidate, &[f32]),
        times: usize,
    ) -> Result<(), GpuError> {
        let largest = wanted.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let allowed = match candidate {
            _ if candidate == other => 0.0,
            // Rounded weights make a hundredth of that, a wrong product far more.
            _ if candidate.by_matrices() => largest / 64.0,
            // All weights are summed channel by channel, blocks block by block.
            Candidate::GradInput(_) if self.conv.block > 1 => largest / 4096.0,
            Candidate::Forward(_) | Candidate::GradInput(_) => 0.0,
            // Another order of as many sums as there are images and pixels.
            Candidate::GradWeight(_) => largest / 4096.0,
        };
        for _ in 0..times {
            let got = self.result(candidate).await?;
            let errors = got.iter().zip(wanted).map(|(got, wanted)| (got - wanted).abs());
            // A NaN is the greatest.
            let worst = errors.max_by(f32::total_cmp).unwrap_or(0.0);
            if worst > allowed || worst.is_nan() {
                return Err(GpuError::Kernel {
                    kernel: format!("{} {candidate}", candidate.direction()),
                    message: format!("is off by {worst} where the largest result of `{other}` is {largest}"),
                });
            }
        }
        Ok(())
    }

    /// What `candidate` computes.
    pub async fn result(&mut self, candidate: Candidate) -> Result<Vec<f32>, GpuError> {
        let (slice, storage) = match candidate {
            Candidate::Forward(_) => (self.dy, self.conv.output.storage),
            Candidate::GradInput(_) => (self.x, self.conv.input.storage),
            Candidate::GradWeight(_) => (self.weight_grad, Storage::F32),
        };
        // What a kernel leaves out must not be what another wrote.
        let mut commands = vec![Command::Clear { label: Label::other("trial"), slice }];
        commands.extend(self.commands(candidate));
        let program = self.executor.prepare(&commands, |_| ())?;
        #[cfg(test)]
        broken::lose(&self.executor.gpu, candidate);
        self.executor.wait_within(self.executor.submit(&program), RUN_LIMIT)?;
        Ok(storage.numbers(&self.executor.read::<u32>(slice).await?))
    }

    fn commands(&self, candidate: Candidate) -> Vec<Command> {
        let (conv, tuning) = (&self.conv, &self.tuning);
        let layer = ConvLayer { node: "trial", conv, tuning, sparse: self.sparse, workspace: self.workspace };
        let (x, dy, weight) = (self.x, self.dy, self.weight);
        match candidate {
            Candidate::Forward(how) => layer.forward(how, [x, weight, dy], None),
            Candidate::GradInput(how) => layer.grad_input(how, [dy, weight, x], false),
            Candidate::GradWeight(how) => layer.grad_weight(how, [x, dy, self.weight_grad]),
        }
    }
}

/// A candidate that loses its device, for tests.
#[cfg(test)]
pub mod broken {
    use std::cell::Cell;

    use super::{Candidate, Gpu};

    thread_local! {
        static LOSES: Cell<Option<Candidate>> = const { Cell::new(None) };
    }

    /// From now on, on this thread.
    pub fn set(candidate: Option<Candidate>) {
        LOSES.set(candidate);
    }

    pub(super) fn lose(gpu: &Gpu, candidate: Candidate) {
        if LOSES.get() == Some(candidate) {
            gpu.device.destroy();
        }
    }
}
