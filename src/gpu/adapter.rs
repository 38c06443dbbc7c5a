//! Which GPUs there are, and which one a run uses.

use super::{Family, GpuError};

/// One way to reach one GPU: the same card through Vulkan and through GL is two adapters.
#[derive(Clone, Debug)]
pub struct AdapterSummary {
    /// Position in the list, usable as `--adapter INDEX`.
    pub index: usize,
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl` or `webgpu`
    pub backend: &'static str,
    /// Driver name and version as the backend gives them.
    pub driver: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`
    pub kind: &'static str,
    pub family: Family,
    /// Direct3D 12: Microsoft's compiler that reads the kernels before the driver does. Others have one of their own.
    pub compiler: Option<HlslCompiler>,
    /// Of an open device: its driver does not check that kernels stay within their buffers
    /// ([`GpuOptions::unchecked_buffers`](super::GpuOptions)).
    pub unchecked_buffers: bool,
}

/// Microsoft's compilers of HLSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HlslCompiler {
    /// Comes with Windows: shader model 5.1, without subgroups, and slow where it knows the bounds of loops.
    Fxc,
    /// `dxcompiler.dll` beside the program or on the path, or linked into it (the feature `static-dxc`): shader model 6.
    Dxc,
}

impl std::fmt::Display for HlslCompiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fxc => "FXC",
            Self::Dxc => "DXC",
        })
    }
}

impl AdapterSummary {
    /// Whether shaders run on the processor.
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }

    /// Whether the driver's checks of buffers are known to be many instructions: Mesa's drivers for NVIDIA's and Apple's GPUs
    /// (`cargo xtask isa --robustness none`).
    pub fn has_costly_checks(&self) -> bool {
        self.backend == "vulkan" && ["NVK", "Honeykrisp"].iter().any(|driver| self.driver.starts_with(driver))
    }

    /// Whether `wanted` names it: a backend, an index of [`list`], or part of a name (case ignored).
    pub fn answers_to(&self, wanted: &str) -> bool {
        let word = wanted.to_lowercase();
        match word.parse::<usize>() {
            Ok(index) => self.index == index,
            Err(_) => self.backend == word || self.name.to_lowercase().contains(&word),
        }
    }

    fn new(index: usize, adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        // wgpu does not say which it found. What DXC compiles for has subgroups, what FXC compiles for never has.
        let compiler = (info.backend == wgpu::Backend::Dx12).then(|| {
            let has_subgroups = adapter.features().contains(wgpu::Features::SUBGROUP);
            if has_subgroups { HlslCompiler::Dxc } else { HlslCompiler::Fxc }
        });
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "software",
            wgpu::DeviceType::Other if info.name.contains("llvmpipe") || info.name.contains("softpipe") => "software",
            wgpu::DeviceType::Other => "other",
        };
        let driver = [info.driver.trim(), info.driver_info.trim()].into_iter().filter(|part| !part.is_empty());
        Self {
            index,
            name: if info.name.is_empty() { "unnamed".into() } else { info.name.clone() },
            backend: backend_name(info.backend),
            driver: driver.collect::<Vec<_>>().join(" "),
            kind,
            family: if kind == "software" { Family::Software } else { Family::of(info.vendor, &info.name) },
            compiler,
            unchecked_buffers: false,
        }
    }
}

impl std::fmt::Display for AdapterSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {}", self.name, self.backend, self.kind)?;
        if !self.driver.is_empty() {
            write!(f, ", {}", self.driver)?;
        }
        if let Some(compiler) = self.compiler {
            write!(f, ", compiled by {compiler}")?;
        }
        if self.unchecked_buffers {
            f.write_str(", without buffer checks")?;
        }
        f.write_str(")")
    }
}

fn backend_name(backend: wgpu::Backend) -> &'static str {
    match backend {
        wgpu::Backend::Vulkan => "vulkan",
        wgpu::Backend::Metal => "metal",
        wgpu::Backend::Dx12 => "dx12",
        wgpu::Backend::Gl => "gl",
        wgpu::Backend::BrowserWebGpu => "webgpu",
        wgpu::Backend::Noop => "noop",
    }
}

/// Hardware before software, native APIs before GL, Vulkan before Direct3D 12, whose drivers for older Intel GPUs hang
/// (wgpu#4007); the driver's own order within.
fn rank(summary: &AdapterSummary) -> (u8, u8) {
    let kind = match summary.kind {
        "discrete" => 0,
        "integrated" => 1,
        "virtual" => 2,
        "other" => 3,
        _ => 4,
    };
    let backend = match summary.backend {
        "dx12" => 1,
        "gl" => 2,
        _ => 0,
    };
    (kind, backend)
}

fn instance(strict: bool) -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    // Beyond its budget a driver moves buffers to slow memory without a word (known of Vulkan and DX12).
    descriptor.memory_budget_thresholds.for_resource_creation = Some(95);
    if strict {
        descriptor.flags |= wgpu::InstanceFlags::STRICT_WEBGPU_COMPLIANCE;
    }
    wgpu::Instance::new(descriptor)
}

