use super::*;
use crate::model::{build, cost};

const CIFAR: Shape = Shape::new(3, 32, 32);
const EXAMPLE: &str = include_str!("../../../assets/models/small-resnet.toml");

fn network(layers: &str) -> Result<Graph, ModelError> {
    Network::parse("my.toml", &format!("name = 'mine'\n{layers}"))?.build(10, CIFAR)
}

/// What is wrong with the layers, each an inline table.
fn message(layers: &str) -> String {
    network(&format!("layer = [{layers}]")).unwrap_err().to_string()
}

#[test]
fn the_example_is_the_network_that_it_says() {
    let graph = build(EXAMPLE, 10, CIFAR).unwrap();
    let names: Vec<&str> = graph.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(
        names,
        "conv1 bn1 pool block.conv1 block.bn1 block.conv2 block.shortcut block.bn2 global_avg_pool9 fc"
            .split(' ')
            .collect::<Vec<_>>()
    );
    // conv1, bn1, block.conv1, block.bn1, block.conv2, block.shortcut, block.bn2, fc
    let parameters = 432 + 32 + 4608 + 64 + 9216 + 512 + 64 + 330;
    assert_eq!(cost::parameters(&graph), parameters);
    assert_eq!(graph.tensors[graph.nodes[2].output], Shape::new(16, 16, 16));
    assert!(matches!(graph.nodes[7].op, Op::Pointwise { norm: Some(_), residual: Some(_), relu: true }));
    assert_eq!(name_of(EXAMPLE), "small-resnet");
    assert_eq!(name_of("resnet8"), "resnet8");
}

/// A built-in model, described.
#[test]
fn a_description_gives_the_same_graph_as_code() {
    let text = "name = 'lenet'
layer = [
    { name = 'conv1', op = 'conv', channels = 20, kernel = 5 },
    { name = 'relu1', op = 'relu' },
    { name = 'pool1', op = 'max_pool', kernel = 2 },
    { name = 'conv2', op = 'conv', channels = 50, kernel = 5 },
    { name = 'relu2', op = 'relu' },
    { name = 'pool2', op = 'max_pool', kernel = 2 },
    { name = 'flatten', op = 'flatten' },
    { name = 'fc3', op = 'linear', channels = 500 },
    { name = 'relu3', op = 'relu' },
    { name = 'fc4', op = 'linear' },
]";
    for input in [Shape::new(1, 28, 28), CIFAR] {
        let own = build(text, 7, input).unwrap();
        assert_eq!(Graph { name: "lenet5".into(), ..own }, build("lenet5", 7, input).unwrap());
    }
}

#[test]
fn mistakes_are_named_with_layer_shapes_and_mend() {
    let linear = "{op = 'flatten'}, {op = 'linear'}";
    for (layers, words) in [
        ("{op = 'cnv', channels = 3, kernel = 3}", "my.toml: layer `cnv1`: `op` = cnv must be one of conv, linear"),
        ("{op = 'cnv', channels = 3, kernel = 3}", "did you mean `conv`?"),
        ("{op = 'conv', channels = 3}", "layer `conv1`: `conv` needs `kernel`, from 1 to 31"),
        ("{op = 'conv', kernel = 0}", "`kernel` = 0 must be a whole number from 1 to 31"),
        ("{op = 'conv', kernel = 3, stride = 0}", "`stride` = 0"),
        ("{op = 'conv', kernel = 3, padding = -1}", "`padding` = -1"),
        ("{op = 'conv', kernel = 1.5}", "line 2: invalid type: floating point `1.5`, expected a whole number"),
        ("{op = 'relu', kernel = 3}", "`relu` has no `kernel`: remove it"),
        ("{op = 'conv', chanels = 3}", "line 2: unknown key `chanels`"),
        ("{channels = 3}", "missing key `op`"),
        ("{op = 'max_pool', kernel = 2, padding = 2}", "`padding` = 2 must be a whole number from 0 to 1"),
        ("{name = 'a/b', op = 'relu'}", "layer `a/b`: a name must have"),
        ("{name = 'image', op = 'relu'}", "layer `image`: the name is taken"),
        ("{name = 'a', op = 'relu'}, {name = 'a', op = 'relu'}", "layer `a`: the name is taken: choose another"),
        ("{name = 'conv1', op = 'relu'}, {op = 'relu', input = 'conv2'}", "`input` = conv2 is no layer before it"),
        ("{name = 'conv1', op = 'relu'}, {op = 'relu', input = 'conv2'}", "did you mean `conv1`?"),
        ("{op = 'add'}", "`add` needs `add`"),
        ("{op = 'add', add = 'image'}", "layer `add1`: it adds its input to itself"),
        (
            "{name = 'a', op = 'conv', channels = 8, kernel = 3}, {op = 'add', add = 'image'}",
            "model `mine`, layer `add2`: its input is 8x30x30, and what it adds is 3x32x32: only equal shapes",
        ),
        (
            "{op = 'linear'}",
            "layer `linear1`: its input is 3x32x32, and a linear layer reads maps of 1x1: put a `flatten`",
        ),
        ("{op = 'global_avg_pool'}, {op = 'max_pool', kernel = 2}", "a kernel of 2x2 does not fit its input of 3x1x1"),
        (
            "{op = 'flatten'}, {op = 'linear', channels = 9}",
            "layer `linear2`: it is the last, and gives 9x1x1 instead of 10x1x1",
        ),
        ("{op = 'flatten'}, {op = 'linear', channels = 9}", "`op = \"linear\"` without `channels`"),
        (
            &format!("{{op = 'relu'}}, {{op = 'flatten', input = 'image'}}, {linear}"),
            "layer `relu1`: no layer reads its output",
        ),
        ("", "it has 0 layers"),
        ("{op = 'conv', channels = 65536, kernel = 1, padding = 15}, {op = 'flatten'}", "too many"),
    ] {
        let found = message(layers);
        assert!(found.contains(words), "{layers}: {found}");
        for foreign in ["i64", "field", "variant"] {
            assert!(!found.contains(foreign), "{layers}: {found}");
        }
    }
    let told = |text: &str| resolve(text).unwrap_err().to_string();
    assert!(told("name = 'resnet8'\nlayer = [{op = 'relu'}]").contains("is that of a model of this program"));
    assert!(told("no-such.toml").starts_with("no-such.toml: cannot read it: "));
    assert!(told("layer = [\n]").contains("missing key `name`"));
    assert!(told(&"#\n".repeat(MOST_TEXT)).contains("more than 32768 bytes"));
    let many = format!("name = 'mine'\nlayer = [{}]", "{op='relu'},".repeat(501));
    assert!(told(&many).contains("it has 501 layers, and must have 1 to 500"));
}

/// Only weights can be trained.
#[test]
fn a_network_without_weights_is_none() {
    let told =
        Network::parse("my.toml", "name = 'a'\nlayer = [{op = 'flatten'}]").unwrap().build(3, Shape::new(3, 1, 1));
    assert!(told.unwrap_err().to_string().contains("no layer with weights"));
}
