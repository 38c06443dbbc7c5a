//! Runs a plan: its buffers, its pipelines, its programs.

use std::sync::atomic::Ordering::Relaxed;

use super::read_back::{ReadBack, oneshot};
use super::{ALIGNMENT, BufferPlan, BufferSpec, Command, Gpu, GpuError, Kernel, Label, Slice};

/// Commands with everything resolved: recording one is a few calls and allocates nothing on the GPU.
pub struct Program {
    pub(super) commands: Vec<Resolved>,
}

/// A command with its pipeline and its buffers.
pub(super) enum Resolved {
    Dispatch { label: Label, pipeline: wgpu::ComputePipeline, group: wgpu::BindGroup, workgroups: [u32; 3] },
    Copy { label: Label, from: Slice, to: Slice },
    Clear { label: Label, slice: Slice },
}

impl Program {
    /// Number of commands.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// True without commands.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
}

impl Resolved {
    pub(super) fn label(&self) -> &Label {
        match self {
            Resolved::Dispatch { label, .. } | Resolved::Copy { label, .. } | Resolved::Clear { label, .. } => label,
        }
    }
}

/// Constants that kernels read from a uniform: each set once, [`ALIGNMENT`] bytes apart.
#[derive(Default)]
struct Shapes {
    words: Vec<[u32; ALIGNMENT as usize / 4]>,
}

impl Shapes {
    /// Where `shape` stands among the sets, and its length in words (of 16-byte steps); none of an empty one.
    fn add(&mut self, shape: Vec<u32>) -> Option<(usize, usize)> {
        let length = shape.len().next_multiple_of(4);
        let mut set = [0; ALIGNMENT as usize / 4];
        set.get_mut(..shape.len())?.copy_from_slice(&shape);
        let known = self.words.iter().position(|words| *words == set);
        let at = known.unwrap_or_else(|| {
            self.words.push(set);
            self.words.len() - 1
        });
        (length > 0).then_some((at, length))
    }
}

/// A device with the buffers of one plan.
pub struct Executor {
    pub gpu: Gpu,
    buffers: Vec<wgpu::Buffer>,
    labels: Vec<String>,
    /// Bytes written since the device was last waited for.
    staged: std::sync::atomic::AtomicU64,
}

/// What is written goes through memory that the processor and the GPU both see, which on cards without a resizable BAR is
/// 256 MiB, and is given back when a submission that came later is done: pieces of this many bytes, and a wait after so many.
const PIECE: usize = 16 << 20;
const STAGED_MOST: u64 = 64 << 20;

impl Executor {
    /// Allocates every buffer of `plan`; they start as zeros.
    pub async fn new(gpu: Gpu, plan: &BufferPlan) -> Result<Self, GpuError> {
        let mut buffers = Vec::with_capacity(plan.buffers.len());
        let mut left = gpu.memory.unwrap_or(u64::MAX);
        for spec in &plan.buffers {
            if spec.bytes > gpu.limits.max_buffer_size {
                return Err(GpuError::Limit {
                    adapter: gpu.summary.name.clone(),
                    limit: "max_buffer_size",
                    needed: spec.bytes,
                    offered: gpu.limits.max_buffer_size,
                });
            }
            let full = || GpuError::OutOfMemory { what: format!("buffer `{}` ({} bytes)", spec.label(), spec.bytes) };
            left = left.checked_sub(spec.bytes).ok_or_else(full)?;
            let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
            buffers.push(create(&gpu, spec));
            if scope.pop().await.is_some() {
                return Err(full());
            }
        }
        let labels = plan.buffers.iter().map(BufferSpec::label).collect();
        gpu.check()?;
        Ok(Self { gpu, buffers, labels, staged: Default::default() })
    }

    /// One more buffer than the plan has; it starts as zeros.
    pub(super) fn allocate(&mut self, spec: BufferSpec) -> Slice {
        self.buffers.push(create(&self.gpu, &spec));
        self.labels.push(spec.label());
        Slice { buffer: self.buffers.len() - 1, offset: 0, bytes: spec.bytes }
    }

    /// The bindings that `kernel` writes numbers to.
    pub(super) fn number_outputs(&mut self, kernel: &Kernel) -> Result<Vec<(usize, bool)>, GpuError> {
        Ok(self.gpu.kernels.get(&self.gpu, kernel)?.number_outputs.clone())
    }

