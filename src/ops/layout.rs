//! How activations lie in memory: `[N/B][C][H + 2·halo][W + 2·halo][B]`, batch innermost in blocks of B images.
//!
//! The weight and its shift are then uniform over a workgroup, whatever the sparsity pattern, and a block of images stays in
//! cache (a plain `[C][H][W][N]` at N = 128 measured 6 to 10 times slower). The border of `halo` pixels is zero and nobody
//! ever writes it, so convolutions need no bounds test; a buffer is only ever shared by tensors of one layout.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use crate::gpu::{Kernel, Matrices};

/// Most images a block.
pub const BLOCK: usize = 32;

/// How the numbers of activations and their gradients are kept; arithmetic is `f32` throughout. Shader: `shared/vector.wgsl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    #[default]
    F32,
    /// 11 bits of precision up to 65504; the loss is scaled against underflow.
    F16,
    /// 8 bits of precision in the range of `f32`.
    Bf16,
}

impl std::str::FromStr for Storage {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|storage| storage.name().eq_ignore_ascii_case(name));
        known.ok_or_else(|| format!("use one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

impl Storage {
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    pub fn name(self) -> &'static str {
        match self {
            Storage::F32 => "f32",
            Storage::F16 => "f16",
            Storage::Bf16 => "bf16",
        }
    }

    /// Bytes a number.
    pub fn bytes(self) -> usize {
        if self == Storage::F32 { 4 } else { 2 }
    }

    /// Bits of precision, the leading one included.
    pub fn precision(self) -> i32 {
        match self {
            Storage::F32 => 24,
            Storage::F16 => 11,
            Storage::Bf16 => 8,
        }
    }

    /// What the loss's gradient is multiplied with: in `f16` a gradient of 10⁻⁷ would be zero.
    pub fn loss_scale(self) -> f32 {
        if self == Storage::F16 { 1024.0 } else { 1.0 }
    }

    /// A side of the matrices that hold numbers stored so; 0: there are none.
    pub fn matrix(self, matrices: Matrices) -> u32 {
        match self {
            Storage::F32 => matrices.f32,
            Storage::F16 => matrices.f16,
            Storage::Bf16 => 0,
        }
    }

    /// `values`, an even number of them, rounded to the nearest; the first of two in the low half.
    pub fn words(self, values: &[f32]) -> Vec<u32> {
        let half = |value: f32| match self {
            Storage::Bf16 => u32::from(bf16::from_f32(value).to_bits()),
            _ => u32::from(f16::from_f32(value).to_bits()),
        };
        match self {
            Storage::F32 => values.iter().map(|value| value.to_bits()).collect(),
            _ => values.chunks_exact(2).map(|two| half(two[0]) | half(two[1]) << 16).collect(),
        }
    }

    /// The numbers in `words`.
    pub fn numbers(self, words: &[u32]) -> Vec<f32> {
        let half = |bits: u32| match self {
            Storage::Bf16 => bf16::from_bits(bits as u16).to_f32(),
            _ => f16::from_bits(bits as u16).to_f32(),
        };
        match self {
            Storage::F32 => words.iter().map(|&word| f32::from_bits(word)).collect(),
            _ => words.iter().flat_map(|&word| [half(word & 0xffff), half(word >> 16)]).collect(),
        }
    }
}

/// An activation of `images` images. Offsets and strides below are in groups of 4 images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Width of the zero border.
    pub halo: usize,
    pub images: usize,
    pub storage: Storage,
}

impl Layout {
    /// Of `f32`.
    pub fn new(channels: usize, height: usize, width: usize, halo: usize, images: usize) -> Self {
        Self { channels, height, width, halo, images, storage: Storage::F32 }
    }

    /// The same, stored in another way.
    pub fn stored(self, storage: Storage) -> Self {
        Self { storage, ..self }
    }

    /// Blocks of images.
    pub fn blocks(&self) -> usize {
        self.images.div_ceil(BLOCK)
    }

    /// Images a block: as even over the blocks as whole vectors allow.
    pub fn block_images(&self) -> usize {
        self.images.div_ceil(self.blocks()).next_multiple_of(4 * self.quads(false))
    }

    /// Groups of 4 images in a vector of four 32-bit or (load64) 64-bit words.
    pub(super) fn quads(&self, load64: bool) -> usize {
        (4 / self.storage.bytes()) << usize::from(load64)
    }

    /// Whether the images of a pixel fill whole vectors of 64-bit words.
    pub(super) fn fits_load64(&self) -> bool {
        self.lanes().is_multiple_of(self.quads(true))
    }

