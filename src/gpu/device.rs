//! The device of a run: its adapter, its limits, and the tier of kernels that these allow.

use std::sync::{Arc, Mutex, OnceLock};

use super::lanes::{self, Found};
use super::{AdapterSummary, GpuError, HlslCompiler, KernelCache, adapter};

/// Which limits to ask the adapter for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitChoice {
    /// The adapter's own buffer sizes; everything else as WebGPU guarantees it.
    #[default]
    Adapter,
    /// Exactly what every WebGPU implementation offers, with wgpu in strict mode: what a browser gives.
    WebGpu,
}

/// How to open a device.
#[derive(Clone, Debug)]
pub struct GpuOptions {
    /// `auto`, a backend, an index, or part of a name.
    pub adapter: String,
    pub limits: LimitChoice,
    /// Keep the bounds, loop and division checks in shaders that release builds leave out.
    pub checked_shaders: bool,
    /// Without the driver's checks of buffers, where it can be (Vulkan; not with checks in shaders, which count on these).
    pub unchecked_buffers: bool,
    /// The most bytes of buffers that a plan may take; as many as there are if nothing is said.
    pub memory: Option<u64>,
    /// Also a device that executes nothing: only its compiler is wanted.
    pub to_compile: bool,
}

impl Default for GpuOptions {
    fn default() -> Self {
        Self {
            adapter: "auto".into(),
            limits: LimitChoice::Adapter,
            checked_shaders: false,
            unchecked_buffers: false,
            memory: None,
            to_compile: false,
        }
    }
}

/// The cooperative matrices of a device that sum in `f32`: square, of 8 or 16 numbers a side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matrices {
    /// A side of those of 16-bit floats; 0: there are none.
    pub f16: u32,
    /// Likewise of `f32`.
    pub f32: u32,
    /// Lanes of the largest and the smallest subgroup.
    pub most_lanes: u32,
    pub least_lanes: u32,
}

impl Matrices {
    /// The most subgroups in a workgroup as large as the largest.
    pub fn subgroups(&self) -> u32 {
        self.most_lanes / self.least_lanes.max(1)
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.f16.max(self.f32) > 0
    }

    fn of(adapter: &wgpu::Adapter, [least_lanes, most_lanes]: [u32; 2]) -> Self {
        use wgpu::CooperativeScalarType::{F16, F32};
        let offered = adapter.cooperative_matrix_properties();
        let side = |of: wgpu::CooperativeScalarType| {
            let square = offered.iter().filter(|one| one.m_size == one.n_size && one.m_size == one.k_size);
            let sides = square.filter(|one| one.ab_type == of && one.cr_type == F32).map(|one| one.m_size);
            sides.filter(|side| matches!(side, 8 | 16)).max().unwrap_or(0)
        };
        let has_f16 = adapter.features().contains(wgpu::Features::SHADER_F16);
        Self { f16: if has_f16 { side(F16) } else { 0 }, f32: side(F32), most_lanes, least_lanes }
    }
}

/// Metal's compiler gets some kernels wrong whose workgroups are one subgroup of 32, now and then and without a word; with two
/// subgroups it does not (tracel-ai/cubek#645).
const METAL_LEAST_GROUP: u32 = 64;

/// An open device; clones share it.
#[derive(Clone)]
pub struct Gpu {
    pub summary: AdapterSummary,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub limits: wgpu::Limits,
    pub checked_shaders: bool,
    /// The most bytes of buffers that a plan may take.
    pub memory: Option<u64>,
    /// How long the driver may take to compile one kernel.
    pub compile_limit: std::time::Duration,
    /// Nanoseconds a timestamp tick, where commands can be timed on the GPU.
    pub timestamp_period: Option<f32>,
    /// How many neighbouring lanes can always hand values round (a power of two); 0 without subgroups.
    pub shuffle_lanes: u32,
    /// The fewest invocations of a workgroup that a kernel chooses the size of.
    pub least_group: u32,
    /// The most.
    pub most_group: u32,
    /// Whether shaders have 64-bit integers.
    pub int64: bool,
    /// Whether shaders convert to and from 16-bit floats.
    pub f16: bool,
    /// Whether all kernels read their constants from a uniform ([`Kernel::in_uniform`](super::Kernel::in_uniform)).
    pub in_uniform: bool,
    /// Cooperative matrices, where the device was opened with them.
    pub matrices: Matrices,
    /// Whether what is submitted runs: a driver may stand without its device, to compile for it.
    pub executes: bool,
    /// What this device does otherwise than its driver says, and what follows.
    pub note: Option<String>,
    pub(super) kernels: Arc<KernelCache>,
    /// With a browser's limits.
    strict: bool,
    failure: Arc<Mutex<Option<GpuError>>>,
    lost: Arc<OnceLock<String>>,
}

