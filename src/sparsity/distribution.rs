//! How the density of the whole network is shared out among its layers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::{Graph, Param, ParamId, ParamKind};

/// The rule that gives each prunable layer its density.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Erdős-Rényi-Kernel ([`erk`]).
    #[default]
    Erk,
    /// The same density everywhere, stem and classifier included (as ITOP; RigL keeps the first layer dense).
    Uniform,
}

/// Why densities cannot be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DistributionError {
    #[error("unknown distribution `{0}`: use `erk` or `uniform`")]
    Unknown(String),
    #[error("density {0} is outside (0, 1]: choose a sparsity (1 - density) of at least 0 and below 1")]
    Density(f64),
    #[error(
        "the first and the last layer, which stay dense, have {0} weights, and all layers may have {1}: lower the sparsity"
    )]
    Ends(usize, usize),
}

impl Distribution {
    /// The density of each prunable parameter, in parameter order, for `density` active weights in all.
    pub fn densities(self, graph: &Graph, density: f64) -> Result<Vec<f64>, DistributionError> {
        match self {
            Self::Erk => Ok(erk(graph, density)?.densities),
            Self::Uniform => Ok(vec![checked(density)?; graph.prunable().count()]),
        }
    }
}

/// `densities` with the first and the last layer dense; the others give what these get, all by the same factor. A network that does not
/// begin with a convolution stays as it is.
pub fn dense_ends(graph: &Graph, densities: Vec<f64>) -> Result<Vec<f64>, DistributionError> {
    let params: Vec<&Param> = graph.prunable().map(|(_, param)| param).collect();
    let last = params.len().saturating_sub(1);
    if params.first().is_none_or(|first| first.kind != ParamKind::ConvWeight) {
        return Ok(densities);
    }
    let is_end = |at: usize| at == 0 || at == last;
    let sum = |of: &dyn Fn(usize) -> bool, density: &dyn Fn(usize) -> f64| -> f64 {
        (0..params.len()).filter(|&at| of(at)).map(|at| density(at) * params[at].numel() as f64).sum()
    };
    let (all, ends) = (sum(&|_| true, &|at| densities[at]), sum(&is_end, &|_| 1.0));
    if ends >= all {
        return Err(DistributionError::Ends(ends as usize, all as usize));
    }
    let factor = (all - ends) / sum(&|at| !is_end(at), &|at| densities[at]);
    Ok((0..params.len()).map(|at| if is_end(at) { 1.0 } else { (factor * densities[at]).min(1.0) }).collect())
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Erk => "erk",
            Self::Uniform => "uniform",
        })
    }
}

impl FromStr for Distribution {
    type Err = DistributionError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "erk" => Ok(Self::Erk),
            "uniform" => Ok(Self::Uniform),
            _ => Err(DistributionError::Unknown(name.to_owned())),
        }
    }
}

/// An Erdős-Rényi-Kernel distribution.
#[derive(Clone, Debug, PartialEq)]
pub struct Erk {
    /// Density of a layer = `epsilon` · (sum of its dimensions) / (product of its dimensions), unless that exceeds 1.
    pub epsilon: f64,
    /// The layers that did exceed 1, in the order in which they were made dense.
    pub made_dense: Vec<ParamId>,
    /// The density of each prunable parameter, in parameter order.
    pub densities: Vec<f64>,
}

/// Erdős-Rényi-Kernel (Evci et al. 2020) with power 1: the layer that most exceeds density 1 becomes dense and `epsilon`
/// is solved again for the rest of the budget, until none exceeds it.
pub fn erk(graph: &Graph, density: f64) -> Result<Erk, DistributionError> {
    struct Layer {
        id: ParamId,
        numel: f64,
        raw: f64,
    }
    let mut layers: Vec<Layer> = graph
        .prunable()
        .map(|(id, param)| {
            let numel = param.numel() as f64;
            Layer { id, numel, raw: param.shape.iter().sum::<usize>() as f64 / numel }
        })
        .collect();
    let mut budget = checked(density)? * layers.iter().map(|layer| layer.numel).sum::<f64>();

    // A stable sort: among equals the earlier parameter becomes dense first, as in the reference code.
    layers.sort_by(|a, b| b.raw.total_cmp(&a.raw));
    let mut dense = 0;
    let mut epsilon = 0.0;
    while let Some(layer) = layers.get(dense) {
        epsilon = budget / layers[dense..].iter().map(|layer| layer.raw * layer.numel).sum::<f64>();
        if layer.raw * epsilon <= 1.0 {
            break;
        }
        budget -= layer.numel;
        dense += 1;
    }
    let made_dense = layers[..dense].iter().map(|layer| layer.id).collect();
    let density_of = |(i, layer): (usize, &Layer)| if i < dense { 1.0 } else { layer.raw * epsilon };
    let mut densities: Vec<_> = layers.iter().enumerate().map(|pair| (pair.1.id, density_of(pair))).collect();
    densities.sort_by_key(|&(id, _)| id);
    Ok(Erk { epsilon, made_dense, densities: densities.into_iter().map(|(_, density)| density).collect() })
}

