//! From a kernel's description to a compiled pipeline.

use std::collections::HashMap;
#[cfg(not(target_arch = "wasm32"))]
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use super::{Gpu, GpuError, shader};

/// A specialised kernel as data: equal values share one pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// File name in `shaders/` without `.wgsl`.
    pub shader: &'static str,
    /// Preprocessor defines, in the order given.
    pub defines: Vec<(&'static str, u32)>,
    /// `override` constants, or members of the uniform that holds them; every one must be declared by the shader.
    pub constants: Vec<(&'static str, u32)>,
}

impl Kernel {
    pub fn new(shader: &'static str) -> Self {
        Self { shader, defines: Vec::new(), constants: Vec::new() }
    }

    /// Adds a preprocessor define.
    pub fn define(mut self, name: &'static str, value: u32) -> Self {
        self.defines.push((name, value));
        self
    }

    /// Adds a define if `wanted`.
    pub fn define_if(self, wanted: bool, name: &'static str) -> Self {
        if wanted { self.define(name, 1) } else { self }
    }

    /// Sets an `override` constant.
    pub fn set(mut self, name: &'static str, value: usize) -> Self {
        self.constants.push((name, value as u32));
        self
    }

    /// This kernel with its constants in a uniform, as if its shader said `#uniform`. For FXC, which follows loops of known
    /// bounds turn by turn: a dense gather takes it 11 s with them and 1 s without.
    pub fn in_uniform(self) -> Self {
        if self.is_uniform() { self } else { self.define(shader::UNIFORM_DEFINE, 1) }
    }

    fn is_uniform(&self) -> bool {
        shader::source(self.shader).is_some_and(|text| shader::is_uniform(text, &self.defines))
    }

    /// What kernels that share a pipeline on `gpu` have in common: everything, or everything but constants in a uniform.
    pub fn pipeline(&self, gpu: &Gpu) -> Self {
        let kernel = self.clone();
        let mut kernel = if gpu.in_uniform { kernel.in_uniform() } else { kernel };
        if kernel.is_uniform() {
            kernel.constants.clear();
        }
        kernel
    }

    /// The WGSL text after preprocessing.
    pub fn wgsl(&self) -> Result<String, GpuError> {
        let fail = |message: String| GpuError::Kernel { kernel: self.shader.into(), message };
        let text = shader::source(self.shader).ok_or_else(|| fail("no such shader".into()))?;
        let wgsl = shader::preprocess(text, &self.defines).map_err(|error| fail(error.to_string()))?;
        #[cfg(test)]
        let wgsl = super::emulated::edit(broken::edit(self.shader, wgsl));
        Ok(wgsl)
    }
}

/// Kernels that compute something else, for tests of what should notice.
#[cfg(test)]
pub mod broken {
    use std::cell::Cell;

    thread_local! {
        static EDIT: Cell<Option<Edit>> = const { Cell::new(None) };
    }

    /// The first `.1` in the shader `.0` is `.2`.
    pub type Edit = (&'static str, &'static str, &'static str);

    /// From now on, on this thread.
    pub fn set(edit: Option<Edit>) {
        EDIT.set(edit);
    }

    /// What was set, for another thread.
    pub fn get() -> Option<Edit> {
        EDIT.get()
    }

    pub(super) fn edit(name: &str, wgsl: String) -> String {
        match EDIT.get() {
            Some((shader, from, to)) if shader == name => {
                let mut sources =
                    super::shader::SHARED.iter().map(|(_, text)| *text).chain(super::shader::source(shader));
                assert!(sources.any(|text| text.contains(from)), "`{from}` is not in {shader}, nor in what is shared");
                wgsl.replacen(from, to, 1)
            }
            _ => wgsl,
        }
    }
}

/// A pipeline and the layout of its bind group, read off the shader itself.
pub struct Compiled {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
    /// Number of bindings without that of [`Compiled::shape`]; their numbers run from 0.
    pub bindings: usize,
    /// The constants that are bound behind all else as a uniform; empty: there is none.
    shape: Vec<String>,
    /// Those of them that the kernel writes numbers of activations or weights to; true: as words, see `shared/vector.wgsl`.
    pub number_outputs: Vec<(usize, bool)>,
}

/// Every pipeline that a device has compiled so far.
#[derive(Default)]
pub(super) struct KernelCache {
    compiled: Mutex<HashMap<Kernel, Arc<Compiled>>>,
    /// What a driver has not ended to compile within the limit; its thread may still be at it.
    #[cfg(not(target_arch = "wasm32"))]
    endless: Mutex<HashSet<Kernel>>,
}

impl Compiled {
    /// The words of the uniform with the constants of `kernel`; none: there is no such uniform.
    pub fn shape(&self, kernel: &Kernel) -> Result<Vec<u32>, GpuError> {
        let fail = |name: &str, message: &str| GpuError::Kernel {
            kernel: kernel.shader.into(),
            message: format!("constant `{name}` {message}"),
        };
        if !self.shape.is_empty()
            && let Some((name, _)) =
                kernel.constants.iter().find(|(name, _)| self.shape.iter().all(|known| known != name))
        {
            return Err(fail(name, "is not declared"));
        }
        let value = |wanted: &String| {
            let set = kernel.constants.iter().find(|(name, _)| name == wanted);
            set.map(|(_, value)| *value).ok_or_else(|| fail(wanted, "is not set"))
        };
        self.shape.iter().map(value).collect()
    }
}

impl KernelCache {
    /// The pipeline for `kernel`, compiled at first use.
    pub fn get(&self, gpu: &Gpu, kernel: &Kernel) -> Result<Arc<Compiled>, GpuError> {
        let kernel = kernel.pipeline(gpu);
        if let Some(compiled) = self.known(&kernel) {
            return Ok(compiled);
        }
        // Not under the lock: another thread may compile another kernel meanwhile.
        let wgsl = kernel.wgsl()?;
        #[cfg(not(target_arch = "wasm32"))]
        if gpu.summary.backend != "gl" {
            let ended = self.compile_within(gpu, vec![(kernel.clone(), wgsl)]).pop();
            return ended.unwrap_or_else(|| Err(endless(gpu, &kernel)));
        }
        let compiled = compile(gpu, &kernel, wgsl)?;
        gpu.check().map_err(|error| GpuError::Kernel { kernel: kernel.shader.into(), message: error.to_string() })?;
        Ok(self.keep(kernel, compiled))
    }

    /// If the first of `kernels` is not compiled yet: compiles it and the next such ones, one for each core of the processor,
    /// side by side, for the driver of a GPU takes up to a second for one. What fails is left to [`KernelCache::get`], which
    /// says why.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn ahead<'a>(&self, gpu: &Gpu, kernels: impl Iterator<Item = &'a Kernel>) {
        let mut kernels = kernels.map(|kernel| kernel.pipeline(gpu)).peekable();
        if kernels.peek().is_none_or(|first| self.known(first).is_some()) {
            return;
        }
        // A GL context belongs to one thread at a time, and who waits for it too long panics.
        let cores = match gpu.summary.backend {
            "gl" => return,
            _ => std::thread::available_parallelism().map_or(1, |cores| cores.get().min(16)),
        };
        let mut missing: Vec<(Kernel, String)> = Vec::new();
        while let Some(kernel) = kernels.next().filter(|_| missing.len() < cores) {
            if self.known(&kernel).is_none() && missing.iter().all(|(other, _)| *other != kernel) {
                let Ok(wgsl) = kernel.wgsl() else { return };
                missing.push((kernel, wgsl));
            }
        }
        self.compile_within(gpu, missing);
    }

    /// Compiles `kernels` side by side, each on a thread of its own, and gives what ended within [`Gpu::compile_limit`]: some
    /// drivers were seen to compile for more than ten minutes (wgpu#6110), and nobody can stop them.
    #[cfg(not(target_arch = "wasm32"))]
    fn compile_within(&self, gpu: &Gpu, kernels: Vec<(Kernel, String)>) -> Vec<Result<Arc<Compiled>, GpuError>> {
        let until = std::time::Instant::now() + gpu.compile_limit;
        let (send, receive) = std::sync::mpsc::channel();
        let mut under_way: Vec<Kernel> = Vec::new();
        for (kernel, wgsl) in kernels {
            if self.endless.lock().is_ok_and(|known| known.contains(&kernel)) {
                continue;
            }
            let (send, gpu, of) = (send.clone(), gpu.clone(), kernel.clone());
            let work = move || {
                let compiled = compile_clean(&gpu, &of, wgsl);
                // Nobody listens any more to what took too long.
                send.send((of, compiled)).ok()
            };
            // Where there are no more threads, it is compiled later.
            if std::thread::Builder::new().spawn(work).is_ok() {
                under_way.push(kernel);
            }
        }
        let mut ended = Vec::new();
        while !under_way.is_empty() {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                break;
            }
            let Ok((kernel, compiled)) = receive.recv_timeout(left) else { break };
            under_way.retain(|other| *other != kernel);
            ended.push(compiled.map(|compiled| self.keep(kernel, compiled)));
        }
        if let Ok(mut endless) = self.endless.lock() {
            endless.extend(under_way);
        }
        ended
    }

    fn known(&self, pipeline: &Kernel) -> Option<Arc<Compiled>> {
        self.compiled.lock().ok()?.get(pipeline).cloned()
    }

    fn keep(&self, pipeline: Kernel, compiled: Compiled) -> Arc<Compiled> {
        let compiled = Arc::new(compiled);
        if let Ok(mut known) = self.compiled.lock() {
            known.insert(pipeline, compiled.clone());
        }
        compiled
    }
}

