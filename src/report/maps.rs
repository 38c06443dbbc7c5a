//! The exploration of a run as pictures over its updates. Each layer has a map with an output channel per row and an input channel
//! per column. It shows how many positions of each cell are active, and how many have ever been.

use crate::ops::topology::map::{Cell, Grid};
use crate::train::frames::FrameLine;

/// Steps of each of the two scales of a map's colours.
const LEVELS: usize = 16;

/// The maps of a run, frame by frame.
#[derive(Default)]
pub struct Film {
    pub moments: Vec<Moment>,
    pub layers: Vec<LayerFilm>,
}

/// When a frame was taken, and how much was explored then.
pub struct Moment {
    pub step: usize,
    pub update: usize,
    /// Of the positions of all maps: the shares ever active, and active.
    pub explored: f64,
    pub active: f64,
}

/// A layer in every frame.
pub struct LayerFilm {
    pub name: String,
    pub grid: Grid,
    pub frames: Vec<Vec<Cell>>,
}

impl Film {
    /// From the lines of `maps.jsonl`; what does not fit to the first frame is left out, and said.
    pub fn new(lines: &[FrameLine], notes: &mut Vec<String>) -> Self {
        let mut film = Self::default();
        let mut bad = 0;
        for line in lines {
            if !film.add(line) {
                bad += 1;
            }
        }
        if bad > 0 {
            notes.push(format!("maps.jsonl: {bad} of {} frames do not fit to the others", lines.len()));
        }
        film
    }

    fn add(&mut self, line: &FrameLine) -> bool {
        let unpack = |layer: &crate::train::frames::LayerCells| Some((layer.name.clone(), layer.unpack()?));
        let Some(layers) = line.layers.iter().map(unpack).collect::<Option<Vec<_>>>() else { return false };
        let Some(last) = self.moments.last() else {
            let layer = |(name, (grid, cells))| LayerFilm { name, grid, frames: vec![cells] };
            self.layers = layers.into_iter().map(layer).collect();
            self.moments.push(self.moment(line));
            return true;
        };
        let alike =
            layers.iter().map(|(name, (grid, _))| (name, grid)).eq(self.layers.iter().map(|l| (&l.name, &l.grid)));
        if !alike || line.update <= last.update {
            return false;
        }
        for (layer, (_, (_, cells))) in self.layers.iter_mut().zip(layers) {
            layer.frames.push(cells);
        }
        self.moments.push(self.moment(line));
        true
    }

    /// The moment of the frame that the layers have last.
    fn moment(&self, line: &FrameLine) -> Moment {
        let of = |count: fn(&Cell) -> u16| {
            let cells = self.layers.iter().filter_map(|layer| layer.frames.last()).flatten();
            cells.map(|cell| f64::from(count(cell))).sum::<f64>()
        };
        let positions = |grid: &Grid| (grid.outputs * grid.inputs * grid.taps) as f64;
        let all = self.layers.iter().map(|layer| positions(&layer.grid)).sum::<f64>().max(1.0);
        let (explored, active) = (of(|cell| cell.explored) / all, of(|cell| cell.active) / all);
        Moment { step: line.step, update: line.update, explored, active }
    }
}

impl LayerFilm {
    pub fn title(&self) -> String {
        format!("{}: {} × {} channels", self.name, self.grid.outputs, self.grid.inputs)
    }

    /// A frame's cells as numbers of colours, row by row.
    pub fn colours(&self, frame: usize) -> impl Iterator<Item = u8> {
        let level = |share: f64| (share.clamp(0.0, 1.0).sqrt() * (LEVELS - 1) as f64).round() as usize;
        self.frames[frame].iter().enumerate().map(move |(i, cell)| {
            let of = |count: u16| level(f64::from(count) / self.grid.positions(i).max(1) as f64);
            (LEVELS * of(cell.explored - cell.active) + of(cell.active)) as u8
        })
    }