/// Active weights of a layer of `numel` ≥ 1 at `density`: rounded half up, never none.
pub fn exact_nnz(density: f64, numel: usize) -> usize {
    ((density * numel as f64 + 0.5).floor() as usize).clamp(1, numel.max(1))
}

fn checked(density: f64) -> Result<f64, DistributionError> {
    if density > 0.0 && density <= 1.0 { Ok(density) } else { Err(DistributionError::Density(density)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{self, Shape};
    use proptest::prelude::*;

    #[test]
    fn erk_of_the_itop_mlp() {
        let graph = model::build("mlp_cifar10", 10, Shape::new(3, 32, 32)).unwrap();
        let erk = erk(&graph, 0.2).unwrap();
        for (density, expected) in erk.densities.iter().zip([0.16875, 0.3796875, 1.0]) {
            assert!((density - expected).abs() < 1e-12);
        }
        assert!((erk.epsilon - 129.6).abs() < 1e-9);
        assert_eq!(graph.params[erk.made_dense[0]].name, "fc3.weight");
    }

    proptest! {
        /// Whatever the model and density, the budget is spent exactly and no layer exceeds 1.
        #[test]
        fn erk_spends_the_budget(model in 0..model::NAMES.len(), density in 0.0001f64..=1.0, classes in 1usize..200) {
            let graph = model::build(model::NAMES[model], classes, Shape::new(3, 32, 32)).unwrap();
            let densities = Distribution::Erk.densities(&graph, density).unwrap();
            prop_assert!(densities.iter().all(|&d| d > 0.0 && d <= 1.0));
            let numels: Vec<_> = graph.prunable().map(|(_, param)| param.numel() as f64).collect();
            let active: f64 = densities.iter().zip(&numels).map(|(d, n)| d * n).sum();
            prop_assert!((active / numels.iter().sum::<f64>() - density).abs() < 1e-12);
        }
    }

    #[test]
    fn density_one_is_dense() {
        for name in model::NAMES {
            let graph = model::build(name, 10, Shape::new(3, 32, 32)).unwrap();
            let densities = Distribution::Erk.densities(&graph, 1.0).unwrap();
            assert!(densities.iter().all(|d| (d - 1.0).abs() < 1e-12), "{name}");
        }
    }

    #[test]
    fn bad_densities_and_names_are_refused() {
        let graph = model::build("resnet8", 10, Shape::new(3, 32, 32)).unwrap();
        for density in [0.0, -0.1, 1.0001, f64::NAN, f64::INFINITY] {
            for distribution in [Distribution::Erk, Distribution::Uniform] {
                let error = distribution.densities(&graph, density).unwrap_err();
                assert!(error.to_string().contains("outside (0, 1]"));
            }
        }
        assert!("ERK".parse::<Distribution>().unwrap_err().to_string().contains("`ERK`"));
        for distribution in [Distribution::Erk, Distribution::Uniform] {
            assert_eq!(distribution.to_string().parse(), Ok(distribution));
            assert_eq!(serde_json::to_value(distribution).unwrap(), distribution.to_string());
        }
    }

    #[test]
    fn counts_round_half_up_and_keep_one() {
        assert_eq!([exact_nnz(0.5, 5), exact_nnz(0.1, 4), exact_nnz(1.0, 7), exact_nnz(0.001, 9)], [3, 1, 7, 1]);
    }
}
