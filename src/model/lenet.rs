//! LeNet-5 in the form of Caffe, as the ITOP code's `LeNet_5_Caffe`: no padding, maximum pooling, ReLU. (LeNet-300-100 is an
//! [`super::mlp`].)

use super::builder::{Builder, Conv};
use super::{Graph, ModelError, Shape};

/// Made for images of 1×28×28.
///
/// # Errors
/// As [`super::build`].
pub fn build(name: &str, classes: usize, input: Shape) -> Result<Graph, ModelError> {
    let mut builder = Builder::new(name, classes, input)?;
    let mut x = Builder::INPUT;
    for (i, channels) in [20, 50].into_iter().enumerate() {
        let number = i + 1;
        let conv = Conv { channels, kernel: 5, stride: 1, padding: 0, bias: true };
        x = builder.conv(&format!("conv{number}"), x, conv)?;
        x = builder.relu(&format!("relu{number}"), x);
        x = builder.max_pool(&format!("pool{number}"), x, 2)?;
    }
    x = builder.flatten("flatten", x);
    x = builder.linear("fc3", x, 500, true);
    x = builder.relu("relu3", x);
    builder.linear("fc4", x, classes, true);
    Ok(builder.finish())
}
