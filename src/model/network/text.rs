//! From the TOML text of a network to its layers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

use super::{Kind, Layer, Network};
use crate::model::{ModelError, NAMES};
use crate::ops::pool::{Pool, PoolKind};

/// Bytes that a description may have, and layers.
pub const MOST_TEXT: usize = 32 << 10;
const MOST_LAYERS: usize = 500;
/// Channels; side of a kernel or window; stride; padding of a convolution.
const MOST_CHANNELS: i64 = 1 << 16;
const MOST_KERNEL: i64 = 31;
const MOST_STRIDE: i64 = 16;
const MOST_PADDING: i64 = 15;

/// What the images are called.
const IMAGE: &str = "image";

/// The operations, each with the keys that it has beside `name`, `op` and `input`.
const OPS: [(&str, &[&str]); 10] = [
    ("conv", &["channels", "kernel", "stride", "padding", "bias"]),
    ("linear", &["channels", "bias"]),
    ("norm", &["add"]),
    ("norm_relu", &["add"]),
    ("relu", &["add"]),
    ("add", &["add"]),
    ("max_pool", &["kernel", "stride", "padding"]),
    ("avg_pool", &["kernel", "stride", "padding"]),
    ("global_avg_pool", &[]),
    ("flatten", &[]),
];

/// A description as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: String,
    #[serde(rename = "layer", default)]
    layers: Vec<LayerText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerText {
    name: Option<String>,
    op: String,
    input: Option<String>,
    add: Option<String>,
    channels: Option<i64>,
    kernel: Option<i64>,
    stride: Option<i64>,
    padding: Option<i64>,
    bias: Option<bool>,
}

/// Whether `model` is the text of a network, rather than a name.
pub(in crate::model) fn is_text(model: &str) -> bool {
    model.contains('\n')
}

/// What to call `model`: a name as it is, a network by its own.
pub fn name_of(model: &str) -> String {
    let own = is_text(model).then(|| Network::parse("", model).ok()).flatten();
    own.map_or_else(|| model.lines().next().unwrap_or_default().to_owned(), |network| network.name)
}

/// The text of the network that `model` means: the content of a file `….toml`, or a text as it is.
///
/// # Errors
/// When it is neither, cannot be read, or describes no network.
pub fn resolve(model: &str) -> Result<String, ModelError> {
    if is_text(model) {
        return Network::parse("the network in `model`", model).map(|_| model.to_owned());
    }
    if !model.to_lowercase().ends_with(".toml") {
        return Err(ModelError::Unknown(model.to_owned()));
    }
    let unread =
        |error: io::Error| ModelError::Network { origin: model.into(), what: format!("cannot read it: {error}") };
    let text = read(Path::new(model)).map_err(unread)?;
    Network::parse(model, &text).map(|_| text)
}

/// A little more than a description may have, so that one that is too long is noticed.
fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let mut text = String::new();
    file.take(MOST_TEXT as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// `; did you mean `near`?`, or nothing.
fn tip<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let distance = |own: &'a str| (strsim::damerau_levenshtein(name, own), own);
    let near = known.into_iter().map(distance).min().filter(|(far, _)| *far <= (name.len() / 3).max(1));
    near.map_or(String::new(), |(_, near)| format!("; did you mean `{near}`?"))
}

/// Names are parts of file names and of PyTorch's names of parameters.
fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match !name.is_empty() && name.len() <= 64 && name.chars().all(fits) && !name.contains("..") {
        true => Ok(()),
        false => Err("a name must have 1 to 64 letters, digits, `_`, `-` or single `.`".into()),
    }
}