impl Gpu {
    /// Opens the adapter that `options` name, with exactly the limits and features the kernels use.
    pub async fn open(options: &GpuOptions) -> Result<Self, GpuError> {
        match Self::open_as(options).await {
            // Something may be wrong without the checks alone.
            Err(_) if options.unchecked_buffers => {
                Self::open_as(&GpuOptions { unchecked_buffers: false, ..options.clone() }).await
            }
            opened => opened,
        }
    }

    async fn open_as(options: &GpuOptions) -> Result<Self, GpuError> {
        let strict = options.limits == LimitChoice::WebGpu;
        let (mut summary, adapter) = adapter::choose(&options.adapter, strict).await?;
        let unchecked = options.unchecked_buffers && !strict && !options.checked_shaders && summary.backend == "vulkan";
        let limits = required_limits(&summary, &adapter.limits(), options.limits)?;
        let timestamps = adapter.features() & wgpu::Features::TIMESTAMP_QUERY;
        // Nothing beyond WebGPU where a browser's limits are wanted.
        let better = if strict {
            wgpu::Features::empty()
        } else {
            adapter.features() & (wgpu::Features::SUBGROUP | wgpu::Features::SHADER_INT64)
        };
        // Direct3D 12 promises arithmetic on 64-bit integers, and not that they can be loaded (wgpu#6081, #5857).
        let better = match summary.backend {
            "dx12" => better - wgpu::Features::SHADER_INT64,
            _ => better,
        };
        let f16 = adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::SHADER_F16_IN_F32);
        let int64 = better.contains(wgpu::Features::SHADER_INT64);
        let info = adapter.get_info();
        let lanes = match summary.backend == "metal" && summary.name.starts_with("Apple") {
            // wgpu gives the least and the most of all Metal devices; Apple's own have 32.
            true => [32, 32],
            false => [info.subgroup_min_size, info.subgroup_max_size],
        };
        let least_group = if summary.backend == "metal" { METAL_LEAST_GROUP } else { 1 };
        let has_subgroups = better.contains(wgpu::Features::SUBGROUP);
        let shuffle_lanes = if has_subgroups { prev_power_of_two(lanes[0].min(32)) } else { 0 };
        let of_matrices = [lanes[0], lanes[1].max(least_group)];
        let mut matrices = if has_subgroups { Matrices::of(&adapter, of_matrices) } else { Matrices::default() };
        let request = async |matrices: Matrices| {
            let mut for_matrices = wgpu::Features::empty();
            for_matrices.set(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, matrices.any());
            for_matrices.set(wgpu::Features::SHADER_F16, matrices.f16 > 0);
            // SAFETY: what is experimental may be wrong in wgpu or in a driver. It is asked for where there are cooperative matrices,
            // and only kernels that multiply them use it: they read and write within their bindings as the others do, run where they
            // were measured (never by default), and only if they gave there what the others give (`train::autotune`).
            #[allow(unsafe_code)]
            let experimental_features = match matrices.any() {
                true => unsafe { wgpu::ExperimentalFeatures::enabled() },
                false => wgpu::ExperimentalFeatures::disabled(),
            };
            let descriptor = wgpu::DeviceDescriptor {
                label: Some("itop"),
                required_features: timestamps | better | for_matrices,
                required_limits: limits.clone(),
                memory_hints: wgpu::MemoryHints::MemoryUsage,
                experimental_features,
                ..Default::default()
            };
            match unchecked.then(|| super::unchecked::open(&adapter, &descriptor)).flatten() {
                Some((device, queue)) => Ok((device, queue, true)),
                None => adapter.request_device(&descriptor).await.map(|(device, queue)| (device, queue, false)),
            }
        };
        let mut opened = request(matrices).await;
        if opened.is_err() && matrices.any() {
            // A driver may promise what it cannot give.
            matrices = Matrices::default();
            opened = request(matrices).await;
        }
        let (device, queue, unchecked) =
            opened.map_err(|error| GpuError::Device { adapter: summary.name.clone(), message: error.to_string() })?;
        summary.unchecked_buffers = unchecked;
        let failure: Arc<Mutex<Option<GpuError>>> = Arc::default();
        let keep = |slot: &Arc<Mutex<Option<GpuError>>>, error| {
            // The first error is the cause; the rest follow from it.
            if let Ok(mut slot) = slot.lock() {
                slot.get_or_insert(error);
            }
        };
        let slot = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            keep(
                &slot,
                match error {
                    wgpu::Error::OutOfMemory { source } => GpuError::OutOfMemory { what: source.to_string() },
                    other => GpuError::Validation { what: "a command".into(), message: other.to_string() },
                },
            );
        }));
        let lost: Arc<OnceLock<String>> = Arc::default();
        let slot = lost.clone();
        device.set_device_lost_callback(move |_, message| {
            // The first message is the cause.
            slot.set(if message.is_empty() { "it was destroyed".into() } else { message }).ok();
        });
        let timestamp_period = (!timestamps.is_empty()).then(|| queue.get_timestamp_period());
        let most_group = limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x);
        let mut gpu = Self {
            in_uniform: summary.compiler == Some(HlslCompiler::Fxc),
            summary,
            device,
            queue,
            limits,
            checked_shaders: options.checked_shaders,
            memory: options.memory,
            compile_limit: std::time::Duration::from_secs(300),
            timestamp_period,
            shuffle_lanes,
            int64,
            f16,
            matrices,
            least_group,
            most_group,
            executes: true,
            note: None,
            strict,
            kernels: Arc::default(),
            failure,
            lost,
        };
        match lanes::contact(&gpu).await? {
            Found::AsSaid => {}
            Found::Nothing if options.to_compile => gpu.executes = false,
            Found::Nothing => return Err(GpuError::ExecutesNothing { adapter: gpu.summary.name }),
            Found::OtherLanes(how) => {
                gpu.note =
                    Some(format!("this driver's subgroups have {how}: kernels that need subgroups are left out"));
                gpu.shuffle_lanes = 0;
                gpu.matrices = Matrices::default();
            }
        }
        Ok(gpu)
    }

    /// The kernel tier: `webgpu` (limits of a browser), `base` (the same kernels, larger buffers), or what else the kernels
    /// may use: `subgroups`, `int64`, `subgroups+int64`, and with subgroups `+matrices`.
    pub fn tier(&self) -> &'static str {
        match (self.strict, self.shuffle_lanes > 0, self.int64, self.matrices.any()) {
            (true, ..) => "webgpu",
            (_, false, false, _) => "base",
            (_, true, false, false) => "subgroups",
            (_, false, true, _) => "int64",
            (_, true, true, false) => "subgroups+int64",
            (_, true, false, true) => "subgroups+matrices",
            (_, true, true, true) => "subgroups+int64+matrices",
        }
    }

    /// The first error that the device reported outside of a call, if any.
    pub fn check(&self) -> Result<(), GpuError> {
        let failure = self.failure.lock().ok().and_then(|mut slot| slot.take());
        if failure.is_none() && self.lost.get().is_none() {
            return Ok(());
        }
        // Whatever else fails on a lost device fails because of that.
        match (self.lost(), failure) {
            (Some(message), _) => Err(GpuError::Lost { message }),
            (None, Some(failure)) => Err(failure),
            (None, None) => Ok(()),
        }
    }

    /// Why the device is no longer there, if it is not.
    pub fn lost(&self) -> Option<String> {
        // The news comes by polling, when what was under way has ended.
        let patience = Some(std::time::Duration::from_secs(10));
        self.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: patience }).ok();
        self.lost.get().cloned()
    }

    /// Whether a plan for `other` runs here just the same.
    pub fn is_like(&self, other: &Self) -> bool {
        self.summary.to_string() == other.summary.to_string()
            && self.tier() == other.tier()
            && (self.max_binding(), self.limits.max_buffer_size) == (other.max_binding(), other.limits.max_buffer_size)
    }

    /// The most bytes that one binding of a storage buffer may span.
    pub fn max_binding(&self) -> u64 {
        self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size)
    }
}

