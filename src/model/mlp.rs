//! Multilayer perceptrons (the ITOP code's `MLP_CIFAR10`: 3072-1024-512-10): linear layers with bias, ReLU between them.

use super::builder::Builder;
use super::{Graph, ModelError, Shape};

pub fn build(name: &str, hidden: &[usize], classes: usize, input: Shape) -> Result<Graph, ModelError> {
    let mut builder = Builder::new(name, classes, input)?;
    let mut x = builder.flatten("flatten", Builder::INPUT);
    for (i, &outputs) in hidden.iter().enumerate() {
        x = builder.linear(&format!("fc{}", i + 1), x, outputs, true);
        x = builder.relu(&format!("relu{}", i + 1), x);
    }
    builder.linear(&format!("fc{}", hidden.len() + 1), x, classes, true);
    Ok(builder.finish())
}