/// An error if the device finds anything wrong, which then is no error of its own.
#[cfg(not(target_arch = "wasm32"))]
fn compile_clean(gpu: &Gpu, kernel: &Kernel, wgsl: String) -> Result<Compiled, GpuError> {
    use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
    // These are the thread's own.
    let scopes = [Validation, OutOfMemory, Internal].map(|filter| gpu.device.push_error_scope(filter));
    let compiled = compile(gpu, kernel, wgsl);
    let errors: Vec<wgpu::Error> =
        scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop())).collect();
    match errors.first() {
        None => compiled,
        Some(error) => Err(GpuError::Kernel { kernel: kernel.shader.into(), message: error.to_string() }),
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn endless(gpu: &Gpu, kernel: &Kernel) -> GpuError {
    let seconds = gpu.compile_limit.as_secs();
    let message = format!(
        "the driver has not ended within {seconds} s; update it, or choose another adapter or backend with --adapter"
    );
    GpuError::Kernel { kernel: kernel.to_string(), message }
}

/// What the device finds wrong is for [`Gpu::check`].
fn compile(gpu: &Gpu, kernel: &Kernel, wgsl: String) -> Result<Compiled, GpuError> {
    let fail = |message: String| GpuError::Kernel { kernel: kernel.shader.into(), message };
    let module = naga::front::wgsl::parse_str(&wgsl).map_err(|error| fail(error.emit_to_string(&wgsl)))?;
    for (name, _) in &kernel.constants {
        if !module.overrides.iter().any(|(_, declared)| declared.name.as_deref() == Some(name)) {
            return Err(fail(format!("constant `{name}` is not declared")));
        }
    }
    let entries = binding_entries(&module).map_err(fail)?;
    let shape = shape_members(&module);
    let number_outputs = number_outputs(&module);
    let layout = gpu
        .device
        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(kernel.shader), entries: &entries });
    let pipeline_layout = gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(kernel.shader),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let descriptor =
        wgpu::ShaderModuleDescriptor { label: Some(kernel.shader), source: wgpu::ShaderSource::Wgsl(wgsl.into()) };
    let module = if gpu.checked_shaders {
        gpu.device.create_shader_module(descriptor)
    } else {
        // SAFETY: the shaders are the crate's own. Every one of them guards its index against the sizes it was
        // specialised for, ends its loops and divides by non-zero constants; the test suite runs all of them with the checks on.
        #[allow(unsafe_code)]
        unsafe {
            gpu.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        }
    };
    let constants: Vec<(&str, f64)> = kernel.constants.iter().map(|&(name, value)| (name, f64::from(value))).collect();
    let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(kernel.shader),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &constants,
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    });
    let bindings = entries.len() - usize::from(!shape.is_empty());
    Ok(Compiled { pipeline, layout, bindings, shape, number_outputs })
}

