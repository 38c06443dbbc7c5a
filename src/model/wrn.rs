//! Wide residual networks (Zagoruyko and Komodakis 2016) as the ITOP code's `WideResNet`: normalisation and ReLU come before
//! each convolution, and nothing after the addition. Without its dropout.

use super::builder::{Builder, Conv};
use super::{Graph, ModelError, Shape, TensorId};

/// Channels of the first convolution, and of each of the three stages at widening factor 1.
const CHANNELS: [usize; 3] = [16, 32, 64];

/// A network of `depth` layers, 6 · n + 4 of them, `widen` times as wide as a ResNet.
///
/// # Errors
/// As [`super::build`].
pub fn build(name: &str, depth: usize, widen: usize, classes: usize, input: Shape) -> Result<Graph, ModelError> {
    let mut builder = Builder::new(name, classes, input)?;
    let mut x = builder.conv("conv1", Builder::INPUT, conv(CHANNELS[0], 3, 1))?;
    for (stage, channels) in CHANNELS.into_iter().enumerate() {
        for index in 0..depth.saturating_sub(4) / 6 {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            x = block(&mut builder, &format!("block{}.layer.{index}", stage + 1), x, channels * widen, stride)?;
        }
    }
    x = builder.norm_relu("bn1", x);
    x = builder.global_avg_pool("avg_pool", x)?;
    builder.linear("fc", x, classes, true);
    Ok(builder.finish())
}

/// Two convolutions beside a shortcut. Where the number of channels changes, the shortcut is a convolution of what the first
/// one reads too: `relu(norm(input))`.
fn block(
    builder: &mut Builder,
    name: &str,
    input: TensorId,
    channels: usize,
    stride: usize,
) -> Result<TensorId, ModelError> {
    let before = builder.norm_relu(&format!("{name}.bn1"), input);
    let mut x = builder.conv(&format!("{name}.conv1"), before, conv(channels, 3, stride))?;
    x = builder.norm_relu(&format!("{name}.bn2"), x);
    x = builder.conv(&format!("{name}.conv2"), x, conv(channels, 3, 1))?;
    let shortcut = match builder.shape(input).channels == channels {
        true => input,
        false => builder.conv(&format!("{name}.convShortcut"), before, conv(channels, 1, stride))?,
    };
    Ok(builder.pointwise(&format!("{name}.add"), x, None, Some(shortcut), false))
}

/// A convolution without bias that keeps the map's size at stride 1.
fn conv(channels: usize, kernel: usize, stride: usize) -> Conv {
    Conv { channels, kernel, stride, padding: kernel / 2, bias: false }
}
