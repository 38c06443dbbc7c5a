//! The GPUs whose compilers can be had without them: a driver of Mesa 26 and a shim that answers for the kernel's driver
//! (Debian's `mesa-drm-shim`). What is submitted is not executed.

/// One GPU and what makes its driver believe in it.
#[derive(Debug)]
pub struct Gpu {
    /// What `--gpu` calls it.
    pub name: &'static str,
    /// Maker, GPU and compiler.
    pub title: &'static str,
    /// The shim's library and the driver's file, without path and what all have in common.
    shim: &'static str,
    driver: &'static str,
    /// Which GPU the shim plays, where it can play several.
    plays: Option<(&'static str, &'static str)>,
    /// What makes a driver print its code that has no other way to give it.
    prints: Option<(&'static str, &'static str)>,
}

pub const GPUS: [Gpu; 7] = [
    Gpu {
        name: "ada",
        title: "NVIDIA Ada, NVK",
        shim: "nouveau",
        driver: "nouveau",
        plays: Some(("NOUVEAU_CHIPSET", "192")),
        prints: None,
    },
    Gpu {
        name: "ampere",
        title: "NVIDIA Ampere, NVK",
        shim: "nouveau",
        driver: "nouveau",
        plays: Some(("NOUVEAU_CHIPSET", "172")),
        prints: None,
    },
    Gpu {
        name: "m1",
        title: "Apple M1, AGX",
        shim: "asahi",
        driver: "asahi",
        plays: None,
        prints: Some(("AGX_MESA_DEBUG", "shaders")),
    },
    Gpu {
        name: "navi31",
        title: "AMD RDNA 3 (Navi 31), ACO",
        shim: "amdgpu",
        driver: "radeon",
        plays: Some(("AMDGPU_GPU_ID", "navi31")),
        prints: None,
    },
    Gpu {
        name: "navi21",
        title: "AMD RDNA 2 (Navi 21), ACO",
        shim: "amdgpu",
        driver: "radeon",
        plays: Some(("AMDGPU_GPU_ID", "navi21")),
        prints: None,
    },
    Gpu {
        name: "vega10",
        title: "AMD GCN 5 (Vega 10), ACO",
        shim: "amdgpu",
        driver: "radeon",
        plays: Some(("AMDGPU_GPU_ID", "vega10")),
        prints: None,
    },
    Gpu {
        name: "a730",
        title: "Qualcomm Adreno 730, Turnip",
        shim: "freedreno",
        driver: "freedreno",
        plays: Some(("FD_GPU_ID", "730")),
        prints: None,
    },
];

/// What Debian unstable must have.
pub const PACKAGES: [&str; 2] = ["mesa-drm-shim", "mesa-vulkan-drivers"];

impl Gpu {
    /// The GPU that is called `name`.
    pub fn named(name: &str) -> Result<&'static Self, String> {
        let known = || GPUS.each_ref().map(|gpu| gpu.name).join(", ");
        GPUS.iter().find(|gpu| gpu.name == name).ok_or_else(|| format!("`{name}` is none of {}", known()))
    }

    /// The environment of a process that is to see this GPU and no other, as `NAME=VALUE`.
    pub fn environment(&self) -> Vec<String> {
        let mut all = vec![
            format!("LD_PRELOAD=/usr/lib/x86_64-linux-gnu/lib{}_noop_drm_shim.so", self.shim),
            format!("VK_DRIVER_FILES=/usr/share/vulkan/icd.d/{}_icd.json", self.driver),
            // What comes from a cache was compiled before, and has no statistics.
            "MESA_SHADER_CACHE_DISABLE=true".into(),
        ];
        all.extend(self.plays.map(|(name, value)| format!("{name}={value}")));
        all
    }

    /// The same, and the driver prints its code.
    pub fn printing(&self) -> Vec<String> {
        let prints = self.prints.map(|(name, value)| format!("{name}={value}"));
        [self.environment(), prints.into_iter().collect()].concat()
    }
}