    /// This layout counted in vectors.
    pub(super) fn vectors(&self, load64: bool) -> Vectors<'_> {
        Vectors { layout: self, load64 }
    }

    /// Groups of 4 images a pixel.
    pub fn lanes(&self) -> usize {
        self.block_images() / 4
    }

    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// From a row to the next.
    pub fn row(&self) -> usize {
        (self.width + 2 * self.halo) * self.lanes()
    }

    /// From a channel to the next.
    pub fn plane(&self) -> usize {
        (self.height + 2 * self.halo) * self.row()
    }

    /// From a block of images to the next.
    pub fn block(&self) -> usize {
        self.channels * self.plane()
    }

    /// Where the pixel that lies `border` rows and columns before the first one is in its plane.
    pub fn origin(&self, border: usize) -> usize {
        (self.halo - border) * (self.row() + self.lanes())
    }

    /// Size of the whole tensor.
    pub fn bytes(&self) -> u64 {
        self.blocks() as u64 * self.block_bytes()
    }

    /// Size of a block of images.
    pub(super) fn block_bytes(&self) -> u64 {
        (self.block() * 4 * self.storage.bytes()) as u64
    }

    /// Size of a channel of a block of images.
    pub(super) fn plane_bytes(&self) -> u64 {
        (self.plane() * 4 * self.storage.bytes()) as u64
    }

    /// Index of an element among the stored numbers.
    fn index(&self, image: usize, channel: usize, y: usize, x: usize) -> usize {
        let b = self.block_images();
        let at = image / b * self.block() + channel * self.plane() + self.origin(0) + y * self.row() + x * self.lanes();
        at * 4 + image % b
    }

    /// From NCHW to this layout's words, borders and missing images zero.
    pub fn pack(&self, nchw: &[f32]) -> Vec<u32> {
        let mut flat = vec![0.0; self.bytes() as usize / self.storage.bytes()];
        self.each(|at, index| flat[index] = nchw[at]);
        self.storage.words(&flat)
    }

    /// From this layout's words to NCHW.
    pub fn unpack(&self, packed: &[u32]) -> Vec<f32> {
        let flat = self.storage.numbers(packed);
        let mut nchw = vec![0.0; self.images * self.channels * self.pixels()];
        self.each(|at, index| nchw[at] = flat[index]);
        nchw
    }

    fn each(&self, mut visit: impl FnMut(usize, usize)) {
        let mut at = 0;
        for image in 0..self.images {
            for channel in 0..self.channels {
                for y in 0..self.height {
                    for x in 0..self.width {
                        visit(at, self.index(image, channel, y, x));
                        at += 1;
                    }
                }
            }
        }
    }
}

/// A [`Layout`] counted in the vectors that an invocation loads at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vectors<'a> {
    layout: &'a Layout,
    load64: bool,
}

impl Vectors<'_> {
    fn quads(&self) -> usize {
        self.layout.quads(self.load64)
    }

    /// Vectors a pixel.
    pub fn lanes(&self) -> usize {
        self.layout.lanes() / self.quads()
    }

    /// From a row to the next.
    pub fn row(&self) -> usize {
        self.layout.row() / self.quads()
    }

    /// Vectors of one channel of one block, without the border.
    pub fn plane_lanes(&self) -> usize {
        self.layout.pixels() * self.lanes()
    }

    /// Says what a vector is, and how many a pixel has.
    pub fn declare(&self, kernel: Kernel) -> Kernel {
        let storage = self.layout.storage;
        kernel
            .define("QUADS", self.quads() as u32)
            .define("LANES", self.lanes() as u32)
            .define_if(self.load64, "WIDE")
            .define_if(storage != Storage::F32, "HALF")
            .define_if(storage == Storage::Bf16, "BF16")
    }

    /// Where a kernel reads, from `border` pixels before the first one.
    pub fn inputs(&self, kernel: Kernel, border: usize) -> Kernel {
        kernel
            .set("IN_ORIGIN", self.layout.origin(border) / self.quads())
            .set("IN_BLOCK", self.layout.block() / self.quads())
            .set("IN_PLANE", self.layout.plane() / self.quads())
            .set("IN_ROW", self.row())
    }

    /// Where a kernel writes, or reads the gradient of what another wrote.
    pub fn outputs(&self, kernel: Kernel) -> Kernel {
        kernel
            .set("OUT_ORIGIN", self.layout.origin(0) / self.quads())
            .set("OUT_BLOCK", self.layout.block() / self.quads())
            .set("OUT_PLANE", self.layout.plane() / self.quads())
            .set("OUT_ROW", self.row())
    }

    /// Where a kernel finds the residual.
    pub fn residual(&self, kernel: Kernel) -> Kernel {
        kernel
            .set("RES_ORIGIN", self.layout.origin(0) / self.quads())
            .set("RES_BLOCK", self.layout.block() / self.quads())
            .set("RES_PLANE", self.layout.plane() / self.quads())
            .set("RES_ROW", self.row())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_undone_by_unpacking() {
        for storage in [Storage::F32, Storage::F16, Storage::Bf16] {
            for (images, halo) in [(1, 0), (5, 1), (33, 2), (64, 1)] {
                let layout = Layout::new(3, 4, 5, halo, images).stored(storage);
                let values: Vec<f32> = (0..images * 60).map(|i| i as f32 + 1.0).collect();
                let nchw = storage.numbers(&storage.words(&values));
                let packed = layout.pack(&nchw);
                let bytes: &[u8] = bytemuck::cast_slice(&packed);
                let numbers = bytes.chunks(storage.bytes()).filter(|number| number.iter().any(|&byte| byte != 0));
                assert_eq!(numbers.count(), nchw.len());
                assert_eq!(layout.unpack(&packed), nchw);
            }
        }
    }

    #[test]
    fn blocks_waste_little() {
        let waste = |images| {
            let layout = Layout::new(1, 1, 1, 0, images);
            layout.blocks() * layout.block_images() - images
        };
        assert_eq!([1, 4, 32, 33, 100, 128].map(waste), [3, 0, 0, 7, 12, 0]);
    }
}
