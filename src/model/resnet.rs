//! Residual networks in their CIFAR form (He et al. 2016; the ITOP code's `ResNet18` … `ResNet101`): 3×3 stem, no
//! max-pooling, stages at strides 1, 2, 2, …, global average pooling, a classifier without bias.

use super::builder::{Builder, Conv};
use super::{Graph, ModelError, Shape, TensorId};

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
    resnet(name, Block::Basic, blocks, widths, classes, input)
}

/// As [`basic`], of 1×1, 3×3, 1×1 blocks with `4 · widths[i]` output channels.
pub fn bottleneck(
    name: &str,
    blocks: &[usize],
    widths: &[usize],
    classes: usize,
    input: Shape,
) -> Result<Graph, ModelError> {
    resnet(name, Block::Bottleneck, blocks, widths, classes, input)
}

#[derive(Clone, Copy)]
enum Block {
    Basic,
    Bottleneck,
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

fn resnet(
    name: &str,
    block: Block,
    blocks: &[usize],
    widths: &[usize],
    classes: usize,
    input: Shape,
) -> Result<Graph, ModelError> {
    let mut builder = Builder::new(name, classes, input)?;
    let stem = widths.first().copied().unwrap_or(input.channels);
    let mut x = builder.conv("conv1", Builder::INPUT, conv(stem, 3, 1))?;
    x = builder.norm_relu("bn1", x);
    for (stage, (&count, &width)) in blocks.iter().zip(widths).enumerate() {
        for index in 0..count {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            x = residual_block(&mut builder, &format!("layer{}.{index}", stage + 1), block, x, width, stride)?;
        }
    }
    x = builder.global_avg_pool("avg_pool", x)?;
    builder.linear("classifier", x, classes, false);
    Ok(builder.finish())
}

fn residual_block(
    builder: &mut Builder,
    name: &str,
    block: Block,
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
        shortcut = builder.conv(&format!("{name}.shortcut.0"), input, conv(channels, 1, stride))?;
        let bn = format!("{name}.shortcut.1");
        let norm = builder.norm(&bn, channels);
        shortcut = builder.pointwise(&bn, shortcut, Some(norm), None, false);
    }
    Ok(builder.pointwise(&last, x, Some(norm), Some(shortcut), true))
}

/// A convolution without bias that keeps the map's size at stride 1.
fn conv(channels: usize, kernel: usize, stride: usize) -> Conv {
    Conv { channels, kernel, stride, padding: kernel / 2, bias: false }
}
