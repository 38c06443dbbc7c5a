//! Log-softmax, negative log-likelihood with label smoothing, its gradient, top-1 counting.
//! Shaders: `loss.wgsl`, `loss_reduce.wgsl`; reference: [`super::reference::loss`].

use super::Layout;
use crate::gpu::{Command, Kernel, Kind, Label, Slice};

/// The tensors of the loss.
#[derive(Clone, Copy, Debug)]
pub struct LossSlices {
    /// `[classes, 1, 1]`
    pub logits: Slice,
    /// Gradient of the mean loss, in training.
    pub logits_grad: Option<Slice>,
    /// One `u32` an image.
    pub labels: Slice,
    /// `(loss, correct)` an image: 8 bytes.
    pub result: Slice,
    /// Slots of `(loss sum, correct, images, 0)`: 16 bytes; the batch adds to the one that the step names.
    pub metrics: Slice,
}

/// Loss of a batch.
pub fn commands(layout: &Layout, io: &LossSlices, run: Slice) -> Vec<Command> {
    let vectors = layout.vectors(false);
    let kernel = Kernel::new("loss")
        .define_if(io.logits_grad.is_some(), "GRADIENT")
        .set("BLOCKS", layout.blocks())
        .set("CLASSES", layout.channels);
    let kernel = vectors.inputs(vectors.declare(kernel), 0);
    let mut bindings = vec![io.logits, io.labels, io.result, run];
    bindings.extend(io.logits_grad);
    let groups = kernel.groups(layout.blocks() * vectors.lanes(), 1);
    let images = layout.blocks() * layout.block_images();
    let reduce = Kernel::new("loss_reduce").define("WG", 64).set("IMAGES", images);
    vec![
        Command::dispatch(Label::new(Kind::Other, "loss", ""), kernel, &bindings, [groups, 1, 1]),
        Command::dispatch(
            Label::new(Kind::Other, "loss", "loss sum"),
            reduce,
            &[io.result, io.metrics, run],
            [1, 1, 1],
        ),
    ]
}
