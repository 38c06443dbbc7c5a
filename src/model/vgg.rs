//! The three VGG-16 variants of SNIP (Lee et al. 2019) that the ITOP code trains: fully connected layers of 512 and
//! batch normalisation in place of dropout. And VGG-19 as papers on pruning train it on CIFAR.

use super::builder::{Builder, Conv};
use super::{Graph, ModelError, Shape};

#[derive(Clone, Copy, PartialEq)]
pub enum Config {
    /// The third convolution of the last three stages is 1×1.
    C,
    /// All convolutions are 3×3.
    D,
    /// As `D`, with one hidden linear layer instead of two.
    Like,
}

/// Convolutions and channels of each stage; a 2×2 maximum pooling ends it.
const STAGES: [(usize, usize); 5] = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)];

pub fn build(name: &str, config: Config, classes: usize, input: Shape) -> Result<Graph, ModelError> {
    let mut builder = Builder::new(name, classes, input)?;
    let mut x = Builder::INPUT;
    // Index into the `nn.Sequential` of convolutions, normalisations, ReLUs and poolings.
    let mut module = 0;
    for (convs, channels) in STAGES {
        for i in 0..convs {
            let kernel = if config == Config::C && i == 2 { 1 } else { 3 };
            // The 1×1 convolutions are padded too, so that their maps grow: the official code does so.
            let conv = Conv { channels, kernel, stride: 1, padding: 1, bias: true };
            x = builder.conv(&format!("features.{module}"), x, conv)?;
            x = builder.norm_relu(&format!("features.{}", module + 1), x);
            module += 3;
        }
        x = builder.max_pool(&format!("features.{module}"), x, 2)?;
        module += 1;
    }
    x = builder.flatten("flatten", x);
    let hidden = if config == Config::Like { 1 } else { 2 };
    for i in 0..hidden {
        let [linear, relu, bn] = [0, 1, 2].map(|j| format!("classifier.{}", 3 * i + j));
        x = builder.linear(&linear, x, 512, true);
        x = builder.relu(&relu, x);
        let norm = builder.norm(&bn, 512);
        x = builder.pointwise(&bn, x, Some(norm), None, false);
    }
    builder.linear(&format!("classifier.{}", 3 * hidden), x, classes, true);
    Ok(builder.finish())
}

/// Convolutions and channels of each stage of VGG-19; a 2×2 maximum pooling lies between two stages.
const STAGES_19: [(usize, usize); 5] = [(2, 64), (2, 128), (4, 256), (4, 512), (4, 512)];

/// VGG-19 of "Rethinking the Value of Network Pruning" (Liu et al. 2019), which GraNet trains too: convolutions without
/// bias, average pooling, one linear layer.
///
/// # Errors
/// As [`super::build`].
pub fn nineteen(name: &str, classes: usize, input: Shape) -> Result<Graph, ModelError> {
    let mut builder = Builder::new(name, classes, input)?;
    let mut x = Builder::INPUT;
    let mut module = 0;
    for (stage, (convs, channels)) in STAGES_19.into_iter().enumerate() {
        if stage > 0 {
            x = builder.max_pool(&format!("feature.{module}"), x, 2)?;
            module += 1;
        }
        for _ in 0..convs {
            let conv = Conv { channels, kernel: 3, stride: 1, padding: 1, bias: false };
            x = builder.conv(&format!("feature.{module}"), x, conv)?;
            x = builder.norm_relu(&format!("feature.{}", module + 1), x);
            module += 3;
        }
    }
    x = builder.global_avg_pool("avg_pool", x)?;
    builder.linear("classifier", x, classes, true);
    Ok(builder.finish())
}