    /// All frames below each other as a PNG, one pixel a cell.
    pub fn sprite(&self) -> Option<Vec<u8>> {
        let rows = self.grid.rows() * self.frames.len();
        let pixels: Vec<u8> = (0..self.frames.len()).flat_map(|frame| self.colours(frame)).collect();
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.grid.columns() as u32, rows as u32);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(palette().concat());
        // Frames resemble each other from row to row of one place, which is what deflate finds by itself.
        encoder.set_filter(png::Filter::NoFilter);
        encoder.set_compression(png::Compression::Balanced);
        encoder.write_header().ok()?.write_image_data(&pixels).ok()?;
        Some(bytes)
    }

    /// The last frame as a PNG of some hundred pixels.
    pub fn still(&self) -> Option<Vec<u8>> {
        let (rows, columns) = (self.grid.rows(), self.grid.columns());
        let scale = (640 / rows.max(columns)).max(1);
        let (palette, cells) = (palette(), self.colours(self.frames.len().checked_sub(1)?).collect::<Vec<u8>>());
        let row =
            |y: usize| cells[y / scale * columns..][..columns].iter().flat_map(|&c| vec![palette[c as usize]; scale]);
        let pixels = (0..rows * scale).flat_map(row).flatten().collect();
        png_rgb((columns * scale) as u32, (rows * scale) as u32, pixels)
    }
}

/// Three bytes a pixel as a PNG.
pub fn png_rgb(width: u32, height: u32, pixels: Vec<u8>) -> Option<Vec<u8>> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_raw(width, height, pixels)?.write_to(&mut bytes, image::ImageFormat::Png).ok()?;
    Some(bytes.into_inner())
}

/// The colours of maps by number: never active is dark, once active blue, active now towards yellow. Both scales are easy to
/// tell apart for the colour-blind, and go by the root of the share, so that few positions of many are seen.
pub fn palette() -> Vec<[u8; 3]> {
    let (dark, blue, yellow) = ([24.0, 26.0, 34.0], [58.0, 124.0, 189.0], [255.0, 214.0, 74.0]);
    let mix = |from: f64, to: f64, share: f64| from + (to - from) * share;
    let colour = |number: usize| {
        let share = |level: usize| level as f64 / (LEVELS - 1) as f64;
        let (once, now) = (share(number / LEVELS), share(number % LEVELS));
        [0, 1, 2].map(|i| mix(mix(dark[i], blue[i], once), yellow[i], now) as u8)
    };
    (0..LEVELS * LEVELS).map(colour).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The film of random growth in ResNet-34 at 90 % sparsity, the hardest to compress, leaves a page below 15 MB.
    #[test]
    fn a_long_film_is_small() {
        let graph = crate::model::build("resnet34", 10, crate::model::Shape::new(3, 32, 32)).unwrap();
        // Sums of uniform draws (a linear congruential generator, which is quick) for binomial counts.
        let mut state = 1u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            [0, 16, 32, 48].iter().map(|shift| f64::from((state >> shift) as u16) / 65536.0 - 0.5).sum::<f64>() * 1.73
        };
        let mut draw = |positions: usize, share: f64| {
            let n = positions as f64;
            (n * share + noise() * (n * share * (1.0 - share)).sqrt()).round().clamp(0.0, n) as u16
        };
        let grid = |param: &crate::model::Param| {
            let taps = param.shape[2..].iter().product::<usize>().max(1);
            Grid { outputs: param.shape[0], inputs: param.shape[1], taps }
        };
        // Layers of one shape differ by their noise only.
        let mut shapes: Vec<(Grid, usize)> = Vec::new();
        for grid in graph.prunable().map(|(_, param)| grid(param)) {
            match shapes.iter_mut().find(|(known, _)| *known == grid) {
                Some((_, layers)) => *layers += 1,
                None => shapes.push((grid, 1)),
            }
        }
        let mut bytes = 0;
        for (grid, layers) in shapes {
            let mut cell = |frame: usize, i: usize| {
                let explored = draw(grid.positions(i), 0.1 + 0.8 * frame as f64 / 59.0);
                Cell { explored, active: draw(grid.positions(i), 0.1).min(explored) }
            };
            let frames = (0..60).map(|frame| (0..grid.cells()).map(|i| cell(frame, i)).collect()).collect();
            bytes += layers * LayerFilm { name: String::new(), grid, frames }.sprite().unwrap().len();
        }
        // In base64, beside everything else.
        println!("{bytes} bytes of pictures");
        assert!(bytes * 4 / 3 < 13 << 20, "{bytes} bytes");
    }

    #[test]
    fn colours_follow_the_counts() {
        let grid = Grid { outputs: 1, inputs: 3, taps: 9 };
        let cells = [(0, 0), (9, 0), (9, 9)].map(|(explored, active)| Cell { explored, active });
        let film = LayerFilm { name: "a".into(), grid, frames: vec![cells.to_vec()] };
        let colours: Vec<[u8; 3]> = film.colours(0).map(|colour| palette()[colour as usize]).collect();
        assert_eq!(colours, [[24, 26, 34], [58, 124, 189], [255, 214, 74]]);
    }
}
