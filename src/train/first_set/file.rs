//! First sets in files: masks that people bring, and the set that a run folder keeps. One tensor a prunable weight, of its name
//! in PyTorch and of its shape; what is not zero is active.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use thiserror::Error;

use super::{FirstSet, LayerSet, State, npz};
use crate::model::Graph;
use crate::sparsity::Structure;
use crate::train::keys::nearest;
use crate::train::run_folder::read_up_to;

/// A mask that no run can start with.
#[derive(Debug, Error)]
pub enum MaskError {
    #[error("cannot read the mask `{}`: {message}", .path.display())]
    Read { path: PathBuf, message: String },
    #[error(
        "the mask `{}` has changed since the run began with it: `{name}` is another set; put it back as it was, or take it away: \
         the run keeps its own in `{}`", .path.display(), .kept.display()
    )]
    Changed { path: PathBuf, name: String, kept: PathBuf },
    #[error("the mask `{}` is for another network: {what}", .path.display())]
    Network { path: PathBuf, what: String },
    #[error("the mask `{}`: `{name}` {what}", .path.display())]
    Layer { path: PathBuf, name: String, what: String },
}

/// A tensor as a file has it.
pub(super) struct Tensor<'a> {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Little endian, row by row.
    pub data: Cow<'a, [u8]>,
}

/// Bytes that the header of a file for `graph` may have: a name, a type, a shape and two offsets a tensor, and some more.
fn most_header(graph: &Graph) -> u64 {
    16384 + graph.params.iter().map(|param| param.name.len() as u64 + 256).sum::<u64>()
}

/// Bytes that a file for `graph` may have: eight a weight.
fn most_bytes(graph: &Graph) -> u64 {
    most_header(graph) + graph.prunable().map(|(_, param)| 8 * param.numel() as u64).sum::<u64>()
}

/// Reads the mask in `path` for a network: its prunable weights in their order.
///
/// # Errors
/// When it cannot be read, is of another network or shape, leaves a layer without weights, or has not the `structure`.
pub fn read(path: &Path, graph: &Graph, structure: Structure) -> Result<FirstSet, MaskError> {
    let bytes = read_up_to(path, most_bytes(graph))
        .map_err(|error| MaskError::Read { path: path.into(), message: error.to_string() })?;
    parse(&bytes, path, graph, structure)
}

/// The same of a file's bytes, which `path` names in messages.
///
/// # Errors
/// As those of [`read`].
pub fn parse(bytes: &[u8], path: &Path, graph: &Graph, structure: Structure) -> Result<FirstSet, MaskError> {
    let unreadable = |message: String| MaskError::Read { path: path.into(), message };
    let tensors = tensors(bytes, most_header(graph), most_bytes(graph)).map_err(unreadable)?;
    let known: Vec<&str> = graph.prunable().map(|(_, param)| param.name.as_str()).collect();
    let other = |what| MaskError::Network { path: path.into(), what };
    if let Some(name) = tensors.keys().find(|name| !known.contains(&name.as_str())) {
        let near =
            nearest(name, known.iter().copied()).map_or_else(String::new, |near| format!(" (the nearest is `{near}`)"));
        let what = format!(
            "`{name}` is no prunable weight of {}{near}; it must have one tensor for each of {}",
            graph.name,
            known.join(", ")
        );
        return Err(other(what));
    }
    let mut layers = Vec::new();
    for (_, param) in graph.prunable() {
        let Some(tensor) = tensors.get(&param.name) else {
            let what = format!(
                "it has no tensor `{}`; it must have one for each prunable weight of {}: {}",
                param.name,
                graph.name,
                known.join(", ")
            );
            return Err(other(what));
        };
        let wrong = |what| MaskError::Layer { path: path.into(), name: param.name.clone(), what };
        if tensor.shape != param.shape {
            return Err(wrong(format!("is of shape {:?}, and the weight is {:?}", tensor.shape, param.shape)));
        }
        let active = active(tensor).map_err(wrong)?;
        layers.push(LayerSet { name: param.name.clone(), shape: param.shape.clone(), active });
    }
    let set = FirstSet { layers, state: None };
    set.check(structure).map_err(|(name, what)| MaskError::Layer { path: path.into(), name, what })?;
    Ok(set)
}

/// The tensors in a file's bytes.
fn tensors(bytes: &[u8], most_header: u64, most: u64) -> Result<BTreeMap<String, Tensor<'_>>, String> {
    if npz::is_npz(bytes) {
        return npz::tensors(bytes, most);
    }
    let header = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    if header > most_header {
        return Err(format!(
            "its header claims {header} bytes, and {most_header} are the most; is it a `.safetensors` file?"
        ));
    }
    let (length, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let data = &bytes[8 + length..];
    let tensor = |(name, info): (String, &safetensors::tensor::TensorInfo)| {
        let (first, last) = info.data_offsets;
        let data = data.get(first..last).ok_or_else(|| format!("`{name}` lies outside of the file"))?;
        Ok((name, Tensor { dtype: info.dtype, shape: info.shape.clone(), data: Cow::Borrowed(data) }))
    };
    header.tensors().into_iter().map(tensor).collect()
}

