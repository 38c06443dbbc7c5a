//! How activations lie in memory: `[N/B][C][H + 2·halo][W + 2·halo][B]`, batch innermost in blocks of B images.
//!
//! The weight and its shift are then uniform over a workgroup, whatever the sparsity pattern, and a block of images stays in
//! cache (a plain `[C][H][W][N]` at N = 128 measured 6 to 10 times slower). The border of `halo` pixels is zero and nobody
//! ever writes it, so convolutions need no bounds test; a buffer is only ever shared by tensors of one layout.

/// Most images a block.
pub const BLOCK: usize = 32;

/// An activation of `images` images. Offsets and strides below are in `vec4<f32>` (4 images).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Width of the zero border.
    pub halo: usize,
    pub images: usize,
}

impl Layout {
    pub fn new(channels: usize, height: usize, width: usize, halo: usize, images: usize) -> Self {
        Self { channels, height, width, halo, images }
    }

    /// Blocks of images.
    pub fn blocks(&self) -> usize {
        self.images.div_ceil(BLOCK)
    }

    /// Images a block: as even over the blocks as multiples of 4 allow.
    pub fn block_images(&self) -> usize {
        self.images.div_ceil(self.blocks()).next_multiple_of(4)
    }

    /// `vec4`s a pixel.
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
        (self.blocks() * self.block() * 16) as u64
    }

    /// Index of an element in a slice of `f32`.
    fn index(&self, image: usize, channel: usize, y: usize, x: usize) -> usize {
        let b = self.block_images();
        let at = image / b * self.block() + channel * self.plane() + self.origin(0) + y * self.row() + x * self.lanes();
        at * 4 + image % b
    }

    /// From NCHW to this layout, borders and missing images zero.
    pub fn pack(&self, nchw: &[f32]) -> Vec<f32> {
        let mut packed = vec![0.0; self.bytes() as usize / 4];
        self.each(|at, index| packed[index] = nchw[at]);
        packed
    }

    /// From this layout to NCHW.
    pub fn unpack(&self, packed: &[f32]) -> Vec<f32> {
        let mut nchw = vec![0.0; self.images * self.channels * self.pixels()];
        self.each(|at, index| nchw[at] = packed[index]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_undone_by_unpacking() {
        for (images, halo) in [(1, 0), (5, 1), (33, 2), (64, 1)] {
            let layout = Layout::new(3, 4, 5, halo, images);
            let nchw: Vec<f32> = (0..images * 60).map(|i| i as f32 + 1.0).collect();
            let packed = layout.pack(&nchw);
            assert_eq!(packed.iter().filter(|&&v| v != 0.0).count(), nchw.len());
            assert_eq!(layout.unpack(&packed), nchw);
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