/// The names in the uniform [`shader::SHAPE`], in order.
fn shape_members(module: &naga::Module) -> Vec<String> {
    let shape = module.global_variables.iter().find(|(_, global)| global.name.as_deref() == Some(shader::SHAPE));
    match shape.map(|(_, global)| &module.types[global.ty].inner) {
        Some(naga::TypeInner::Struct { members, .. }) => members.iter().filter_map(|m| m.name.clone()).collect(),
        _ => Vec::new(),
    }
}

/// The bindings of a module that are written and hold floats, or the vectors of words that activations are kept in.
fn number_outputs(module: &naga::Module) -> Vec<(usize, bool)> {
    fn as_words(module: &naga::Module, ty: naga::Handle<naga::Type>) -> Option<bool> {
        match module.types[ty].inner {
            naga::TypeInner::Array { base, .. } => as_words(module, base),
            naga::TypeInner::Vector { size: naga::VectorSize::Quad, scalar } => {
                Some(scalar.kind == naga::ScalarKind::Uint)
            }
            naga::TypeInner::Scalar(scalar) | naga::TypeInner::Vector { scalar, .. } => {
                (scalar.kind == naga::ScalarKind::Float).then_some(false)
            }
            _ => None,
        }
    }
    let written = |global: &naga::GlobalVariable| match global.space {
        naga::AddressSpace::Storage { access } => access.contains(naga::StorageAccess::STORE),
        _ => false,
    };
    let written = module.global_variables.iter().filter(|(_, global)| written(global));
    written.filter_map(|(_, global)| Some((global.binding?.binding as usize, as_words(module, global.ty)?))).collect()
}