async fn adapters(strict: bool) -> Vec<(AdapterSummary, wgpu::Adapter)> {
    let all = instance(strict).enumerate_adapters(wgpu::Backends::all()).await;
    let mut found: Vec<_> = all
        .into_iter()
        .filter(|adapter| {
            let flags = adapter.get_downlevel_capabilities().flags;
            flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
        })
        .map(|adapter| (AdapterSummary::new(0, &adapter), adapter))
        .collect();
    found.sort_by_key(|(summary, _)| rank(summary));
    for (index, (summary, _)) in found.iter_mut().enumerate() {
        summary.index = index;
    }
    found
}

/// Every adapter that can run compute shaders, the one that `auto` takes first.
pub async fn list() -> Vec<AdapterSummary> {
    adapters(false).await.into_iter().map(|(summary, _)| summary).collect()
}

/// Those of `found` (of [`list`]) that `wanted` names: all by `all`, the first by `auto`, else every one of a backend, with an
/// index, or with that part in its name (case ignored).
///
/// # Errors
/// When there is none.
pub fn named<'a>(found: &'a [AdapterSummary], wanted: &str) -> Result<Vec<&'a AdapterSummary>, GpuError> {
    if found.is_empty() {
        return Err(GpuError::NoAdapter);
    }
    let word = wanted.trim().to_lowercase();
    let matching: Vec<_> = match word.as_str() {
        "all" => found.iter().collect(),
        "auto" => found.iter().take(1).collect(),
        "" => Vec::new(),
        _ => found.iter().filter(|summary| summary.answers_to(&word)).collect(),
    };
    if matching.is_empty() {
        let available = found.iter().map(|summary| format!("[{}] {summary}", summary.index)).collect::<Vec<_>>();
        return Err(GpuError::NoSuchAdapter { wanted: wanted.into(), available: available.join(", ") });
    }
    Ok(matching)
}

/// Those of [`named`] with each GPU once: of the backend that the first of them has, and no software among GPUs.
pub fn each_once<'a>(found: &'a [AdapterSummary], wanted: &str) -> Result<Vec<&'a AdapterSummary>, GpuError> {
    let mut named = named(found, wanted)?;
    let first = named[0];
    named.retain(|summary| summary.backend == first.backend && summary.is_software() == first.is_software());
    Ok(named)
}

/// The adapter that `wanted` names.
pub(super) async fn choose(wanted: &str, strict: bool) -> Result<(AdapterSummary, wgpu::Adapter), GpuError> {
    let mut found = adapters(strict).await;
    let summaries: Vec<AdapterSummary> = found.iter().map(|(summary, _)| summary.clone()).collect();
    let first = named(&summaries, wanted)?[0].index;
    Ok(found.swap_remove(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_with_costly_checks_are_known() {
        let mut summary = AdapterSummary {
            index: 0,
            name: "a GPU".into(),
            backend: "vulkan",
            driver: String::new(),
            kind: "discrete",
            family: Family::Unknown,
            compiler: None,
            unchecked_buffers: false,
        };
        for (driver, costly) in [
            ("NVK Mesa 26.2.6-1", true),
            ("Honeykrisp Mesa 26.2.6-1", true),
            ("NVIDIA 580.82.09", false),
            ("radv Mesa 26.2.6-1", false),
            ("turnip Mesa driver Mesa 26.2.6-1", false),
        ] {
            summary.driver = driver.into();
            assert_eq!(summary.has_costly_checks(), costly, "{driver}");
        }
        (summary.backend, summary.driver) = ("gl", "NVK Mesa 26.2.6-1".into());
        assert!(!summary.has_costly_checks());
    }

    #[test]
    fn words_name_adapters() {
        let known = [
            ("NVIDIA A", "vulkan", "discrete"),
            ("NVIDIA A", "vulkan", "discrete"),
            ("NVIDIA A/PCIe", "gl", "discrete"),
            ("llvmpipe", "vulkan", "software"),
            ("SwiftShader", "vulkan", "software"),
            ("llvmpipe", "gl", "software"),
        ];
        let summary = |(index, (name, backend, kind)): (usize, (&str, &'static str, &'static str))| AdapterSummary {
            index,
            name: name.into(),
            backend,
            driver: String::new(),
            kind,
            family: Family::Unknown,
            compiler: None,
            unchecked_buffers: false,
        };
        let found: Vec<AdapterSummary> = known.into_iter().enumerate().map(summary).collect();
        let indices = |named: Result<Vec<&AdapterSummary>, GpuError>| -> Vec<usize> {
            named.map_or(Vec::new(), |named| named.iter().map(|summary| summary.index).collect())
        };
        for (word, all, once) in [
            ("all", &[0, 1, 2, 3, 4, 5][..], &[0, 1][..]),
            ("auto", &[0], &[0]),
            ("Nvidia", &[0, 1, 2], &[0, 1]),
            (" gl ", &[2, 5], &[2]),
            ("llvmpipe", &[3, 5], &[3]),
            ("4", &[4], &[4]),
            ("voodoo", &[], &[]),
            ("", &[], &[]),
        ] {
            assert_eq!(indices(named(&found, word)), all, "{word}");
            assert_eq!(indices(each_once(&found, word)), once, "{word}");
        }
        assert_eq!(indices(each_once(&found[3..], "all")), [3, 4]);
    }
}
