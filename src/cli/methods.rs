//! `itop train --method help`: every method with its source, its cost and its memory; `docs/methods.md` has the same table.

use super::text::fold;
use crate::sparsity::{DenseGradient, Init, Method};

/// What a list of the methods has to say first.
pub const LEGEND: &str = "FLOPs are those of a training step for one image, in RigL's accounting: `f_S` is a forward pass of the \
    active weights, `f_D` of all weights. Memory is what the prunable weights take beside the activations.";

/// FLOPs of a training step.
fn flops(method: &Method) -> String {
    if method.init == Init::Dense {
        return "3 f_D".into();
    }
    let step = match method.growth().map_or(DenseGradient::Never, |growth| growth.dense_gradient) {
        DenseGradient::Never => "3 f_S",
        DenseGradient::AtUpdates => "3 f_S; a step with an update 2 f_S + f_D",
        DenseGradient::EveryStep => "2 f_S + f_D",
    };
    let shrinks = if method.shrinks { "; f_S falls from f_D (`shrink.initial_sparsity` lowers that)" } else { "" };
    let before = match method.init {
        Init::Snip => "; before training 3 f_D for each of 10 images a class, at least 128",
        Init::Synflow => "; before training 100 passes of one image",
        Init::Lottery => "; before that a dense training of 3 f_D, and with `lottery.rounds` more",
        Init::Dense | Init::Random | Init::Mask => "",
    };
    format!("{step}{shrinks}{before}")
}

/// What the weights take.
fn memory(method: &Method) -> String {
    if method.init == Init::Dense {
        return "weights and momentum".into();
    }
    let set = "active weights, their momentum and index, two bits a weight";
    let state = if method.growth().is_some_and(|growth| growth.state) { ", a float a weight" } else { "" };
    let scratch = match method.growth().map_or(DenseGradient::Never, |growth| growth.dense_gradient) {
        DenseGradient::Never => "",
        _ => ", a float for each weight of the largest layer",
    };
    let shrinks = if method.shrinks { "; planned for the start, and less as the set shrinks" } else { "" };
    let before = if method.init.is_found() { "; before training all weights and gradients" } else { "" };
    format!("{set}{state}{scratch}{shrinks}{before}")
}

/// The list that `--method help` prints.
pub fn list() -> String {
    let method = |method: &Method| {
        let (flops, memory) = (flops(method), memory(method));
        fold(&format!("{}: {}", method.name, method.about)) + &fold(&format!("  FLOPs: {flops}; memory: {memory}"))
    };
    Method::ALL.iter().map(method).collect::<String>() + "\n" + &fold(LEGEND)
}

/// The table of `docs/methods.md`.
#[cfg(test)]
fn markdown() -> String {
    let row = |method: &Method| {
        format!("| `{}` | {} | {} | {} |\n", method.name, method.about, flops(method), memory(method))
    };
    let head = "| method | rule and source | FLOPs of a step | memory |\n|---|---|---|---|\n";
    std::iter::once(head.into()).chain(Method::ALL.iter().map(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_the_table() {
        let doc = include_str!("../../docs/methods.md");
        assert!(doc.contains(&markdown()), "docs/methods.md must have this table:\n{}", markdown());
    }

    #[test]
    fn every_method_is_listed() {
        let list = list();
        assert!(Method::NAMES.iter().all(|name| list.contains(&format!("{name}: "))), "{list}");
    }
}