/// The bind group layout that a module's globals ask for; all of them must be in group 0, numbered from 0.
fn binding_entries(module: &naga::Module) -> Result<Vec<wgpu::BindGroupLayoutEntry>, String> {
    let mut entries = Vec::new();
    for (_, global) in module.global_variables.iter() {
        let Some(place) = &global.binding else { continue };
        let ty = match global.space {
            naga::AddressSpace::Uniform => wgpu::BufferBindingType::Uniform,
            naga::AddressSpace::Storage { access } => {
                wgpu::BufferBindingType::Storage { read_only: !access.contains(naga::StorageAccess::STORE) }
            }
            _ => return Err(format!("binding {} is not a buffer", place.binding)),
        };
        entries.push(wgpu::BindGroupLayoutEntry {
            binding: place.binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        });
    }
    entries.sort_by_key(|entry| entry.binding);
    match entries.iter().enumerate().find(|(i, entry)| *i as u32 != entry.binding) {
        Some((i, _)) => Err(format!("binding {i} is missing")),
        None => Ok(entries),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::GpuOptions;

    /// Compiled side by side: the device's refusal of one kernel is no error of the others, nor one that is found later.
    #[test]
    fn a_refused_kernel_is_reported_as_itself() {
        let adapter = std::env::var("ITOP_TEST_ADAPTER").unwrap_or("auto".into());
        let gpu = pollster::block_on(Gpu::open(&GpuOptions { adapter, ..Default::default() })).unwrap();
        let cache = KernelCache::default();
        let refused = Kernel::new("topology_growth").define("WG", 1 << 20);
        let good = Kernel::new("scan");
        cache.ahead(&gpu, [&refused, &good].into_iter());
        gpu.check().unwrap();
        assert!(cache.known(&refused.pipeline(&gpu)).is_none());
        let side_by_side =
            gpu.summary.backend != "gl" && std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
        assert_eq!(cache.known(&good.pipeline(&gpu)).is_some(), side_by_side);
        let error = cache.get(&gpu, &refused).err().unwrap();
        assert!(matches!(&error, GpuError::Kernel { kernel, .. } if kernel == "topology_growth"), "{error}");
        cache.get(&gpu, &good).unwrap();
    }
}
