//! Networks as data: the graph, the models of the ITOP paper and of its peers, and what they cost.

mod builder;
pub mod cost;
pub mod graph;
mod lenet;
mod mlp;
mod network;
pub mod reach;
pub mod resnet;
mod vgg;
pub mod wrn;

pub use network::{MOST_TEXT, Network, name_of, resolve};

pub use graph::{Graph, Node, Norm, Op, Param, ParamId, ParamKind, Shape, TensorId};

/// The models [`build`] knows.
pub const NAMES: &[&str] = &[
    "resnet8",
    "resnet20",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet18-imagenet",
    "resnet34-imagenet",
    "resnet50-imagenet",
    "vgg_c",
    "vgg_d",
    "vgg_like",
    "vgg19",
    "wrn-16-8",
    "wrn-22-2",
    "wrn-28-2",
    "wrn-28-10",
    "mlp_cifar10",
    "lenet300-100",
    "lenet5",
];

/// Why a model cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error("unknown model `{0}`: use one of {known}", known = NAMES.join(", "))]
    Unknown(String),
    /// A network of somebody's own that is not described as it should be.
    #[error("{origin}: {what}")]
    Network { origin: String, what: String },
    /// A layer of one that does not fit.
    #[error("model `{model}`, layer `{layer}`: {what}")]
    Layer { model: String, layer: String, what: String },
    #[error("model `{0}` was asked for 0 classes: the data set must have at least one")]
    NoClasses(String),
    #[error("model `{0}` cannot take empty images: channels, height and width must all be above 0")]
    EmptyInput(String),
    #[error("model `{model}` takes square images, not {height}×{width}: crop or resize them")]
    NotSquare { model: String, height: usize, width: usize },
    #[error(
        "model `{model}` takes images of {least}×{least} pixels or more, not {height}×{width} (nothing of them is left for layer \
         `{layer}`): enlarge them, or take another model"
    )]
    TooSmall { model: String, layer: String, height: usize, width: usize, least: usize },
}

/// Builds the model `name` (one of [`NAMES`], or the text of a [`Network`]) for images of shape `input`.
///
/// Layers, names and parameter order are those of the official ITOP code (`sparselearning/models.py`), whose models
/// take 3×32×32; for other sizes the final pooling of a ResNet and the first linear layer of the others adapt.
/// `resnet8` and `resnet20` are the CIFAR networks of He et al. (2016, section 4.2) with 1×1 projection shortcuts.
pub fn build(name: &str, classes: usize, input: Shape) -> Result<Graph, ModelError> {
    let fits = |side: &usize| graph_of(name, classes, Shape::new(input.channels, *side, *side)).is_ok();
    match graph_of(name, classes, input) {
        Err(ModelError::TooSmall { model, layer, height, width, .. }) => {
            let least = (1..=MOST_LEAST).find(fits).unwrap_or(MOST_LEAST);
            Err(ModelError::TooSmall { model, layer, height, width, least })
        }
        graph => graph,
    }
}

/// More pixels a side than any model needs.
const MOST_LEAST: usize = 256;

