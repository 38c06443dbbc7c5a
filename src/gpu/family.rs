//! The vendor of an adapter's GPU, because the number of registers that a kernel may use differs by vendor.

/// The maker of a GPU, as far as kernels differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Nvidia,
    Amd,
    Apple,
    /// Qualcomm's.
    Adreno,
    /// A processor.
    Software,
    /// Any other, and what a browser does not name.
    Unknown,
}

impl Family {
    pub const ALL: [Self; 6] = [Self::Nvidia, Self::Amd, Self::Apple, Self::Adreno, Self::Software, Self::Unknown];

    /// By the PCI vendor, or the name where a backend gives no vendor (Metal, browsers, some GL drivers).
    pub(super) fn of(vendor: u32, name: &str) -> Self {
        let name = name.to_lowercase();
        let named = |words: &[&str]| words.iter().any(|word| name.contains(word));
        match vendor {
            0x10de => Self::Nvidia,
            0x1002 | 0x1022 => Self::Amd,
            0x106b => Self::Apple,
            0x5143 => Self::Adreno,
            _ if named(&["nvidia", "geforce"]) => Self::Nvidia,
            _ if named(&["amd ", "radeon"]) => Self::Amd,
            _ if named(&["apple"]) => Self::Apple,
            _ if named(&["adreno"]) => Self::Adreno,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makers_are_known_by_number_or_name() {
        for (vendor, name, family) in [
            (0x10de, "NVIDIA GeForce RTX 4090", Family::Nvidia),
            (0, "NVIDIA GeForce GTX 470", Family::Nvidia),
            (0x1002, "AMD Radeon RX 7900 XTX (RADV NAVI31)", Family::Amd),
            (0, "Apple M2 Pro", Family::Apple),
            // Mesa's own vendor number.
            (0x10005, "Apple M1 (G13G A0)", Family::Apple),
            (0x5143, "Turnip Adreno (TM) 730", Family::Adreno),
            (0x8086, "Intel(R) Iris(R) Xe Graphics", Family::Unknown),
            (0, "", Family::Unknown),
        ] {
            assert_eq!(Family::of(vendor, name), family, "{name}");
        }
    }
}
