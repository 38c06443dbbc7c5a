//! The first Vulkan device, opened as `wgpu` opens it, and what its driver makes of SPIR-V.

use std::ffi::{CStr, c_void};

use anyhow::{Context, Result, bail};
use ash::vk;
use clap::ValueEnum;

use super::listing::Syntax;
use super::printed::Printed;
use super::statistics::Statistics;

/// What drivers give beside machine code.
const CAPTURE: vk::PipelineCreateFlags = vk::PipelineCreateFlags::from_raw(
    vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR.as_raw()
        | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR.as_raw(),
);

/// Which bounds checks of buffers the driver is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Robustness {
    /// All that `wgpu` switches on: `robustBufferAccess` and `robustBufferAccess2`
    Full,
    /// `robustBufferAccess` alone: no access leaves the memory of its buffer
    Basic,
    /// None
    None,
}

/// An open device.
pub struct Driver {
    device: ash::Device,
    executables: ash::khr::pipeline_executable_properties::Device,
    // Last: the others call into it.
    _entry: ash::Entry,
}

/// A compiled kernel.
pub struct Compiled {
    pub statistics: Statistics,
    /// The machine code as the driver prints it.
    pub listing: Option<(Syntax, String)>,
}

impl Driver {
    /// Opens the first device with the features that `wgpu` switches on for the kernels: of all it switches on, those of
    /// robustness change the code most.
    pub fn open(robustness: Robustness) -> Result<Self> {
        // SAFETY: every call below gets objects of this instance and device, alive until the process ends, and structures that
        // outlive the call; no features are asked for that the device does not offer.
        unsafe {
            let entry = ash::Entry::load().context("no Vulkan loader: install libvulkan1")?;
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let instance = entry
                .create_instance(&vk::InstanceCreateInfo::default().application_info(&application), None)
                .context("the loader makes no instance")?;
            let devices = instance.enumerate_physical_devices().context("no devices")?;
            let &physical = devices.first().context("the driver finds no device; does its shim fit it?")?;
            let names = instance.enumerate_device_extension_properties(physical)?;
            let offers = |name: &CStr| names.iter().any(|one| one.extension_name_as_c_str() == Ok(name));
            let wanted = [
                ash::khr::pipeline_executable_properties::NAME,
                ash::khr::cooperative_matrix::NAME,
                ash::ext::robustness2::NAME,
            ];
            let full = robustness == Robustness::Full && offers(ash::ext::robustness2::NAME);
            let wanted =
                wanted.into_iter().filter(|name| offers(name) && (full || *name != ash::ext::robustness2::NAME));
            let extensions: Vec<_> = wanted.map(CStr::as_ptr).collect();

            let mut memory_model = vk::PhysicalDeviceVulkanMemoryModelFeatures::default();
            let mut float16 = vk::PhysicalDeviceShaderFloat16Int8Features::default();
            let mut properties = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default();
            let mut matrices = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default();
            let mut robustness2 = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
            let mut features = vk::PhysicalDeviceFeatures2::default()
                .push_next(&mut memory_model)
                .push_next(&mut float16)
                .push_next(&mut properties);
            if offers(ash::khr::cooperative_matrix::NAME) {
                features = features.push_next(&mut matrices);
            }
            instance.get_physical_device_features2(physical, &mut features);
            if full {
                let mut offered = vk::PhysicalDeviceFeatures2::default().push_next(&mut robustness2);
                instance.get_physical_device_features2(physical, &mut offered);
                // Drivers test more for null descriptors, which `wgpu` does not ask for.
                robustness2.null_descriptor = vk::FALSE;
                features = features.push_next(&mut robustness2);
            }
            let int64 = features.features.shader_int64;
            let basic = vk::Bool32::from(robustness != Robustness::None);
            features.features =
                vk::PhysicalDeviceFeatures { shader_int64: int64, robust_buffer_access: basic, ..Default::default() };

            let queue = vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0]);
            let queues = [queue];
            let information = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .push_next(&mut features);
            let device = instance.create_device(physical, &information, None).context("the driver opens no device")?;
            let executables = ash::khr::pipeline_executable_properties::Device::new(&instance, &device);
            Ok(Self { device, executables, _entry: entry })
        }
    }

    /// Compiles a kernel that `Kernel::translate` wrote. Nothing is kept.
    pub fn compile(&self, spirv: &[u8], printed: &Printed) -> Result<Compiled> {
        let words = ash::util::read_spv(&mut std::io::Cursor::new(spirv))?;
        let bindings: Vec<_> = bindings(&words)
            .into_iter()
            .map(|(binding, kind)| {
                let layout = vk::DescriptorSetLayoutBinding::default().binding(binding).descriptor_type(kind);
                layout.descriptor_count(1).stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let device = &self.device;
        printed.clear()?;
        // SAFETY: as in `open`; the SPIR-V is naga's own, of a module that it has validated. What was made is destroyed once,
        // after its last use.
        unsafe {
            let set = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let sets = [device.create_descriptor_set_layout(&set, None)?];
            let layout =
                device.create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default().set_layouts(&sets), None)?;
            let module = device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&words), None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(c"main");
            let information = vk::ComputePipelineCreateInfo::default().flags(CAPTURE).stage(stage).layout(layout);
            let made = device.create_compute_pipelines(vk::PipelineCache::null(), &[information], None);
            device.destroy_shader_module(module, None);
            let made = made.map_err(|(_, error)| error);
            let compiled = made.context("the driver refuses it").and_then(|made| {
                let compiled = self.read(made[0], printed);
                device.destroy_pipeline(made[0], None);
                compiled
            });
            device.destroy_pipeline_layout(layout, None);
            device.destroy_descriptor_set_layout(sets[0], None);
            compiled
        }
    }

    /// What the driver says of a pipeline.
    ///
    /// # Safety
    /// It is one of this device.
    unsafe fn read(&self, pipeline: vk::Pipeline, printed: &Printed) -> Result<Compiled> {
        let of = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
        // SAFETY: the pipeline is the caller's care; a union is read as its format says; what drivers name ends with a zero.
        let (values, mut listing) = unsafe {
            let mut values = Vec::new();
            for statistic in self.executables.get_pipeline_executable_statistics(&of)? {
                use vk::PipelineExecutableStatisticFormatKHR as Format;
                let value = match statistic.format {
                    Format::FLOAT64 => statistic.value.f64 as i64,
                    Format::BOOL32 => i64::from(statistic.value.b32),
                    _ => statistic.value.i64,
                };
                values.push((text(&statistic.name)?, value));
            }
            (values, self.listing(&of)?)
        };
        if listing.is_none() {
            listing = printed.take()?.map(|text| (Syntax::Agx, text));
        }
        if values.is_empty() {
            bail!("the driver gives no statistics");
        }
        Ok(Compiled { statistics: Statistics::of(&values), listing })
    }

    /// The machine code of a pipeline, if the driver has a way to give it.
    ///
    /// # Safety
    /// The pipeline is one of this device.
    unsafe fn listing(&self, of: &vk::PipelineExecutableInfoKHR) -> Result<Option<(Syntax, String)>> {
        let call = self.executables.fp().get_pipeline_executable_internal_representations_khr;
        let device = self.executables.device();
        let mut count = 0;
        // SAFETY: the first call counts, the second says how long each is, the third writes as many bytes as were allocated.
        unsafe {
            call(device, of, &mut count, std::ptr::null_mut()).result()?;
            let mut all = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
            call(device, of, &mut count, all.as_mut_ptr()).result()?;
            let Some((syntax, one)) = all.iter_mut().find_map(|one| Some((Syntax::of(&text(&one.name).ok()?)?, one)))
            else {
                return Ok(None);
            };
            let mut bytes = vec![0u8; one.data_size];
            one.p_data = bytes.as_mut_ptr().cast::<c_void>();
            call(device, of, &mut count, all.as_mut_ptr()).result()?;
            let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
            Ok(Some((syntax, String::from_utf8_lossy(bytes).into_owned())))
        }
    }
}