impl Network {
    /// The network that `text`, which stands in `origin`, describes.
    ///
    /// # Errors
    /// When it is no TOML of this form; the message names `origin` and the layer.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ModelError> {
        let wrong = |what: String| ModelError::Network { origin: origin.into(), what };
        if text.len() > MOST_TEXT {
            return Err(wrong(format!("it has more than {MOST_TEXT} bytes: describe fewer layers")));
        }
        let described: Text = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| 1 + text.as_bytes()[..span.start].iter().filter(|&&b| b == b'\n').count());
            let message = error.message().trim().replace("unknown field", "unknown key");
            wrong(format!(
                "line {line}: {}",
                message.replace("missing field", "missing key").replace("i64", "a whole number")
            ))
        })?;
        let Text { name, layers } = described;
        check_name(&name).map_err(|what| wrong(format!("`name`: {what}")))?;
        if NAMES.contains(&name.as_str()) {
            return Err(wrong(format!("`name` = {name} is that of a model of this program: choose another")));
        }
        if layers.is_empty() || layers.len() > MOST_LAYERS {
            return Err(wrong(format!("it has {} layers, and must have 1 to {MOST_LAYERS}", layers.len())));
        }
        let mut numbers = HashMap::from([(IMAGE.to_owned(), 0)]);
        let mut read = Vec::new();
        for (i, layer) in layers.into_iter().enumerate() {
            let name = layer.name.clone().unwrap_or_else(|| format!("{}{}", layer.op, i + 1));
            let within = |what| wrong(format!("layer `{name}`: {what}"));
            check_name(&name).map_err(within)?;
            let layer = Layer::read(name.clone(), layer, i, &numbers).map_err(within)?;
            if numbers.insert(name.clone(), i + 1).is_some() {
                return Err(within("the name is taken: choose another".into()));
            }
            read.push(layer);
        }
        Ok(Self { name, layers: read })
    }
}

impl Layer {
    /// Layer `i` called `name`, after those in `numbers`.
    fn read(name: String, text: LayerText, i: usize, numbers: &HashMap<String, usize>) -> Result<Self, String> {
        let LayerText { op, input, add, channels, kernel, stride, padding, bias, .. } = text;
        let Some((op, keys)) = OPS.into_iter().find(|(known, _)| *known == op) else {
            let known = OPS.map(|(op, _)| op);
            return Err(format!("`op` = {op} must be one of {}{}", known.join(", "), tip(&op, known)));
        };
        for (key, given) in [
            ("channels", channels.is_some()),
            ("kernel", kernel.is_some()),
            ("stride", stride.is_some()),
            ("padding", padding.is_some()),
            ("bias", bias.is_some()),
            ("add", add.is_some()),
        ] {
            if given && !keys.contains(&key) {
                return Err(format!("`{op}` has no `{key}`: remove it"));
            }
        }
        let find = |key: &str, name: String| match numbers.get(&name) {
            Some(&number) => Ok(number),
            None => {
                let known = tip(&name, numbers.keys().map(String::as_str));
                Err(format!("`{key}` = {name} is no layer before it, nor `{IMAGE}`{known}"))
            }
        };
        let size = |key: &str, value: Option<i64>, (least, most): (i64, i64), default: Option<i64>| {
            let value = value.or(default).ok_or_else(|| format!("`{op}` needs `{key}`, from {least} to {most}"))?;
            match (least..=most).contains(&value) {
                true => Ok(value as usize),
                false => Err(format!("`{key}` = {value} must be a whole number from {least} to {most}")),
            }
        };
        let channels = channels.map(|given| size("channels", Some(given), (1, MOST_CHANNELS), None)).transpose()?;
        let bias = bias.unwrap_or(true);
        let add = add.map(|name| find("add", name)).transpose()?;
        let kind = match op {
            "conv" => Kind::Conv {
                channels,
                kernel: size("kernel", kernel, (1, MOST_KERNEL), None)?,
                stride: size("stride", stride, (1, MOST_STRIDE), Some(1))?,
                padding: size("padding", padding, (0, MOST_PADDING), Some(0))?,
                bias,
            },
            "linear" => Kind::Linear { channels, bias },
            "norm" => Kind::Pointwise { norm: true, add, relu: false },
            "norm_relu" => Kind::Pointwise { norm: true, add, relu: true },
            "relu" => Kind::Pointwise { norm: false, add, relu: true },
            "add" if add.is_none() => return Err("`add` needs `add`, the name of the layer to add".into()),
            "add" => Kind::Pointwise { norm: false, add, relu: false },
            "max_pool" | "avg_pool" => {
                let side = size("kernel", kernel, (1, MOST_KERNEL), None)?;
                Kind::Pool(Pool {
                    kind: if op == "max_pool" { PoolKind::Max } else { PoolKind::Average },
                    size: side,
                    stride: size("stride", stride, (1, MOST_STRIDE), Some(side as i64))?,
                    padding: size("padding", padding, (0, side as i64 / 2), Some(0))?,
                })
            }
            "global_avg_pool" => Kind::GlobalAvgPool,
            _ => Kind::Flatten,
        };
        let input = input.map_or(Ok(i), |name| find("input", name))?;
        Ok(Self { name, kind, input })
    }
}