/// Which numbers of a tensor are not zero.
fn active(tensor: &Tensor) -> Result<Vec<bool>, String> {
    // A float is zero with either sign.
    let (bytes, is_float) = match tensor.dtype {
        Dtype::BOOL | Dtype::U8 | Dtype::I8 => (1, false),
        Dtype::U16 | Dtype::I16 => (2, false),
        Dtype::U32 | Dtype::I32 => (4, false),
        Dtype::U64 | Dtype::I64 => (8, false),
        Dtype::F16 | Dtype::BF16 => (2, true),
        Dtype::F32 => (4, true),
        Dtype::F64 => (8, true),
        other => {
            return Err(format!("is of type {other:?}; use booleans, whole numbers, or floats of 16 bits or more"));
        }
    };
    let sign = if is_float { 0x7f } else { 0xff };
    let set = |number: &[u8]| {
        let (top, rest) = number.split_last().unwrap_or((&0, &[]));
        top & sign != 0 || rest.iter().any(|&byte| byte != 0)
    };
    Ok(tensor.data.chunks_exact(bytes).map(set).collect())
}

/// Reads what a run's weights go back to, of the network of `graph`.
///
/// # Errors
/// When it cannot be read, or is of another network.
pub(in crate::train) fn read_state(path: &Path, graph: &Graph) -> Result<State, MaskError> {
    let unreadable = |message: String| MaskError::Read { path: path.into(), message };
    let values = graph.params.iter().map(|param| (format!("value.{}", param.name), param.numel()));
    // As they lie in GPU memory, in whole units of 16 bytes.
    let running = graph.norms().map(|norm| {
        (format!("running.{}", norm.name), (8 * graph.params[norm.weight].numel()).next_multiple_of(16) / 4)
    });
    let wanted: Vec<(String, usize)> = values.chain(running).collect();
    let most = 2 * most_header(graph) + wanted.iter().map(|(_, length)| 4 * *length as u64).sum::<u64>();
    let bytes = read_up_to(path, most).map_err(|error| unreadable(error.to_string()))?;
    let tensors = tensors(&bytes, 2 * most_header(graph), most).map_err(unreadable)?;
    let found = wanted.iter().map(|(name, length)| match tensors.get(name) {
        Some(tensor) if tensor.dtype == Dtype::F32 && tensor.data.len() == 4 * length => {
            Ok(bytemuck::pod_collect_to_vec(&tensor.data))
        }
        _ => Err(unreadable(format!("it has no `{name}` of {length} floats"))),
    });
    let mut values: Vec<Vec<f32>> = found.collect::<Result<_, _>>()?;
    let running = values.split_off(graph.params.len());
    Ok(State { values, running })
}

impl State {
    /// As the bytes of a `.safetensors` file, which [`read_state`] reads, of the network of `graph`.
    pub(in crate::train) fn to_bytes(&self, graph: &Graph) -> Result<Vec<u8>, safetensors::SafeTensorError> {
        let values =
            graph.params.iter().zip(&self.values).map(|(param, values)| (format!("value.{}", param.name), values));
        let running = graph.norms().zip(&self.running).map(|(norm, values)| (format!("running.{}", norm.name), values));
        let mut tensors: Vec<(String, TensorView)> = Vec::new();
        for (name, values) in values.chain(running) {
            tensors.push((name, TensorView::new(Dtype::F32, vec![values.len()], bytemuck::cast_slice(values))?));
        }
        safetensors::serialize(tensors, None)
    }
}

impl FirstSet {
    /// Itself, if it is one of the network of `graph`.
    pub(in crate::train) fn of(&self, graph: &Graph, structure: Structure) -> Result<&Self, MaskError> {
        let path = PathBuf::from("first set");
        let same = |((_, param), layer): ((usize, &crate::model::Param), &LayerSet)| {
            (&param.name, &param.shape, param.numel()) == (&layer.name, &layer.shape, layer.active.len())
        };
        if self.layers.len() != graph.prunable().count() || !graph.prunable().zip(&self.layers).all(same) {
            return Err(MaskError::Network { path, what: format!("its layers are not those of {}", graph.name) });
        }
        self.check(structure).map_err(|(name, what)| MaskError::Layer { path, name, what })?;
        Ok(self)
    }

