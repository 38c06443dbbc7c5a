//! From the resident u8 images to the network's input: random crop, flip, normalise.
//! Shader: `augment.wgsl`; reference: [`super::reference::augment`].

use super::Layout;
use crate::gpu::{Command, Kernel, Kind, Label, Slice};

/// What a random crop sees beyond the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// Black, as torchvision's `RandomCrop`.
    Zero,
    /// The image mirrored at its edge, as the ITOP code does for CIFAR-10.
    Reflect,
}

/// Pixels that a random crop may move an image by.
pub const PAD: usize = 4;

/// The tensors of an input pass.
#[derive(Clone, Debug)]
pub struct AugmentSlices {
    /// Image numbers in the order of the epoch.
    pub order: Slice,
    /// Label of every image.
    pub image_labels: Slice,
    /// Labels of the batch.
    pub labels: Slice,
    pub output: Slice,
    /// [`normalised`].
    pub normal: Slice,
    /// The images' bytes, planar, `per_chunk` images a slice; one to three slices.
    pub chunks: Vec<Slice>,
    pub per_chunk: usize,
}

/// What each byte of each channel becomes, `[channels, 256]`: computed here, so that all backends see the same bits.
pub fn normalised(mean: &[f32], std: &[f32]) -> Vec<f32> {
    let channel = |(&mean, &std): (&f32, &f32)| {
        let scale = 1.0 / std;
        (0u8..=255).map(move |byte| (f32::from(byte) / 255.0 - mean) * scale)
    };
    mean.iter().zip(std).flat_map(channel).collect()
}

/// Bytes of [`normalised`].
pub fn normalised_bytes(channels: usize) -> u64 {
    4 * 256 * channels as u64
}

/// Fills the input with the batch that the step names; `augment` crops and flips.
pub fn pass(layout: &Layout, io: &AugmentSlices, run: Slice, augment: Option<Padding>) -> Command {
    let kernel = Kernel::new("augment")
        .define_if(io.chunks.len() > 1, "CHUNK1")
        .define_if(io.chunks.len() > 2, "CHUNK2")
        .define_if(augment.is_some(), "AUGMENT")
        .define_if(augment == Some(Padding::Reflect), "REFLECT")
        .set("CHANNELS", layout.channels)
        .set("HEIGHT", layout.height)
        .set("WIDTH", layout.width)
        .set("PAD", PAD)
        .set("CHUNK", io.per_chunk);
    let vectors = layout.vectors(false);
    let kernel = vectors.outputs(vectors.declare(kernel));
    let mut bindings = vec![io.order, io.image_labels, io.labels, io.output, run, io.normal];
    bindings.extend(&io.chunks);
    let groups = kernel.groups(vectors.plane_lanes(), 1);
    Command::dispatch(Label::new(Kind::Other, "input", ""), kernel, &bindings, [groups, 1, layout.blocks() as u32])
}