fn text(name: &[std::ffi::c_char]) -> Result<String> {
    let bytes: Vec<u8> = name.iter().map(|&c| c as u8).take_while(|&byte| byte != 0).collect();
    String::from_utf8(bytes).context("the driver names something in no UTF-8")
}

/// The bindings of a module, as `wgpu` lays them out: uniforms and storage buffers, all in one set.
fn bindings(words: &[u32]) -> Vec<(u32, vk::DescriptorType)> {
    const DECORATE: u32 = 71;
    const BINDING: u32 = 33;
    const VARIABLE: u32 = 59;
    const UNIFORM: u32 = 2;
    let mut instructions = Vec::new();
    let mut rest = words.get(5..).unwrap_or_default();
    while let Some(&word) = rest.first() {
        let (one, next) = rest.split_at(((word >> 16) as usize).clamp(1, rest.len()));
        instructions.push(one);
        rest = next;
    }
    let uniform = |id: u32| {
        instructions.iter().any(|one| matches!(**one, [op, _, of, UNIFORM, ..] if op & 0xffff == VARIABLE && of == id))
    };
    let binding = |one: &&[u32]| match **one {
        [op, id, BINDING, binding] if op & 0xffff == DECORATE => {
            let kind =
                if uniform(id) { vk::DescriptorType::UNIFORM_BUFFER } else { vk::DescriptorType::STORAGE_BUFFER };
            Some((binding, kind))
        }
        _ => None,
    };
    instructions.iter().filter_map(binding).collect()
}
