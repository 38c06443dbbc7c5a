//! The exploration of a layer as a picture: out channels down, in channels across, and of each pair how many taps of the
//! kernel are active now and how many ever were; from the bitsets of the last checkpoint.

use std::fs;
use std::path::Path;

use safetensors::{SafeTensorError, SafeTensors};

use super::read::Run;
use crate::model::{self, Shape};

/// Most cells a side; larger layers are pooled.
const SIDE: usize = 128;

/// Taps of a layer's channel pairs, as shares.
pub struct LayerMap {
    pub name: String,
    /// Cells down and across.
    pub rows: usize,
    pub columns: usize,
    /// Channels.
    pub outputs: usize,
    pub inputs: usize,
    /// Share of the taps active now, and at any time, row by row.
    pub active: Vec<f32>,
    pub explored: Vec<f32>,
}

/// The maps of every sparse layer in `last.safetensors`.
pub fn layer_maps(folder: &Path, model: &str, notes: &mut Vec<String>) -> Vec<LayerMap> {
    let Ok(bytes) = fs::read(folder.join("last.safetensors")) else {
        notes.push("last.safetensors is not there: no maps".into());
        return Vec::new();
    };
    checkpoint_maps(&bytes, model).unwrap_or_else(|error| {
        notes.push(format!("last.safetensors: {error}"));
        Vec::new()
    })
}

/// The maps of every sparse layer in a checkpoint's bytes.
///
/// # Errors
/// When the bytes are no `safetensors` file.
pub fn checkpoint_maps(bytes: &[u8], model: &str) -> Result<Vec<LayerMap>, SafeTensorError> {
    let tensors = SafeTensors::deserialize(bytes)?;
    let Ok(graph) = model::build(model, 10, Shape::new(3, 32, 32)) else { return Ok(Vec::new()) };
    let map = |(_, param): (_, &model::Param)| {
        let bits = |kind: &str| tensors.tensor(&format!("{kind}.{}", param.name)).ok().map(|view| view.data().to_vec());
        let (active, explored) = (bits("active")?, bits("explored")?);
        let (inputs, taps) = (*param.shape.get(1)?, param.shape.iter().skip(2).product::<usize>().max(1));
        // The classifier has as many rows as the data has classes, not as the graph built here.
        let row = inputs * taps;
        let fits = param.shape[0] * row;
        let outputs = if active.len() == 4 * fits.div_ceil(32) { param.shape[0] } else { 8 * active.len() / row };
        (active.len() == explored.len() && outputs * row <= 8 * active.len() && outputs * inputs > 0)
            .then(|| pooled(&param.name, [outputs, inputs, taps], &active, &explored))
    };
    Ok(graph.maskable().filter_map(map).collect())
}

fn pooled(name: &str, [outputs, inputs, taps]: [usize; 3], active: &[u8], explored: &[u8]) -> LayerMap {
    let (down, across) = (outputs.div_ceil(SIDE), inputs.div_ceil(SIDE));
    let (rows, columns) = (outputs.div_ceil(down), inputs.div_ceil(across));
    let shares = |bits: &[u8]| {
        let mut set = vec![0u32; rows * columns];
        let mut all = vec![0u32; rows * columns];
        for pair in 0..outputs * inputs {
            let cell = pair / inputs / down * columns + pair % inputs / across;
            for index in pair * taps..(pair + 1) * taps {
                set[cell] += u32::from(bits[index / 8] >> (index % 8) & 1);
                all[cell] += 1;
            }
        }
        set.iter().zip(&all).map(|(&set, &all)| set as f32 / all.max(1) as f32).collect()
    };
    LayerMap { name: name.into(), rows, columns, outputs, inputs, active: shares(active), explored: shares(explored) }
}

/// Every map of a run as a PNG of some hundred pixels, with the layer's name.
pub fn pictures(run: &Run) -> Vec<(String, Vec<u8>)> {
    let picture = |map: &LayerMap| Some((map.name.clone(), map.png((640 / map.rows.max(map.columns)).max(1) as u32)?));
    run.maps.iter().filter_map(picture).collect()
}

impl LayerMap {
    /// A PNG, `scale` pixels a cell: never active is dark, once active blue, active now towards yellow.
    pub fn png(&self, scale: u32) -> Option<Vec<u8>> {
        let (width, height) = (self.columns as u32 * scale, self.rows as u32 * scale);
        let picture = image::RgbImage::from_fn(width, height, |x, y| {
            let cell = (y / scale) as usize * self.columns + (x / scale) as usize;
            colour(self.active[cell], self.explored[cell])
        });
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Png).ok()?;
        Some(bytes.into_inner())
    }
}

/// Between never (dark), once (blue) and now (yellow); both scales are easy to tell apart for the colour-blind.
fn colour(active: f32, explored: f32) -> image::Rgb<u8> {
    let (dark, blue, yellow) = ([24.0, 26.0, 34.0], [58.0, 124.0, 189.0], [255.0, 214.0, 74.0]);
    let mix = |from: f32, to: f32, share: f32| from + (to - from) * share;
    let once = (explored - active).clamp(0.0, 1.0).sqrt();
    let now = active.clamp(0.0, 1.0).sqrt();
    image::Rgb([0, 1, 2].map(|i| mix(mix(dark[i], blue[i], once), yellow[i], now) as u8))
}