/// The same; of images that are too small it does not say which are not.
fn graph_of(name: &str, classes: usize, input: Shape) -> Result<Graph, ModelError> {
    use resnet::Block::{Basic, Bottleneck};
    use resnet::Form::ImageNet;
    const WIDTHS: &[usize] = &[64, 128, 256, 512];
    match name {
        "resnet8" => resnet::basic(name, &[1, 1, 1], &[16, 32, 64], classes, input),
        "resnet20" => resnet::basic(name, &[3, 3, 3], &[16, 32, 64], classes, input),
        "resnet18" => resnet::basic(name, &[2, 2, 2, 2], WIDTHS, classes, input),
        "resnet34" => resnet::basic(name, &[3, 4, 6, 3], WIDTHS, classes, input),
        "resnet50" => resnet::bottleneck(name, &[3, 4, 6, 3], WIDTHS, classes, input),
        "resnet101" => resnet::bottleneck(name, &[3, 4, 23, 3], WIDTHS, classes, input),
        "resnet18-imagenet" => resnet::build(name, ImageNet, Basic, &[2, 2, 2, 2], WIDTHS, classes, input),
        "resnet34-imagenet" => resnet::build(name, ImageNet, Basic, &[3, 4, 6, 3], WIDTHS, classes, input),
        "resnet50-imagenet" => resnet::build(name, ImageNet, Bottleneck, &[3, 4, 6, 3], WIDTHS, classes, input),
        "vgg_c" => vgg::build(name, vgg::Config::C, classes, input),
        "vgg_d" => vgg::build(name, vgg::Config::D, classes, input),
        "vgg_like" => vgg::build(name, vgg::Config::Like, classes, input),
        "vgg19" => vgg::nineteen(name, classes, input),
        "wrn-16-8" => wrn::build(name, 16, 8, classes, input),
        "wrn-22-2" => wrn::build(name, 22, 2, classes, input),
        "wrn-28-2" => wrn::build(name, 28, 2, classes, input),
        "wrn-28-10" => wrn::build(name, 28, 10, classes, input),
        "mlp_cifar10" => mlp::build(name, &[1024, 512], classes, input),
        "lenet300-100" => mlp::build(name, &[300, 100], classes, input),
        "lenet5" => lenet::build(name, classes, input),
        own if network::is_text(own) => Network::parse("the network in `model`", own)?.build(classes, input),
        _ => Err(ModelError::Unknown(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::count;
    use std::collections::HashSet;

    const CIFAR: Shape = Shape::new(3, 32, 32);
    const MNIST: Shape = Shape::new(1, 28, 28);

    /// With the least that would do, which does.
    #[test]
    fn images_that_are_too_small_are_told_how_large_they_must_be() {
        for name in NAMES {
            for side in 1..32 {
                let Err(error) = build(name, 10, Shape::new(3, side, side)) else { continue };
                let ModelError::TooSmall { least, .. } = error else { panic!("{name} at {side}: {error}") };
                assert!(
                    least > side && build(name, 10, Shape::new(3, least, least)).is_ok(),
                    "{name} at {side}: {error}"
                );
                assert!(error.to_string().contains(&format!("not {side}×{side}")), "{error}");
            }
        }
        assert!(build("vgg_c", 10, Shape::new(3, 2, 2)).is_err());
    }

    /// Every tensor is written once and before it is read, shapes follow the operations, every parameter is used once.
    fn assert_consistent(graph: &Graph) {
        let mut written = HashSet::from([0]);
        let mut used = Vec::new();
        for node in &graph.nodes {
            let (input, output) = (graph.tensors[node.input], graph.tensors[node.output]);
            assert!(written.contains(&node.input), "{}: reads what is not written", node.name);
            assert!(written.insert(node.output), "{}: overwrites a tensor", node.name);
            match &node.op {
                Op::Conv { weight, bias, kernel, stride, padding } => {
                    let out = |size: usize| (size + 2 * padding - kernel) / stride + 1;
                    let shape = &graph.params[*weight].shape;
                    assert_eq!(shape[..2], [output.channels, input.channels], "{}", node.name);
                    assert!(shape[2..].iter().all(|k| k == kernel), "{}", node.name);
                    assert_eq!((output.height, output.width), (out(input.height), out(input.width)));
                    used.extend([Some(*weight), *bias].into_iter().flatten());
                }
                Op::Pointwise { norm, residual, .. } => {
                    assert_eq!(input, output);
                    used.extend(norm.iter().flat_map(|norm| [norm.weight, norm.bias]));
                    if let Some(residual) = residual {
                        assert!(written.contains(residual) && graph.tensors[*residual] == input, "{}", node.name);
                    }
                }
                Op::Pool(pool) => {
                    assert_eq!((output.height, output.width), (pool.outputs(input.height), pool.outputs(input.width)));
                }
                Op::Flatten => assert_eq!(output, Shape::new(input.len(), 1, 1)),
            }
            assert!(!output.is_empty());
        }
        used.sort_unstable();
        assert_eq!(used, (0..graph.params.len()).collect::<Vec<_>>());
        assert_eq!(written.len(), graph.tensors.len());
        assert_eq!(graph.tensors[graph.logits()], Shape::new(graph.classes, 1, 1));
        let names: HashSet<_> = graph.nodes.iter().map(|node| &node.name).collect();
        assert_eq!(names.len(), graph.nodes.len(), "node names repeat");
    }

    #[test]
    fn every_model_is_a_consistent_graph() {
        for name in NAMES {
            for input in [CIFAR, Shape::new(1, 32, 32), Shape::new(3, 64, 64), Shape::new(3, 47, 47)] {
                for classes in [1, 10, 32] {
                    assert_consistent(&build(name, classes, input).unwrap());
                }
            }
        }
    }

    /// Of the first four no fixture says more: the ResNets' are those of the public PyTorch models less their classifier's
    /// bias; the VGGs' are 14,723,136 for the convolutional part plus the classifier. PyTorch counts the others
    /// (`scripts/make-model-fixture.py`).
    #[test]
    fn parameter_counts() {
        for (name, input, parameters) in [
            ("resnet101", CIFAR, 42_512_960),
            ("resnet20", CIFAR, 272_464),
            ("vgg_d", CIFAR, 15_255_626),
            ("vgg_like", CIFAR, 14_991_946),
            ("vgg19", CIFAR, 20_035_018),
            ("wrn-16-8", CIFAR, 10_961_370),
            ("wrn-22-2", CIFAR, 1_079_642),
            ("wrn-28-2", CIFAR, 1_467_610),
            ("wrn-28-10", CIFAR, 36_479_194),
            ("lenet300-100", MNIST, 266_610),
            ("lenet5", MNIST, 431_080),
        ] {
            let graph = build(name, 10, input).unwrap();
            assert_eq!(cost::parameters(&graph), parameters, "{name}");
        }
        for (name, parameters) in
            [("resnet18-imagenet", 11_689_512), ("resnet34-imagenet", 21_797_672), ("resnet50-imagenet", 25_557_032)]
        {
            let graph = build(name, 1000, Shape::new(3, 224, 224)).unwrap();
            assert_eq!(cost::parameters(&graph), parameters, "{name}");
        }
    }

    /// Rows of `docs/models.md`: name, images, classes, parameters, and FLOPs of a dense forward pass an image.
    #[test]
    fn every_model_is_documented() {
        let page = include_str!("../../docs/models.md");
        let rows = NAMES.iter().map(|name| {
            let (input, classes) = match *name {
                name if name.ends_with("-imagenet") => (Shape::new(3, 224, 224), 1000),
                name if name.starts_with("lenet") => (MNIST, 10),
                _ => (CIFAR, 10),
            };
            let graph = build(name, classes, input).unwrap();
            let Shape { channels, height, width } = input;
            let (parameters, flops) = (count(cost::parameters(&graph)), 2.0 * cost::macs(&graph) as f64);
            format!("| `{name}` | {channels}×{height}×{width} | {classes} | {parameters} | {:.2} M |", flops / 1e6)
        });
        let lacking: Vec<String> = rows.filter(|row| !page.contains(row.as_str())).collect();
        assert!(lacking.is_empty(), "docs/models.md must have these rows:\n{}", lacking.join("\n"));
    }

    #[test]
    fn what_cannot_be_built_says_why() {
        let message = |result: Result<Graph, ModelError>| result.unwrap_err().to_string();
        assert!(message(build("resnet", 10, CIFAR)).contains("resnet34, "));
        for name in NAMES {
            assert!(message(build(name, 0, CIFAR)).contains("0 classes"));
            assert!(message(build(name, 10, Shape::new(3, 0, 32))).contains("empty"));
        }
        assert!(message(build("vgg_d", 10, Shape::new(3, 16, 16))).contains("features.43"));
        assert!(message(build("resnet18", 10, Shape::new(3, 32, 48))).contains("32×48"));
    }
}