    /// Compiles the kernels of `commands` and binds their buffers. `progress` hears how many commands are ready.
    pub fn prepare(&mut self, commands: &[Command], mut progress: impl FnMut(usize)) -> Result<Program, GpuError> {
        let mut shapes = Shapes::default();
        let mut compiled = Vec::with_capacity(commands.len());
        for command in commands {
            compiled.push(match command {
                Command::Dispatch { kernel, .. } => {
                    #[cfg(not(target_arch = "wasm32"))]
                    self.gpu.kernels.ahead(&self.gpu, commands[compiled.len()..].iter().filter_map(Command::kernel));
                    let compiled = self.gpu.kernels.get(&self.gpu, kernel)?;
                    let shape = shapes.add(compiled.shape(kernel)?);
                    Some((compiled, shape))
                }
                Command::Copy { .. } | Command::Clear { .. } => None,
            });
            progress(compiled.len());
        }
        let shapes = self.allocate_shapes(&shapes);
        let mut resolved = Vec::with_capacity(commands.len());
        for (command, compiled) in commands.iter().zip(compiled) {
            resolved.push(match (command, compiled) {
                (Command::Copy { label, from, to }, _) => Resolved::Copy { label: label.clone(), from: *from, to: *to },
                (Command::Clear { label, slice }, _) => Resolved::Clear { label: label.clone(), slice: *slice },
                (Command::Dispatch { .. }, None) => unreachable!("each dispatch was compiled above"),
                (Command::Dispatch { label, kernel, bindings, workgroups }, Some((compiled, shape))) => {
                    let reject = |message: String| GpuError::Validation {
                        what: format!("{label} ({})", kernel.shader),
                        message,
                    };
                    if compiled.bindings != bindings.len() {
                        let message = format!("{} bindings for {} in the shader", bindings.len(), compiled.bindings);
                        return Err(reject(message));
                    }
                    if let Some(big) = bindings.iter().find(|slice| slice.bytes > self.gpu.max_binding()) {
                        return Err(reject(format!(
                            "binding `{}` spans {} bytes, and the adapter binds at most {}; use a smaller --batch-size",
                            self.labels[big.buffer],
                            big.bytes,
                            self.gpu.max_binding()
                        )));
                    }
                    let shape = shape.map(|(at, words)| shapes.part(ALIGNMENT * at as u64, 4 * words as u64));
                    let entries: Vec<_> = bindings
                        .iter()
                        .chain(&shape)
                        .enumerate()
                        .map(|(i, slice)| wgpu::BindGroupEntry {
                            binding: i as u32,
                            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                                buffer: &self.buffers[slice.buffer],
                                offset: slice.offset,
                                size: std::num::NonZero::new(slice.bytes),
                            }),
                        })
                        .collect();
                    let group = self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                        label: Some(&label.to_string()),
                        layout: &compiled.layout,
                        entries: &entries,
                    });
                    self.gpu.check().map_err(|error| reject(error.to_string()))?;
                    let pipeline = compiled.pipeline.clone();
                    Resolved::Dispatch { label: label.clone(), pipeline, group, workgroups: *workgroups }
                }
            });
        }
        Ok(Program { commands: resolved })
    }

    /// One buffer for what differs between kernels of one pipeline: a few hundred bytes a layer.
    fn allocate_shapes(&mut self, shapes: &Shapes) -> Slice {
        let words: Vec<u32> = shapes.words.iter().flatten().copied().collect();
        let bytes = 4 * words.len().max(1) as u64;
        let slice = self.allocate(BufferSpec { group: "shapes", name: String::new(), bytes, uniform: true });
        self.write(slice, &words);
        slice
    }

    /// Writes `data` to the start of `slice` before the next submission.
    pub fn write<T: bytemuck::NoUninit>(&self, slice: Slice, data: &[T]) {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        debug_assert!(bytes.len() as u64 <= slice.bytes, "{}", self.labels[slice.buffer]);
        for (number, piece) in bytes.chunks(PIECE).enumerate() {
            let written = piece.len() as u64;
            if self.staged.fetch_add(written, Relaxed) + written > STAGED_MOST {
                let submission = self.gpu.queue.submit([]);
                let poll = wgpu::PollType::Wait { submission_index: Some(submission), timeout: None };
                // That a device is lost is found by whoever looks at what it computed.
                let _ = self.gpu.device.poll(poll);
                self.staged.store(written, Relaxed);
            }
            let at = slice.offset + (number * PIECE) as u64;
            self.gpu.queue.write_buffer(&self.buffers[slice.buffer], at, piece);
        }
    }

    /// Runs `program` once, after everything submitted before. Does not wait.
    pub fn submit(&self, program: &Program) -> wgpu::SubmissionIndex {
        self.submit_times(program, 1)
    }

    /// The same `count` times over, in one submission: a submission of its own takes longer than a short kernel.
    pub fn submit_times(&self, program: &Program, count: usize) -> wgpu::SubmissionIndex {
        let mut encoder = self.encoder();
        (0..count).for_each(|_| self.record_commands(&mut encoder, &program.commands));
        self.gpu.queue.submit([encoder.finish()])
    }

    /// Submits what [`Executor::record`] gave, part by part: others may use the device in between.
    pub fn submit_parts(&self, parts: Vec<wgpu::CommandBuffer>) {
        for part in parts {
            self.gpu.queue.submit([part]);
        }
    }

    /// The commands of `program` in at most `parts` parts, to be submitted once and in order.
    pub fn record(&self, program: &Program, parts: usize) -> Vec<wgpu::CommandBuffer> {
        let most = program.commands.len().div_ceil(parts.max(1)).max(1);
        let part = |commands: &[Resolved]| {
            let mut encoder = self.encoder();
            self.record_commands(&mut encoder, commands);
            encoder.finish()
        };
        program.commands.chunks(most).map(part).collect()
    }

    fn record_commands(&self, encoder: &mut wgpu::CommandEncoder, commands: &[Resolved]) {
        let mut at = 0;
        while at < commands.len() {
            if let Resolved::Dispatch { .. } = commands[at] {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                while let Some(Resolved::Dispatch { pipeline, group, workgroups, .. }) = commands.get(at) {
                    pass.set_pipeline(pipeline);
                    pass.set_bind_group(0, group, &[]);
                    pass.dispatch_workgroups(workgroups[0], workgroups[1], workgroups[2]);
                    at += 1;
                }
            } else {
                self.record_transfer(encoder, &commands[at]);
                at += 1;
            }
        }
    }

    pub(super) fn encoder(&self) -> wgpu::CommandEncoder {
        self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    pub(super) fn record_transfer(&self, encoder: &mut wgpu::CommandEncoder, command: &Resolved) {
        match command {
            Resolved::Copy { from, to, .. } => encoder.copy_buffer_to_buffer(
                &self.buffers[from.buffer],
                from.offset,
                &self.buffers[to.buffer],
                to.offset,
                from.bytes,
            ),
            Resolved::Clear { slice, .. } => {
                encoder.clear_buffer(&self.buffers[slice.buffer], slice.offset, Some(slice.bytes));
            }
            Resolved::Dispatch { .. } => {}
        }
    }

    /// Waits for everything submitted so far (in a browser: returns at once, map callbacks come from its event loop).
    pub fn wait(&self, until: Option<wgpu::SubmissionIndex>) -> Result<(), GpuError> {
        let poll = wgpu::PollType::Wait { submission_index: until, timeout: None };
        self.gpu.device.poll(poll).map_err(|error| GpuError::Lost { message: error.to_string() })?;
        // What was written before is given back, so that a step's few bytes never add up to a wait.
        self.staged.store(0, Relaxed);
        self.gpu.check()
    }

    /// The same, at most for `limit`.
    ///
    /// # Errors
    /// What has not ended by then counts as a lost device: nobody can stop it.
    pub fn wait_within(&self, until: wgpu::SubmissionIndex, limit: std::time::Duration) -> Result<(), GpuError> {
        let poll = wgpu::PollType::Wait { submission_index: Some(until.clone()), timeout: Some(limit) };
        match self.gpu.device.poll(poll) {
            Err(wgpu::PollError::Timeout) => Err(GpuError::Lost {
                message: format!("what was submitted has not ended within {} s", limit.as_secs()),
            }),
            _ => self.wait(Some(until)),
        }
    }

    /// Copies `slices` out of their buffers as one piece; the copy is taken after everything submitted before.
    /// Starts now, ends when the future is awaited.
    pub fn read_slices(&self, slices: &[Slice]) -> ReadBack {
        let bytes = slices.iter().map(|slice| slice.bytes).sum();
        let staging = self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read back"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.encoder();
        let mut at = 0;
        for slice in slices {
            let from = &self.buffers[slice.buffer];
            encoder.copy_buffer_to_buffer(from, slice.offset, &staging, at, slice.bytes);
            at += slice.bytes;
        }
        let submission = self.gpu.queue.submit([encoder.finish()]);
        let (sender, receiver) = oneshot();
        staging.map_async(wgpu::MapMode::Read, .., move |result| sender.send(result.map_err(|e| e.to_string())));
        let what = slices.first().map_or_else(String::new, |slice| self.labels[slice.buffer].clone());
        ReadBack { staging, submission, receiver, what }
    }

    /// Ends a [`Executor::read_slices`].
    pub async fn finish(&self, read: ReadBack) -> Result<Vec<u8>, GpuError> {
        // Natively nobody else drives the device; in a browser this does nothing and the event loop does.
        self.wait(Some(read.submission))?;
        let fail = |message: String| GpuError::ReadBack { what: read.what.clone(), message };
        read.receiver.await.map_err(fail)?;
        let view = read.staging.get_mapped_range(..).map_err(|error| fail(error.to_string()))?;
        Ok(view.to_vec())
    }

    /// Whether `read` would end without waiting.
    pub fn has_arrived(&self, read: &ReadBack) -> bool {
        // A lost device is found by who waits.
        self.gpu.device.poll(wgpu::PollType::Poll).ok();
        read.receiver.has_arrived()
    }

    /// The content of `slice` after everything submitted before.
    pub async fn read<T: bytemuck::Pod>(&self, slice: Slice) -> Result<Vec<T>, GpuError> {
        let bytes = self.finish(self.read_slices(&[slice])).await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }
}

fn create(gpu: &Gpu, spec: &BufferSpec) -> wgpu::Buffer {
    let kind = if spec.uniform { wgpu::BufferUsages::UNIFORM } else { wgpu::BufferUsages::STORAGE };
    gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(&spec.label()),
        size: spec.bytes,
        usage: kind | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}
