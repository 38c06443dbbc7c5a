//! Reads what a run has left: its configuration, the lines of its logs, and the active sets of its last checkpoint. What the
//! files hold is in `docs/run-folder.md`.
//!
//! `cargo run --example read_run_folder FOLDER`

use std::error::Error;
use std::fs;
use std::path::Path;

use itop::train::Config;
use itop::train::run_folder::{ExplorationLine, MetricLine};
use safetensors::SafeTensors;
use serde::de::DeserializeOwned;

/// The lines of a log. (That of a run under way may end with half a line; here that is an error.)
fn lines<T: DeserializeOwned>(log: &Path) -> Result<Vec<T>, Box<dyn Error>> {
    Ok(fs::read_to_string(log)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// The positions of a bitset, in flat order: 32 to a word, the lowest bit first.
fn positions(bits: &[u8]) -> Vec<usize> {
    (0..8 * bits.len()).filter(|&i| bits[i / 8] >> (i % 8) & 1 == 1).collect()
}

/// The run in `folder`, as text.
pub fn describe(folder: &Path) -> Result<String, Box<dyn Error>> {
    let config = Config::of_run(folder)?;
    let mut text =
        format!("{} on {}, {}, sparsity {}\n", config.model, config.data, config.method.name, config.sparsity);
    for line in lines(&folder.join("metrics.jsonl"))? {
        if let MetricLine::Epoch { epoch, loss, val_accuracy, .. } = line {
            text += &format!("epoch {epoch}: loss {loss:.3}, validation accuracy {val_accuracy:?}\n");
        }
    }
    for update in lines::<ExplorationLine>(&folder.join("exploration.jsonl"))? {
        let grown: usize = update.layers.iter().map(|layer| layer.grown).sum();
        text += &format!("step {}: {grown} weights grown, ITOP rate {:.3}\n", update.step, update.itop_rate);
    }
    let bytes = fs::read(folder.join("last.safetensors"))?;
    let checkpoint = SafeTensors::deserialize(&bytes)?;
    for (name, bits) in checkpoint.iter() {
        let Some(layer) = name.strip_prefix("active.") else { continue };
        let positions = positions(bits.data());
        // The weights themselves, in the order of the positions: f32, little-endian.
        let value = checkpoint.tensor(&format!("value.{layer}"))?;
        assert_eq!(value.data().len(), 4 * positions.len(), "{layer}");
        text += &format!("{layer}: {} weights, the first at position {:?}\n", positions.len(), positions.first());
    }
    Ok(text)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("which run folder?")?;
    print!("{}", describe(Path::new(&folder))?);
    Ok(())
}
