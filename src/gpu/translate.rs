//! Kernels in the languages that drivers read, translated with the settings of a release build. So the input of a driver that we
//! have never seen can be inspected and tested.

use std::str::FromStr;

use naga::back::{self, glsl, hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use naga::{Module, ResourceBinding, ShaderStage};

use super::{GpuError, Kernel};

/// What shaders may use beyond WebGPU; see [`super::Gpu::tier`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    pub subgroups: bool,
    pub int64: bool,
    pub matrices: bool,
}

impl Tier {
    pub const ALL: [Self; 5] = [
        Self::new(false, false, false),
        Self::new(true, false, false),
        Self::new(false, true, false),
        Self::new(true, true, false),
        Self::new(true, false, true),
    ];

    pub const fn new(subgroups: bool, int64: bool, matrices: bool) -> Self {
        Self { subgroups, int64, matrices }
    }

    /// The lowest tier that has what `kernel` uses.
    pub fn of(kernel: &Kernel) -> Self {
        let has = |name| kernel.defines.iter().any(|(define, _)| *define == name);
        let matrices = has("MATRIX");
        let subgroups = has("SHUFFLE") || kernel.shader.ends_with("_subgroup") || matrices;
        Self { subgroups, int64: has("WIDE"), matrices }
    }

    /// `webgpu`, `subgroups`, `int64`, `subgroups+int64` or `subgroups+matrices`.
    pub fn name(self) -> &'static str {
        match (self.subgroups, self.int64, self.matrices) {
            (false, false, _) => "webgpu",
            (true, false, false) => "subgroups",
            (false, true, _) => "int64",
            (true, true, _) => "subgroups+int64",
            (true, false, true) => "subgroups+matrices",
        }
    }

    fn validator(self) -> Validator {
        // Converting 16-bit floats is asked of every adapter apart (`Gpu::f16`).
        let mut capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
        capabilities.set(Capabilities::SHADER_INT64, self.int64);
        capabilities.set(Capabilities::SUBGROUP, self.subgroups);
        capabilities.set(Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX, self.matrices);
        let mut validator = Validator::new(ValidationFlags::all(), capabilities);
        if self.subgroups {
            validator.subgroup_stages(ShaderStages::COMPUTE);
            validator.subgroup_operations(SubgroupOperationSet::all());
        }
        validator
    }
}

/// A language of drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// As the kernel is written, after the preprocessor; constants are still open.
    Wgsl,
    /// Version 1.3: Vulkan 1.1.
    Spirv,
    /// Shader model 6.0: Direct3D 12, for Microsoft's DXC.
    Hlsl,
    /// Shader model 5.1, constants in a uniform ([`Kernel::in_uniform`]): for FXC.
    HlslFxc,
    /// Version 2.4: macOS 12, iOS 15.
    Msl,
    /// OpenGL ES 3.1; with subgroups OpenGL 4.5.
    Glsl,
}

impl Target {
    pub const ALL: [Self; 6] = [Self::Wgsl, Self::Spirv, Self::Hlsl, Self::HlslFxc, Self::Msl, Self::Glsl];

    pub fn name(self) -> &'static str {
        match self {
            Self::Wgsl => "wgsl",
            Self::Spirv => "spirv",
            Self::Hlsl => "hlsl",
            Self::HlslFxc => "hlsl-fxc",
            Self::Msl => "msl",
            Self::Glsl => "glsl",
        }
    }

    /// The usual ending of a file name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Wgsl => "wgsl",
            Self::Spirv => "spv",
            Self::Hlsl | Self::HlslFxc => "hlsl",
            Self::Msl => "metal",
            Self::Glsl => "comp",
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|t| t.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| format!("`{name}` is none of {}", names()))
    }
}

impl Kernel {
    /// This kernel in the language `target`, valid at `tier`.
    pub fn translate(&self, tier: Tier, target: Target) -> Result<Vec<u8>, GpuError> {
        let fail = |what: &str, message: String| GpuError::Kernel {
            kernel: self.to_string(),
            message: format!("{what}: {message}"),
        };
        let wgsl = match target {
            Target::HlslFxc => self.clone().in_uniform().wgsl()?,
            _ => self.wgsl()?,
        };
        let module = naga::front::wgsl::parse_str(&wgsl).map_err(|error| fail("WGSL", error.emit_to_string(&wgsl)))?;
        let info = tier.validator().validate(&module);
        let info = info.map_err(|error| fail(tier.name(), error.emit_to_string(&wgsl)))?;
        if target == Target::Wgsl {
            return Ok(wgsl.into_bytes());
        }
        // Those that are not in a uniform.
        let is_override = |name: &str| module.overrides.iter().any(|(_, known)| known.name.as_deref() == Some(name));
        let constants = self.constants.iter().filter(|(name, _)| is_override(name));
        let constants = constants.map(|&(name, value)| (name.to_string(), f64::from(value))).collect();
        let entry = (ShaderStage::Compute, "main");
        let (module, info) = back::pipeline_constants::process_overrides(&module, &info, Some(entry), &constants)
            .map_err(|error| fail("constants", error.to_string()))?;
        write(&module, &info, tier, target).map_err(|message| fail(target.name(), message))
    }
}