/// The most invocations of a workgroup that any kernel chooses.
const MOST_GROUP: u32 = 1024;

/// WebGPU's defaults for compute, nothing for graphics; buffer sizes as large as `choice` allows.
fn required_limits(
    summary: &AdapterSummary,
    offered: &wgpu::Limits,
    choice: LimitChoice,
) -> Result<wgpu::Limits, GpuError> {
    let webgpu = wgpu::Limits::defaults();
    // Graphics limits play no part: take them as they are.
    let mut limits = wgpu::Limits { ..offered.clone() };
    limits.max_storage_buffers_per_shader_stage = webgpu.max_storage_buffers_per_shader_stage;
    // All GPUs of today have 1024; no kernel needs more than WebGPU's number.
    let most_group = if choice == LimitChoice::WebGpu { 0 } else { MOST_GROUP };
    let group = |offered: u32, webgpu: u32| offered.min(most_group).max(webgpu);
    limits.max_compute_invocations_per_workgroup =
        group(offered.max_compute_invocations_per_workgroup, webgpu.max_compute_invocations_per_workgroup);
    limits.max_compute_workgroup_size_x =
        group(offered.max_compute_workgroup_size_x, webgpu.max_compute_workgroup_size_x);
    limits.max_compute_workgroups_per_dimension = webgpu.max_compute_workgroups_per_dimension;
    // One GL driver offers 32 bytes less than WebGPU asks; no kernel uses the last kilobyte.
    limits.max_compute_workgroup_storage_size = 15 * 1024;
    limits.max_immediate_size = 0;
    // As Vulkan and Direct3D 12 have it. Metal offers more, and 32-bit indices into that are wrong (tinygrad#13624).
    limits.max_storage_buffer_binding_size = limits.max_storage_buffer_binding_size.min((2 << 30) - 4);
    if choice == LimitChoice::WebGpu {
        limits.max_storage_buffer_binding_size = webgpu.max_storage_buffer_binding_size;
        limits.max_buffer_size = webgpu.max_buffer_size;
    }
    let needs = |limit, needed: u64, offered: u64| {
        if needed <= offered {
            Ok(())
        } else {
            Err(GpuError::Limit { adapter: summary.name.clone(), limit, needed, offered })
        }
    };
    needs(
        "max_storage_buffers_per_shader_stage",
        limits.max_storage_buffers_per_shader_stage.into(),
        offered.max_storage_buffers_per_shader_stage.into(),
    )?;
    needs(
        "max_compute_invocations_per_workgroup",
        limits.max_compute_invocations_per_workgroup.into(),
        offered.max_compute_invocations_per_workgroup.into(),
    )?;
    needs(
        "max_compute_workgroups_per_dimension",
        limits.max_compute_workgroups_per_dimension.into(),
        offered.max_compute_workgroups_per_dimension.into(),
    )?;
    needs(
        "max_compute_workgroup_storage_size",
        limits.max_compute_workgroup_storage_size.into(),
        offered.max_compute_workgroup_storage_size.into(),
    )?;
    Ok(limits)
}

pub(crate) fn prev_power_of_two(value: u32) -> u32 {
    if value == 0 { 0 } else { 1 << value.ilog2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_binding_spans_more_than_two_gibibytes() {
        let summary = AdapterSummary {
            index: 0,
            name: "a GPU".into(),
            backend: "metal",
            driver: String::new(),
            kind: "integrated",
            family: crate::gpu::Family::Apple,
            compiler: None,
            unchecked_buffers: false,
        };
        let mut offered = wgpu::Limits::defaults();
        for (bytes, most) in [(1 << 40, (2u64 << 30) - 4), (256 << 20, 256 << 20)] {
            (offered.max_buffer_size, offered.max_storage_buffer_binding_size) = (1 << 40, bytes);
            let limits = required_limits(&summary, &offered, LimitChoice::Adapter).unwrap();
            assert_eq!(limits.max_storage_buffer_binding_size, most);
        }
    }
}