    /// Whether each layer has active weights, and they are as `structure` has them; else the layer's name, and what is wrong.
    pub fn check(&self, structure: Structure) -> Result<(), (String, String)> {
        for LayerSet { name, shape, active } in &self.layers {
            let wrong = |what: String| Err((name.clone(), what));
            if !active.contains(&true) {
                return wrong("has no active weight: nothing would reach what follows; keep one at least".into());
            }
            let (outputs, length) = (shape[0], shape[1..].iter().product::<usize>());
            let holds = match structure.of_layer(outputs) {
                Structure::Unstructured => true,
                Structure::Block(block) => {
                    (0..active.len()).all(|i| active[i] == active[i / length / block * block * length + i % length])
                }
                Structure::FanIn => {
                    let count = |row: &[bool]| row.iter().filter(|&&set| set).count();
                    active.chunks(length).all(|row| count(row) == count(&active[..length]))
                }
            };
            if !holds {
                let needs = match structure {
                    Structure::FanIn => "as many active weights in each output channel".into(),
                    structure => format!("whole blocks of {} output channels", structure.block()),
                };
                return wrong(format!(
                    "has not structure = {structure}, which needs {needs}: use structure = unstructured"
                ));
            }
        }
        Ok(())
    }

    /// As the bytes of a `.safetensors` file, which [`parse`] reads; `origin` says in its metadata where the set comes from.
    ///
    /// # Errors
    /// When a name or a size cannot be written; those of a network can.
    pub fn to_bytes(&self, origin: &str) -> Result<Vec<u8>, safetensors::SafeTensorError> {
        let bytes: Vec<Vec<u8>> =
            self.layers.iter().map(|layer| layer.active.iter().map(|&set| u8::from(set)).collect()).collect();
        let tensors: Vec<(&str, TensorView)> = (self.layers.iter().zip(&bytes))
            .map(|(layer, data)| Ok((layer.name.as_str(), TensorView::new(Dtype::BOOL, layer.shape.clone(), data)?)))
            .collect::<Result<_, safetensors::SafeTensorError>>()?;
        safetensors::serialize(tensors, Some([("itop".to_string(), origin.to_string())].into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{self, Shape};

    fn graph() -> Graph {
        model::build("resnet8", 10, Shape::new(3, 32, 32)).unwrap()
    }

    fn every_third(graph: &Graph) -> FirstSet {
        let third = |(_, param): (usize, &model::Param)| (0..param.numel()).map(|i| i % 3 == 1).collect();
        FirstSet::new(graph, graph.prunable().map(third).collect())
    }

    fn refused(set: &FirstSet, structure: Structure) -> String {
        let bytes = set.to_bytes("test").unwrap();
        parse(&bytes, Path::new("m.safetensors"), &graph(), structure).unwrap_err().to_string()
    }

    #[test]
    fn a_set_is_read_back() {
        let (graph, set) = (graph(), every_third(&graph()));
        let bytes = set.to_bytes("test").unwrap();
        assert_eq!(parse(&bytes, Path::new("m"), &graph, Structure::Unstructured).unwrap(), set);
        assert!(bytes.len() as u64 <= most_bytes(&graph));
    }

    /// Each is named, with what would do.
    #[test]
    fn masks_that_do_not_fit_are_refused() {
        let set = every_third(&graph());
        type Change = fn(&mut FirstSet);
        let changes: [(Change, &[&str]); 5] = [
            (
                |set| set.layers[0].name = "conv1.weihgt".into(),
                &["conv1.weihgt", "nearest is `conv1.weight`", "classifier.weight"],
            ),
            (|set| drop(set.layers.pop()), &["no tensor `classifier.weight`", "resnet8"]),
            (|set| set.layers[1].shape.swap(0, 3), &["`layer1.0.conv1.weight`", "[3, ", "and the weight is ["]),
            (|set| set.layers[2].active.fill(false), &["`layer1.0.conv2.weight` has no active weight", "keep one"]),
            (
                |set| set.layers.iter_mut().for_each(|layer| layer.name.insert_str(0, "module.")),
                &["`module.", "(the nearest is `"],
            ),
        ];
        for (change, words) in changes {
            let mut changed = set.clone();
            change(&mut changed);
            let message = refused(&changed, Structure::Unstructured);
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
        }
        for (structure, words) in
            [(Structure::Block(4), "whole blocks of 4"), (Structure::FanIn, "as many active weights")]
        {
            let message = refused(&set, structure);
            assert!(message.contains(words) && message.contains("structure = unstructured"), "{message}");
        }
    }

    #[test]
    fn what_is_not_zero_is_active() {
        let tensor = |dtype, data: &[u8]| active(&Tensor { dtype, shape: vec![], data: data.to_vec().into() });
        assert_eq!(tensor(Dtype::U8, &[0, 1, 255, 128]).unwrap(), [false, true, true, true]);
        let floats = [0.0f32, -0.0, 1e-42, -2.0].map(f32::to_le_bytes).concat();
        assert_eq!(tensor(Dtype::F32, &floats).unwrap(), [false, false, true, true]);
        assert_eq!(tensor(Dtype::I64, &[[0; 8], (1i64 << 40).to_le_bytes()].concat()).unwrap(), [false, true]);
        assert!(tensor(Dtype::F8_E4M3, &[0]).unwrap_err().contains("booleans"));
    }
}
