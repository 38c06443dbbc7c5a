//! Residual networks (He et al. 2016) in two forms. For CIFAR, as the ITOP code's `ResNet18` … `ResNet101`: 3×3 stem, no
//! max-pooling, stages at strides 1, 2, 2, …, global average pooling, a classifier without bias. For ImageNet, as
//! torchvision's: 7×7 stem at stride 2, 3×3 max-pooling at stride 2, the same stages, a classifier with bias.

use super::builder::{Builder, Conv};
use super::{Graph, ModelError, Shape, TensorId};
use crate::ops::pool::{Pool, PoolKind};

/// A ResNet of two-convolution blocks: `blocks[i]` of them at `widths[i]` channels in stage i.
///
/// Images must be square, because the final pooling averages the whole last map (4×4 for 32×32 images and four stages).
pub fn basic(
    name: &str,
    blocks: &[usize],
    widths: &[usize],
    classes: usize,
    input: Shape,
) -> Result<Graph, ModelError> {
    build(name, Form::Cifar, Block::Basic, blocks, widths, classes, input)
}

/// As [`basic`], of 1×1, 3×3, 1×1 blocks with `4 · widths[i]` output channels.
pub fn bottleneck(
    name: &str,
    blocks: &[usize],
    widths: &[usize],
    classes: usize,
    input: Shape,
) -> Result<Graph, ModelError> {
    build(name, Form::Cifar, Block::Bottleneck, blocks, widths, classes, input)
}

/// The residual blocks of a network.
#[derive(Clone, Copy)]
pub enum Block {
    /// Two 3×3 convolutions.
    Basic,
    /// A 1×1, a 3×3 and a 1×1 convolution, the last with 4 times as many channels.
    Bottleneck,
}

/// What differs between the ITOP code's networks and torchvision's.
#[derive(Clone, Copy)]
pub enum Form {
    /// For small images.
    Cifar,
    /// For images of 224×224.
    ImageNet,
}

impl Form {
    fn stem(self, builder: &mut Builder, channels: usize) -> Result<TensorId, ModelError> {
        let first = match self {
            Self::Cifar => conv(channels, 3, 1),
            Self::ImageNet => conv(channels, 7, 2),
        };
        let x = builder.conv("conv1", Builder::INPUT, first)?;
        let x = builder.norm_relu("bn1", x);
        match self {
            Self::Cifar => Ok(x),
            Self::ImageNet => builder.pool("maxpool", x, Pool { kind: PoolKind::Max, size: 3, stride: 2, padding: 1 }),
        }
    }

    fn shortcut(self) -> &'static str {
        match self {
            Self::Cifar => "shortcut",
            Self::ImageNet => "downsample",
        }
    }

    /// Name of the classifier, and whether it has a bias.
    fn classifier(self) -> (&'static str, bool) {
        match self {
            Self::Cifar => ("classifier", false),
            Self::ImageNet => ("fc", true),
        }
    }
}

impl Block {
    /// Channels, kernel and stride of the convolutions on the main path. A bottleneck strides in its 3×3, as PyTorch's.
    fn convs(self, width: usize, stride: usize) -> Vec<(usize, usize, usize)> {
        match self {
            Self::Basic => vec![(width, 3, stride), (width, 3, 1)],
            Self::Bottleneck => vec![(width, 1, 1), (width, 3, stride), (4 * width, 1, 1)],
        }
    }
}

/// A ResNet: `blocks[i]` blocks at `widths[i]` channels in stage i. The last map must be square, as of square images; of
/// [`Form::ImageNet`] it is 7×7 for images of 224×224.
///
/// # Errors
/// As [`super::build`].
pub fn build(
    name: &str,
    form: Form,
    block: Block,
    blocks: &[usize],
    widths: &[usize],
    classes: usize,
    input: Shape,
) -> Result<Graph, ModelError> {
    let mut builder = Builder::new(name, classes, input)?;
    let mut x = form.stem(&mut builder, widths.first().copied().unwrap_or(input.channels))?;
    for (stage, (&count, &width)) in blocks.iter().zip(widths).enumerate() {
        for index in 0..count {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let name = format!("layer{}.{index}", stage + 1);
            x = residual_block(&mut builder, &name, (form, block), x, width, stride)?;
        }
    }
    x = builder.global_avg_pool("avg_pool", x)?;
    let (classifier, bias) = form.classifier();
    builder.linear(classifier, x, classes, bias);
    Ok(builder.finish())
}

fn residual_block(
    builder: &mut Builder,
    name: &str,
    (form, block): (Form, Block),
    input: TensorId,
    width: usize,
    stride: usize,
) -> Result<TensorId, ModelError> {
    let convs = block.convs(width, stride);
    let mut x = input;
    for (i, &(channels, kernel, stride)) in convs.iter().enumerate() {
        if i > 0 {
            x = builder.norm_relu(&format!("{name}.bn{i}"), x);
        }
        x = builder.conv(&format!("{name}.conv{}", i + 1), x, conv(channels, kernel, stride))?;
    }
    // PyTorch registers the last normalisation before the shortcut, but it runs after it: it adds the shortcut.
    let last = format!("{name}.bn{}", convs.len());
    let channels = builder.shape(x).channels;
    let norm = builder.norm(&last, channels);
    let mut shortcut = input;
    if stride != 1 || builder.shape(input).channels != channels {
        let module = format!("{name}.{}", form.shortcut());
        shortcut = builder.conv(&format!("{module}.0"), input, conv(channels, 1, stride))?;
        let bn = format!("{module}.1");
        let norm = builder.norm(&bn, channels);
        shortcut = builder.pointwise(&bn, shortcut, Some(norm), None, false);
    }
    Ok(builder.pointwise(&last, x, Some(norm), Some(shortcut), true))
}

/// A convolution without bias that keeps the map's size at stride 1.
fn conv(channels: usize, kernel: usize, stride: usize) -> Conv {
    Conv { channels, kernel, stride, padding: kernel / 2, bias: false }
}
