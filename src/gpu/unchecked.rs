//! Vulkan devices whose driver does not check that kernels stay within their buffers.
//!
//! `wgpu` always asks for these checks (`robustBufferAccess` and `robustBufferAccess2`). Some GPUs make them in hardware. For
//! others the compiler writes them into the kernels, and splits every load of four words into four: docs/backends.md has what
//! that costs. There is no switch for it in `wgpu` (docs/upstream.md asks for one).

/// Opens `adapter` as [`wgpu::Adapter::request_device`] does, without the driver's checks. None if it is not reached through
/// Vulkan, or whatever else is in the way: then the usual way is open.
#[cfg(not(any(target_arch = "wasm32", target_vendor = "apple")))]
pub(super) fn open(
    adapter: &wgpu::Adapter,
    descriptor: &wgpu::DeviceDescriptor<'_>,
) -> Option<(wgpu::Device, wgpu::Queue)> {
    use ash::vk;

    // `wgpu` checks this for devices that it opens itself.
    let (features, limits) = (descriptor.required_features, &descriptor.required_limits);
    if !adapter.features().contains(features) || !limits.check_limits(&adapter.limits()) {
        return None;
    }
    // SAFETY: this is `wgpu_hal::vulkan::Adapter::open` with one thing left out, for which `wgpu-hal` has no argument: the
    // checks of buffers. Of the adapter's instance and physical device, which are alive as long as `adapter` is, it makes a device
    // with the extensions and features that `wgpu-hal` names itself; `VK_EXT_robustness2` and `robustBufferAccess` are left out
    // together, as the one needs the other. `wgpu-hal` relies on them for one thing only: that it need not write bounds checks
    // into shaders. So the caller promises that no kernel needs any. Three things keep kernels in bounds:
    // - a kernel stops where its index reaches the size that it was specialised for, and plans make buffers of just these sizes;
    // - indices that are data (rows of a sparse weight, pixels of a batch) are made by the host or by kernels, never read from a
    //   file without a check;
    // - the validation layer looks at every address of the kernels that verification, candidates of a layer and a run use
    //   (scripts/test-bounds.sh).
    // On Metal it is always so: it has no such checks, and kernels bring none of their own (`gpu::kernel`). What `wgpu` validates
    // itself (copies, bindings, sizes) it validates as ever.
    #[allow(unsafe_code)]
    unsafe {
        let hal = adapter.as_hal::<wgpu::hal::api::Vulkan>()?;
        let mut extensions = hal.required_device_extensions(features);
        extensions.retain(|name| *name != ash::ext::robustness2::NAME);
        let names: Vec<_> = extensions.iter().map(|name| name.as_ptr()).collect();
        let mut enabled = hal.physical_device_features(&extensions, features);
        let core = vk::PhysicalDeviceFeatures { robust_buffer_access: vk::FALSE, ..enabled.get_core() };
        // The one queue that `wgpu-hal` takes.
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
        let create = vk::DeviceCreateInfo::default().queue_create_infos(&queues).enabled_extension_names(&names);
        let create = enabled.add_to_device_create(create).enabled_features(&core);
        let instance = hal.shared_instance().raw_instance();
        let device = instance.create_device(hal.raw_physical_device(), &create, None).ok()?;
        let hints = &descriptor.memory_hints;
        let opened = hal.device_from_raw(device, None, &extensions, features, limits, hints, 0, 0).ok()?;
        adapter.create_device_from_hal(opened, descriptor).ok()
    }
}

/// There is no Vulkan here.
#[cfg(any(target_arch = "wasm32", target_vendor = "apple"))]
pub(super) fn open(_: &wgpu::Adapter, _: &wgpu::DeviceDescriptor<'_>) -> Option<(wgpu::Device, wgpu::Queue)> {
    None
}
