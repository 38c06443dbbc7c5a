//! How many workgroups a kernel needs: their size is read off its shader, so that no number is written twice.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use super::{Kernel, fold};

/// Sizes found so far, of kernels without their constants. Plans ask for the same few hundred again and again.
static SIZES: LazyLock<Mutex<HashMap<Kernel, u32>>> = LazyLock::new(Mutex::default);

impl Kernel {
    /// Invocations of a workgroup. All defines must be set; of a kernel that cannot be made it is 1, for whoever compiles that
    /// reports why.
    pub fn workgroup_size(&self) -> u32 {
        let key = Self { constants: Vec::new(), ..self.clone() };
        if let Some(size) = SIZES.lock().ok().and_then(|known| known.get(&key).copied()) {
            return size;
        }
        let size = self.wgsl().ok().and_then(|wgsl| invocations(&wgsl)).unwrap_or(1);
        if let Ok(mut known) = SIZES.lock() {
            known.insert(key, size);
        }
        size
    }

    /// Workgroups in one dimension for `items`, of which an invocation handles `each`.
    pub fn groups(&self, items: usize, each: usize) -> u32 {
        items.div_ceil(each * self.workgroup_size() as usize) as u32
    }

    /// The grid for `items` of which an invocation handles `each`, in two dimensions where one does not hold it: the shader
    /// finds its workgroup with `fold_index`.
    pub fn cover(&self, items: usize, each: usize) -> [u32; 3] {
        fold(self.groups(items, each) as usize)
    }
}

/// Invocations of a workgroup of `wgsl`'s entry point. Naga parses the attribute alone, which takes it microseconds; whole
/// kernels with unrolled loops take it milliseconds, too long for hundreds in a plan.
fn invocations(wgsl: &str) -> Option<u32> {
    let attribute = &wgsl[wgsl.find("@workgroup_size(")?..];
    let attribute = &attribute[..=attribute.find(')')?];
    let size = |text: &str| {
        let module = naga::front::wgsl::parse_str(text).ok()?;
        Some(module.entry_points.first()?.workgroup_size.iter().product())
    };
    // One that depends on a `const` needs the rest.
    size(&format!("@compute {attribute} fn main() {{}}")).or_else(|| size(wgsl))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Tier, shader};

    /// A copy of a shader with other workgroups needs another grid, and no other change.
    #[test]
    fn a_grid_follows_its_shader() {
        let text = shader::preprocess(shader::source("sgd").unwrap(), &[]).unwrap();
        assert_eq!(invocations(&text), Some(64));
        for (size, wanted) in [("128", 128), ("8, 4", 32), ("SIZE", 48)] {
            let copy = text.replace("@workgroup_size(64)", &format!("@workgroup_size({size})")) + "const SIZE = 48u;\n";
            assert_eq!(invocations(&copy), Some(wanted));
        }
        let kernel = Kernel::new("sgd");
        for (items, each, wanted) in [(1, 1, 1), (64, 1, 1), (65, 1, 2), (256, 4, 1), (257, 4, 2)] {
            assert_eq!(kernel.groups(items, each), wanted);
        }
        assert_eq!(kernel.cover(64 * 65_536, 1), [65_535, 2, 1]);
        assert_eq!(Kernel::new("conv_bias_grad").define("WG", 16).workgroup_size(), 1, "not all defines");
        assert_eq!(Kernel::new("loss_reduce").define("WG", 16).workgroup_size(), 16);
    }

    /// What is read off the attribute is what a driver is told.
    #[test]
    fn sizes_are_those_of_the_module() {
        for kernel in crate::plan::permutations(Tier::new(true, true, false)).iter().step_by(20) {
            let module = naga::front::wgsl::parse_str(&kernel.wgsl().unwrap()).unwrap();
            let size: u32 = module.entry_points[0].workgroup_size.iter().product();
            assert_eq!(kernel.workgroup_size(), size, "{kernel}");
        }
    }
}
