//! From a kernel's description to a compiled pipeline.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::{Gpu, GpuError, shader};

/// A specialised kernel as data: equal values share one pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// File name in `shaders/` without `.wgsl`.
    pub shader: &'static str,
    /// Preprocessor defines, in the order given.
    pub defines: Vec<(&'static str, u32)>,
    /// `override` constants; every one must be declared by the shader.
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

    /// The WGSL text after preprocessing.
    pub fn wgsl(&self) -> Result<String, GpuError> {
        let fail = |message: String| GpuError::Kernel { kernel: self.shader.into(), message };
        let text = shader::source(self.shader).ok_or_else(|| fail("no such shader".into()))?;
        let wgsl = shader::preprocess(text, &self.defines).map_err(|error| fail(error.to_string()))?;
        #[cfg(test)]
        let wgsl = broken::edit(self.shader, wgsl);
        Ok(wgsl)
    }
}

/// Kernels that compute something else, for tests of what should notice.
#[cfg(test)]
pub mod broken {
    use std::cell::Cell;

    thread_local! {
        static EDIT: Cell<Option<(&'static str, &'static str, &'static str)>> = const { Cell::new(None) };
    }

    /// From now on the first `from` in `shader` is `to`, on this thread.
    pub fn set(edit: Option<(&'static str, &'static str, &'static str)>) {
        EDIT.set(edit);
    }

    pub(super) fn edit(name: &str, wgsl: String) -> String {
        match EDIT.get() {
            Some((shader, from, to)) if shader == name => {
                let written = super::shader::source(shader).is_some_and(|text| text.contains(from));
                assert!(written, "`{from}` is not in {shader}");
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
    /// Number of bindings; their numbers run from 0.
    pub bindings: usize,
    /// Those of them that the kernel writes numbers of activations or weights to; true: as words, see `shared/vector.wgsl`.
    pub number_outputs: Vec<(usize, bool)>,
}

/// Every pipeline that a device has compiled so far.
#[derive(Default)]
pub(super) struct KernelCache {
    compiled: Mutex<HashMap<Kernel, Arc<Compiled>>>,
}

impl KernelCache {
    /// The pipeline for `kernel`, compiled at first use.
    pub fn get(&self, gpu: &Gpu, kernel: &Kernel) -> Result<Arc<Compiled>, GpuError> {
        if let Some(compiled) = self.compiled.lock().ok().and_then(|known| known.get(kernel).cloned()) {
            return Ok(compiled);
        }
        // Not under the lock: another thread may compile another kernel meanwhile.
        let compiled = Arc::new(compile(gpu, kernel)?);
        if let Ok(mut known) = self.compiled.lock() {
            known.insert(kernel.clone(), compiled.clone());
        }
        Ok(compiled)
    }
}

fn compile(gpu: &Gpu, kernel: &Kernel) -> Result<Compiled, GpuError> {
    let fail = |message: String| GpuError::Kernel { kernel: kernel.shader.into(), message };
    let wgsl = kernel.wgsl()?;
    let module = naga::front::wgsl::parse_str(&wgsl).map_err(|error| fail(error.emit_to_string(&wgsl)))?;
    for (name, _) in &kernel.constants {
        if !module.overrides.iter().any(|(_, declared)| declared.name.as_deref() == Some(name)) {
            return Err(fail(format!("constant `{name}` is not declared")));
        }
    }
    let entries = binding_entries(&module).map_err(fail)?;
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
    gpu.check().map_err(|error| fail(error.to_string()))?;
    Ok(Compiled { pipeline, layout, bindings: entries.len(), number_outputs })
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