/// A kernel's permutation: its shader and its defines.
impl std::fmt::Display for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.shader)?;
        for (name, value) in &self.defines {
            write!(f, "-{name}{value}")?;
        }
        Ok(())
    }
}

const UNCHECKED: BoundsCheckPolicies = BoundsCheckPolicies {
    index: BoundsCheckPolicy::Unchecked,
    buffer: BoundsCheckPolicy::Unchecked,
    image_load: BoundsCheckPolicy::Unchecked,
    binding_array: BoundsCheckPolicy::Unchecked,
};

fn write(module: &Module, info: &ModuleInfo, tier: Tier, target: Target) -> Result<Vec<u8>, String> {
    let entry = || (ShaderStage::Compute, "main".to_string());
    let bindings = || module.global_variables.iter().filter_map(|(_, global)| global.binding);
    match target {
        Target::Hlsl | Target::HlslFxc | Target::Glsl if tier.matrices => Err("it has no cooperative matrices".into()),
        Target::HlslFxc if tier.subgroups || tier.int64 => Err("shader model 5.1 has no such operations".into()),
        Target::Wgsl => Err("is written before constants are resolved".into()),
        Target::Spirv => {
            let options = spv::Options {
                lang_version: (1, 3),
                flags: spv::WriterFlags::empty(),
                bounds_check_policies: UNCHECKED,
                zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
                force_loop_bounding: false,
                emit_int_div_checks: false,
                ..Default::default()
            };
            let pipeline = spv::PipelineOptions { shader_stage: entry().0, entry_point: entry().1 };
            let words = spv::write_vec(module, info, &options, Some(&pipeline)).map_err(|error| error.to_string())?;
            Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
        }
        Target::Hlsl | Target::HlslFxc => {
            let options = hlsl::Options {
                shader_model: match target {
                    Target::HlslFxc => hlsl::ShaderModel::V5_1,
                    _ => hlsl::ShaderModel::V6_0,
                },
                zero_initialize_workgroup_memory: false,
                restrict_indexing: false,
                force_loop_bounding: false,
                ..Default::default()
            };
            let pipeline = hlsl::PipelineOptions { entry_point: Some(entry()) };
            let mut text = String::new();
            let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
            let mut reflection = writer.write(module, info, None).map_err(|error| error.to_string())?;
            match reflection.entry_point_names.pop() {
                Some(Err(error)) => Err(error.to_string()),
                _ => Ok(text.into_bytes()),
            }
        }
        Target::Msl => {
            let slot = |place: &ResourceBinding| msl::BindTarget {
                buffer: Some(place.binding as u8),
                mutable: true,
                ..Default::default()
            };
            let resources = msl::EntryPointResources {
                resources: bindings().map(|place| (place, slot(&place))).collect(),
                immediates_buffer: None,
                // The lengths of runtime-sized arrays go behind the buffers themselves.
                sizes_buffer: Some(bindings().count() as u8),
            };
            let options = msl::Options {
                lang_version: (2, 4),
                per_entry_point_map: [(entry().1, resources)].into_iter().collect(),
                fake_missing_bindings: false,
                bounds_check_policies: UNCHECKED,
                zero_initialize_workgroup_memory: false,
                force_loop_bounding: false,
                emit_int_div_checks: false,
                ..Default::default()
            };
            let pipeline = msl::PipelineOptions { entry_point: Some(entry()), ..Default::default() };
            let (text, translation) =
                msl::write_string(module, info, &options, &pipeline).map_err(|error| error.to_string())?;
            match translation.entry_point_names.into_iter().next() {
                Some(Err(error)) => Err(error.to_string()),
                _ => Ok(text.into_bytes()),
            }
        }
        Target::Glsl => {
            let beyond_es = tier.subgroups || tier.int64;
            let options = glsl::Options {
                version: if beyond_es { glsl::Version::Desktop(450) } else { glsl::Version::new_gles(310) },
                writer_flags: glsl::WriterFlags::empty(),
                binding_map: bindings().map(|place| (place, place.binding as u8)).collect(),
                zero_initialize_workgroup_memory: false,
            };
            let pipeline = glsl::PipelineOptions { shader_stage: entry().0, entry_point: entry().1, multiview: None };
            let mut text = String::new();
            glsl::Writer::new(&mut text, module, info, &options, &pipeline, UNCHECKED)
                .and_then(|mut writer| writer.write())
                .map_err(|error| error.to_string())?;
            Ok(text.into_bytes())
        }
    }
}
